"""Nobody is named in a log line, and what operators need stays readable."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from enum import Enum
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inbox_daemon.model import ExternalId, Handle, Message, Sender
from inbox_daemon.observability import redact, redact_event
from inbox_daemon.observability.redaction import MASK, MAX_KEYS, MAX_VALUE_CHARS
from inbox_daemon.plugins.settings import Secret


@pytest.mark.parametrize(
    "personal",
    [
        "+5493624123456",
        "5493624123456",
        "+54 9 362 412-3456",
        "(0362) 15-412-3456",
        "03624-15-112233",
        "362.412.3456",
        "4123456",
        "362 4‑12 34 56",
        "5493624123456@c.us",
        "ana.perez@correo.test",
        "ANA+x@sub.correo.test",
        "ana%40correo.test",
        "30123456",
        "30.123.456",
        "20-30123456-3",
        "20301234563",
        "AR.13491208655302741918",
        "AR.ENT.506847293015824",
        "3624\u200b123456",
        "36\u200d24\ufeff12\u00ad3456",
    ],
)
@pytest.mark.parametrize(
    "around", ["{}", "writer {}, twice", "tel:{}", "«{}»", "who={};", "x{}", "{}.", "2026-08-03 {}"]
)
def test_identifiers_of_people_are_masked(personal: str, around: str) -> None:
    masked = redact(around.format(personal))
    visible = "".join(character for character in personal if character.isalnum())
    assert personal not in masked
    assert not any(visible[i : i + 5] in masked for i in range(len(visible) - 4)), masked


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("Authorization: Bearer EAAxyz.abc-def", "EAAxyz"),
        ("authorization: bearer abcdefgh", "abcdefgh"),
        ("Basic dXNlcjpwYXNz", "dXNlcjpwYXNz"),
        ("GET /v25.0/1?access_token=EAAGm0PX4ZCpsBA", "EAAG"),
        ("https://graph.example/media?mid=1&hash=ABCdef", "ABCdef"),
        ("postgresql://inbox:hunter2@db.example/inbox", "hunter2"),
        ("password=hunter2", "hunter2"),
        ('{"password": "hunter2"}', "hunter2"),
        ("api_key = k3y", "k3y"),
        ("/case/IjRGN0sy.aBc123.sig", "IjRGN0sy"),
        ("EAAGm0PX4ZCpsBAKZCxQ9ZBZBvPZC1oZD0123456789", "EAAGm0PX4"),
        ("key 0123456789abcdef0123456789abcdef", "0123456789abcdef"),
        ("sha256=9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08", "9f86d081"),
    ],
)
def test_secrets_are_masked(text: str, secret: str) -> None:
    assert secret not in redact(text)


def test_a_whatsapp_id_keeps_only_its_end() -> None:
    masked = redact("wamid.HBgNNTQ5MzYyNDEyMzQ1NhUCABIYIDNBQUJDREVGRw==")
    assert masked == "wamid.…REVGRw"


@pytest.mark.parametrize(
    "harmless",
    [
        "envelope.received",
        "whatsapp-centro",
        "2026-11-23T09:30:00-03:00",
        "2026-11-23T09:30:00.123456Z",
        "2026-11-23 09:30:00",
        "2026-11-23",
        "127.0.0.1:8081",
        "10.20.30.40",
        "f81d4fae-7dec-11d0-a765-00a0c91e6bf6",
        "D12345678",
        "4F7K2-8",
        "4F7K-2.m7",
        "took 0.123456789 s",
        "answer 503 after 30.0 s",
        "the destination salud refuses the token",
        "no DNS answer for rt.salud.example",
        "object at 0x7f1234567890",
        "sending an answer: Meta does not know this person's id on this page (code 100/2018001)",
        "the person's account does not exist any more (code 9000001)",
        "fetching a file (code 100/33)",
    ],
)
def test_what_operators_need_stays(harmless: str) -> None:
    assert redact(harmless) == harmless


@pytest.mark.parametrize(
    "text",
    ["(code 36241234)", "(code 100/36241234)", "(code 3624123456", "code 3624123/456)", "(code 362 4123456)"],
)
def test_only_what_has_the_length_and_the_place_of_a_code_is_one(text: str) -> None:
    assert "[number]" in redact(text)


def test_an_address_that_is_no_address_is_a_number() -> None:
    assert redact("30.123.45.678") == "[number]"


def test_a_line_stays_a_line() -> None:
    hostile = 'first\r\n{"event":"forged"}\x1b[2J\u2028\u202etxt\x00\ud800'
    masked = redact(hostile)
    assert masked == 'first\\r\\n{"event":"forged"}\\u001b[2J\\u2028\\u202etxt\\u0000\\ud800'
    masked.encode()


def test_masked_before_cut() -> None:
    at_the_edge = "x " * (MAX_VALUE_CHARS // 2 - 3) + "ana.perez@correo.test and more"
    assert "ana" not in redact(at_the_edge)
    assert len(redact("x y" * 10_000)) <= MAX_VALUE_CHARS + 1


class Kind(Enum):
    PHONE = "5493624123456"


def event(**values: Any) -> dict[str, Any]:
    return dict(redact_event(None, "info", {"event": "thing.done", **values}))


def test_keys_that_name_a_person_or_a_secret_are_masked_whatever_they_hold() -> None:
    keys = (
        "phone",
        "senderName",
        "sender_name",
        "from",
        "to",
        "wa_id",
        "api_key",
        "Authorization",
        "body",
        "X-Hub-Token",
    )
    shown = event(**dict.fromkeys(keys, "Ana"))
    assert {shown[key] for key in keys} == {MASK}


def test_measures_and_our_own_ids_stay() -> None:
    values = {"body_bytes": 12345678, "took_seconds": 0.5, "handle_kind": "phone", "envelope": 12345678, "token": None}
    values |= {"pid": 4194304, "text_chars": 7654321, "ok": True, "step": 17}
    assert event(**values) == {"event": "thing.done", **values}


@pytest.mark.parametrize(
    "value",
    [
        Secret("hunter2"),
        {"secret": Secret("hunter2")},
        {"deep": [{"er": ("hunter2@correo.test",)}]},
        b"hunter2",
        ValueError("password=hunter2"),
        Sender(name="hunter2"),
        Message(
            external_id=ExternalId("m1"), sent_at=datetime(2026, 8, 3, tzinfo=UTC), sender=Sender(), text="hunter2"
        ),
        {"hunter2@correo.test": 1},
        {1: {2: {3: {4: {5: "hunter2"}}}}},
    ],
    ids=lambda value: type(value).__name__,
)
def test_objects_show_no_inside(value: object) -> None:
    assert "hunter2" not in str(event(value=value))


def test_numbers_that_could_be_people_are_masked() -> None:
    shown = event(who=5493624123456, kind=Kind.PHONE, handle=30123456, several=[30123456])
    assert shown == {
        "event": "thing.done",
        "who": "[number]",
        "kind": "[number]",
        "handle": MASK,
        "several": ["[number]"],
    }


def test_values_of_plain_types_stay_readable() -> None:
    at = datetime(2026, 8, 3, 9, 30, tzinfo=UTC)
    shown = event(at=at, path=Path("/var/lib/inbox-daemon"), seen={"a"}, handle_kind="bsuid")
    assert shown["at"] == "2026-08-03 09:30:00+00:00"
    assert shown["path"] == "/var/lib/inbox-daemon"
    assert shown["seen"] == ["a"]
    assert "3624" not in str(event(h=Handle(kind="phone", value="+5493624123456")))


def test_size_is_bounded() -> None:
    shown = event(**{f"k{i}": list(range(1000)) for i in range(200)})
    assert len(shown) <= MAX_KEYS + 2
    assert shown["event"] == "thing.done"


@given(st.text(), st.from_regex(r"\A\+54 ?9? ?[1-9][0-9]{2} ?[0-9]{3}-?[0-9]{4}\Z"), st.text())
def test_a_number_in_any_text_is_masked(before: str, number: str, after: str) -> None:
    assert number not in redact(before[:100] + " " + number + " " + after[:100])


@given(st.dictionaries(st.text(), st.recursive(st.text() | st.integers() | st.binary(), st.lists)))
def test_any_event_passes(values: dict[str, Any]) -> None:
    redact_event(None, "info", dict(values))


@pytest.mark.parametrize(
    "unit", ["1 ", "a", "a@", "a.b-", "AR.", "token=", "2026-", "/case/", "1.1.1.", "http://", "ab1-", "E1", "0.", '":']
)
def test_hostile_text_takes_no_time(unit: str) -> None:
    began = time.process_time()
    redact(unit * 100_000)
    assert time.process_time() - began < 0.1
