"""Who a WhatsApp update is about: handles and names out of signed fields, and changes of handle. Pure.

A person is known by a BSUID (one for each business portfolio and user, new after a change of number), by a phone
number, or by both; since April 2026 the phone may be missing. What the channel says is kept as it came: no
number is judged, completed or shortened here (Argentine mobiles keep their 9).
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from inbox_channels._graph.reading import Json, child, children, word
from inbox_daemon.model import Handle, Sender

_PHONE = re.compile(r"\+?([0-9]{5,20})")
_BSUID = re.compile(r"[A-Z]{2}\.\S{1,200}")
_PUNCTUATION = re.compile(r"[\s().\u00a0-]+")
_WHOLE_NUMBER = re.compile(r"\+[0-9]{5,20}|[1-9][0-9]{10,19}")
"""With its country code: by its plus, or because no number is that long without one."""


class People:
    """The `contacts` beside some messages, by id, and whose BSUIDs are in them (`scope`)."""

    def __init__(self, contacts: Iterable[Json], scope: str) -> None:
        self._scope = scope
        self._by_user_id: dict[str, Json] = {}
        self._by_phone: dict[str, Json] = {}
        self._by_phone_alone: dict[str, Json] = {}
        """Of contacts that have no user_id, so that they can't be another person of the same number."""
        for contact in contacts:
            user_id, digits = word(contact, "user_id"), word(contact, "wa_id").removeprefix("+")
            self._by_user_id.setdefault(user_id, contact)
            self._by_phone.setdefault(digits, contact)
            if not user_id:
                self._by_phone_alone.setdefault(digits, contact)

    def handles(self, user_id: str, phone: str) -> tuple[Handle, ...]:
        """Handles in order of trust: the BSUID first, then the phone."""
        found = _PHONE.fullmatch(phone)
        bsuid = (Handle(kind="bsuid", value=user_id, scope=self._scope),) if user_id else ()
        return bsuid + ((Handle(kind="phone", value=f"+{found[1]}"),) if found else ())

    def sender(self, user_id: str, phone: str) -> Sender:
        """The person with this BSUID and this phone (either may be empty), completed from the matching contact.

        Contacts are matched by id, never by place in the list: several people share one body.
        """
        user_id, phone = user_id.strip(), phone.strip()
        if not user_id and _BSUID.fullmatch(phone):
            user_id, phone = phone, ""
        contact = self._contact(user_id, phone)
        profile = child(contact, "profile")
        name = word(profile, "name").strip() or word(profile, "username").strip().removeprefix("@")
        handles = self.handles(user_id or word(contact, "user_id").strip(), phone or word(contact, "wa_id").strip())
        return Sender(name=name or None, handles=handles)

    def _contact(self, user_id: str, phone: str) -> Json:
        by_phone = self._by_phone_alone if user_id else self._by_phone
        by_id = self._by_user_id.get(user_id) if user_id else None
        return by_id or (by_phone.get(phone.removeprefix("+")) if phone else None) or {}


def changed_handles(item: Json, people: People) -> tuple[tuple[Handle, ...], tuple[Handle, ...]]:
    """(old, new) handles of a `system` item; either is empty when the item does not say.

    Forms: `user_changed_number` and `user_changed_user_id` (August 2026, with previous_user_id), and the older
    `customer_changed_number` with `new_wa_id` or `wa_id`, whose old number stands in `customer` or `from`.
    """
    system = child(item, "system")
    new_id, new_phone = word(system, "user_id"), word(system, "wa_id") or word(system, "new_wa_id")
    old_id = word(system, "previous_user_id") or word(item, "from_user_id")
    old_phone = word(item, "from") or word(system, "customer")
    old = people.handles("" if old_id == new_id else old_id, "" if old_phone == new_phone else old_phone)
    return old, people.handles(new_id, new_phone)


def shared_phone(item: Json) -> str:
    """The sender's own number, where they shared it when asked (`contact_request`); else empty.

    WhatsApp itself fills in that card, so it is as good as `from`. Any other card is of anybody (`origin` is "other"),
    and so is one that was passed on. `origin` stands with the card, in an earlier form with the message.
    Source: whatsapp/business-scoped-user-ids (May 2026).
    """
    cards, context = children(item, "contacts"), child(item, "context")
    if (
        word(item, "type") != "contacts"
        or len(cards) != 1
        or context.get("forwarded")
        or context.get("frequently_forwarded")
    ):
        return ""
    if (word(cards[0], "origin") or word(item, "origin")) != "contact_request":
        return ""
    found = {_number(phone) for phone in children(cards[0], "phones")} - {""}
    return found.pop() if len(found) == 1 else ""


def _number(phone: Json) -> str:
    given = word(phone, "wa_id") or _PUNCTUATION.sub("", word(phone, "phone"))
    return given.removeprefix("+") if _WHOLE_NUMBER.fullmatch(given) else ""
