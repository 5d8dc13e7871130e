"""What the receiver answers and posts; pure. `protocol.schema.json` and README.md say the same."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from inbox_daemon.model import (
    Attachment,
    EntryId,
    MessageKey,
    Ticket,
    TicketId,
    TicketState,
    TicketUpdate,
)
from inbox_ticketing._writing.texts import one_line
from inbox_ticketing.webhook.events import file_name

MAX_ID_CHARS = 200
MAX_TICKETS = 100
"""Of one hint."""
_WORD = re.compile(r"[a-z][a-z0-9_.]{0,60}")


class NotUnderstood(Exception):
    """The receiver's words make no sense; the message says where, and shows none of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One ticket as the receiver tells it."""

    id: TicketId
    number: str
    url: str
    state: TicketState
    references: frozenset[str]

    @property
    def ticket(self) -> Ticket:
        """As the core knows it."""
        return Ticket(id=self.id, number=self.number, url=self.url, open=not self.state.ends)


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """One entry as the receiver tells it. `key` is ours where we wrote it."""

    key: str
    update: TicketUpdate


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What the receiver says became of an event; it may say nothing at all."""

    ticket: Row | None = None
    entry: EntryId | None = None
    reopened: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """The answer to a look-up. `unread` counts entries that make no sense."""

    tickets: tuple[Row, ...] = ()
    entries: tuple[Told, ...] = field(default=(), repr=False)
    next: str = ""
    more: bool = False
    unread: int = 0


# ---------------------------------------------------------------- what the receiver says


def read_outcome(answer: Any) -> Outcome:
    """The answer to an event. Raises `NotUnderstood`."""
    if answer is None:
        return Outcome()
    if not isinstance(answer, Mapping):
        raise NotUnderstood("the answer to an event is no JSON object")
    ticket = answer.get("ticket")
    return Outcome(
        ticket=None if ticket is None else read_row(ticket),
        entry=None if answer.get("entry") is None else EntryId(_id(answer["entry"], "entry")),
        reopened=answer.get("reopened") is True,
    )


def read_error(answer: Any) -> str:
    """The receiver's word for a refusal; empty when it has none that is safe to show."""
    word = answer.get("error") if isinstance(answer, Mapping) else None
    return word if isinstance(word, str) and _WORD.fullmatch(word) else ""


def read_found(answer: Any) -> Found:
    """The answer to a look-up. Raises `NotUnderstood` where it lacks a list; odd entries are left out, counted."""
    if not isinstance(answer, Mapping):
        raise NotUnderstood("the answer to a look-up is no JSON object")
    tickets, entries = answer.get("tickets"), answer.get("entries")
    if not isinstance(tickets, list) or not isinstance(entries, list):
        raise NotUnderstood("the answer to a look-up has not both lists, tickets and entries")
    told: list[Told] = []
    for one in entries:
        try:
            told.append(read_entry(one))
        except NotUnderstood:
            continue
    following = answer.get("next")
    return Found(
        tickets=tuple(read_row(one) for one in tickets),
        entries=tuple(told),
        next=following if isinstance(following, str) else "",
        more=answer.get("more") is True,
        unread=len(entries) - len(told),
    )


def read_row(ticket: Any) -> Row:
    """One ticket. Raises `NotUnderstood`. A state that we have no word for is taken for work going on."""
    if not isinstance(ticket, Mapping):
        raise NotUnderstood("a ticket is no JSON object")
    number, references = ticket.get("number"), ticket.get("references", ())
    identity = _id(ticket.get("id"), "ticket")
    if not isinstance(references, list | tuple):
        raise NotUnderstood("references of a ticket are no list")
    return Row(
        id=TicketId(identity),
        number=one_line(str(number))[:MAX_ID_CHARS] if isinstance(number, str | int) else identity,
        url=_link(ticket.get("url")),
        state=_state(ticket.get("state")) or TicketState.IN_PROGRESS,
        references=frozenset(one for one in references if isinstance(one, str)),
    )


def read_entry(entry: Any) -> Told:
    """One entry. Raises `NotUnderstood`. Public is only an agent's answer that says so itself."""
    if not isinstance(entry, Mapping):
        raise NotUnderstood("an entry is no JSON object")
    named = entry.get("author")
    author: Mapping[str, Any] = named if isinstance(named, Mapping) else {}
    key, role = entry.get("key"), author.get("role")
    kind, text = entry.get("type"), entry.get("text")
    listed = entry.get("files") or []
    if not isinstance(listed, list):
        raise NotUnderstood("the files of an entry are no list")
    files = tuple(_file(one) for one in listed)
    body = text if isinstance(text, str) else ""
    automatic = entry.get("automatic") is not False and entry.get("automatic") is not None
    update = TicketUpdate(
        ticket=TicketId(_id(entry.get("ticket"), "ticket")),
        entry=EntryId(_id(entry.get("id"), "entry")),
        at=_time(entry.get("at")),
        author=one_line(author["name"]) if isinstance(author.get("name"), str) else "",
        text=body,
        html=entry.get("format") == "html",
        own=role == "inbox" or bool(key),
        automatic=automatic,
        state=_state(entry.get("state")) if kind == "state.changed" else None,
        attachments=files,
        public=kind == "answer.added"
        and entry.get("visibility") == "public"
        and role == "agent"
        and not key
        and not automatic
        and bool(body.strip() or files),
    )
    return Told(key=key if isinstance(key, str) else "", update=update)


def ours(told: Sequence[Told], key: MessageKey) -> list[Told]:
    """The entries written under exactly `key`, each once."""
    return list({one.update.entry: one for one in told if one.key == key and one.update.own}.values())


def read_hint(body: bytes) -> tuple[TicketId, ...]:
    """Tickets that an event to us names; none where it makes no sense."""
    try:
        data = json.loads(body)["data"]
        named = data.get("tickets") or [data.get("ticket")]
        return tuple(TicketId(_id(_inner(one), "ticket")) for one in named[:MAX_TICKETS])
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, NotUnderstood):
        return ()


def _inner(ticket: Any) -> Any:
    return ticket.get("id") if isinstance(ticket, Mapping) else ticket


def _id(value: Any, what: str) -> str:
    text = str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""
    if not text.strip() or len(text) > MAX_ID_CHARS or not text.isprintable():
        raise NotUnderstood(f"the id of a {what} is missing or malformed")
    return text


def _state(value: Any) -> TicketState | None:
    return TicketState(value) if isinstance(value, str) and value in set(TicketState) else None


def _link(value: Any) -> str:
    try:
        fine = isinstance(value, str) and urlsplit(value).scheme in {"http", "https"} and value.isprintable()
    except ValueError:
        return ""
    return value if fine else ""


def _time(value: Any) -> datetime:
    try:
        at = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        raise NotUnderstood("the time of an entry is missing or malformed") from None
    if at.tzinfo is None:
        raise NotUnderstood("the time of an entry has no zone")
    return at.astimezone(UTC)


def _file(value: Any) -> Attachment:
    if not isinstance(value, Mapping):
        raise NotUnderstood("a file is no JSON object")
    name, kind, size, digest = (value.get(one) for one in ("name", "media_type", "size", "sha256"))
    return Attachment(
        filename=file_name(name) if isinstance(name, str) else "archivo",
        media_type=kind if isinstance(kind, str) else "application/octet-stream",
        remote=_id(value.get("id"), "file"),
        size=size if isinstance(size, int) and not isinstance(size, bool) and size >= 0 else None,
        sha256=digest.lower() if isinstance(digest, str) and re.fullmatch(r"[0-9a-fA-F]{64}", digest) else None,
    )
