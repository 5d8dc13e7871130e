"""What is parked: envelopes, single items of envelopes, and steps; shown, retried or discarded by a person."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, exists, or_, select, update

from inbox_daemon.store.clock import db_now
from inbox_daemon.store.schema import conversation, dispatch, envelope, is_open, is_unread, malformed, portion


@dataclass(frozen=True, slots=True, kw_only=True)
class Parked:
    """One parked thing. `id` is a letter and a number: E an envelope, M an item of one, D a step of the outbox."""

    id: str
    instance: str
    since: datetime
    reason: str
    what: str


def items(connection: Connection, limit: int = 1000) -> list[Parked]:
    """Everything parked, oldest first within its kind."""
    found = [
        Parked(id=f"E{row.id}", instance=row.instance, since=row.received_at, reason=row.reason or "", what="envelope")
        for row in connection.execute(
            select(envelope)
            .where(is_unread(envelope), envelope.c.state == "parked")
            .order_by(envelope.c.id)
            .limit(limit)
        )
    ]
    found += [
        Parked(
            id=f"M{row.id}",
            instance=row.instance,
            since=row.received_at,
            reason=row.problem,
            what=f"item {row.place} of E{row.envelope_id}",
        )
        for row in connection.execute(
            select(malformed, envelope.c.instance, envelope.c.received_at)
            .join(envelope, envelope.c.id == malformed.c.envelope_id)
            .where(malformed.c.state == "parked")
            .order_by(malformed.c.id)
            .limit(limit)
        )
    ]
    found += [
        Parked(
            id=f"D{row.id}",
            instance=row.destination,
            since=row.created_at,
            reason=row.reason or "",
            what=f"{row.kind} for case {row.case_number}",
        )
        for row in connection.execute(
            select(dispatch, conversation.c.case_number)
            .join(conversation, conversation.c.id == dispatch.c.conversation_id)
            .where(is_open(dispatch), dispatch.c.state == "parked")
            .order_by(dispatch.c.id)
            .limit(limit)
        )
    ]
    return found


def doubtful(connection: Connection) -> set[str]:
    """Ids of parked steps that may have been carried out, and that nothing can be asked about: going on may double."""
    may_have_gone = exists().where(portion.c.dispatch_id == dispatch.c.id, portion.c.state == "trying")
    rows = connection.execute(
        select(dispatch.c.id).where(
            is_open(dispatch),
            dispatch.c.state == "parked",
            or_(may_have_gone, dispatch.c.reason.startswith("possible double")),
        )
    )
    return {f"D{row.id}" for row in rows}


def retry(connection: Connection, item: str) -> bool:
    """Let a parked thing go on; a step comes back as suspect, so that its marker is looked up first."""
    kind, number = _split(item)
    if kind == "D":
        statement = (
            update(dispatch)
            .where(dispatch.c.id == number, dispatch.c.state == "parked")
            .values(state="unknown", due_at=db_now(), attempts=0, first_tried_at=None)
        )
    else:
        envelope_id = number
        if kind == "M":
            found = select(malformed.c.envelope_id).where(malformed.c.id == number, malformed.c.state == "parked")
            envelope_id = connection.execute(found).scalar_one_or_none() or 0
        wanted = ["parked"] if kind == "E" else ["done"]
        statement = (
            update(envelope)
            .where(envelope.c.id == envelope_id, envelope.c.state.in_(wanted))
            .values(state="new", reason=None, attempts=0, due_at=db_now(), holder=None, lease_until=None)
        )
    return connection.execute(statement).rowcount == 1


def discard(connection: Connection, item: str) -> bool:
    """Give a parked thing up for good; it stays in the books as discarded. A message takes its files with it."""
    kind, number = _split(item)
    table = {"E": envelope, "M": malformed, "D": dispatch}[kind]
    changed = connection.execute(
        update(table).where(table.c.id == number, table.c.state == "parked").values(state="discarded")
    ).rowcount
    if changed and kind == "D":
        connection.execute(
            update(dispatch)
            .where(dispatch.c.after_id == number, dispatch.c.state.in_(["waiting", "parked"]))
            .values(state="discarded")
        )
    return bool(changed == 1)


def envelope_of(connection: Connection, item: str) -> int | None:
    """The envelope behind a parked envelope or item; None for a step."""
    kind, number = _split(item)
    if kind == "E":
        return number
    if kind == "M":
        found: int | None = connection.execute(
            select(malformed.c.envelope_id).where(malformed.c.id == number)
        ).scalar_one_or_none()
        return found
    return None


def _split(item: str) -> tuple[str, int]:
    """Raises ValueError when `item` is no id of a parked thing."""
    kind, number = item[:1].upper(), item[1:]
    if kind not in "EMD" or not number.isdecimal():
        raise ValueError(f"{item!r} is no id of a parked thing: they look like E12, M3 or D45")
    return kind, int(number)
