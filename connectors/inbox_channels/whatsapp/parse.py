"""A WhatsApp webhook body into events: every entry, change, message and status of it, in order. Pure.

Meta puts up to 1000 updates of many people into one body. One that can't be read becomes `Malformed` by itself; its
neighbours go on. Only a body that is no envelope at all raises `Permanent`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

from inbox_channels._graph.reading import (
    Json,
    Unreadable,
    child,
    children,
    clean,
    clean_text,
    load,
    word,
)
from inbox_channels.whatsapp.events import ZONE, Frame, elsewhere, read_message, read_status
from inbox_channels.whatsapp.history import read_history
from inbox_channels.whatsapp.notices import NOTICES, Wanted, read_notice
from inbox_channels.whatsapp.people import People
from inbox_daemon.errors import Permanent
from inbox_daemon.model import Envelope, Event, Ignored, Malformed


class Scope(Wanted, Protocol):
    """The settings that parsing depends on."""

    @property
    def phone_number_id(self) -> str:
        """The number of this instance; events of others are passed over. Empty: take all."""

    @property
    def portfolio(self) -> str:
        """Name of the business portfolio for BSUIDs. Empty: the id of the WhatsApp Business account is used."""


def parse(envelope: Envelope, settings: Scope) -> list[Event]:
    """Events of a webhook body, in its order.

    Raises `Permanent` for what is no WhatsApp envelope; a page's or an account's is kept where somebody sees it.
    """
    body = load(envelope.body)
    entries = body.get("entry")
    if not isinstance(entries, list):
        raise Permanent("the body has no list of entries")
    if body.get("object", "whatsapp_business_account") != "whatsapp_business_account":
        raise Permanent(
            "the delivery is of another product of the app: enter the address of that product's own channel for it, in "
            "the app's dashboard"
        )
    received = envelope.received_at.astimezone(ZONE)
    events = [event for i, entry in enumerate(entries) for event in _entry(entry, f"entry[{i}]", settings, received)]
    return events or [Ignored(reason="empty")]


def _entry(entry: object, place: str, settings: Scope, received: datetime) -> Iterator[Event]:
    if not isinstance(entry, dict) or not isinstance(entry.get("changes"), list):
        yield Malformed(place=place, problem="has no list of changes")
        return
    account = clean_text(word(entry, "id"))
    read = _Entry(account=account, at=_told_at(entry, received), settings=settings)
    for i, change in enumerate(entry["changes"]):
        yield from read.change(change, f"{place}.changes[{i}]")


def _told_at(entry: Mapping[str, Any], received: datetime) -> datetime:
    """When Meta told of it: `time` in seconds, where there is one."""
    time = entry.get("time")
    if not isinstance(time, int) or isinstance(time, bool) or not 0 < time < 10**11:
        return received
    return datetime.fromtimestamp(time, UTC).astimezone(ZONE)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Entry:
    """What the changes of one account are read in."""

    account: str
    at: datetime
    settings: Scope

    def change(self, change: object, place: str) -> Iterator[Event]:
        """Events of one change, by its field."""
        if not isinstance(change, dict) or not isinstance(change.get("value"), dict):
            yield Malformed(place=place, problem="has no value")
            return
        name, value = word(change, "field") or "messages", change["value"]
        if name in _LISTS:
            yield from self._lists(name, value, place)
        elif name == "history":
            yield from self._history(value, place)
        elif name in NOTICES:
            yield self._notice(name, value, place)
        else:
            yield Ignored(reason=_OTHER_FIELDS.get(name, "other_field"))

    def _lists(self, name: str, value: Mapping[str, Any], place: str) -> Iterator[Event]:
        frame = Frame(
            people=People(_clean_all(children(value, "contacts")), self._scope),
            errors=tuple(_clean_all(children(value, "errors"))),
            echo=name == "smb_message_echoes",
            other_number=self._is_other_number(value),
        )
        found = False
        for key, read in _LISTS[name].items():
            for event in _items(value, key, place, frame, read):
                found = True
                yield event
        if not found:
            yield Ignored(reason="error" if frame.errors else "empty")

    def _history(self, value: Mapping[str, Any], place: str) -> Iterator[Event]:
        other = self._is_other_number(value)
        found = False
        for event in read_history(value, place, self._scope, other_number=other, at=self.at):
            found = True
            yield event
        if not found:
            yield Ignored(reason="empty")

    def _notice(self, name: str, value: Mapping[str, Any], place: str) -> Event:
        if self.settings.account_id and self.account != self.settings.account_id:
            return Ignored(reason="other_account")
        try:
            return read_notice(name, clean(value), self.at, self.settings)
        except Unreadable as problem:
            return Malformed(place=place, problem=str(problem))

    @property
    def _scope(self) -> str:
        return self.settings.portfolio or self.account

    def _is_other_number(self, value: Mapping[str, Any]) -> bool:
        """Several numbers of one app come to one address; each instance takes its own."""
        own, of = self.settings.phone_number_id, word(child(value, "metadata"), "phone_number_id")
        return bool(own and of and of != own)


def _items(
    value: Mapping[str, Any], key: str, place: str, frame: Frame, read: Callable[[Json, Frame], Event]
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
            yield elsewhere(item) if frame.other_number else read(item, frame)
        except Unreadable as problem:
            yield Malformed(place=f"{place}.{key}[{i}]", problem=str(problem))


def _clean_all(items: Sequence[Json]) -> Iterator[Json]:
    for item in items:
        try:
            yield clean(item)
        except Unreadable:
            continue  # a contact that can't be read costs its message a name, nothing else


# ---------------------------------------------------------------- fields of a subscription

_LISTS: Mapping[str, Mapping[str, Callable[[Json, Frame], Event]]] = {
    "messages": {"messages": read_message, "statuses": read_status},
    "smb_message_echoes": {"message_echoes": read_message},
}

_OTHER_FIELDS: Mapping[str, str] = {
    "calls": "calls",
    "flows": "flows",
    "smb_app_state_sync": "app_state_sync",
    "standby": "standby",
    "user_preferences": "user_preferences",
}
"""Known, and nothing for us: what other programs and the phone's address book do."""
