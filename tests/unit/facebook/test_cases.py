"""Every folder of testcases: all that a recorded body comes to, and nothing besides."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from inbox_channels.facebook.parse import parse
from inbox_channels.facebook.parse_files import attachment_url
from inbox_daemon.model import Envelope, Event, InstanceId, Message
from unit.facebook.deliveries import Asked

CASES = Path(__file__).parents[3] / "connectors/inbox_channels/facebook/testcases"
NAMES = sorted(folder.name for folder in CASES.iterdir())

RECEIVED = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)

TYPES = {
    "Message": "message",
    "StatusEvent": "status",
    "WatermarkEvent": "watermark",
    "EditEvent": "edit",
    "RevokeEvent": "revoke",
    "ReactionEvent": "reaction",
    "InstanceNotice": "notice",
    "Ignored": "ignored",
    "Malformed": "malformed",
}


def told(value: Any) -> Any:
    """An event or a part of one as plain JSON, without what is empty and without what every message here has."""
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, tuple):
        return [told(one) for one in value]
    if isinstance(value, Mapping):
        return dict(value)
    names = getattr(value, "__dataclass_fields__", None)
    if names is None:
        return value
    kind = TYPES.get(type(value).__name__)
    given = {name: getattr(value, name) for name in names if name not in ("proof", "unique")}
    kept = {name: told(one) for name, one in given.items() if name == "emoji" or one not in (None, "", (), {}, False)}
    return ({"type": kind} if kind else {}) | kept


def events_of(case: str) -> list[Event]:
    given = CASES / case / "settings.json"
    settings = json.loads(given.read_text("utf-8")) if given.exists() else {}
    body = (CASES / case / "delivery.json").read_bytes()
    return parse(Envelope(instance=InstanceId("x"), body=body, received_at=RECEIVED), Asked(**settings))


@pytest.mark.parametrize("case", NAMES)
def test_case(case: str) -> None:
    expected = json.loads((CASES / case / "expected.json").read_text("utf-8"))["events"]
    assert [told(event) for event in events_of(case)] == expected


@pytest.mark.parametrize("case", NAMES)
def test_every_attachment_is_found_again_in_the_body_that_brought_it(case: str) -> None:
    body = (CASES / case / "delivery.json").read_bytes()
    messages = [event for event in events_of(case) if isinstance(event, Message)]
    for file in (file for message in messages for file in message.attachments):
        url = attachment_url(body, file.remote)
        assert url is not None
        assert url in json.dumps(json.loads(body), ensure_ascii=False)


def test_the_cases_hold_every_kind_of_event_and_some_files() -> None:
    events = [event for case in NAMES for event in events_of(case)]
    assert {type(event).__name__ for event in events} == set(TYPES)
    assert sum(len(event.attachments) for event in events if isinstance(event, Message)) > 30
    assert {event.unique for event in events if isinstance(event, Message)} == {True}
