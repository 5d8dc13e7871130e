"""Every folder of testcases: what is expected of a recorded delivery, key by key."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from inbox_channels.whatsapp import plugin
from inbox_daemon.model import Envelope, InstanceId

CASES = Path(__file__).parents[3] / "connectors/inbox_channels/whatsapp/testcases"

RECEIVED = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)

TYPES = {
    "Message": "message",
    "StatusEvent": "status",
    "EditEvent": "edit",
    "RevokeEvent": "revoke",
    "ReactionEvent": "reaction",
    "HandleChanged": "handle_changed",
    "InstanceNotice": "notice",
    "Ignored": "ignored",
    "Malformed": "malformed",
}


@pytest.mark.parametrize("case", sorted(folder.name for folder in CASES.iterdir()))
def test_case(case: str) -> None:
    body = (CASES / case / "delivery.json").read_bytes()
    expected = json.loads((CASES / case / "expected.json").read_text("utf-8"))
    given = CASES / case / "settings.json"
    settings = json.loads(given.read_text("utf-8")) if given.exists() else {}
    envelope = Envelope(instance=InstanceId("whatsapp-centro"), body=body, received_at=RECEIVED)
    events = plugin.parse(envelope, plugin.settings.model_construct(**settings))
    assert list(differences(expected["events"], events, "events")) == []


def differences(expected: Any, actual: Any, place: str) -> Sequence[str]:
    """Where `actual` is not what `expected` says; keys that `expected` does not name are free."""
    if isinstance(expected, list):
        if len(expected) != len(actual):
            return [f"{place}: {len(actual)} instead of {len(expected)}"]
        pairs = enumerate(zip(expected, actual, strict=True))
        return [line for i, (one, other) in pairs for line in differences(one, other, f"{place}[{i}]")]
    if isinstance(expected, dict) and not isinstance(actual, Mapping):
        found: list[str] = []
        for key, value in expected.items():
            is_type = key == "type" and type(actual).__name__ in TYPES
            mine = TYPES[type(actual).__name__] if is_type else getattr(actual, key, "absent")
            found += differences(value, mine, f"{place}.{key}")
        return found
    told = actual.isoformat() if isinstance(actual, datetime) else actual
    return [] if told == expected else [f"{place}: {told!r} instead of {expected!r}"]


def test_the_comparison_sees_a_difference() -> None:
    case = CASES / "text_with_and_without_phone"
    envelope = Envelope(
        instance=InstanceId("x"), body=(case / "delivery.json").read_bytes(), received_at=datetime.now(UTC)
    )
    events = plugin.parse(envelope, plugin.settings.model_construct())
    expected = json.loads((case / "expected.json").read_text("utf-8"))["events"]
    expected[1]["sender"]["handles"][0]["value"] = "AR.other"
    assert [line.partition(":")[0] for line in differences(expected, events, "events")] == [
        "events[1].sender.handles[0].value"
    ]
    assert differences(expected[:1], events, "events") == ["events: 3 instead of 1"]
