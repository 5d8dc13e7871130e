"""Pure: events and handles as the stable JSON that `inbox-daemon explain` prints."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from inbox_daemon.identity.handles import normalize
from inbox_daemon.model import (
    CallEvent,
    EditEvent,
    Event,
    Handle,
    HandleChanged,
    Ignored,
    InstanceNotice,
    Malformed,
    Message,
    ReactionEvent,
    RevokeEvent,
    Sender,
    StatusEvent,
    WatermarkEvent,
)


def describe_handle(raw: str, *, default_area: str | None = None) -> dict[str, Any]:
    """One raw identifier in its three forms."""
    found = normalize(raw, default_area=default_area)
    return {
        "raw": found.raw,
        "kind": found.kind,
        "value": found.value,
        "match_key": found.match_key,
        "ambiguous": found.ambiguous,
        "valid": found.valid,
    }


def describe_event(event: Event) -> dict[str, Any]:
    """One event: `type` first, then its own fields."""
    if isinstance(event, Message):
        return _message(event)
    if isinstance(event, WatermarkEvent):
        more = {"to": _handle(event.to), "until": event.until.isoformat(), "state": event.state.value}
        return _head("watermark", event) | more
    if isinstance(event, InstanceNotice):
        return {"type": "notice"} | asdict(event) | {"sent_at": event.sent_at.isoformat()}
    match event:
        case StatusEvent():
            return _head("status", event) | {
                "target": event.target,
                "state": event.state.value,
                "tag": event.tag,
                "error_code": event.error_code,
                "reason": event.reason,
                "window": event.window,
                "learned": [_handle(one) for one in event.learned],
            }
        case EditEvent():
            return _message(event.message) | _head("edit", event) | {"target": event.target}
        case RevokeEvent():
            return _head("revoke", event) | {"target": event.target, "sender": _sender(event.sender)}
        case ReactionEvent():
            sender = _sender(event.sender)
            return _head("reaction", event) | {"target": event.target, "emoji": event.emoji, "sender": sender}
        case HandleChanged():
            old, new = ([_handle(one) for one in side] for side in (event.old, event.new))
            return _head("handle_changed", event) | {"old": old, "new": new}
        case CallEvent():
            sender = _sender(event.sender)
            return _head("call", event) | {"sender": sender, "outcome": event.outcome, "seconds": event.seconds}
        case _:
            return _ignored(event)


def _ignored(event: Malformed | Ignored) -> dict[str, Any]:
    """What makes no message, and why."""
    if isinstance(event, Malformed):
        return {"type": "ignored", "reason": "malformed", "place": event.place, "problem": event.problem}
    return {
        "type": "ignored",
        "reason": event.reason,
        "external_id": event.external_id,
        "sent_at": event.sent_at.isoformat() if event.sent_at else None,
    }


def _head(type_: str, event: Any) -> dict[str, Any]:
    return {"type": type_, "external_id": event.external_id, "sent_at": event.sent_at.isoformat()}


def _message(message: Message) -> dict[str, Any]:
    return _head("message", message) | {
        "content": message.content.value,
        "sender": _sender(message.sender),
        "text": message.text,
        "quoted": message.quoted,
        "subject": message.subject,
        "attachments": [
            {"filename": one.filename, "media_type": one.media_type, "size": one.size, "sha256": one.sha256}
            for one in message.attachments
        ],
        "in_reply_to": message.in_reply_to,
        "automatic": message.automatic.value if message.automatic else None,
        "details": dict(message.details),
        "echo": message.echo,
        "history": message.history,
    }


def _sender(sender: Sender) -> dict[str, Any]:
    return {"name": sender.name, "handles": [_handle(one) for one in sender.handles]}


def _handle(handle: Handle) -> dict[str, Any]:
    return {"kind": handle.kind, "value": handle.value, "proof": handle.proof.value}
