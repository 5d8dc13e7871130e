"""Chats of before this installation listened (`history`, numbers also used in the WhatsApp Business app). Pure.

The shape: `value.history[]` of chunks, each with `metadata` (phase, progress) and `threads[]`, each with its person
and `messages[]`; files of the last two weeks come once more by themselves in `value.messages[]`. Source:
whatsapp/webhooks/reference/history. What is read is kept and never delivered nor answered (`Message.history`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from inbox_channels._graph.reading import Json, Unreadable, child, children, clean, moment, required, word
from inbox_channels.whatsapp.content import read_content
from inbox_channels.whatsapp.events import PASSING, ZONE, elsewhere
from inbox_channels.whatsapp.people import People
from inbox_daemon.model import Event, ExternalId, Ignored, InstanceNotice, Malformed, Message

_DECLINED = "2593109"
"""The code of "history sharing is turned off by the business"."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Album:
    """Whose chats: the business's own number in digits, in which scope BSUIDs are, whether of another number."""

    own: str
    scope: str
    other_number: bool
    told_at: datetime
    """From then on the files' ids live."""


def read_history(
    value: Mapping[str, Any], place: str, scope: str, *, other_number: bool, at: datetime
) -> Iterator[Event]:
    """Messages of all chunks of a value, in their order; `at` is when Meta told of them."""
    own = re.sub(r"\D", "", word(child(value, "metadata"), "display_phone_number"))
    album = Album(own=own, scope=scope, other_number=other_number, told_at=at)
    for n, chunk in _each(value, "history"):
        where = f"{place}.history[{n}]"
        if not isinstance(chunk, dict):
            yield Malformed(place=where, problem="is no object")
            continue
        if not other_number:
            yield from _progress(chunk, at)
        for m, thread in _each(chunk, "threads"):
            yield from _messages(thread, f"{where}.threads[{m}]", album)
    if "messages" in value:
        yield from _messages(value, place, album)


def _each(parent: Mapping[str, Any], key: str) -> Iterator[tuple[int, Any]]:
    items = parent.get(key)
    yield from enumerate(items if isinstance(items, list) else [])


def _progress(chunk: Json, at: datetime) -> Iterator[InstanceNotice]:
    codes = {word(error, "code") for error in children(chunk, "errors")}
    metadata = child(chunk, "metadata")
    phase, percent = word(metadata, "phase"), word(metadata, "progress")
    if codes:
        words = "the office does not share its old chats" if _DECLINED in codes else "Meta could not give the old chats"
        yield InstanceNotice(sent_at=at, topic="history", words=words)
    elif phase.isdigit() and percent.isdigit() and len(phase + percent) < 6:
        yield InstanceNotice(
            sent_at=at, topic="history", words=f"old chats: {percent} % have come (phase {phase} of 2)"
        )


def _messages(thread: object, place: str, album: Album) -> Iterator[Event]:
    if not isinstance(thread, dict) or not isinstance(thread.get("messages"), list):
        yield Malformed(place=place, problem="has no list of messages")
        return
    person = _person(thread)
    people = People([person] if person else [], album.scope)
    for n, raw in enumerate(thread["messages"]):
        try:
            item = clean(raw)
            yield elsewhere(item) if album.other_number else _message(item, person, people, album)
        except Unreadable as problem:
            yield Malformed(place=f"{place}.messages[{n}]", problem=str(problem))


def _person(thread: Mapping[str, Any]) -> Json:
    """Whom a thread is with, in the form of a contact; empty for files that come by themselves."""
    try:
        context = clean(thread.get("context") or {})
        ids = clean({"id": thread.get("id")})
    except Unreadable:
        context, ids = {}, {}
    phone = word(context, "wa_id") or word(ids, "id")
    found = {"wa_id": phone.removeprefix("+"), "user_id": word(context, "user_id")}
    if not any(found.values()):
        return {}
    return {**found, "profile": {"username": word(context, "username")}}


def _message(item: Json, person: Json, people: People, album: Album) -> Event:
    event_id, at = ExternalId(required(item, "id")), moment(item, "timestamp", ZONE)
    if word(item, "group_id"):
        return Ignored(reason="group", external_id=event_id, sent_at=at)
    if word(item, "type") in PASSING:
        return Ignored(reason="history_event", external_id=event_id, sent_at=at)
    is_own = _is_own(item, person, album.own)
    at_end = ("to_user_id", "to") if is_own else ("from_user_id", "from")
    user_id, phone = (word(item, key) for key in at_end)
    reading = read_content(item, album.told_at)
    return Message(
        external_id=event_id,
        sent_at=at,
        sender=people.sender(word(person, "user_id") or user_id, word(person, "wa_id") or phone),
        content=reading.content,
        text=reading.text,
        attachments=reading.attachments,
        in_reply_to=ExternalId(word(child(item, "context"), "id")) or None,
        details=reading.details,
        echo=is_own,
        history=True,
    )


def _is_own(item: Json, person: Json, own: str) -> bool:
    """Whether the office wrote it: only then it says to whom, and it is not from whom the thread is with."""
    if word(item, "to") or word(item, "to_user_id"):
        return True
    sender, user_id = word(item, "from").removeprefix("+"), word(item, "from_user_id")
    if own and sender == own:
        return True
    if not person or not sender or (user_id and user_id == word(person, "user_id")):
        return False
    return sender not in (word(person, "wa_id"), word(person, "user_id"))
