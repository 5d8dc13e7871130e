"""Reading bodies: what a body may be, whose it is, when and by whom something was said, size, and the simulator."""

from __future__ import annotations

import json
import pickle
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from inbox_channels.facebook.frame import read_time
from inbox_channels.facebook.parse import parse
from inbox_channels.facebook.simulate import simulate
from inbox_daemon.errors import Permanent
from inbox_daemon.model import (
    Envelope,
    Ignored,
    InstanceId,
    Malformed,
    Message,
)
from inbox_daemon.plugins import Secret, SimulatedMessage
from unit.facebook.deliveries import (
    ACCOUNT,
    ANA,
    MILLIS,
    NOW,
    PAGE,
    Asked,
    body,
    comment,
    message_of,
    read,
    said,
)

# ---------------------------------------------------------------- bodies


@pytest.mark.parametrize(
    "content",
    [b"", b"not json", b"[1,2]", b'"text"', b"null", b"{}", b'{"entry":{}}', b'{"polled":{}}', b"[" * 100_000],
)
def test_a_body_that_is_no_envelope_is_permanent(content: bytes) -> None:
    with pytest.raises(Permanent) as caught:
        read(content)
    assert "text" not in str(caught.value)


@pytest.mark.parametrize("content", [b'{"object":"page","entry":[]}', b'{"object":"page","polled":[]}'])
def test_an_envelope_with_nothing_in_it_is_counted(content: bytes) -> None:
    assert read(content) == [Ignored(reason="empty")]


@pytest.mark.parametrize("name", ["whatsapp_business_account", "user", ""])
def test_another_product_at_the_same_address_is_parked_not_lost(name: str) -> None:
    """Meta has been told that it was taken, and nobody else will get it."""
    with pytest.raises(Permanent, match="another product") as caught:
        read(body([said("hola")], object=name))
    assert "hola" not in str(caught.value)


def test_each_platform_takes_its_own_object_and_without_ids_both_are_taken() -> None:
    page, instagram = body([said("hola")]), body([said("hola", mid="m_2")], page=ACCOUNT, object="instagram")
    assert read(page, platform="instagram", account_id=ACCOUNT) == [Ignored(reason="other_object")]
    assert read(instagram, platform="page", page_id=PAGE, account_id=ACCOUNT) == [Ignored(reason="other_object")]
    assert message_of(read(page)).sender.handles[0].kind == "psid"
    assert message_of(read(instagram)).sender.handles[0].kind == "igsid"


def test_another_pages_items_are_passed_over_one_by_one() -> None:
    content = body([said("a"), said("b", mid="m_2")], changes=[comment(1)])
    assert [getattr(event, "external_id", None) for event in read(content, page_id="42")] == [
        "m_1",
        "m_2",
        "500000000000001_1",
    ]
    assert {getattr(event, "reason", None) for event in read(content, page_id="42")} == {"other_page"}
    assert all(isinstance(event, Message) for event in read(content, page_id=PAGE))


def test_an_escaped_and_a_plain_body_read_the_same() -> None:
    escaped = body([said("¿Mañana? 🙂")])
    assert b"\\u00bf" in escaped
    plain = json.dumps(json.loads(escaped), ensure_ascii=False).encode()
    assert read(escaped) == read(plain) == read(b"\xef\xbb\xbf" + plain)


def test_one_item_nested_without_end_costs_its_neighbours_nothing() -> None:
    content = body([said("DEEP"), said("hola", mid="m_2")]).replace(b'"DEEP"', b"[" * 300 + b"]" * 300)
    broken, sound = read(content)
    assert broken == Malformed(place="entry[0].messaging[0]", problem="is nested too deeply")
    assert isinstance(sound, Message)


@pytest.mark.parametrize("entries", [1, 3, 1000])
def test_a_thousand_changes_of_three_megabytes_are_all_read_in_order(entries: int) -> None:
    items = [said(f"mensaje {n} " + "ñ" * 440, mid=f"m_{n}") for n in range(1000)]
    share = 1000 // entries + 1
    whole = [{"id": PAGE, "time": MILLIS, "messaging": items[n : n + share]} for n in range(0, 1000, share)]
    content = json.dumps({"object": "page", "entry": whole}).encode()
    assert 2_400_000 < len(content) < 3_000_000
    began = time.perf_counter()
    events = read(content)
    took = time.perf_counter() - began
    print(f"{len(content) / 1e6:.1f} MB with 1000 changes: {took * 1000:.0f} ms")
    assert took < 3
    assert [event.external_id for event in events if isinstance(event, Message)] == [f"m_{n}" for n in range(1000)]


# ---------------------------------------------------------------- times


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("1795437000123", "2026-11-23T09:30:00.123000-03:00"),
        ("1795437000", "2026-11-23T09:30:00-03:00"),
        ("2026-11-23T12:30:00+0000", "2026-11-23T09:30:00-03:00"),
        ("2026-11-23T12:30:00", "2026-11-23T09:30:00-03:00"),
    ],
)
def test_each_form_of_a_time_is_the_same_instant_in_the_offices_zone(given: str, told: str) -> None:
    found = read_time(given)
    assert found is not None
    assert found.isoformat() == told


@pytest.mark.parametrize("given", ["", "0", "-5", "yesterday", "9" * 30, "0001-01-01T00:00:00+14:00", "1e9", "½"])
def test_what_is_no_time_is_none(given: str) -> None:
    assert read_time(given) is None


@pytest.mark.parametrize("at", [None, "yesterday", -1, True, [1]])
def test_a_message_without_a_time_is_taken_in_as_of_its_delivery(at: Any) -> None:
    told = {**said("hola"), "timestamp": at}
    assert message_of(read(body([told]))).sent_at == NOW
    content = json.dumps({"object": "page", "entry": [{"id": PAGE, "messaging": [told]}]}).encode()
    assert message_of(read(content)).sent_at == NOW


# ---------------------------------------------------------------- who


@pytest.mark.parametrize("sender", [None, {}, {"user_ref": "x"}, {"id": ""}, 7])
def test_a_message_of_nobody_is_taken_in_without_a_handle(sender: Any) -> None:
    assert message_of(read(body([{**said("hola"), "sender": sender}]))).sender.handles == ()


def test_a_commenter_is_no_psid_and_belongs_to_the_page() -> None:
    (handle,) = message_of(read(body(changes=[comment(1)]), page_id=PAGE)).sender.handles
    assert (handle.kind, handle.value, handle.scope) == ("fb_user", "21000000000000001", PAGE)


@pytest.mark.parametrize(
    ("given", "name"),
    [({"username": "@ana"}, "ana"), ({"name": " Ana "}, "Ana"), ({"name": "", "username": "ana"}, "ana"), ({}, None)],
)
def test_people_are_called_what_they_call_themselves(given: Any, name: str | None) -> None:
    row = comment(1)
    row["value"]["from"] = {"id": "21000000000000001", **given}
    assert message_of(read(body(changes=[row]))).sender.name == name


def test_every_public_word_says_that_it_is_public_and_where_it_stands() -> None:
    details = message_of(read(body(changes=[comment(1)]))).details
    assert details == {
        "origin": "comentario público en Facebook",
        "url": "https://www.facebook.com/500000000000001_1",
    }


def test_a_link_that_somebody_made_up_is_no_address() -> None:
    made_up = comment(1, link="javascript:alert(1)", photo="file:///etc/passwd", permalink_url="data:text/html,x")
    message = message_of(read(body(changes=[made_up])))
    assert message.attachments == ()
    assert list(message.details.values())[1:] == ["https://www.facebook.com/500000000000001_1"]


# ---------------------------------------------------------------- the simulator, the worker


@dataclass(frozen=True, slots=True)
class Signing(Asked):
    app_secret: Secret = field(default_factory=lambda: Secret("s"))


@pytest.mark.parametrize(("platform", "kind"), [("page", "psid"), ("instagram", "igsid")])
@pytest.mark.parametrize("ids", [{}, {"page_id": PAGE, "account_id": ACCOUNT}])
def test_what_the_simulator_makes_is_read(platform: str, kind: str, ids: Any) -> None:
    settings = Signing(platform=platform, **ids)
    made = SimulatedMessage(sender=ANA, name="Ñata", text="¿Hola?", id="s1", at=NOW + timedelta(milliseconds=7))
    request = simulate(settings, made)
    assert request.headers["x-hub-signature-256"].startswith("sha256=")
    envelope = Envelope(instance=InstanceId("x"), body=request.body, received_at=datetime.now(UTC))
    message = message_of(parse(envelope, settings))
    assert (message.external_id, message.text, message.sent_at) == ("m_s1", "¿Hola?", made.at)
    assert [(handle.kind, handle.value) for handle in message.sender.handles] == [(kind, ANA)]


def test_reading_travels_to_a_worker() -> None:
    assert pickle.loads(pickle.dumps((parse, Asked(page_id=PAGE)))) == (parse, Asked(page_id=PAGE))
