"""Notices to an office: outbox steps of their own that hold nothing up and are simply done again when in doubt."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import Connection, and_, or_, select, update

from inbox_daemon.model import MessageKey, Ticket
from inbox_daemon.store import conversations, outbox
from inbox_daemon.store.clock import db_now
from inbox_daemon.store.outbox import NOTIFY, Step
from inbox_daemon.store.schema import dispatch, is_open


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """A claimed notice of the entry `key`, which `opened` the ticket or was added to it."""

    step: Step
    ticket: Ticket | None
    key: MessageKey
    opened: bool


def add(connection: Connection, done: Step) -> None:
    """Write the notice of a step just recorded as done."""
    outbox.add(
        connection,
        # not as it was claimed: the case may have been handed on meanwhile
        conversation_id=connection.execute(
            select(dispatch.c.conversation_id).where(dispatch.c.id == done.id)
        ).scalar_one(),
        destination=done.destination,
        kind=NOTIFY,
        key=f"{done.key}n",
        position=0,
        ordered=False,
        message_id=done.message_id,
        after_id=done.id,
    )


def claim(connection: Connection, destination: str, holder: str, lease: timedelta, limit: int) -> list[Notice]:
    """Take up to `limit` notices that are due, whatever else their conversations are doing."""
    rows = connection.execute(
        select(dispatch)
        .where(
            is_open(dispatch),
            dispatch.c.destination == destination,
            dispatch.c.kind == NOTIFY,
            dispatch.c.due_at <= db_now(),
            or_(
                dispatch.c.state.in_(["waiting", "unknown"]),
                and_(dispatch.c.state == "sending", dispatch.c.lease_until < db_now()),
            ),
        )
        .order_by(dispatch.c.due_at, dispatch.c.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    ).all()
    return [
        _notice(connection, step, row.after_id)
        for row, step in zip(rows, outbox.take(connection, rows, holder, lease), strict=True)
    ]


def _notice(connection: Connection, step: Step, entry_step: int) -> Notice:
    told = connection.execute(select(dispatch.c.key, dispatch.c.kind).where(dispatch.c.id == entry_step)).one()
    return Notice(
        step=step,
        ticket=conversations.read(connection, step.conversation_id).ticket,
        key=MessageKey(told.key),
        opened=told.kind == "open",
    )


def drop(connection: Connection, destination: str) -> int:
    """Nobody is to be told any more: give up what waits; returns how many."""
    return connection.execute(
        update(dispatch)
        .where(
            is_open(dispatch),
            dispatch.c.destination == destination,
            dispatch.c.kind == NOTIFY,
            dispatch.c.state.in_(["waiting", "sending", "unknown", "parked"]),
        )
        .values(state="discarded", reason="notices are not wanted any more", holder=None, lease_until=None)
    ).rowcount
