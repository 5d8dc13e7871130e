"""One item of `messaging[]` or `standby[]` into events: words, taps, edits, reactions, states, echoes. Pure.

Source: messenger-platform/webhooks/webhook-events (June 2026); instagram-messaging/webhooks (`messaging_seen` has the
id of the message that was read instead of a watermark). Times are milliseconds.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from inbox_channels._graph.reading import Json, Unreadable, child, required, word
from inbox_channels.facebook.content import Reading, read_message, read_postback
from inbox_channels.facebook.frame import Frame, read_time
from inbox_channels.facebook.parse_files import attachments
from inbox_channels.facebook.people import chatter
from inbox_daemon.model import (
    Content,
    EditEvent,
    Event,
    ExternalId,
    Handle,
    Ignored,
    InstanceNotice,
    Message,
    ReactionEvent,
    RemoteId,
    RevokeEvent,
    Sender,
    SendState,
    StatusEvent,
    WatermarkEvent,
)


def read_item(item: Json, frame: Frame) -> Sequence[Event]:
    """The events of one item, by the object in it that says what happened. Raises `Unreadable`.

    What citizens write while another app has the conversation (`standby`) is read the same: catching up fetches it
    anyway, without saying so, and whoever answers in the page's inbox has the conversation from then on.
    """
    for key, read in _READERS.items():
        if isinstance(item.get(key), dict):
            return read(item, frame)
    broken = next((key for key in _READERS if item.get(key) is not None), "")
    if broken:
        raise Unreadable(f"has a {broken} that is no object")
    reason = next((_PASSED_OVER[key] for key in _PASSED_OVER if key in item), "other_event")
    return [Ignored(reason=reason, sent_at=frame.time(item, "timestamp"))]


def item_id(item: Json) -> ExternalId | None:
    """The id of the message in an item, where there is one."""
    return ExternalId(word(child(item, "message"), "mid").strip()) or None


def _is_own(item: Json, frame: Frame) -> bool:
    return word(child(item, "sender"), "id").strip() in frame.own


def _citizen(item: Json, frame: Frame) -> Sender:
    """Who wrote; of what the office's side did, to whom."""
    side = "recipient" if _is_own(item, frame) or child(item, "message").get("is_echo") is True else "sender"
    return chatter(child(item, side), frame)


def _from(item: Json, frame: Frame) -> Handle:
    handles = chatter(child(item, "sender"), frame).handles
    if not handles:
        raise Unreadable("has no sender")
    return handles[0]


# ---------------------------------------------------------------- what people write


def _message(item: Json, frame: Frame) -> Sequence[Event]:
    message = child(item, "message")
    event_id, at = ExternalId(required(message, "mid")), frame.time(item, "timestamp")
    is_own = message.get("is_echo") is True or _is_own(item, frame)
    to_self = _is_own(item, frame) and word(child(item, "recipient"), "id").strip() in frame.own
    if message.get("is_self") is True or to_self:
        return [Ignored(reason="own", external_id=event_id, sent_at=at)]
    if message.get("is_deleted") is True:
        return [_withdrawn(item, frame, event_id, at)]
    if is_own and _is_ours(message, frame):
        return [_sent(item, frame, event_id, at)]
    return [utterance(read_message(message), item, frame, event_id, at, echo=is_own)]


def utterance(
    reading: Reading, item: Json, frame: Frame, event_id: ExternalId, at: datetime, *, echo: bool = False
) -> Message:
    """A message of the citizen of `item`, or with `echo` of somebody of the office to them."""
    return Message(
        external_id=event_id,
        sent_at=at,
        sender=_citizen(item, frame),
        content=reading.content,
        text=reading.text,
        attachments=attachments(event_id, reading.files),
        in_reply_to=ExternalId(word(child(child(item, "message"), "reply_to"), "mid").strip()) or None,
        details=reading.details,
        echo=echo,
        unique=True,
    )


def _is_ours(message: Json, frame: Frame) -> bool:
    """Whether our app sent it. Where the app's id is not configured, what we send is known by its metadata."""
    if frame.app_id and word(message, "app_id"):
        return word(message, "app_id") == frame.app_id
    return bool(word(message, "metadata"))


def _sent(item: Json, frame: Frame, mid: ExternalId, at: datetime) -> StatusEvent:
    """Our own message comes back: so it was sent, also where the answer to the call was lost, and to this person."""
    return StatusEvent(
        external_id=ExternalId(f"{mid}|sent"),
        sent_at=at,
        target=RemoteId(mid),
        state=SendState.SENT,
        tag=word(child(item, "message"), "metadata") or None,
        learned=_citizen(item, frame).handles,
    )


def _withdrawn(item: Json, frame: Frame, target: ExternalId, at: datetime) -> Event:
    """Instagram: somebody took a message back. The core knows whose words the target is."""
    event_id = ExternalId(f"{target}|deleted")
    return RevokeEvent(external_id=event_id, sent_at=at, target=target, sender=_citizen(item, frame))


def _postback(item: Json, frame: Frame) -> Sequence[Event]:
    """A tap. Instagram before v11.0 gives it no id: then it is who, when and what."""
    postback = child(item, "postback")
    parts = (word(child(item, "sender"), "id"), word(item, "timestamp"), word(postback, "payload"))
    digest = hashlib.sha256("\x1f".join(parts).encode("utf-8", "replace")).hexdigest()
    event_id = ExternalId(word(postback, "mid").strip() or f"postback|{digest[:32]}")
    reading = read_postback(postback)
    at = frame.time(item, "timestamp")
    if _is_own(item, frame):
        return [Ignored(reason="own", external_id=event_id, sent_at=at)]
    return [utterance(reading, item, frame, event_id, at)]


def _edit(item: Json, frame: Frame) -> Sequence[Event]:
    """A new text. Instagram, to apps in development, tells of new messages so as well: `num_edit` 0, no text."""
    edit = child(item, "message_edit")
    target, at = ExternalId(required(edit, "mid")), frame.time(item, "timestamp")
    event_id = ExternalId(f"{target}|{word(edit, 'num_edit') or word(item, 'timestamp')}")
    if not isinstance(edit.get("text"), str):
        return [Ignored(reason="edit_without_text", external_id=event_id, sent_at=at)]
    reading = Reading(content=Content.TEXT, text=word(edit, "text"))
    message = utterance(reading, item, frame, event_id, at, echo=_is_own(item, frame))
    return [EditEvent(external_id=event_id, sent_at=at, target=target, message=message)]


_EMOJI: Mapping[str, str] = {
    "angry": "😠",
    "dislike": "👎",
    "laugh": "😆",
    "like": "👍",
    "love": "❤",
    "sad": "😢",
    "smile": "😆",
    "wow": "😮",
}


def _reaction(item: Json, frame: Frame) -> Sequence[Event]:
    reaction = child(item, "reaction")
    target, action = ExternalId(required(reaction, "mid")), word(reaction, "action") or "react"
    event_id, at = ExternalId(f"{target}|{action}|{word(item, 'timestamp')}"), frame.time(item, "timestamp")
    if _is_own(item, frame):
        return [Ignored(reason="own", external_id=event_id, sent_at=at)]
    name = word(reaction, "reaction")
    emoji = "" if action == "unreact" else word(reaction, "emoji") or _EMOJI.get(name, name) or "?"
    who = chatter(child(item, "sender"), frame)
    return [ReactionEvent(external_id=event_id, sent_at=at, target=target, emoji=emoji, sender=who)]


# ---------------------------------------------------------------- how far ours have come


def _read(item: Json, frame: Frame) -> Sequence[Event]:
    """Messenger: all up to a time. Instagram: the newest message that was read, and so all before it."""
    given, who, at = child(item, "read"), _from(item, frame), frame.time(item, "timestamp")
    mid = word(given, "mid").strip()
    until = read_time(word(given, "watermark")) or (at if mid else None)
    if until is None:
        raise Unreadable("has a read without a time or a message")
    events: list[Event] = []
    if mid:
        events.append(_state(mid, SendState.READ, at))
    return [*events, _watermark(who, SendState.READ, until, at)]


def _delivery(item: Json, frame: Frame) -> Sequence[Event]:
    given, at = child(item, "delivery"), frame.time(item, "timestamp")
    mids = given.get("mids")
    named = [mid.strip() for mid in (mids if isinstance(mids, list) else []) if isinstance(mid, str) and mid.strip()]
    if named:
        return [_state(mid, SendState.DELIVERED, at) for mid in dict.fromkeys(named)]
    until = read_time(word(given, "watermark"))
    if until is None:
        raise Unreadable("has a delivery without a time or a message")
    return [_watermark(_from(item, frame), SendState.DELIVERED, until, at)]


def _state(mid: str, state: SendState, at: datetime) -> StatusEvent:
    return StatusEvent(external_id=ExternalId(f"{mid}|{state}"), sent_at=at, target=RemoteId(mid), state=state)


def _watermark(who: Handle, state: SendState, until: datetime, at: datetime) -> WatermarkEvent:
    """Its id is one for each person, and does not show who that is: ids stand in logs."""
    digest = hashlib.sha256(f"{who.scope}|{who.value}".encode("utf-8", "replace")).hexdigest()
    event_id = ExternalId(f"{digest[:32]}|{state}|{round(until.timestamp() * 1000)}")
    return WatermarkEvent(external_id=event_id, sent_at=at, to=who, until=until, state=state)


# ---------------------------------------------------------------- what concerns the instance


def _policy(item: Json, frame: Frame) -> Sequence[Event]:
    """Meta holds the page to its rules. Its reason is free text, and stays with Meta."""
    given = child(item, "policy_enforcement") or child(item, "policy-enforcement")
    words = {
        "block": "Meta has blocked the page's messages: see the page's Support Inbox",
        "unblock": "Meta lets the page send messages again",
        "warning": "Meta warns that the page breaks its rules: see the page's Support Inbox",
    }.get(word(given, "action"), "Meta tells of a rule that the page breaks: see the page's Support Inbox")
    grave = word(given, "action") != "unblock"
    return [InstanceNotice(sent_at=frame.time(item, "timestamp"), topic="policy", grave=grave, words=words)]


_READERS: Mapping[str, Callable[[Json, Frame], Sequence[Event]]] = {
    "message": _message,
    "postback": _postback,
    "message_edit": _edit,
    "reaction": _reaction,
    "read": _read,
    "delivery": _delivery,
    "policy_enforcement": _policy,
    "policy-enforcement": _policy,
}

_PASSED_OVER: Mapping[str, str] = {
    "referral": "referral",
    "optin": "optin",
    "optout": "optin",
    "pass_thread_control": "handover",
    "take_thread_control": "handover",
    "request_thread_control": "handover",
    "app_roles": "handover",
    "account_linking": "account_linking",
}
"""Known, and nothing that anybody wrote."""
