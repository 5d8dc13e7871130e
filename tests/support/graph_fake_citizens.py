"""Citizens with phones, and Meta's side of delivering what they write: bodies, signatures, batches, repeats, disorder.

ana = Phone(number="5493624000001", bsuid="AR.1001", name="Ana Invento")
content = body([ana.text("Hola", at=now)])
headers = sign(content, SECRET)
"""

from __future__ import annotations

import hashlib
import hmac
import itertools
import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Protocol

WABA_ID = "100000000000001"
PHONE_NUMBER_ID = "100000000000002"
SECRET = "secret-of-the-fake-app"

Update = dict[str, Any]
"""One update as a fragment of a webhook's `value`: its own contacts, and one message or status."""

_serial = itertools.count(1)


class Menu(Protocol):
    """A menu as it came to a phone (`graph_fake_sends.Received`)."""

    @property
    def wamid(self) -> str: ...
    @property
    def choices(self) -> tuple[tuple[str, str], ...]: ...
    @property
    def buttons(self) -> bool: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Phone:
    """One citizen's WhatsApp. Without `number` they hide it; without `bsuid` it is an update of before 2026."""

    number: str | None = None
    bsuid: str | None = None
    name: str | None = None
    username: str | None = None

    @property
    def key(self) -> str:
        """What tells this citizen from others in a test."""
        return self.bsuid or self.number or ""

    def text(self, words: str, *, at: datetime, id: str | None = None, reply_to: str | None = None) -> Update:  # noqa: A002
        """They write `words`."""
        context = {"context": {"from": "543624000000", "id": reply_to}} if reply_to else {}
        return self.message("text", {"body": words}, at=at, id=id, **context)

    def media(self, kind: str, media: Mapping[str, Any], *, at: datetime, id: str | None = None) -> Update:  # noqa: A002
        """They send an image, video, audio, document or sticker (`GraphFake.add_file` makes `media`)."""
        return self.message(kind, dict(media), at=at, id=id)

    def edit(self, target: str, words: str, *, at: datetime) -> Update:
        """They change what they wrote."""
        new = {"type": "text", "text": {"body": words}}
        return self.message("edit", {"original_message_id": target, "message": new}, at=at)

    def revoke(self, target: str, *, at: datetime) -> Update:
        """They withdraw what they wrote."""
        return self.message("revoke", {"original_message_id": target}, at=at)

    def react(self, target: str, emoji: str, *, at: datetime) -> Update:
        """They react; an empty `emoji` takes it back."""
        return self.message("reaction", {"message_id": target, **({"emoji": emoji} if emoji else {})}, at=at)

    def choose(self, menu: Menu, choice_id: str, *, at: datetime) -> Update:
        """They tap the button or line with this id of a menu that they received (`GraphFake.inbox`)."""
        title = dict(menu.choices)[choice_id]
        kind = "button_reply" if menu.buttons else "list_reply"
        part = {"type": kind, kind: {"id": choice_id, "title": title}}
        return self.message("interactive", part, at=at, context={"from": "543624000000", "id": menu.wamid})

    def share(self, number: str, request: str, *, at: datetime) -> Update:
        """They tap the button of a request for their number, which WhatsApp fills in by itself."""
        cards = [{"phones": [{"phone": f"+{number}", "wa_id": number}], "origin": "contact_request"}]
        return self.message("contacts", cards, at=at, context={"from": "543624000000", "id": request})

    def message(self, kind: str, part: Any, *, at: datetime, id: str | None = None, **more: Any) -> Update:  # noqa: A002
        """They send anything: `part` is the object under the type's name."""
        sender = {"from": self.number, "from_user_id": self.bsuid}
        message = {
            **{key: value for key, value in sender.items() if value},
            "id": id or f"wamid.IN{next(_serial):08d}",
            "timestamp": str(int(at.timestamp())),
            "type": kind,
            kind: part,
            **more,
        }
        return {"contacts": [self._contact()], "messages": [message]}

    def _contact(self) -> dict[str, Any]:
        profile = {"name": self.name, "username": self.username and f"@{self.username}"}
        ids = {"wa_id": self.number, "user_id": self.bsuid}
        known = {key: value for key, value in profile.items() if value}
        return {**({"profile": known} if known else {}), **{key: value for key, value in ids.items() if value}}


def status_update(
    wamid: str, state: str, *, at: datetime, recipient: str = "", tag: str = "", error: int | None = None
) -> Update:
    """What became of a send. A failed one has neither contacts nor the BSUID, as at Meta."""
    status: dict[str, Any] = {"id": wamid, "status": state, "timestamp": str(int(at.timestamp()))}
    if recipient:
        status["recipient_id"] = recipient
    if tag:
        status["biz_opaque_callback_data"] = tag
    if error is not None:
        details = {"details": "invented details"}
        status["errors"] = [{"code": error, "title": "invented", "message": "invented", "error_data": details}]
    return {"statuses": [status]}


def without_contacts(update: Update) -> Update:
    """The same update as Meta sends it where contacts are missing."""
    return {key: value for key, value in update.items() if key != "contacts"}


def body(
    updates: Sequence[Update],
    *,
    phone_number_id: str = PHONE_NUMBER_ID,
    waba_id: str = WABA_ID,
    values: int = 0,
    entries: int = 1,
) -> bytes:
    """One webhook body with all `updates` in order, in the escaped form that Meta signs.

    `values` bundles that many updates into each change's value (0: each has a change of its own), `entries` spreads
    the changes over so many entries.
    """
    bundles = _chunks(updates, max(values, 1))
    changes = [{"field": "messages", "value": _value(bundle, phone_number_id)} for bundle in bundles]
    shares = _chunks(changes, -(-len(changes) // entries) or 1)
    entry = [{"id": waba_id, "changes": list(share)} for share in shares]
    return json.dumps({"object": "whatsapp_business_account", "entry": entry}, separators=(",", ":")).encode()


def _value(updates: Sequence[Update], phone_number_id: str) -> dict[str, Any]:
    value: dict[str, Any] = {
        "messaging_product": "whatsapp",
        "metadata": {"display_phone_number": "543624000000", "phone_number_id": phone_number_id},
    }
    for update in updates:
        for key, items in update.items():
            value.setdefault(key, []).extend(
                item for item in items if item not in value.get(key, []) or key != "contacts"
            )
    return value


def _chunks(items: Sequence[Any], size: int) -> list[Sequence[Any]]:
    return [items[i : i + size] for i in range(0, len(items), size)]


def sign(content: bytes, secret: str = SECRET) -> dict[str, str]:
    """Headers of Meta's POST."""
    digest = hmac.new(secret.encode(), content, hashlib.sha256).hexdigest()
    return {"Content-Type": "application/json", "X-Hub-Signature-256": f"sha256={digest}"}


# ---------------------------------------------------------------- many citizens at once


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """One message as its citizen wrote it."""

    by: Phone
    id: str
    text: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """What citizens wrote (oldest first), and the bodies in which Meta brings it, in order of arrival."""

    written: Sequence[Written]
    deliveries: Sequence[bytes] = field(repr=False)

    def by_citizen(self) -> dict[str, list[Written]]:
        """Each citizen's messages in the order in which they were written, under `Phone.key`."""
        found: dict[str, list[Written]] = {}
        for one in self.written:
            found.setdefault(one.by.key, []).append(one)
        return found


_FIRST = ("Ana", "Benito", "Ñusta", "Dalmacio", "Eulalia", "Fermín", "Griselda", "Hipólito", "Itatí", "Jacinto")
_LAST = ("Acuña", "Báez", "Núñez", "Ojeda", "Ibáñez")
_WORDS = (
    "Buenas, consulta por el turno",
    "¿Dónde presento la documentación?",
    "No tenemos luz en el barrio 😕",
    "Gracias, quedo a la espera",
    "Adjunto lo que me pidieron\nson dos hojas",
    "¿A qué hora atienden mañana?",
)


def citizens(count: int, *, hidden_every: int = 5) -> list[Phone]:
    """Invented citizens of Chaco; every `hidden_every`-th has a username and no visible number."""
    return [
        Phone(
            number=None if hidden_every and n % hidden_every == hidden_every - 1 else f"549362400{n:04d}",
            bsuid=f"AR.90000000{n:04d}",
            name=f"{_FIRST[n % len(_FIRST)]} {_LAST[n // len(_FIRST) % len(_LAST)]}",
            username=f"vecino.{n:04d}" if hidden_every and n % hidden_every == hidden_every - 1 else None,
        )
        for n in range(count)
    ]


def traffic(
    people: Sequence[Phone],
    messages: int,
    *,
    seed: int,
    start: datetime,
    largest_batch: int = 12,
    repeats: float = 0.2,
    disorder: int = 4,
) -> Traffic:
    """`messages` texts of `people`, one every few seconds from `start`, the same for the same seed.

    Meta's side: batches of 1 to `largest_batch`, a share of `repeats` of the bodies delivered again later (some twice),
    and bodies that arrive up to `disorder` places away from where they belong. Every citizen writes at least once.
    """
    chance = random.Random(seed)
    at = start
    written: list[Written] = []
    updates: list[Update] = []
    for n in range(messages):
        phone = people[n] if n < len(people) else chance.choice(people)
        at += timedelta(seconds=chance.randint(1, 9))
        one = Written(by=phone, id=f"wamid.T{seed}N{n:06d}", text=f"{chance.choice(_WORDS)} ({n})", at=at)
        written.append(one)
        update = phone.text(one.text, at=one.at, id=one.id)
        updates.append(without_contacts(update) if chance.random() < 0.05 else update)
    bodies: list[bytes] = []
    while updates:
        size = chance.randint(1, largest_batch)
        batch, updates = updates[:size], updates[size:]
        bodies.append(body(batch, values=chance.choice((0, 3, size)), entries=chance.choice((1, 2))))
    places = [(place + chance.uniform(0, disorder), content) for place, content in enumerate(bodies)]
    for place, content in list(places):
        while chance.random() < repeats:
            places.append((place + chance.uniform(0, 3 * max(disorder, 1)), content))
    return Traffic(written=written, deliveries=[content for _place, content in sorted(places)])
