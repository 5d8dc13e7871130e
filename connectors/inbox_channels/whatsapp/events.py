"""One item of a webhook's value into one event: what citizens write, what the office's phone writes, states. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from inbox_channels._graph.reading import Json, Unreadable, child, children, moment, required, word
from inbox_channels._graph.verdicts import closes_window, told
from inbox_channels.whatsapp.content import read_content
from inbox_channels.whatsapp.people import People, changed_handles, shared_phone
from inbox_daemon.model import (
    EditEvent,
    Event,
    ExternalId,
    HandleChanged,
    Ignored,
    Message,
    ReactionEvent,
    RemoteId,
    RevokeEvent,
    SendState,
    StatusEvent,
)

ZONE = ZoneInfo("America/Argentina/Cordoba")
"""Times are told in the office's zone; the instant is Meta's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """What an item is read in: the people beside it, errors of its value, and whether the business wrote it."""

    people: People
    errors: tuple[Json, ...] = ()
    echo: bool = False
    other_number: bool = False


def elsewhere(item: Json) -> Ignored:
    """An item of another number of the app."""
    return Ignored(reason="other_number", external_id=ExternalId(word(item, "id")) or None)


# ---------------------------------------------------------------- messages


def read_message(item: Json, frame: Frame) -> Event:
    """What a citizen wrote or did, or was typed on the office's own phone (`Frame.echo`). Raises `Unreadable`."""
    event_id, at = ExternalId(required(item, "id")), moment(item, "timestamp", ZONE)
    if word(item, "group_id"):
        return Ignored(reason="group", external_id=event_id, sent_at=at)
    read = _EVENTS.get(word(item, "type"), _utterance)
    return read(item, frame, event_id, at)


def _utterance(item: Json, frame: Frame, event_id: ExternalId, at: datetime) -> Message:
    reading = read_content(item, at, frame.errors)
    return Message(
        external_id=event_id,
        sent_at=at,
        sender=frame.people.sender(*_who(item, frame)),
        content=reading.content,
        text=reading.text,
        attachments=reading.attachments,
        in_reply_to=ExternalId(word(child(item, "context"), "id")) or None,
        details=reading.details,
        echo=frame.echo,
    )


def _who(item: Json, frame: Frame) -> tuple[str, str]:
    """BSUID and phone of the citizen: who wrote, or for what was typed on the business's phone, to whom.

    A phone that the citizen shared when WhatsApp asked for it is theirs as if it had stood in `from`.
    """
    if frame.echo:
        return word(item, "to_user_id"), word(item, "to")
    return word(item, "from_user_id"), word(item, "from") or shared_phone(item)


def _edit(item: Json, frame: Frame, event_id: ExternalId, at: datetime) -> Event:
    edit = child(item, "edit")
    inner = edit.get("message")
    if not isinstance(inner, dict):
        raise Unreadable("is an edit without its new message")
    target = ExternalId(required(edit, "original_message_id"))
    whole = {**{key: item[key] for key in item if key not in ("edit", "type")}, **inner}
    message = _utterance(whole, frame, event_id, at)
    return EditEvent(external_id=event_id, sent_at=at, target=target, message=message)


def _revoke(item: Json, frame: Frame, event_id: ExternalId, at: datetime) -> Event:
    target = ExternalId(required(child(item, "revoke"), "original_message_id"))
    sender = frame.people.sender(*_who(item, frame))  # of an echo the citizen: the core knows whose words the target is
    return RevokeEvent(external_id=event_id, sent_at=at, target=target, sender=sender)


def _reaction(item: Json, frame: Frame, event_id: ExternalId, at: datetime) -> Event:
    reaction = child(item, "reaction")
    target = ExternalId(required(reaction, "message_id"))
    if frame.echo:
        return Ignored(reason="echo_reaction", external_id=event_id, sent_at=at)
    return ReactionEvent(
        external_id=event_id,
        sent_at=at,
        target=target,
        emoji=word(reaction, "emoji"),
        sender=frame.people.sender(*_who(item, frame)),
    )


_HANDLE_CHANGES = ("user_changed_number", "user_changed_user_id", "customer_changed_number")


def _system(item: Json, frame: Frame, event_id: ExternalId, at: datetime) -> Event:
    kind = word(child(item, "system"), "type")
    if kind not in _HANDLE_CHANGES:
        reason = "identity_changed" if kind == "customer_identity_changed" else "system"
        return Ignored(reason=reason, external_id=event_id, sent_at=at)
    old, new = changed_handles(item, frame.people)
    if not old or not new:
        return Ignored(reason="handle_change_incomplete", external_id=event_id, sent_at=at)
    return HandleChanged(external_id=event_id, sent_at=at, old=old, new=new)


_EVENTS: Mapping[str, Callable[[Json, Frame, ExternalId, datetime], Event]] = {
    "edit": _edit,
    "revoke": _revoke,
    "reaction": _reaction,
    "system": _system,
}

PASSING = frozenset(_EVENTS)
"""Types that say something of another message, or of nobody's words."""


# ---------------------------------------------------------------- statuses

# As of the page webhooks/reference/messages/status, May 2026: "deleted" and "warning" were of the older API.
_STATES: Mapping[str, SendState] = {
    state.value: state
    for state in (SendState.SENT, SendState.DELIVERED, SendState.READ, SendState.PLAYED, SendState.FAILED)
}


def read_status(item: Json, _frame: Frame) -> Event:
    """What became of something we sent. Raises `Unreadable`.

    A status has no id of its own: what was sent and what became of it are its identity.
    """
    target, name = required(item, "id"), required(item, "status")
    event_id, at = ExternalId(f"{target}|{name}"), moment(item, "timestamp", ZONE)
    if word(item, "recipient_type") == "group":
        return Ignored(reason="group", external_id=event_id, sent_at=at)
    if name not in _STATES:
        return Ignored(reason="other_status", external_id=event_id, sent_at=at)
    error = next(iter(children(item, "errors")), {})
    words = word(child(error, "error_data"), "details") or word(error, "title") or word(error, "message")
    code, state = word(error, "code"), _STATES[name]
    return StatusEvent(
        external_id=event_id,
        sent_at=at,
        target=RemoteId(target),
        state=state,
        tag=word(item, "biz_opaque_callback_data") or None,
        error_code=code or None,
        reason=told(code, words) if state is SendState.FAILED or code else "",
        window=state is SendState.FAILED and closes_window(code),
    )
