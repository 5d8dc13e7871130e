"""To whom an agent wrote outside of us, and in which case of theirs it belongs. Nobody is made or linked for it."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, exists, select

from inbox_daemon.identity.decide import stored_handles
from inbox_daemon.model import Handle, InstanceId
from inbox_daemon.store import conversations
from inbox_daemon.store.conversations import ASIDE, UNFILED, Conversation
from inbox_daemon.store.people import Author
from inbox_daemon.store.schema import citizen, conversation, handle, message


def addressee(connection: Connection, handles: Sequence[Handle], instance: InstanceId) -> Author | None:
    """Whose handles these are, by the first that anybody holds (an id before a number); the citizen is locked then.

    The handle is the one that agents read, a number before an id.
    """
    held = []
    for one in stored_handles(handles, instance):
        row = connection.execute(
            select(handle.c.id, handle.c.kind, handle.c.citizen_id).where(
                handle.c.kind == one.kind,
                handle.c.scope == one.scope,
                handle.c.value == one.value,
                handle.c.citizen_id.is_not(None),
            )
        ).one_or_none()
        held += [] if row is None else [row]
    if not held:
        return None
    whose = held[0].citizen_id
    connection.execute(select(citizen.c.id).where(citizen.c.id == whose).with_for_update())
    own = min((row.kind == "bsuid", row.id) for row in held if row.citizen_id == whose)
    return Author(citizen_id=whose, handle_id=own[1])


def open_case(connection: Connection, citizen_id: int, instance: InstanceId) -> Conversation | None:
    """The citizen's open case in which they spoke last on this instance, else the one in which they did anywhere."""
    there = exists().where(
        message.c.conversation_id == conversation.c.id, message.c.instance == instance, message.c.direction == "in"
    )
    found = connection.execute(
        select(conversation.c.id)
        .where(conversation.c.citizen_id == citizen_id, conversation.c.state == "open")
        .order_by(there.desc(), conversation.c.last_message_at.desc(), conversation.c.id.desc())
        .limit(1)
    ).scalar_one_or_none()
    return None if found is None else conversations.read(connection, found)


def kept_aside(connection: Connection, citizen_id: int) -> Conversation | None:
    """The conversation that already holds things of this citizen which no office has; never one with a query in it."""
    found = connection.execute(
        select(conversation.c.id)
        .where(
            conversation.c.citizen_id == citizen_id,
            conversation.c.state == UNFILED,
            exists().where(message.c.conversation_id == conversation.c.id, message.c.type.in_(ASIDE)),
        )
        .order_by(conversation.c.id)
        .limit(1)
    ).scalar_one_or_none()
    return None if found is None else conversations.read(connection, found)
