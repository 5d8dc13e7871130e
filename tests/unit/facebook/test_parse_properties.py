"""Laws of reading: order, batching and repetition change nothing, broken neighbours cost nothing, nothing escapes."""

from __future__ import annotations

import json
import random
from dataclasses import asdict
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from inbox_channels.facebook.parse_files import attachment_url
from inbox_daemon.errors import Permanent
from inbox_daemon.model import Event, Message, StatusEvent
from unit.facebook.deliveries import MILLIS, PAGE, Json, comment, item, node, polled, read, said, with_files

CALM = settings(deadline=None, max_examples=80)

scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec=None), max_size=20)
anything = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=20,
)
URLS = st.sampled_from(["https://x.fbcdn.net/a.jpg", "https://[::1", "https://cdn.fbsbx.com/%00%ff/..%2f", "x", ""])
KEYS = st.sampled_from(
    [
        "id",
        "name",
        "username",
        "mid",
        "text",
        "title",
        "payload",
        "url",
        "type",
        "attachments",
        "data",
        "sticker_id",
        "coordinates",
        "elements",
        "reply_to",
        "story",
        "mention",
        "referral",
        "ads_context_data",
        "is_echo",
        "is_deleted",
        "is_self",
        "is_unsupported",
        "app_id",
        "metadata",
        "watermark",
        "mids",
        "action",
        "reaction",
        "emoji",
        "num_edit",
        "item",
        "verb",
        "post_id",
        "comment_id",
        "parent_id",
        "photo",
        "photos",
        "video",
        "link",
        "message",
        "created_time",
        "from",
        "media",
        "image",
        "src",
        "source",
        "image_data",
        "video_data",
        "file_url",
        "mime_type",
        "size",
        "shares",
        "sticker",
        "attachment",
        "kind",
        "post",
        "permalink_url",
        "generic",
        "commands",
        "quick_reply",
    ]
)
WORDS = st.sampled_from(
    [
        "image",
        "audio",
        "video",
        "file",
        "sticker",
        "fallback",
        "reel",
        "ig_post",
        "template",
        "comment",
        "status",
        "photo",
        "add",
        "edited",
        "remove",
        "like",
        "react",
        "unreact",
        "block",
        "message",
        "post",
        "feed",
        "comments",
        "messages",
        "standby",
        "m_1",
    ]
)
shaped = st.recursive(
    scalars | WORDS | URLS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=6),
    max_leaves=25,
)
HAPPENINGS = [
    "message",
    "postback",
    "message_edit",
    "reaction",
    "read",
    "delivery",
    "policy_enforcement",
    "referral",
    "optin",
    "pass_thread_control",
]
items = st.fixed_dictionaries(
    {},
    optional={"sender": shaped, "recipient": shaped, "timestamp": scalars | st.just(MILLIS)}
    | dict.fromkeys(HAPPENINGS, shaped),
)
values = st.dictionaries(KEYS, shaped, max_size=10)
changes = st.fixed_dictionaries({"field": WORDS | scalars, "value": values | items | scalars})
rows = st.fixed_dictionaries({"kind": WORDS | scalars, "item": values | scalars}, optional={"post": scalars})


def whole(messaging: Any = (), told: Any = (), standby: Any = (), name: str = "page") -> bytes:
    entry = {"id": PAGE, "time": MILLIS, "messaging": messaging, "changes": told, "standby": standby}
    return json.dumps({"object": name, "entry": [entry]}).encode()


# ---------------------------------------------------------------- the same set


def told_items(seed: int, count: int) -> list[tuple[str, Json]]:
    """Things that were said, each with the list that it comes in."""
    chance, made = random.Random(seed), []
    for n in range(count):
        mid, at, sender = f"m_{seed}_{n}", MILLIS + n * 1000, f"2000000000000000{n % 6}"
        one = chance.choice(
            (
                ("messaging", {**said(f"texto {n} ñ", mid=mid), "timestamp": at, "sender": {"id": sender}}),
                ("messaging", with_files(("image", {"url": f"https://x.fbcdn.net/{n}.jpg"}), mid=mid)),
                ("messaging", item(at=at, delivery={"mids": [f"{mid}a", f"{mid}b"]})),
                ("messaging", item(at=at, sender=sender, read={"watermark": at})),
                ("messaging", item(at=at, sender=sender, reaction={"mid": mid, "action": "react", "emoji": "❤"})),
                ("messaging", item(at=at, sender=sender, message_edit={"mid": mid, "text": "otro", "num_edit": 1})),
                ("messaging", item(at=at, sender=sender, postback={"title": "Pagar", "payload": str(n)})),
                ("changes", comment(n, f"comentario {n}", created_time=MILLIS // 1000 + n)),
                ("changes", comment(n, f"comentario {n}", verb="edited", created_time=MILLIS // 1000 + n)),
            )
        )
        made.append(one)
    return made


def batch(chosen: list[tuple[str, Json]], entries: int) -> bytes:
    """One body of so many entries; items keep their order within each."""
    parts: list[Json] = [{"id": PAGE, "time": MILLIS} for _ in range(entries)]
    for n, (key, one) in enumerate(chosen):
        parts[n * entries // len(chosen)].setdefault(key, []).append(one)
    return json.dumps({"object": "page", "entry": [part for part in parts if len(part) > 2]}).encode()


def as_set(events: list[Event]) -> set[str]:
    assert {type(event).__name__ for event in events}.isdisjoint({"Ignored", "Malformed"})
    return {f"{type(event).__name__} {asdict(event)}" for event in events}


@CALM
@given(st.integers(0, 10_000), st.integers(1, 30), st.randoms(use_true_random=False))
def test_any_batching_order_and_repetition_gives_the_same_set(seed: int, count: int, chance: random.Random) -> None:
    made = told_items(seed, count)
    straight = as_set([event for one in made for event in read(batch([one], 1))])
    mixed = made + chance.choices(made, k=count)
    chance.shuffle(mixed)
    events: list[Event] = []
    while mixed:
        size = chance.randint(1, len(mixed))
        events += read(batch(mixed[:size], chance.randint(1, 3)))
        mixed = mixed[size:]
    assert as_set(events) == straight
    assert len(straight) >= count


# ---------------------------------------------------------------- nothing of a neighbour is lost


@CALM
@given(st.lists(anything | items, max_size=6), st.lists(anything | changes, max_size=6), st.randoms())
def test_nothing_is_lost_beside_broken_neighbours(broken: list[Any], odd: list[Any], chance: random.Random) -> None:
    good = [said(f"texto {n}", mid=f"m_good{n}") for n in range(4)]
    sound = [comment(n, f"comentario {n}") for n in (991, 992)]
    messaging, told = [*good, item(delivery={"mids": ["m_out"]}), *broken], [*sound, *odd]
    chance.shuffle(messaging)
    chance.shuffle(told)
    events = read(whole(messaging, told))
    found = [event for event in events if isinstance(event, Message)]
    texts = [event.text for event in found if event.external_id.startswith("m_good")]
    assert texts == [f"texto {one['message']['mid'][-1]}" for one in messaging if one in good]
    assert {event.text for event in found} >= {"comentario 991", "comentario 992"}
    assert "m_out" in {event.target for event in events if isinstance(event, StatusEvent)}
    assert len(events) >= len(messaging) + len(told)


@CALM
@given(st.lists(anything | rows, max_size=6), st.randoms(use_true_random=False))
def test_nothing_that_was_polled_is_lost_beside_broken_rows(broken: list[Any], chance: random.Random) -> None:
    mixed = [*(node(f"m_good{n}", message=f"texto {n}") for n in range(3)), *broken]
    chance.shuffle(mixed)
    events = read(polled(*mixed), page_id=PAGE)
    assert len(events) == len(mixed)
    found = [event.external_id for event in events if isinstance(event, Message)]
    assert {f"m_good{n}" for n in range(3)} <= set(found)


@CALM
@given(anything, anything, anything)
def test_entries_of_any_shape_cost_their_neighbours_nothing(entry: Any, change: Any, standby: Any) -> None:
    sound = {"id": PAGE, "time": entry, "messaging": [said("hola")], "changes": [change], "standby": standby}
    content = json.dumps({"object": "page", "entry": [entry, sound]}).encode()
    assert [event.text for event in read(content) if isinstance(event, Message)] == ["hola"]


# ---------------------------------------------------------------- nothing escapes


@CALM
@given(anything)
def test_any_json_gives_events_or_permanent(value: Any) -> None:
    for content in (value, {"object": "page", "entry": value}, {"object": "instagram", "polled": value}):
        try:
            events = read(json.dumps(content).encode())
        except Permanent:
            continue
        assert events


@CALM
@given(st.binary(max_size=200))
def test_any_bytes_give_events_or_permanent(content: bytes) -> None:
    attachment_url(content, "m_1#1")
    try:
        assert read(content)
    except Permanent:
        return


@CALM
@given(st.lists(items, max_size=4), st.lists(changes, max_size=4), st.lists(rows, max_size=4))
def test_items_of_any_shape_give_events_that_can_be_stored(messaging: Any, told: Any, fetched: Any) -> None:
    for name in ("page", "instagram"):
        content = json.loads(whole(messaging, told, messaging, name)) | {"polled": fetched}
        raw = json.dumps(content).encode()
        for event in read(raw, app_id="m_1", page_id=PAGE if name == "page" else ""):
            strings = _strings(event)
            assert not [string for string in strings if "\x00" in string]
            for string in strings:
                string.encode()
            files = event.attachments if isinstance(event, Message) else ()
            assert all(attachment_url(raw, file.remote) for file in files)
            assert not isinstance(event, Message) or event.fingerprint


def _strings(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        return [found for pair in value.items() for part in pair for found in _strings(part)]
    if isinstance(value, tuple):
        return [found for part in value for found in _strings(part)]
    names = getattr(value, "__dataclass_fields__", {})
    return [found for name in names for found in _strings(getattr(value, name))]
