"""Conversations and their messages: one matter of one citizen with one destination."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, and_, bindparam, delete, func, insert, or_, select, update

from inbox_daemon.identity.casenumber import encode
from inbox_daemon.model import CaseNumber, Ticket, TicketId, TicketState
from inbox_daemon.store.clock import db_now
from inbox_daemon.store.schema import conversation, dispatch, message

SAID_TO_US = ("query", "choice")
"""Types of messages that are for us and for no office: they make no entry."""
HISTORY, ECHO, ECHO_EDIT, ECHO_REVOKE = "history", "echo", "echo_edit", "echo_revoke"
"""Types of messages that stand beside the cases: written before we listened; written, changed or withdrawn by an agent
outside of us."""
ASIDE = (HISTORY, ECHO, ECHO_EDIT, ECHO_REVOKE)
UNFILED = "unfiled"
"""State of a conversation that only holds what somebody asked us, or what stands beside the cases: no office has it,
and no message joins it."""
REFERRED = "referred"
"""State of what a case leaves behind in an office that handed it on: the ticket there, and what went into it."""

# Statements that run for every message are built once: building them costs more than running them.
_READ = select(conversation).where(conversation.c.id == bindparam("id_"))
_OPEN = (
    select(conversation)
    .where(
        conversation.c.citizen_id == bindparam("citizen_"),
        conversation.c.state == "open",
        conversation.c.last_message_at >= bindparam("since_"),
    )
    .order_by(conversation.c.last_message_at.desc(), conversation.c.id.desc())
    .limit(1)
)
_OPEN_ABOUT = _OPEN.where(
    conversation.c.destination == bindparam("destination_"), conversation.c.matter == bindparam("matter_")
)
_NEW = insert(conversation).returning(conversation.c.id)
_NUMBER = update(conversation).where(conversation.c.id == bindparam("id_")).values(case_number=bindparam("number_"))
_TOUCH = (
    update(conversation)
    .where(conversation.c.id == bindparam("id_"), conversation.c.last_message_at < bindparam("at_"))
    .values(last_message_at=bindparam("at_"))
)
_KNOWN_MESSAGE = (
    select(message.c.id, message.c.envelope_id, message.c.type)
    .where(
        message.c.instance == bindparam("instance_"),
        message.c.external_id == bindparam("external_"),
        or_(message.c.type == bindparam("type_"), message.c.type.in_((*SAID_TO_US, HISTORY))),
        message.c.fingerprint == bindparam("fingerprint_"),
    )
    .order_by(message.c.id)
    .limit(1)
)
_FIND_MESSAGE = (
    select(message)
    .where(message.c.instance == bindparam("instance_"), message.c.external_id == bindparam("external_"))
    .order_by(message.c.id)
    .limit(1)
)
_READ_MESSAGE = select(message).where(message.c.id == bindparam("id_"))
_NEW_MESSAGE = insert(message).returning(message.c.id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation:
    """A conversation as the pipeline sees it; `ticket` is None until the destination has one.

    `filed` is False for what is no case of any office (see `UNFILED`, `REFERRED`). `asked` counts how often the citizen
    was asked which office it is for: None when there was nothing to ask or they said, 0 when the asking was given up.
    """

    id: int
    case_number: CaseNumber
    citizen_id: int
    destination: str
    matter: str
    subject: str
    open: bool
    ticket: Ticket | None
    follows_id: int | None
    filed: bool = True
    asked: int | None = None


def _as_conversation(row: Row[Any]) -> Conversation:
    ticket = None
    if row.ticket_id is not None:
        ticket = Ticket(
            id=TicketId(row.ticket_id), number=row.ticket_number, url=row.ticket_url, open=row.state == "open"
        )
    return Conversation(
        id=row.id,
        case_number=CaseNumber(row.case_number),
        citizen_id=row.citizen_id,
        destination=row.destination,
        matter=row.matter,
        subject=row.subject,
        open=row.state == "open",
        ticket=ticket,
        follows_id=row.follows_id,
        filed=row.state not in {UNFILED, REFERRED},
        asked=row.asked,
    )


def read(connection: Connection, conversation_id: int) -> Conversation:
    """The conversation with this id, which must exist."""
    return _as_conversation(connection.execute(_READ, {"id_": conversation_id}).one())


def find_open(
    connection: Connection, *, citizen_id: int, about: tuple[str, str] | None, at: datetime, window: timedelta
) -> Conversation | None:
    """The citizen's newest open conversation in which something was said within `window` of `at`.

    `about` is one (destination, matter), None any. The caller has locked the citizen, so that two messages can't both
    find none.
    """
    values: dict[str, object] = {"citizen_": citizen_id, "since_": at - window}
    if about is None:
        row = connection.execute(_OPEN, values).one_or_none()
    else:
        values |= {"destination_": about[0], "matter_": about[1]}
        row = connection.execute(_OPEN_ABOUT, values).one_or_none()
    return None if row is None else _as_conversation(row)


def in_ticket(connection: Connection, destination: str, ticket_id: str) -> list[Conversation]:
    """All conversations that stand in this ticket, the one that was spoken in last first.

    A case that was handed on stands there no more, whatever its former office goes on to write.
    """
    return [
        _as_conversation(row)
        for row in connection.execute(
            select(conversation)
            .where(
                conversation.c.destination == destination,
                conversation.c.ticket_id == ticket_id,
                conversation.c.state != REFERRED,
            )
            .order_by(conversation.c.last_message_at.desc(), conversation.c.id.desc())
        )
    ]


def set_state(connection: Connection, conversation_id: int, state: TicketState, at: datetime) -> bool:
    """Keep the ticket's state as told; False when it was known, or is older than what is known."""
    columns = conversation.c
    return (
        connection.execute(
            update(conversation)
            .where(
                columns.id == conversation_id,
                or_(columns.ticket_state_at.is_(None), columns.ticket_state_at <= at),
                or_(columns.ticket_state.is_(None), columns.ticket_state != state.value),
            )
            .values(ticket_state=state.value, ticket_state_at=at)
        ).rowcount
        == 1
    )


def open_new(
    connection: Connection,
    *,
    citizen_id: int,
    destination: str,
    matter: str,
    subject: str,
    at: datetime,
    follows_id: int | None = None,
    state: str = "open",
) -> Conversation:
    """Open a conversation under a case number of its own."""
    values = {
        "state": state,
        "citizen_id": citizen_id,
        "destination": destination,
        "matter": matter,
        "subject": subject,
        "opened_at": at,
        "last_message_at": at,
        "follows_id": follows_id,
    }
    new_id = connection.execute(_NEW, values).scalar_one()
    connection.execute(_NUMBER, {"id_": new_id, "number_": encode(new_id)})
    return read(connection, new_id)


def touch(connection: Connection, conversation_id: int, at: datetime) -> None:
    """Something was said at `at`: the window runs from there."""
    connection.execute(_TOUCH, {"id_": conversation_id, "at_": at})


def set_ticket(connection: Connection, conversation_id: int, ticket: Ticket, *, destination: str) -> None:
    """Remember where the conversation stands in `destination` (a merge may have moved it), if it is still there."""
    connection.execute(
        update(conversation)
        .where(conversation.c.id == conversation_id, conversation.c.destination == destination)
        .values(ticket_id=ticket.id, ticket_number=ticket.number, ticket_url=ticket.url)
    )


def set_open(connection: Connection, conversation_id: int, *, is_open: bool) -> None:
    """Follow the ticket's state."""
    connection.execute(
        update(conversation)
        .where(conversation.c.id == conversation_id, conversation.c.state.in_(["open", "closed"]))
        .values(state="open" if is_open else "closed")
    )


def successor(connection: Connection, conversation_id: int) -> Conversation | None:
    """The conversation that follows this one, when there is one; where that was handed on, the case itself."""
    row = connection.execute(
        select(conversation).where(conversation.c.follows_id == conversation_id).order_by(conversation.c.id).limit(1)
    ).one_or_none()
    if row is None:
        return None
    return successor(connection, row.id) if row.state == REFERRED else _as_conversation(row)


def succeed(connection: Connection, old: Conversation) -> Conversation:
    """The old ticket takes nothing more: open the conversation that follows it, or find the one already opened."""
    set_open(connection, old.id, is_open=False)
    found = successor(connection, old.id)
    if found is not None:
        return found
    now = connection.execute(select(db_now())).scalar_one()
    return open_new(
        connection,
        citizen_id=old.citizen_id,
        destination=old.destination,
        matter=old.matter,
        subject=old.subject,
        at=now,
        follows_id=old.id,
    )


# ---------------------------------------------------------------- messages


def known_message(
    connection: Connection, *, instance: str, external_id: str, type_: str, fingerprint: str
) -> tuple[int, int | None, str] | None:
    """(message id, envelope id, type) of exactly this, taken in before as `type_`, as said to us, or as history."""
    values = {"instance_": instance, "external_": external_id, "type_": type_, "fingerprint_": fingerprint}
    row = connection.execute(_KNOWN_MESSAGE, values).one_or_none()
    return None if row is None else (row.id, row.envelope_id, row.type)


def others_of(connection: Connection, envelope_id: int, seen: Collection[int]) -> int:
    """How many entries an earlier reading made of this envelope, beside the messages `seen` now."""
    return int(
        connection.execute(
            select(func.count())
            .select_from(message)
            .where(
                message.c.envelope_id == envelope_id,
                message.c.id.not_in(seen),
                message.c.type.not_in((*SAID_TO_US, *ASIDE)),
            )
        ).scalar_one()
    )


def find_message(connection: Connection, instance: str, external_ids: list[str]) -> Row[Any] | None:
    """The first message of `instance` known under one of `external_ids`, in their order."""
    for external_id in external_ids:
        row = connection.execute(_FIND_MESSAGE, {"instance_": instance, "external_": external_id}).one_or_none()
        if row is not None:
            return row
    return None


def add_message(connection: Connection, **values: object) -> int:
    """Insert one message row; returns its id. Raises IntegrityError for a repeat that raced us."""
    return int(connection.execute(_NEW_MESSAGE, values).scalar_one())


def drop_history(connection: Connection, message_id: int) -> None:
    """Make room for the same message that came live: nothing refers to what was kept as history."""
    connection.execute(delete(message).where(message.c.id == message_id, message.c.type == HISTORY))


def last_message_id(connection: Connection, conversation_id: int) -> int:
    """The citizen's latest message to the office of a conversation; 0 when there is none."""
    return (
        connection.execute(
            select(message.c.id)
            .where(
                message.c.conversation_id == conversation_id,
                message.c.direction == "in",
                message.c.type.not_in((*SAID_TO_US, HISTORY)),
            )
            .order_by(message.c.sent_at.desc(), message.c.id.desc())
            .limit(1)
        ).scalar_one_or_none()
        or 0
    )


def last_said(connection: Connection, conversation_id: int, instance: str) -> Row[Any] | None:
    """What the citizen wrote last in a conversation on this instance."""
    return connection.execute(
        select(message)
        .where(
            message.c.conversation_id == conversation_id,
            message.c.instance == instance,
            message.c.direction == "in",
            message.c.type.in_(["message", "query"]),
        )
        .order_by(message.c.sent_at.desc(), message.c.id.desc())
        .limit(1)
    ).one_or_none()


def external_ids(connection: Connection, conversation_id: int, instance: str) -> list[tuple[datetime, str]]:
    """When the citizen wrote what they did in a conversation, and the channel's ids of it; the latest first."""
    return [
        (row.sent_at, row.external_id)
        for row in connection.execute(
            select(message.c.sent_at, message.c.external_id)
            .where(
                message.c.conversation_id == conversation_id,
                message.c.instance == instance,
                message.c.direction == "in",
                message.c.type == "message",
            )
            .order_by(message.c.sent_at.desc(), message.c.id.desc())
            .limit(20)
        )
    ]


def read_message(connection: Connection, message_id: int) -> Row[Any]:
    """The message row with this id, which must exist."""
    return connection.execute(_READ_MESSAGE, {"id_": message_id}).one()


def entries_of(connection: Connection, conversation_id: int) -> list[tuple[str, str]]:
    """(key, entry id) of all that we wrote into the conversation's ticket."""
    return [
        (row.key, row.entry_id)
        for row in connection.execute(
            select(dispatch.c.key, dispatch.c.entry_id).where(
                dispatch.c.conversation_id == conversation_id, dispatch.c.entry_id.is_not(None)
            )
        )
    ]


def told_since(connection: Connection, since: datetime) -> list[tuple[Conversation, int]]:
    """Conversations with a message delivered of those received since, and how many of these each has."""
    rows = connection.execute(
        select(message.c.conversation_id, func.count(message.c.id.distinct()))
        .join(dispatch, and_(dispatch.c.message_id == message.c.id, dispatch.c.ordered))
        .where(message.c.received_at >= since, dispatch.c.state == "done")
        .group_by(message.c.conversation_id)
        .order_by(message.c.conversation_id)
    ).all()
    return [(read(connection, row[0]), row[1]) for row in rows]
