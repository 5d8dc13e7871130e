"""The books: per instance and day, received = delivered + pending + parked + ignored(reason).

The two sides come from different tables. Received is what the parser counted in each envelope; the other side is
where each of those things stands now. A difference is a bug, and `balance` shows it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, and_, case, exists, func, select

from inbox_daemon.store.schema import dispatch, envelope, ignored, malformed, message


@dataclass(slots=True, kw_only=True)
class Line:
    """One instance on one day. `balance` is 0 when nothing was lost in the books."""

    instance: str
    day: int
    received: int = 0
    delivered: int = 0
    pending: int = 0
    parked: int = 0
    ignored: dict[str, int] = field(default_factory=dict)

    @property
    def balance(self) -> int:
        """Received less everything that is accounted for."""
        return self.received - self.delivered - self.pending - self.parked - sum(self.ignored.values())


def read(connection: Connection, since_day: int = 0) -> list[Line]:
    """The books from `since_day` (YYYYMMDD) on, oldest first."""
    lines: dict[tuple[int, str], Line] = {}

    def line(row: Any) -> Line:
        return lines.setdefault((row.day, row.instance), Line(instance=row.instance, day=row.day))

    for row in connection.execute(_envelopes(since_day)):
        books = line(row)
        books.received += row.received
        books.pending += row.unread
        books.parked += row.parked
        _ignore(books, "discarded", row.discarded)
    for row in connection.execute(_messages(since_day)):
        books = line(row)
        books.delivered += row.delivered
        books.parked += row.parked
        books.pending += row.waiting
        _ignore(books, "discarded", row.discarded)
    for row in connection.execute(_ignored(since_day)):
        _ignore(line(row), row.reason, row.number)
    for row in connection.execute(_malformed(since_day)):
        books = line(row)
        books.parked += row.parked
        _ignore(books, "discarded", row.discarded)
    return [lines[key] for key in sorted(lines)]


def _ignore(books: Line, reason: str, count: int) -> None:
    if count:
        books.ignored[reason] = books.ignored.get(reason, 0) + count


def _count(condition: ColumnElement[bool], label: str) -> ColumnElement[int]:
    return func.coalesce(func.sum(case((condition, 1), else_=0)), 0).label(label)


def _envelopes(since_day: int) -> Select[Any]:
    """What the parser counted; an envelope not read yet, or unreadable, is one thing received."""
    columns = envelope.c
    return (
        select(
            columns.day,
            columns.instance,
            func.sum(case((columns.state == "done", func.coalesce(columns.events, 0)), else_=1)).label("received"),
            _count(columns.state == "new", "unread"),
            _count(columns.state == "parked", "parked"),
            _count(columns.state == "discarded", "discarded"),
        )
        .where(columns.day >= since_day)
        .group_by(columns.day, columns.instance)
    )


def _messages(since_day: int) -> Select[Any]:
    """Where each message taken in stands now, by the one step that carries it: the last, where a case was handed on.

    A message whose envelope is being read again counts with its envelope, as one thing not read yet.
    """
    later = dispatch.alias("later")
    own_step = and_(
        dispatch.c.message_id == message.c.id,
        dispatch.c.ordered,
        ~exists().where(later.c.message_id == message.c.id, later.c.ordered, later.c.id > dispatch.c.id),
    )
    state = dispatch.c.state
    return (
        select(
            message.c.day,
            message.c.instance,
            _count(state == "done", "delivered"),
            _count(state == "parked", "parked"),
            _count(state.in_(["waiting", "sending", "unknown"]), "waiting"),
            _count(state == "discarded", "discarded"),
        )
        .join(envelope, envelope.c.id == message.c.envelope_id)
        .outerjoin(dispatch, own_step)
        .where(message.c.day >= since_day, envelope.c.state == "done", message.c.direction == "in")
        .group_by(message.c.day, message.c.instance)
    )


def _ignored(since_day: int) -> Select[Any]:
    return (
        select(envelope.c.day, envelope.c.instance, ignored.c.reason, func.sum(ignored.c.count).label("number"))
        .join(envelope, envelope.c.id == ignored.c.envelope_id)
        .where(envelope.c.day >= since_day, envelope.c.state == "done")
        .group_by(envelope.c.day, envelope.c.instance, ignored.c.reason)
    )


def _malformed(since_day: int) -> Select[Any]:
    return (
        select(
            envelope.c.day,
            envelope.c.instance,
            _count(malformed.c.state == "parked", "parked"),
            _count(malformed.c.state == "discarded", "discarded"),
        )
        .join(envelope, envelope.c.id == malformed.c.envelope_id)
        .where(envelope.c.day >= since_day, envelope.c.state == "done")
        .group_by(envelope.c.day, envelope.c.instance)
    )
