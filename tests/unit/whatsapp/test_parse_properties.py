"""Laws of reading: order, batching and repetition change nothing, broken neighbours cost nothing, nothing escapes."""

from __future__ import annotations

import json
import random
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from inbox_channels.whatsapp.events import ZONE
from inbox_channels.whatsapp.notices import NOTICES
from inbox_channels.whatsapp.parse import parse
from inbox_channels.whatsapp.settings import WhatsAppSettings
from inbox_daemon.errors import Permanent
from inbox_daemon.model import Envelope, Event, Ignored, InstanceId, InstanceNotice, Malformed, Message, StatusEvent
from support.graph_fake_citizens import Update, body, citizens, status_update

NOW = datetime(2026, 11, 23, 9, 30, tzinfo=ZONE)
PEOPLE = citizens(6)
SETTINGS = WhatsAppSettings.model_construct()
NEWS = st.sampled_from(
    [
        *("event", "decision", "ban_info", "alert_info", "alert_type", "alert_severity", "violation_info"),
        *("message_template_name", "message_template_language", "new_quality_score", "new_category"),
        *("correct_category", "display_phone_number", "current_limit", "max_daily_conversations_per_business"),
        "max_daily_conversation_per_phone",
    ]
)
TOPICS = {
    *("template", "template_quality", "template_category", "template_text", "account", "account_news"),
    *("account_review", "violation", "alert", "number", "number_name", "throughput", "limit", "security"),
}
CALM = settings(deadline=None, max_examples=80)

scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec=None), max_size=20)
anything = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=20,
)
KEYS = st.sampled_from(
    [
        "id",
        "from",
        "from_user_id",
        "timestamp",
        "type",
        "text",
        "body",
        "image",
        "mime_type",
        "sha256",
        "context",
        "referral",
        "errors",
        "system",
        "edit",
        "message",
        "original_message_id",
        "revoke",
        "reaction",
        "interactive",
        "nfm_reply",
        "response_json",
        "contacts",
        "order",
        "status",
        "wa_id",
        "user_id",
    ]
)
TYPES = st.sampled_from(
    [
        "text",
        "image",
        "video",
        "audio",
        "document",
        "sticker",
        "location",
        "contacts",
        "interactive",
        "button",
        "reaction",
        "order",
        "system",
        "edit",
        "revoke",
        "unsupported",
        "hologram",
    ]
)
shaped = st.recursive(
    scalars | TYPES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=6),
    max_leaves=25,
)
items = st.fixed_dictionaries(
    {"id": st.just("wamid.X") | scalars, "timestamp": st.just("1795430000") | scalars, "type": TYPES | scalars},
    optional=dict.fromkeys(
        [
            "text",
            "image",
            "contacts",
            "interactive",
            "button",
            "reaction",
            "order",
            "system",
            "edit",
            "revoke",
            "unsupported",
            "location",
            "context",
            "errors",
            "referral",
            "from",
            "from_user_id",
            "group_id",
            "hologram",
            "status",
        ],
        shaped,
    ),
)


def read(content: bytes) -> list[Event]:
    return parse(Envelope(instance=InstanceId("x"), body=content, received_at=NOW), SETTINGS)


def whole(messages: Any, statuses: Any = ()) -> bytes:
    value = {"contacts": [{"wa_id": "1"}], "messages": messages, "statuses": list(statuses)}
    entry = {"id": "1", "changes": [{"field": "messages", "value": value}]}
    return json.dumps({"object": "whatsapp_business_account", "entry": [entry]}).encode()


def updates(seed: int, count: int) -> list[Update]:
    chance = random.Random(seed)
    made = []
    for n in range(count):
        at = NOW + timedelta(seconds=n)
        phone = chance.choice(PEOPLE)
        made.append(
            chance.choice(
                (
                    phone.text(f"texto {n} ñ", at=at, id=f"wamid.{seed}.{n}"),
                    phone.media("image", {"id": f"77{n}", "mime_type": "image/png"}, at=at, id=f"wamid.{seed}.{n}"),
                    status_update(
                        f"wamid.OUT.{seed}.{n}", chance.choice(("sent", "read", "failed")), at=at, error=131026
                    ),
                )
            )
        )
    return made


def told(events: list[Event]) -> set[str]:
    kept = [event for event in events if isinstance(event, Message | StatusEvent)]
    assert all(not isinstance(event, Malformed) for event in events)
    return {f"{type(event).__name__} {asdict(event)}" for event in kept}


@CALM
@given(st.integers(0, 10_000), st.integers(1, 30), st.randoms(use_true_random=False))
def test_any_batching_order_and_repetition_gives_the_same_set(seed: int, count: int, chance: random.Random) -> None:
    made = updates(seed, count)
    straight = told([event for update in made for event in read(body([update]))])
    mixed = made + chance.choices(made, k=count)
    chance.shuffle(mixed)
    bodies = []
    while mixed:
        size = chance.randint(1, len(mixed))
        bodies.append(body(mixed[:size], values=chance.randint(0, size), entries=chance.randint(1, 3)))
        mixed = mixed[size:]
    assert told([event for content in bodies for event in read(content)]) == straight
    assert len(straight) == count


@CALM
@given(st.lists(anything | items, max_size=6), st.randoms(use_true_random=False))
def test_nothing_is_lost_beside_broken_neighbours(broken: list[Any], chance: random.Random) -> None:
    good = [PEOPLE[n].text(f"texto {n}", at=NOW, id=f"wamid.good{n}")["messages"][0] for n in range(4)]
    states = [status_update(f"wamid.out{n}", "sent", at=NOW)["statuses"][0] for n in range(2)]
    messages, statuses = [*good, *broken], [*states, *broken]
    chance.shuffle(messages)
    chance.shuffle(statuses)
    events = read(whole(messages, statuses))
    texts = [
        event.text for event in events if isinstance(event, Message) and event.external_id.startswith("wamid.good")
    ]
    assert texts == [f"texto {one['id'][-1]}" for one in messages if one in good]
    assert {event.target for event in events if isinstance(event, StatusEvent)} >= {"wamid.out0", "wamid.out1"}
    assert len(events) == len(messages) + len(statuses)


@CALM
@given(anything)
def test_any_json_gives_events_or_permanent(value: Any) -> None:
    try:
        events = read(json.dumps(value).encode())
    except Permanent:
        return
    assert events


@CALM
@given(st.binary(max_size=200))
def test_any_bytes_give_events_or_permanent(content: bytes) -> None:
    try:
        assert read(content)
    except Permanent:
        return


@CALM
@given(st.lists(items, max_size=4), anything, anything)
def test_items_of_any_shape_give_events_that_can_be_stored(messages: list[Any], contacts: Any, errors: Any) -> None:
    value = {"contacts": contacts, "errors": errors, "messages": messages, "statuses": messages}
    for field in ("messages", "smb_message_echoes"):
        change = {"field": field, "value": {**value, "message_echoes": messages}}
        content = json.dumps({"entry": [{"id": "1\x00\ud800", "changes": [change]}]}).encode()
        for event in read(content):
            text = repr(event) + (event.fingerprint if isinstance(event, Message) else "")
            strings = [*_strings(event)]
            assert text
            assert not [string for string in strings if "\x00" in string]
            for string in strings:
                string.encode()


@CALM
@given(st.lists(anything | items, max_size=5), anything, anything, anything, st.randoms(use_true_random=False))
def test_old_chats_of_any_shape_lose_no_sound_message(
    broken: list[Any], context: Any, metadata: Any, chunk: Any, chance: random.Random
) -> None:
    good = [PEOPLE[n].text(f"viejo {n}", at=NOW, id=f"wamid.good{n}")["messages"][0] for n in range(3)]
    messages = [*good, *broken]
    chance.shuffle(messages)
    threads = [{"id": "5493624000001", "context": context, "messages": messages}, chunk]
    chunks = [chunk, {"metadata": metadata, "threads": threads}, {"threads": chunk, "errors": chunk}]
    value = {"metadata": {"phone_number_id": "1"}, "history": chunks, "messages": messages}
    content = json.dumps({"entry": [{"id": "1", "changes": [{"field": "history", "value": value}]}]}).encode()
    events = read(content)
    texts = [event.text for event in events if isinstance(event, Message) and event.text.startswith("viejo")]
    assert texts == [f"viejo {one['id'][-1]}" for one in messages if one in good] * 2
    assert all(event.history for event in events if isinstance(event, Message))
    for event in events:
        assert not [string for string in _strings(event) if "\x00" in string]


@CALM
@given(
    st.sampled_from(sorted(NOTICES)),
    st.dictionaries(NEWS | st.text(max_size=8), anything | st.sampled_from(["Ana, 3624000001", "RED", "PAUSED"])),
    anything,
)
def test_news_of_any_shape_are_short_notices_without_anybodys_words(field: str, value: Any, time: Any) -> None:
    value = {"message_template_name": "aviso", **value}
    change = {"field": field, "value": value}
    content = json.dumps({"entry": [{"id": "1", "time": time, "changes": [change]}]}).encode()
    envelope = Envelope(instance=InstanceId("x"), body=content, received_at=NOW)
    (event,) = parse(envelope, WhatsAppSettings.model_construct(answer_template="aviso"))
    if isinstance(event, InstanceNotice):
        assert len(event.words) < 250
        assert event.topic in TOPICS
        assert len(event.subject) < 70
        assert "Ana" not in event.words + event.subject
        for string in _strings(event):
            string.encode()
    else:
        assert isinstance(event, Ignored | Malformed)


def _strings(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        return [found for pair in value.items() for part in pair for found in _strings(part)]
    if isinstance(value, tuple):
        return [found for part in value for found in _strings(part)]
    names = getattr(value, "__dataclass_fields__", {})
    return [found for name in names for found in _strings(getattr(value, name))]


@CALM
@given(anything, anything, anything)
def test_envelopes_of_any_shape_give_events(entry: Any, change: Any, value: Any) -> None:
    good = PEOPLE[0].text("hola", at=NOW, id="wamid.good")
    changes = [change, {"field": "messages", "value": value}, {"field": "messages", "value": good}]
    content = json.dumps({"entry": [entry, {"id": "1", "changes": changes}]}).encode()
    assert [event.text for event in read(content) if isinstance(event, Message)] == ["hola"]
