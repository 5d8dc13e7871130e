"""Reading bodies: what a body as a whole may be, whose number and scope, size, and agreement with the simulator."""

from __future__ import annotations

import json
import pickle
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from inbox_channels.whatsapp import plugin
from inbox_channels.whatsapp.events import ZONE
from inbox_channels.whatsapp.parse import parse
from inbox_channels.whatsapp.settings import WhatsAppSettings
from inbox_daemon.errors import Permanent
from inbox_daemon.model import Envelope, Event, Ignored, InstanceId, Malformed, Message, StatusEvent
from inbox_daemon.plugins import Secret, SimulatedMessage
from support.graph_fake_citizens import Phone, body, citizens, status_update, traffic

NOW = datetime(2026, 11, 23, 9, 30, tzinfo=ZONE)
ANA = Phone(number="5493624000001", bsuid="AR.1001", name="Ana Invento")


def read(content: bytes, **settings: Any) -> list[Event]:
    envelope = Envelope(instance=InstanceId("whatsapp-centro"), body=content, received_at=NOW)
    return parse(envelope, WhatsAppSettings.model_construct(**settings))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"not json",
        b"[1,2]",
        b'"text"',
        b"null",
        b"{}",
        b'{"entry":{}}',
        b'{"entry":[}',
        b'\xff\xfe{"entry":[]}',
        b'{"entry":"\xc3\x28"}',
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b'{"entry":[' + b"9" * 5000 + b"]}x",
    ],
)
def test_a_body_that_is_no_envelope_is_permanent(content: bytes) -> None:
    with pytest.raises(Permanent) as caught:
        read(content)
    assert "text" not in str(caught.value)


def test_an_envelope_with_nothing_in_it_is_counted() -> None:
    assert read(b'{"object":"whatsapp_business_account","entry":[]}') == [Ignored(reason="empty")]


def test_another_product_at_the_same_address_is_parked_not_lost() -> None:
    """Meta has been told that it was taken, and nobody else will get it."""
    with pytest.raises(Permanent, match="another product"):
        read(b'{"object":"page","entry":[{"id":"1","messaging":[]}]}')


def test_an_escaped_and_a_plain_body_read_the_same() -> None:
    escaped = body([ANA.text("¿Mañana? 🙂", at=NOW, id="wamid.1")])
    assert b"\\u00bf" in escaped
    plain = json.dumps(json.loads(escaped), ensure_ascii=False).encode()
    assert read(escaped) == read(plain) == read(b"\xef\xbb\xbf" + plain)


def test_events_of_another_number_of_the_app_are_passed_over() -> None:
    content = body([ANA.text("hola", at=NOW, id="wamid.1")], phone_number_id="42")
    assert read(content, phone_number_id="43") == [Ignored(reason="other_number", external_id="wamid.1")]  # type: ignore[arg-type]
    assert isinstance(read(content, phone_number_id="42")[0], Message)


def test_several_numbers_in_one_body_are_told_apart() -> None:
    bodies = [
        json.loads(body([ANA.text(f"a {number}", at=NOW, id=f"wamid.{number}")], phone_number_id=number))
        for number in ("42", "43", "42", "44")
    ]
    one_value_each = [change for made in bodies for change in made["entry"][0]["changes"]]
    content = json.dumps({"entry": [{"id": "1", "changes": one_value_each}]}).encode()
    assert [type(event).__name__ for event in read(content, phone_number_id="42")] == [
        "Message",
        "Ignored",
        "Message",
        "Ignored",
    ]
    assert all(isinstance(event, Message) for event in read(content))


def test_one_item_nested_without_end_costs_its_neighbours_nothing() -> None:
    content = body([ANA.text("DEEP", at=NOW), ANA.text("hola", at=NOW)], values=2)
    deep = content.replace(b'"DEEP"', b"[" * 300 + b"]" * 300)
    events = read(deep)
    assert events[0] == Malformed(place="entry[0].changes[0].messages[0]", problem="is nested too deeply")
    assert isinstance(events[1], Message)
    with pytest.raises(Permanent):
        read(content.replace(b'"DEEP"', b"[" * 100_000 + b"]" * 100_000))


def test_an_error_of_the_value_belongs_to_the_message_that_lacks_its_object() -> None:
    update = ANA.text("hola", at=NOW, id="wamid.1")
    update["messages"].append({**update["messages"][0], "id": "wamid.2", "type": "interactive"})
    update["errors"] = [{"code": 131000, "title": "t", "error_data": {"details": "Unsupported webhook payload"}}]
    sound, broken = read(body([update]))
    assert isinstance(sound, Message)
    assert isinstance(broken, Message)
    assert (sound.text, dict(sound.details), broken.content.value) == ("hola", {}, "unsupported")
    assert broken.details == {
        "type": "interactive",
        "error": "131000",
        "reason": "Unsupported webhook payload",
    }
    assert read(body([{"errors": update["errors"]}])) == [Ignored(reason="error")]


def test_a_bsuid_belongs_to_the_account_or_to_the_configured_portfolio() -> None:
    content = body([ANA.text("hola", at=NOW)], waba_id="777")

    def scopes(portfolio: str) -> list[tuple[str, str]]:
        (message,) = read(content, portfolio=portfolio)
        assert isinstance(message, Message)
        return [(handle.kind, handle.scope) for handle in message.sender.handles]

    assert scopes("") == [("bsuid", "777"), ("phone", "")]
    assert scopes("chaco") == [("bsuid", "chaco"), ("phone", "")]


@pytest.mark.parametrize("number", ["5493624000001", "543624000001", "5215512345678", "551187654321", "15005550006"])
def test_a_number_is_taken_as_it_comes(number: str) -> None:
    (message,) = read(body([Phone(number=number).text("hola", at=NOW)]))
    assert isinstance(message, Message)
    assert [handle.value for handle in message.sender.handles] == [f"+{number}"]


def test_times_are_the_same_instant_in_the_offices_zone() -> None:
    (message,) = read(body([ANA.text("hola", at=datetime(2026, 11, 23, 12, 30, tzinfo=UTC))]))
    assert isinstance(message, Message)
    assert message.sent_at.isoformat() == "2026-11-23T09:30:00-03:00"


@pytest.mark.parametrize("values", [0, 1, 7, 1000])
@pytest.mark.parametrize("entries", [1, 3])
def test_a_thousand_updates_of_three_megabytes_are_all_read_in_order(values: int, entries: int) -> None:
    people = citizens(40)
    updates = [
        status_update(f"wamid.OUT{n}", "read", at=NOW)
        if n % 10 == 9
        else people[n % 40].text(f"mensaje {n} " + "ñ" * 440, at=NOW + timedelta(seconds=n), id=f"wamid.{n}")
        for n in range(1000)
    ]
    content = body(updates, values=values, entries=entries)
    assert 2_400_000 < len(content) < 3_000_000
    began = time.perf_counter()
    events = read(content)
    took = time.perf_counter() - began
    print(f"{len(content) / 1e6:.1f} MB with 1000 updates: {took * 1000:.0f} ms")
    assert took < 3
    messages = [event.external_id for event in events if isinstance(event, Message)]
    assert messages == [f"wamid.{n}" for n in range(1000) if n % 10 != 9]
    assert [event.target for event in events if isinstance(event, StatusEvent)] == [
        f"wamid.OUT{n}" for n in range(9, 1000, 10)
    ]
    assert len(events) == 1000


def test_a_repeat_has_the_same_fingerprint_and_other_words_under_its_id_have_not() -> None:
    first, repeat, other = (
        read(body([phone.text(words, at=NOW, id="wamid.1")]))[0]
        for phone, words in (
            (ANA, "hola"),
            (Phone(number=ANA.number, bsuid=ANA.bsuid, name="Anita"), "hola"),
            (ANA, "chau"),
        )
    )
    assert isinstance(first, Message)
    assert isinstance(repeat, Message)
    assert isinstance(other, Message)
    assert first.fingerprint == repeat.fingerprint != other.fingerprint


@pytest.mark.parametrize("sender", ["+54 9 362 400-0001", "AR.55501"])
def test_what_the_simulator_makes_is_accepted_and_read(sender: str) -> None:
    settings = WhatsAppSettings.model_construct(app_secret=Secret("s"), phone_number_id="42")
    assert plugin.simulate is not None
    request = plugin.simulate(settings, SimulatedMessage(sender=sender, name="Ñata", text="¿Hola?", id="s1", at=NOW))
    (message,) = plugin.parse(Envelope(instance=InstanceId("x"), body=request.body, received_at=NOW), settings)
    assert isinstance(message, Message)
    assert (message.external_id, message.text, message.sender.name) == ("wamid.s1", "¿Hola?", "Ñata")
    assert message.sent_at == NOW
    values = [handle.value for handle in message.sender.handles]
    assert values[-1] == ("AR.55501" if sender.startswith("AR") else "+5493624000001")


def test_parse_and_settings_travel_to_a_worker() -> None:
    settings = WhatsAppSettings.model_construct(portfolio="chaco", app_secret=Secret("s"))
    again = pickle.loads(pickle.dumps((plugin.parse, settings)))
    assert again == (plugin.parse, settings)


def test_traffic_brings_everything_that_was_written_and_some_of_it_again() -> None:
    made = traffic(citizens(40), 300, seed=7, start=NOW)
    assert made == traffic(citizens(40), 300, seed=7, start=NOW)
    assert made.deliveries != traffic(citizens(40), 300, seed=8, start=NOW).deliveries
    arrived = [event for content in made.deliveries for event in read(content)]
    assert all(isinstance(event, Message) for event in arrived)
    ids = [event.external_id for event in arrived if isinstance(event, Message)]
    assert set(ids) == {one.id for one in made.written}
    assert len(ids) > len(made.written) == 300
    assert ids[:300] != [one.id for one in made.written]
    assert len(made.by_citizen()) == 40
    assert not [event for event in arrived if isinstance(event, Malformed)]


@pytest.mark.parametrize(
    ("name", "code", "window"),
    [("failed", 131047, True), ("failed", 131026, False), ("sent", 131047, False), ("failed", 999999, False)],
)
def test_a_failure_for_the_closed_window_is_told_as_that(name: str, code: int, window: bool) -> None:
    (event,) = read(body([status_update("wamid.1", name, at=NOW, error=code)]))
    assert isinstance(event, StatusEvent)
    assert (event.window, event.error_code) == (window, str(code))
