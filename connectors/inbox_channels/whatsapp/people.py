"""Who a WhatsApp update is about: handles and names out of signed fields, and changes of handle. Pure.

A person is known by a BSUID (one for each business portfolio and user, new after a change of number), by a phone
number, or by both; since April 2026 the phone may be missing. What the channel says is kept as it came: no
number is judged, completed or shortened here (Argentine mobiles keep their 9).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from inbox_channels._graph.reading import Json, child, word
from inbox_daemon.model import Handle, Sender

_PHONE = re.compile(r"\+?([0-9]{5,20})")
_BSUID = re.compile(r"[A-Z]{2}\.\S{1,200}")


@dataclass(frozen=True, slots=True, kw_only=True)
class People:
    """The `contacts` beside some messages, and whose BSUIDs are in them (`scope`)."""

    contacts: Sequence[Json]
    scope: str

    def handles(self, user_id: str, phone: str) -> tuple[Handle, ...]:
        """Handles in order of trust: the BSUID first, then the phone."""
        found = _PHONE.fullmatch(phone)
        bsuid = (Handle(kind="bsuid", value=user_id, scope=self.scope),) if user_id else ()
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
        digits = phone.removeprefix("+")
        for contact in self.contacts:
            if user_id and word(contact, "user_id") == user_id:
                return contact
        for contact in self.contacts:
            other = bool(user_id and word(contact, "user_id"))
            if digits and not other and word(contact, "wa_id").removeprefix("+") == digits:
                return contact
        return {}


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
