"""Finds a case by what somebody says or shows of it: its number, an answer of ours, whose it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, exists, func, select

from inbox_daemon.model import CaseNumber, Proof, TicketState
from inbox_daemon.store.conversations import REFERRED, UNFILED, Conversation, read
from inbox_daemon.store.schema import conversation, dispatch, handle, message, portion, reply


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Where a case stands: the state of its ticket as last told (None: never), and since when."""

    conversation: Conversation
    state: TicketState | None
    since: datetime
    opened_at: datetime


def by_number(connection: Connection, case_number: CaseNumber) -> Conversation | None:
    """The case under this number; None when there is none."""
    found = connection.execute(
        select(conversation.c.id).where(
            conversation.c.case_number == case_number, conversation.c.state.not_in([UNFILED, REFERRED])
        )
    ).scalar_one_or_none()
    return None if found is None else read(connection, found)


def open_of(connection: Connection, citizen_id: int, limit: int) -> list[Conversation]:
    """A citizen's open cases, the one spoken in last first."""
    found = connection.execute(
        select(conversation.c.id)
        .where(conversation.c.citizen_id == citizen_id, conversation.c.state == "open")
        .order_by(conversation.c.last_message_at.desc(), conversation.c.id.desc())
        .limit(limit)
    ).scalars()
    return [read(connection, one) for one in found.all()]


def unfiled_of(connection: Connection, citizen_id: int) -> Conversation | None:
    """What a citizen asked us without having a case."""
    found = connection.execute(
        select(conversation.c.id)
        .where(conversation.c.citizen_id == citizen_id, conversation.c.state == UNFILED)
        .order_by(conversation.c.id)
        .limit(1)
    ).scalar_one_or_none()
    return None if found is None else read(connection, found)


def standing(connection: Connection, one: Conversation) -> Standing:
    """Where a case stands."""
    columns = conversation.c
    row = connection.execute(
        select(columns.ticket_state, columns.ticket_state_at, columns.opened_at).where(columns.id == one.id)
    ).one()
    state = None if row.ticket_state is None else TicketState(row.ticket_state)
    since = row.ticket_state_at or row.opened_at
    return Standing(conversation=one, state=state, since=since, opened_at=row.opened_at)


def of_sent(connection: Connection, instance: str, ids: Sequence[str]) -> int | None:
    """The conversation of something that we sent, known to the channel under one of `ids`, the nearest first.

    Mail ids are compared without their angle brackets: programs write them with and without.
    """
    bare = [one.strip("<>") for one in ids]
    forms = [form for one in bare for form in (one, f"<{one}>")]
    rows = connection.execute(
        select(portion.c.remote_id, dispatch.c.conversation_id)
        .join(dispatch, dispatch.c.id == portion.c.dispatch_id)
        .where(portion.c.instance == instance, portion.c.remote_id.in_(forms))
        .order_by(portion.c.id)
    ).all()
    found = {row.remote_id.strip("<>"): int(row.conversation_id) for row in rows}
    return next((found[one] for one in bare if one in found), None)


def is_proven(connection: Connection, handle_id: int) -> bool:
    """Whether the channel vouches for this handle."""
    proof = connection.execute(select(handle.c.proof).where(handle.c.id == handle_id)).scalar_one_or_none()
    return proof == Proof.CHANNEL


def queries_since(connection: Connection, handle_id: int, since: datetime) -> int:
    """How many things this handle asked us that arrived since then."""
    return int(
        connection.execute(
            select(func.count())
            .select_from(message)
            .where(message.c.handle_id == handle_id, message.c.type == "query", message.c.received_at >= since)
        ).scalar_one()
    )


def asked_of(connection: Connection, citizen_id: int) -> Conversation | None:
    """The citizen's newest conversation in which we asked which office it is for, and have no answer yet."""
    found = connection.execute(
        select(conversation.c.id)
        .where(conversation.c.citizen_id == citizen_id, conversation.c.state == "open", conversation.c.asked > 0)
        .order_by(conversation.c.id.desc())
        .limit(1)
    ).scalar_one_or_none()
    return None if found is None else read(connection, found)


def asked_since(connection: Connection, citizen_id: int, since: datetime) -> bool:
    """Whether the citizen was asked which office it is for, and did not say, in a conversation that went on then."""
    return bool(
        connection.execute(
            select(
                exists().where(
                    conversation.c.citizen_id == citizen_id,
                    conversation.c.asked.is_not(None),
                    conversation.c.last_message_at >= since,
                )
            )
        ).scalar_one()
    )


def said_under(connection: Connection, key: str) -> Row[Any] | None:
    """What we said to a citizen under this key; None when we did not."""
    return connection.execute(select(reply).where(reply.c.key == key)).one_or_none()
