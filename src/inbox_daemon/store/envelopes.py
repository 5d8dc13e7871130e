"""The journal of what was received: appended in groups, claimed for intake, kept as it came."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache

from sqlalchemy import ColumnElement, Connection, Dialect, and_, bindparam, delete, func, insert, or_, select, update

from inbox_daemon.model import Envelope, InstanceId, Malformed
from inbox_daemon.store import schema
from inbox_daemon.store.clock import after_now, db_now
from inbox_daemon.store.columns import to_micros

_envelope = schema.envelope

_APPEND = "INSERT INTO envelope (instance, day, received_at, headers, body, due_at) VALUES "
_APPENDED = 5
"""How many of these columns are parameters."""
_MARKS = {"qmark": "?", "pyformat": "%s"}

# Statements that run for every envelope are built once: building them costs more than running them.
_MINE = select(_envelope.c.holder, _envelope.c.state).where(_envelope.c.id == bindparam("id_")).with_for_update()
_EARLIER_BOOKS = [
    delete(table).where(table.c.envelope_id == bindparam("id_")) for table in (schema.ignored, schema.malformed)
]
_CLOSE = (
    update(_envelope)
    .where(_envelope.c.id == bindparam("id_"))
    .values(
        state=bindparam("state_"),
        reason=bindparam("reason_"),
        events=bindparam("events_"),
        holder=None,
        lease_until=None,
    )
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Journaled:
    """An envelope with its place in the journal."""

    id: int
    day: int
    attempts: int
    envelope: Envelope


def append(connection: Connection, envelopes: Iterable[tuple[Envelope, int]]) -> None:
    """Insert (envelope, day) rows; they are acknowledged to their senders only after the commit.

    All rows go in one statement in the driver's own words: with a step for each row the writer and the loop would
    hand the interpreter's lock to and fro for every envelope, which costs a fifth of the receiving rate.
    """
    values: list[object] = []
    for item, day in envelopes:
        headers = json.dumps(dict(item.headers)) if item.headers else "{}"
        values += item.instance, day, to_micros(item.received_at), headers, item.body
    if values:
        rows = [_row(connection.dialect)] * (len(values) // _APPENDED)
        connection.exec_driver_sql(_APPEND + ", ".join(rows), tuple(values))


@lru_cache
def _row(dialect: Dialect) -> str:
    """The place of one envelope in `_APPEND`."""
    marks = ", ".join([_MARKS[dialect.paramstyle]] * _APPENDED)
    return f"({marks}, {db_now().compile(dialect=dialect)})"


def claim(connection: Connection, holder: str, lease: timedelta, limit: int) -> list[Journaled]:
    """Take the oldest unread envelopes for `lease`; nobody else reads them until it is over.

    What `holder` itself holds counts as free: it reads one batch at a time, so it was cut off in that one.
    """
    free = or_(_envelope.c.lease_until.is_(None), _envelope.c.lease_until < db_now(), _envelope.c.holder == holder)
    rows = connection.execute(
        select(_envelope)
        .where(schema.is_unread(_envelope), _envelope.c.state == "new", _envelope.c.due_at <= db_now(), free)
        .order_by(_envelope.c.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    ).all()
    if rows:
        connection.execute(
            update(_envelope)
            .where(_envelope.c.id.in_([row.id for row in rows]))
            .values(holder=holder, lease_until=after_now(lease), attempts=_envelope.c.attempts + 1)
        )
    return [
        Journaled(
            id=row.id,
            day=row.day,
            attempts=row.attempts + 1,
            envelope=Envelope(
                instance=InstanceId(row.instance), body=row.body, received_at=row.received_at, headers=row.headers
            ),
        )
        for row in rows
    ]


def read(connection: Connection, envelope_id: int) -> Envelope | None:
    """The envelope as it came."""
    row = connection.execute(select(_envelope).where(_envelope.c.id == envelope_id)).one_or_none()
    if row is None:
        return None
    return Envelope(instance=InstanceId(row.instance), body=row.body, received_at=row.received_at, headers=row.headers)


def still_mine(connection: Connection, envelope_id: int, holder: str) -> bool:
    """Lock the row and say whether it is still ours to take in (the lease may have been lost to another node)."""
    row = connection.execute(_MINE, {"id_": envelope_id}).one_or_none()
    return row is not None and row.state == "new" and row.holder == holder


def finish(
    connection: Connection,
    envelope_id: int,
    *,
    events: int,
    ignored: dict[str, int],
    malformed: Sequence[Malformed],
) -> None:
    """Mark an envelope as taken in, with the books of what made no message; written anew on a replay."""
    for earlier in _EARLIER_BOOKS:
        connection.execute(earlier, {"id_": envelope_id})
    if ignored:
        connection.execute(
            insert(schema.ignored),
            [{"envelope_id": envelope_id, "reason": why, "count": count} for why, count in ignored.items()],
        )
    if malformed:
        connection.execute(
            insert(schema.malformed),
            [{"envelope_id": envelope_id, "place": item.place, "problem": item.problem} for item in malformed],
        )
    _close(connection, envelope_id, state="done", reason=None, events=events)


def park(connection: Connection, envelope_id: int, reason: str) -> None:
    """Stop an envelope that can't be read; it stays, visible, until `replay` or `discard`."""
    _close(connection, envelope_id, state="parked", reason=reason, events=None)


def _close(connection: Connection, envelope_id: int, *, state: str, reason: str | None, events: int | None) -> None:
    connection.execute(_CLOSE, {"id_": envelope_id, "state_": state, "reason_": reason, "events_": events})


def postpone(connection: Connection, envelope_id: int, delay: timedelta) -> None:
    """Give an envelope back, to be read again after `delay`."""
    connection.execute(
        update(_envelope)
        .where(_envelope.c.id == envelope_id, _envelope.c.state == "new")
        .values(holder=None, lease_until=None, due_at=after_now(delay))
    )


def recover(connection: Connection, holder: str) -> int:
    """Free what an earlier life of this node was reading when it died; returns how many."""
    return connection.execute(
        update(_envelope)
        .where(schema.is_unread(_envelope), _envelope.c.state == "new", _envelope.c.holder == holder)
        .values(holder=None, lease_until=None)
    ).rowcount


def replay(
    connection: Connection,
    *,
    ids: Collection[int] | None = None,
    instance: str | None = None,
    since: datetime | None = None,
    only_parked: bool = False,
) -> int:
    """Have envelopes read again: repeats are swallowed by their ids, so only what was missed comes anew."""
    wanted: list[ColumnElement[bool]] = [
        _envelope.c.state.in_(["parked"] if only_parked else ["parked", "done", "discarded"])
    ]
    if ids is not None:
        wanted.append(_envelope.c.id.in_(ids))
    if instance is not None:
        wanted.append(_envelope.c.instance == instance)
    if since is not None:
        wanted.append(_envelope.c.received_at >= since)
    return connection.execute(
        update(_envelope)
        .where(and_(*wanted))
        .values(state="new", reason=None, attempts=0, due_at=db_now(), holder=None, lease_until=None)
    ).rowcount


def unread(connection: Connection) -> int:
    """How many envelopes wait to be read."""
    return int(
        connection.execute(
            select(func.count()).select_from(_envelope).where(schema.is_unread(_envelope), _envelope.c.state == "new")
        ).scalar_one()
    )
