"""How things stand, in numbers, for the status page and the metrics."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, func, select

from inbox_daemon.model import InstanceNotice
from inbox_daemon.store import standing
from inbox_daemon.store.clock import db_now
from inbox_daemon.store.schema import (
    attachment,
    conversation,
    dispatch,
    envelope,
    is_open,
    is_unread,
    is_waiting,
    malformed,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Queue:
    """Open steps of one lane. `unknown` ones wait for their look-up, `held` ones for the citizen to write.

    `oldest` is when the oldest of those was written that are to go now.
    """

    waiting: int = 0
    held: int = 0
    unknown: int = 0
    parked: int = 0
    oldest: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """Numbers of the moment; `at` is the database's clock."""

    at: datetime
    queues: dict[str, Queue]
    unread: dict[str, int]
    parked_envelopes: dict[str, int]
    parked_items: dict[str, int]
    attachments_waiting: int
    open_conversations: int
    notices: dict[str, list[InstanceNotice]]


def read(connection: Connection) -> Figures:
    """Count everything that is open."""
    by_instance = select(envelope.c.instance, func.count().label("number")).group_by(envelope.c.instance)
    items = by_instance.join(malformed, malformed.c.envelope_id == envelope.c.id).where(malformed.c.state == "parked")
    return Figures(
        at=connection.execute(select(db_now())).scalar_one(),
        queues=_queues(connection),
        unread=_pairs(connection, by_instance.where(is_unread(envelope), envelope.c.state == "new")),
        parked_envelopes=_pairs(connection, by_instance.where(is_unread(envelope), envelope.c.state == "parked")),
        parked_items=_pairs(connection, items),
        attachments_waiting=_number(
            connection, select(func.count()).select_from(attachment).where(is_waiting(attachment))
        ),
        open_conversations=_number(
            connection, select(func.count()).select_from(conversation).where(conversation.c.state == "open")
        ),
        notices=standing.read(connection),
    )


def _queues(connection: Connection) -> dict[str, Queue]:
    counts: dict[str, dict[str, int]] = {}
    oldest: dict[str, datetime] = {}
    rows = connection.execute(
        select(dispatch.c.destination, dispatch.c.state, func.count(), func.min(dispatch.c.created_at))
        .where(is_open(dispatch))
        .group_by(dispatch.c.destination, dispatch.c.state)
    )
    for destination, state, number, first in rows:
        word = state if state in {"unknown", "parked", "held"} else "waiting"
        books = counts.setdefault(destination, {})
        books[word] = books.get(word, 0) + number
        if word not in {"parked", "held"}:
            oldest[destination] = min(first, oldest.get(destination, first))
    return {name: Queue(**books, oldest=oldest.get(name)) for name, books in counts.items()}


def _pairs(connection: Connection, statement: object) -> dict[str, int]:
    return {row[0]: row[1] for row in connection.execute(statement)}  # type: ignore[call-overload]


def _number(connection: Connection, statement: object) -> int:
    return int(connection.execute(statement).scalar_one())  # type: ignore[call-overload]
