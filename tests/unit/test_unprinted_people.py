"""What a citizen wrote, is called or sent stays out of every repr of an event: those end up in logs and tracebacks."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from datetime import UTC, datetime
from typing import Any

import pytest

from inbox_daemon.model import (
    Attachment,
    CallEvent,
    EditEvent,
    Event,
    ExternalId,
    Handle,
    HandleChanged,
    Message,
    ReactionEvent,
    RevokeEvent,
    Sender,
    SendState,
    WatermarkEvent,
)
from unit.facebook.deliveries import ANA, MILLIS, PAGE, body, comment, item, read, said, with_files

AT = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
ID = ExternalId("m_1")
WHO = Handle(kind="phone", value="+5493624999888")
SENDER = Sender(name="Ana Secreta", handles=(WHO,))
FILE = Attachment(filename="DNI secreto.pdf", media_type="application/pdf", remote="https://secreto.test/x?token=1")
MESSAGE = Message(
    external_id=ID,
    sent_at=AT,
    sender=SENDER,
    text="un secreto",
    quoted="otro secreto",
    subject="asunto secreto",
    attachments=(FILE,),
    details={"contact": "Benito Secreto", "address": "calle secreta 7"},
)
EVENTS: list[Event] = [
    MESSAGE,
    EditEvent(external_id=ID, sent_at=AT, target=ID, message=MESSAGE),
    RevokeEvent(external_id=ID, sent_at=AT, target=ID, sender=SENDER),
    ReactionEvent(external_id=ID, sent_at=AT, target=ID, emoji="❤", sender=SENDER),
    CallEvent(external_id=ID, sent_at=AT, sender=SENDER, outcome="missed"),
    HandleChanged(external_id=ID, sent_at=AT, old=(WHO,), new=(WHO,)),
    WatermarkEvent(external_id=ID, sent_at=AT, to=WHO, until=AT, state=SendState.READ),
]


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: type(event).__name__)
def test_an_event_prints_its_id_and_nothing_of_its_person(event: Event) -> None:
    shown = f"{event!r} {event}"
    assert "m_1" in shown
    assert not [word for word in ("secret", "Secret", "Ana", "Benito", "4999888") if word in shown]


def _printed(value: Any) -> list[str]:
    """Strings in every part of an event that its repr shows."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, tuple):
        return [found for one in value for found in _printed(one)]
    if is_dataclass(value) and not isinstance(value, Handle):
        shown = [getattr(value, one.name) for one in fields(value) if one.repr]
        return [found for one in shown for found in _printed(one)]
    return []


def test_what_is_read_of_facebook_prints_nobody() -> None:
    """Also in ids: Meta gives marks of what was read none, so ours must not be made of who read it."""
    told = [
        said("palabras secretas"),
        with_files(("file", {"url": "https://cdn.fbsbx.com/secreto.pdf"}), mid="m_2"),
        item(read={"watermark": MILLIS}),
        item(delivery={"watermark": MILLIS}),
        item(postback={"title": "secreto", "payload": "x"}),
        item(reaction={"mid": "m_1", "action": "react", "emoji": "❤"}),
    ]
    events = read(body(told, changes=[comment(1, "comentario secreto")]))
    assert len(events) == 7
    strings = [found for event in events for found in _printed(event)]
    assert not [one for one in strings if ANA in one or "secret" in one or "Ana" in one]
    assert not [word for word in (ANA, "secret", "Ana Invento") if word in repr(events)]


def _mark(sender: str, page: str = PAGE) -> str:
    """The id of the mark that this person has read all up to one moment."""
    [event] = read(body([item(sender=sender, recipient=page, read={"watermark": MILLIS})], page=page))
    assert isinstance(event, WatermarkEvent)
    return event.external_id


def test_marks_of_two_people_at_one_moment_are_two_and_a_repeat_is_the_same() -> None:
    assert _mark(ANA) == _mark(ANA)
    assert len({_mark(ANA), _mark("20000000000000002"), _mark(ANA, "100000000000002")}) == 3
