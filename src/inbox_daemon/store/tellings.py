"""Whom a notice may go to, what was told already, and who waits for a destination that is down."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Text, and_, cast, exists, func, literal, or_, select

from inbox_daemon.model import Handle, Proof
from inbox_daemon.store.clock import db_now
from inbox_daemon.store.schema import conversation, dispatch, handle, is_open, message, reply

DOWN = "down"
_UNDELIVERED = and_(is_open(dispatch), dispatch.c.state.in_(["waiting", "sending", "unknown"]))


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """The last thing that a person wrote in a conversation, and where an answer to it goes."""

    message_id: int
    instance: str
    handle_id: int
    handle: Handle
    sent_at: datetime
    received_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """A conversation that waits for its destination, by its latest message; `key` is of its notice about that."""

    conversation_id: int
    key: str
    word: Word


_BY_PERSON = and_(message.c.direction == "in", message.c.type == "message", message.c.automatic.is_(None))
_WORD = (
    select(message.c.id.label("message_id"), message.c.instance, message.c.handle_id, message.c.sent_at)
    .add_columns(message.c.received_at, handle.c.kind, handle.c.scope, handle.c.value, handle.c.proof)
    .join(handle, handle.c.id == message.c.handle_id)
    .where(_BY_PERSON)
)


def last_word(connection: Connection, conversation_id: int) -> Word | None:
    """What a person (no machine) wrote last in a conversation; None where nobody can be answered."""
    row = connection.execute(
        _WORD.where(message.c.conversation_id == conversation_id)
        .order_by(message.c.sent_at.desc(), message.c.id.desc())
        .limit(1)
    ).one_or_none()
    return None if row is None else _as_word(row)


def _as_word(row: Any) -> Word:
    made = Handle(kind=row.kind, value=row.value, scope=row.scope, proof=Proof(row.proof))
    return Word(
        message_id=row.message_id,
        instance=row.instance,
        handle_id=row.handle_id,
        handle=made,
        sent_at=row.sent_at,
        received_at=row.received_at,
    )


def handle_of(connection: Connection, handle_id: int) -> Handle | None:
    """The handle with this id, as far as it is known now."""
    row = connection.execute(select(handle).where(handle.c.id == handle_id)).one_or_none()
    return None if row is None else Handle(kind=row.kind, value=row.value, scope=row.scope, proof=Proof(row.proof))


def told_to(
    connection: Connection, *, citizen_id: int, handle_id: int, origins: Collection[str], since: datetime
) -> int:
    """How many notices of these kinds went to a handle since then, in whichever of its citizen's conversations."""
    return int(
        connection.execute(
            select(func.count())
            .select_from(reply)
            .join(conversation, conversation.c.id == reply.c.conversation_id)
            .where(
                conversation.c.citizen_id == citizen_id,
                reply.c.handle_id == handle_id,
                reply.c.origin.in_(origins),
                reply.c.learnt_at > since,
            )
        ).scalar_one()
    )


def last_success(connection: Connection, destination: str) -> datetime | None:
    """When the newest step that a destination took was done. Found from the newest step backwards, not by a scan."""
    moment: datetime | None = connection.execute(
        select(dispatch.c.done_at)
        .where(dispatch.c.destination == destination, dispatch.c.state == "done")
        .order_by(dispatch.c.id.desc())
        .limit(1)
    ).scalar_one_or_none()
    return moment


def failing_since(connection: Connection, destination: str, success: datetime | None) -> datetime | None:
    """Since when a destination has taken nothing, by what still waits for it: the same on each node and for ever.

    A step that was tried before the last `success` failed for a reason of its own, and so does what stands behind a
    ticket that could not be opened.
    """
    began = func.coalesce(dispatch.c.first_tried_at, dispatch.c.created_at)
    tried = or_(dispatch.c.first_tried_at.is_not(None), dispatch.c.reason.is_not(None), dispatch.c.due_at <= db_now())
    query = select(func.min(began)).where(
        _UNDELIVERED, dispatch.c.destination == destination, tried, ~_behind_parked(dispatch.c.conversation_id)
    )
    moment: datetime | None = connection.execute(
        query if success is None else query.where(began > success)
    ).scalar_one()
    return moment


def _behind_parked(conversation_id: ColumnElement[Any]) -> ColumnElement[bool]:
    """Whether a conversation's ticket could not be opened: what waits there waits for a person, not for the system."""
    opening = dispatch.alias("opening")
    return exists().where(
        opening.c.conversation_id == conversation_id,
        is_open(opening),
        opening.c.kind == "open",
        opening.c.state == "parked",
    )


def waiting(
    connection: Connection,
    destination: str,
    *,
    instances: Sequence[str],
    matters_not: Collection[str],
    since: datetime,
    until: datetime,
    after_id: int,
    limit: int,
) -> list[Waiting]:
    """Conversations with a person's message received between `since` and `until` that the destination has not taken.

    Only those that were not told yet: since then nothing of them was delivered. By rising id, those above `after_id`.
    """
    earlier, written = dispatch.alias("earlier"), message.alias("written")
    # What was delivered so far numbers a conversation's outages: the same on each node, and until it is over.
    delivered = (
        select(func.count())
        .select_from(written)
        .join(earlier, and_(earlier.c.message_id == written.c.id, earlier.c.ordered))
        .where(written.c.conversation_id == conversation.c.id, earlier.c.state == "done")
        .scalar_subquery()
    )
    key = literal(f"{DOWN}|") + conversation.c.case_number + "|" + cast(delivered, Text)
    rows = connection.execute(
        select(conversation.c.id, key.label("key"), func.max(message.c.id).label("message_id"))
        .select_from(dispatch)
        .join(message, message.c.id == dispatch.c.message_id)
        .join(handle, handle.c.id == message.c.handle_id)
        .join(conversation, conversation.c.id == dispatch.c.conversation_id)
        .where(
            _UNDELIVERED,
            dispatch.c.ordered,
            dispatch.c.destination == destination,
            _BY_PERSON,
            message.c.instance.in_(instances),
            message.c.received_at > since,
            message.c.received_at <= until,
            handle.c.proof == Proof.CHANNEL.value,
            conversation.c.matter.not_in(matters_not),
            func.coalesce(conversation.c.asked, 0) == 0,
            conversation.c.id > after_id,
            ~_behind_parked(conversation.c.id),
            ~exists().where(reply.c.key == key),
        )
        .group_by(conversation.c.id, conversation.c.case_number)
        .order_by(conversation.c.id)
        .limit(limit)
    ).all()
    found = connection.execute(_WORD.where(message.c.id.in_([row.message_id for row in rows])))
    words = {row.message_id: _as_word(row) for row in found}
    return [Waiting(conversation_id=row.id, key=row.key, word=words[row.message_id]) for row in rows]
