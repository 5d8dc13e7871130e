"""A WhatsApp webhook body into events: every entry, change, message and status of it, in order. Pure.

Meta puts up to 1000 updates of many people into one body. One that can't be read becomes `Malformed` by itself; its
neighbours go on. Only a body that is no envelope at all raises `Permanent`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol
from zoneinfo import ZoneInfo

from inbox_channels._graph.reading import (
    Json,
    Unreadable,
    child,
    children,
    clean,
    clean_text,
    load,
    moment,
    required,
    word,
)
from inbox_channels._graph.verdicts import told
from inbox_channels.whatsapp.content import read_content
from inbox_channels.whatsapp.people import People, changed_handles
from inbox_daemon.errors import Permanent
from inbox_daemon.model import (
    EditEvent,
    Envelope,
    Event,
    ExternalId,
    HandleChanged,
    Ignored,
    Malformed,
    Message,
    ReactionEvent,
    RemoteId,
    RevokeEvent,
    SendState,
    StatusEvent,
)

ZONE = ZoneInfo("America/Argentina/Cordoba")
"""Times are told in the office's zone; the instant is Meta's."""


class Scope(Protocol):
    """The settings that parsing depends on."""

    @property
    def phone_number_id(self) -> str:
        """The number of this instance; events of others are passed over. Empty: take all."""

    @property
    def portfolio(self) -> str:
        """Name of the business portfolio for BSUIDs. Empty: the id of the WhatsApp Business account is used."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Frame:
    """What an item is read in: the people beside it, errors of its value, and whether the business wrote it."""

    people: People
    errors: tuple[Json, ...] = ()
    echo: bool = False
    other_number: bool = False


def parse(envelope: Envelope, settings: Scope) -> list[Event]:
    """Events of a webhook body, in its order. Raises `Permanent` for what is no WhatsApp envelope."""
    body = load(envelope.body)
    entries = body.get("entry")
    if not isinstance(entries, list):
        raise Permanent("the body has no list of entries")
    if body.get("object", "whatsapp_business_account") != "whatsapp_business_account":
        return [Ignored(reason="other_object")]
    events = [event for i, entry in enumerate(entries) for event in _entry(entry, f"entry[{i}]", settings)]
    return events or [Ignored(reason="empty")]


def _entry(entry: object, place: str, settings: Scope) -> Iterator[Event]:
    if not isinstance(entry, dict) or not isinstance(entry.get("changes"), list):
        yield Malformed(place=place, problem="has no list of changes")
        return
    scope = settings.portfolio or clean_text(word(entry, "id"))
    for i, change in enumerate(entry["changes"]):
        yield from _change(change, f"{place}.changes[{i}]", scope, settings.phone_number_id)


def _change(change: object, place: str, scope: str, number: str) -> Iterator[Event]:
    if not isinstance(change, dict) or not isinstance(change.get("value"), dict):
        yield Malformed(place=place, problem="has no value")
        return
    name, value = word(change, "field") or "messages", change["value"]
    if name not in _LISTS:
        yield Ignored(reason=_OTHER_FIELDS.get(name, "other_field"))
        return
    # Several numbers of one app behind one address would be told apart here, by metadata.phone_number_id.
    of = word(child(value, "metadata"), "phone_number_id")
    frame = _Frame(
        people=People(_clean_all(children(value, "contacts")), scope),
        errors=tuple(_clean_all(children(value, "errors"))),
        echo=name == "smb_message_echoes",
        other_number=bool(number and of and of != number),
    )
    found = False
    for key, read in _LISTS[name].items():
        for event in _items(value, key, place, frame, read):
            found = True
            yield event
    if not found:
        yield Ignored(reason="error" if frame.errors else "empty")


def _items(
    value: Mapping[str, Any], key: str, place: str, frame: _Frame, read: Callable[[Json, _Frame], Event]
) -> Iterator[Event]:
    items = value.get(key)
    if items is None:
        return
    if not isinstance(items, list):
        yield Malformed(place=f"{place}.{key}", problem="is no list")
        return
    for i, raw in enumerate(items):
        try:
            item = clean(raw)
            yield _elsewhere(item) if frame.other_number else read(item, frame)
        except Unreadable as problem:
            yield Malformed(place=f"{place}.{key}[{i}]", problem=str(problem))


def _clean_all(items: Sequence[Json]) -> Iterator[Json]:
    for item in items:
        try:
            yield clean(item)
        except Unreadable:
            continue  # a contact that can't be read costs its message a name, nothing else


def _elsewhere(item: Json) -> Ignored:
    return Ignored(reason="other_number", external_id=ExternalId(word(item, "id")) or None)


# ---------------------------------------------------------------- messages


def _message(item: Json, frame: _Frame) -> Event:
    event_id, at = ExternalId(required(item, "id")), moment(item, "timestamp", ZONE)
    if word(item, "group_id"):
        return Ignored(reason="group", external_id=event_id, sent_at=at)
    read = _EVENTS.get(word(item, "type"), _utterance)
    return read(item, frame, event_id, at)


def _utterance(item: Json, frame: _Frame, event_id: ExternalId, at: datetime) -> Message:
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


def _who(item: Json, frame: _Frame) -> tuple[str, str]:
    """BSUID and phone of the citizen: who wrote, or for what was typed on the business's phone, to whom."""
    if frame.echo:
        return word(item, "to_user_id"), word(item, "to")
    return word(item, "from_user_id"), word(item, "from")


def _edit(item: Json, frame: _Frame, event_id: ExternalId, at: datetime) -> Event:
    edit = child(item, "edit")
    inner = edit.get("message")
    if not isinstance(inner, dict):
        raise Unreadable("is an edit without its new message")
    whole = {**{key: item[key] for key in item if key not in ("edit", "type")}, **inner}
    return EditEvent(
        external_id=event_id,
        sent_at=at,
        target=ExternalId(required(edit, "original_message_id")),
        message=_utterance(whole, frame, event_id, at),
    )


def _revoke(item: Json, frame: _Frame, event_id: ExternalId, at: datetime) -> Event:
    target = ExternalId(required(child(item, "revoke"), "original_message_id"))
    if frame.echo:
        return Ignored(reason="echo_revoke", external_id=event_id, sent_at=at)
    sender = frame.people.sender(*_who(item, frame))
    return RevokeEvent(external_id=event_id, sent_at=at, target=target, sender=sender)


def _reaction(item: Json, frame: _Frame, event_id: ExternalId, at: datetime) -> Event:
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


def _system(item: Json, frame: _Frame, event_id: ExternalId, at: datetime) -> Event:
    kind = word(child(item, "system"), "type")
    if kind not in _HANDLE_CHANGES:
        reason = "identity_changed" if kind == "customer_identity_changed" else "system"
        return Ignored(reason=reason, external_id=event_id, sent_at=at)
    old, new = changed_handles(item, frame.people)
    if not old or not new:
        return Ignored(reason="handle_change_incomplete", external_id=event_id, sent_at=at)
    return HandleChanged(external_id=event_id, sent_at=at, old=old, new=new)


_EVENTS: Mapping[str, Callable[[Json, _Frame, ExternalId, datetime], Event]] = {
    "edit": _edit,
    "revoke": _revoke,
    "reaction": _reaction,
    "system": _system,
}


# ---------------------------------------------------------------- statuses

# As of the page webhooks/reference/messages/status, May 2026: "deleted" and "warning" were of the older API.
_STATES: Mapping[str, SendState] = {
    state.value: state
    for state in (SendState.SENT, SendState.DELIVERED, SendState.READ, SendState.PLAYED, SendState.FAILED)
}


def _status(item: Json, _frame: _Frame) -> Event:
    """A status has no id of its own: what was sent and what became of it are its identity."""
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
    )


# ---------------------------------------------------------------- fields of a subscription

_LISTS: Mapping[str, Mapping[str, Callable[[Json, _Frame], Event]]] = {
    "messages": {"messages": _message, "statuses": _status},
    "smb_message_echoes": {"message_echoes": _message},
}

_OTHER_FIELDS: Mapping[str, str] = {
    "account_alerts": "account_alerts",
    "account_review_update": "account_review",
    "account_update": "account_update",
    "business_capability_update": "business_capability",
    "calls": "calls",
    "flows": "flows",
    "history": "history",
    "message_template_components_update": "template_components",
    "message_template_quality_update": "template_quality",
    "message_template_status_update": "template_status",
    "phone_number_name_update": "number_name",
    "phone_number_quality_update": "number_quality",
    "security": "security",
    "smb_app_state_sync": "app_state_sync",
    "standby": "standby",
    "template_category_update": "template_category",
    "user_preferences": "user_preferences",
}
