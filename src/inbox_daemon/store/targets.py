"""Whom a reply goes to: the handle that wrote, on the channel where it wrote; or another one of the same person."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, func, select

from inbox_daemon.model import Handle, Proof
from inbox_daemon.store.people import LEARNED
from inbox_daemon.store.schema import conversation, handle, identity_event, message


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where a reply goes: a channel's instance, and a handle there. `last_at` is when it last wrote (None: never)."""

    instance: str
    handle_id: int
    handle: Handle
    last_at: datetime | None


def last(connection: Connection, conversation_id: int) -> Target | None:
    """Who wrote last in a conversation, and where; None where nobody who wrote can be named."""
    row = connection.execute(
        select(message.c.instance, message.c.handle_id)
        .where(
            message.c.conversation_id == conversation_id,
            message.c.direction == "in",
            message.c.type.in_(["message", "edit"]),
            message.c.handle_id.is_not(None),
        )
        .order_by(message.c.sent_at.desc(), message.c.id.desc())
        .limit(1)
    ).one_or_none()
    return None if row is None else at(connection, row.instance, row.handle_id)


def at(connection: Connection, instance: str, handle_id: int) -> Target | None:
    """This handle on this instance, as of now; None when the handle is not known any more."""
    row = connection.execute(select(handle).where(handle.c.id == handle_id)).one_or_none()
    if row is None:
        return None
    last_at = connection.execute(
        select(func.max(message.c.sent_at)).where(
            message.c.handle_id == handle_id, message.c.instance == instance, message.c.direction == "in"
        )
    ).scalar_one()
    made = Handle(kind=row.kind, value=row.value, scope=row.scope, proof=Proof(row.proof))
    return Target(instance=instance, handle_id=handle_id, handle=made, last_at=last_at)


def other(connection: Connection, conversation_id: int, instances: Sequence[str]) -> Target | None:
    """Another handle of the conversation's citizen, proved by challenge to be theirs, that wrote on one of `instances`.

    The one that wrote last of them.
    """
    row = connection.execute(
        select(message.c.instance, message.c.handle_id)
        .join(handle, handle.c.id == message.c.handle_id)
        .join(conversation, conversation.c.citizen_id == handle.c.citizen_id)
        .where(
            conversation.c.id == conversation_id,
            handle.c.verified_at.is_not(None),
            message.c.instance.in_(instances),
            message.c.direction == "in",
        )
        .order_by(message.c.sent_at.desc(), message.c.id.desc())
        .limit(1)
    ).one_or_none()
    return None if row is None else at(connection, row.instance, row.handle_id)


def learned(connection: Connection, where: Target) -> Target | None:
    """Another handle of who is answered there, as the channel itself told it when it took an answer to them.

    On the same instance, given out by the same page or account, and still the same citizen's; the latest of them.
    """
    answered = handle.alias("answered")
    found = connection.execute(
        select(handle.c.id)
        .select_from(handle)
        .join(identity_event, identity_event.c.handle_id == handle.c.id)
        .join(answered, answered.c.citizen_id == handle.c.citizen_id)
        .where(
            answered.c.id == where.handle_id,
            answered.c.kind != handle.c.kind,
            answered.c.scope == handle.c.scope,
            identity_event.c.citizen_id == handle.c.citizen_id,
            identity_event.c.kind == "linked",
            identity_event.c.evidence.startswith(LEARNED),
        )
        .order_by(identity_event.c.id.desc())
        .limit(1)
    ).scalar_one_or_none()
    return None if found is None else at(connection, where.instance, found)


def phone(connection: Connection, conversation_id: int) -> Handle | None:
    """A number at which the conversation's citizen can be phoned, as a channel vouched for it."""
    row = connection.execute(
        select(handle)
        .join(conversation, conversation.c.citizen_id == handle.c.citizen_id)
        .where(conversation.c.id == conversation_id, handle.c.kind == "phone", handle.c.proof == Proof.CHANNEL.value)
        .order_by(handle.c.last_seen_at.desc(), handle.c.id.desc())
        .limit(1)
    ).one_or_none()
    return None if row is None else Handle(kind=row.kind, value=row.value, scope=row.scope, proof=Proof(row.proof))
