"""The outbox: steps written with the message, claimed in order, settled with a three-valued outcome.

A step is claimed for a lease; a claim whose lease ran out was cut off in mid-call and comes back, after the time its
request may still be under way, as *suspect*: its marker is looked up before anything is sent again. One step of a
conversation is in flight at a time, and ordered steps go by the citizen's clock (`position`), so what overtook on the
way is put right while it waits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Row,
    Select,
    and_,
    bindparam,
    exists,
    insert,
    or_,
    select,
    update,
)

from inbox_daemon.model import MessageKey
from inbox_daemon.store.clock import after_now, db_now, later
from inbox_daemon.store.schema import attachment, conversation, dispatch, is_open

OPEN_STATES = ("waiting", "sending", "unknown", "parked")
NOTIFY = "notify"
"""Steps that stand apart: no other waits for them, and `store.notices` claims them."""

# Runs for every message, so it is built once: building it costs more than running it.
_ADD = (
    insert(dispatch)
    .values(created_at=db_now(), due_at=later(bindparam("delay_", type_=BigInteger)))
    .returning(dispatch.c.id)
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A claimed step. `suspect`: an earlier try may have been carried out. `fence` guards against late writers.

    `tried_for` is the time since its first try, by the database's clock.
    """

    id: int
    conversation_id: int
    destination: str
    kind: str
    key: MessageKey
    message_id: int | None
    attachment_id: int | None
    reply_id: int | None
    attempts: int
    tried_for: timedelta
    fence: int
    suspect: bool

    @property
    def released(self) -> bool:
        """Whether a person let it go on (`parked.retry` starts the count anew): that it may double is decided then."""
        return self.suspect and self.attempts == 1


def add(
    connection: Connection,
    *,
    conversation_id: int,
    destination: str,
    kind: str,
    key: str,
    position: int,
    ordered: bool,
    delay: timedelta = timedelta(0),
    message_id: int | None = None,
    attachment_id: int | None = None,
    after_id: int | None = None,
    reply_id: int | None = None,
) -> int:
    """Write one step; returns its id."""
    values = {
        "conversation_id": conversation_id,
        "destination": destination,
        "kind": kind,
        "key": key,
        "position": position,
        "ordered": ordered,
        "message_id": message_id,
        "attachment_id": attachment_id,
        "after_id": after_id,
        "reply_id": reply_id,
        "delay_": delay // timedelta(microseconds=1),
    }
    return int(connection.execute(_ADD, values).scalar_one())


def _claimable(settle: timedelta) -> ColumnElement[bool]:
    other = dispatch.alias("other")
    first = dispatch.alias("first")
    file = attachment.alias("file")
    thread = conversation.alias("thread")
    over = after_now(-settle)
    earlier = or_(
        other.c.position < dispatch.c.position,
        and_(other.c.position == dispatch.c.position, other.c.id < dispatch.c.id),
    )
    both_wait = and_(other.c.state == "waiting", dispatch.c.state == "waiting")
    blocked = exists().where(
        other.c.conversation_id == dispatch.c.conversation_id,
        other.c.destination == dispatch.c.destination,
        is_open(other),
        other.c.id != dispatch.c.id,
        other.c.kind != NOTIFY,
        or_(
            and_(other.c.state == "sending", other.c.lease_until >= over),
            # Of several that were cut off, the earliest is looked up first: else they would wait for each other.
            and_(other.c.state.in_(["sending", "unknown"]), or_(dispatch.c.state == "waiting", earlier)),
            and_(other.c.state == "parked", other.c.kind == "open"),
            # Of one that was cut off it is looked up first what it did: an earlier one that comes late waits for that.
            and_(both_wait, other.c.ordered, dispatch.c.ordered, earlier),
        ),
    )
    ticketless = exists().where(thread.c.id == dispatch.c.conversation_id, thread.c.ticket_id.is_(None))
    unready = or_(
        exists().where(first.c.id == dispatch.c.after_id, first.c.state != "done"),
        exists().where(file.c.id == dispatch.c.attachment_id, file.c.state == "waiting"),
        and_(or_(dispatch.c.attachment_id.is_not(None), dispatch.c.kind == "note"), ticketless),
    )
    return and_(
        is_open(dispatch),
        dispatch.c.kind != NOTIFY,
        dispatch.c.due_at <= db_now(),
        or_(
            dispatch.c.state.in_(["waiting", "unknown"]),
            and_(dispatch.c.state == "sending", dispatch.c.lease_until < over),
        ),
        ~blocked,
        ~unready,
    )


def claim(
    connection: Connection,
    destination: str,
    holder: str,
    lease: timedelta,
    limit: int,
    *,
    settle: timedelta = timedelta(0),
) -> list[Step]:
    """Take up to `limit` steps that are due, each of another conversation.

    What was cut off in mid-call is taken only when its lease is over for `settle`.
    """
    return take(connection, _free(connection, destination, limit, settle), holder, lease)


def take(connection: Connection, rows: Sequence[Row[Any]], holder: str, lease: timedelta) -> list[Step]:
    """Claim these rows of the outbox, which the caller has locked."""
    if not rows:
        return []
    connection.execute(
        update(dispatch)
        .where(dispatch.c.id.in_([row.id for row in rows]))
        .values(
            state="sending",
            holder=holder,
            fence=dispatch.c.fence + 1,
            attempts=dispatch.c.attempts + 1,
            lease_until=after_now(lease),
        )
    )
    untried = [row.id for row in rows if row.first_tried_at is None]
    if untried:
        connection.execute(update(dispatch).where(dispatch.c.id.in_(untried)).values(first_tried_at=db_now()))
    now = connection.execute(select(db_now())).scalar_one()
    return [
        Step(
            id=row.id,
            conversation_id=row.conversation_id,
            destination=row.destination,
            kind=row.kind,
            key=MessageKey(row.key),
            message_id=row.message_id,
            attachment_id=row.attachment_id,
            reply_id=row.reply_id,
            attempts=row.attempts + 1,
            tried_for=now - (row.first_tried_at or now),
            fence=row.fence + 1,
            suspect=row.state != "waiting",
        )
        for row in rows
    ]


@lru_cache
def _claim_statements(settle: timedelta) -> tuple[Select[Any], Select[Any]]:
    """The two reads of `_free`, built once: building them costs more than running them."""
    claimable = _claimable(settle)
    find = (
        select(dispatch.c.id)
        .join(conversation, conversation.c.id == dispatch.c.conversation_id)
        .where(dispatch.c.destination == bindparam("destination_"), claimable)
        .order_by(dispatch.c.due_at, dispatch.c.id)
        .limit(bindparam("limit_"))
        .with_for_update(of=conversation, skip_locked=True, key_share=True)
    )
    lock = (
        select(dispatch)
        .where(dispatch.c.id.in_(bindparam("ids_", expanding=True)), claimable)
        .order_by(dispatch.c.due_at, dispatch.c.id)
        .with_for_update(skip_locked=True)
    )
    return find, lock


def _free(connection: Connection, destination: str, limit: int, settle: timedelta) -> list[Row[Any]]:
    """Lock the conversations first and look again then: what another node took, or wrote, a moment ago counts.

    Without it two nodes could each take a step of one new conversation (an earlier message arrives just while a later
    one is being claimed), and both would open a ticket.
    """
    find, lock = _claim_statements(settle)
    found = connection.execute(find, {"destination_": destination, "limit_": limit}).scalars()
    rows = connection.execute(lock, {"ids_": list(found)}).all()
    first_of: dict[int, Row[Any]] = {}
    for row in rows:
        first_of.setdefault(row.conversation_id, row)
    return list(first_of.values())


def _settle(connection: Connection, step: Step, **values: object) -> bool:
    return (
        connection.execute(
            update(dispatch)
            .where(dispatch.c.id == step.id, dispatch.c.fence == step.fence, dispatch.c.state == "sending")
            .values(holder=None, lease_until=None, **values)
        ).rowcount
        == 1
    )


def plan_kind(connection: Connection, step: Step, kind: str, lease: timedelta) -> bool:
    """Record what is about to be sent (an open or an append) before the first byte, with a fresh lease.

    False when another node has taken the step over, or the case was handed on meanwhile.
    """
    return (
        connection.execute(
            update(dispatch)
            .where(
                dispatch.c.id == step.id,
                dispatch.c.fence == step.fence,
                dispatch.c.state == "sending",
                dispatch.c.conversation_id == step.conversation_id,
            )
            .values(kind=kind, lease_until=after_now(lease))
        ).rowcount
        == 1
    )


def done(connection: Connection, step: Step, entry_id: str | None) -> bool:
    """The step was carried out. False when another node has taken it over meanwhile."""
    return _settle(connection, step, state="done", done_at=db_now(), entry_id=entry_id, reason=None)


def again(connection: Connection, step: Step, delay: timedelta, reason: str) -> bool:
    """Provably not done: to be done again after `delay`."""
    return _settle(connection, step, state="waiting", due_at=after_now(delay), reason=reason)


def unknown(connection: Connection, step: Step, delay: timedelta, reason: str) -> bool:
    """May have been done: to be looked up after `delay`."""
    return _settle(connection, step, state="unknown", due_at=after_now(delay), reason=reason)


def uncounted(connection: Connection, step: Step, delay: timedelta, reason: str) -> bool:
    """Nothing was tried, for a reason that is not the step's own: as it was before its claim, due after `delay`."""
    return _settle(
        connection,
        step,
        state="unknown" if step.suspect else "waiting",
        due_at=after_now(delay),
        attempts=dispatch.c.attempts - 1,
        first_tried_at=None,
        reason=reason,
    )


def park(connection: Connection, step: Step, reason: str) -> bool:
    """Stop, keep, show: a person or a fix is needed."""
    return _settle(connection, step, state="parked", reason=reason)


def discard(connection: Connection, step: Step, reason: str) -> bool:
    """There is nothing left that it could do."""
    return _settle(connection, step, state="discarded", reason=reason)


def recover(connection: Connection, holder: str, destination: str, settle: timedelta) -> int:
    """What an earlier life of this node had in flight when it died may have been done; returns how many."""
    return connection.execute(
        update(dispatch)
        .where(
            is_open(dispatch),
            dispatch.c.state == "sending",
            dispatch.c.holder == holder,
            dispatch.c.destination == destination,
        )
        .values(
            state="unknown", holder=None, lease_until=None, due_at=after_now(settle), reason="restarted in mid-call"
        )
    ).rowcount


def move(connection: Connection, conversation_id: int, to: int) -> None:
    """Hand a conversation's waiting steps to its successor, whose ticket they will open.

    What may have been carried out stays: it is looked up in the ticket it went to.
    """
    connection.execute(
        update(dispatch)
        .where(
            is_open(dispatch),
            dispatch.c.conversation_id == conversation_id,
            dispatch.c.state == "waiting",
            dispatch.c.kind != NOTIFY,
            dispatch.c.reply_id.is_(None),  # what is said to the citizen, and of it, stays where it was said
        )
        .values(
            conversation_id=to,
            destination=select(conversation.c.destination).where(conversation.c.id == to).scalar_subquery(),
        )
    )


def hold(connection: Connection, step: Step, reason: str) -> bool:
    """Wait for the citizen to write."""
    return _settle(connection, step, state="held", reason=reason)


def change_lane(connection: Connection, step: Step, lane: str, reason: str) -> bool:
    """Go on in another channel's lane, as if it had never been tried."""
    return _settle(
        connection,
        step,
        state="waiting",
        destination=lane,
        due_at=db_now(),
        attempts=0,
        first_tried_at=None,
        reason=reason,
    )


def hold_lease(connection: Connection, step: Step, lease: timedelta) -> bool:
    """Whether the step is still ours; it has a fresh lease then."""
    return plan_kind(connection, step, step.kind, lease)


def reply_of(connection: Connection, step_id: int) -> int:
    """The reply that a `send` step was made for."""
    return int(connection.execute(select(dispatch.c.reply_id).where(dispatch.c.id == step_id)).scalar_one())


def park_new(connection: Connection, step_id: int, reason: str) -> None:
    """Park a step that nobody has claimed yet."""
    connection.execute(
        update(dispatch)
        .where(dispatch.c.id == step_id, dispatch.c.state == "waiting")
        .values(state="parked", reason=reason)
    )
