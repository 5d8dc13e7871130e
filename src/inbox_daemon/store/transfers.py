"""Hands a case to another destination: before its ticket is opened (the citizen chose), or after (a referral).

A step is always in the lane of the destination whose ticket it speaks of. So where a case is handed on, what went into
the former ticket stays with that ticket: in a conversation of its own, which no message joins and no answer leaves.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, exists, insert, select, update

from inbox_daemon.identity.casenumber import encode
from inbox_daemon.model import TicketState
from inbox_daemon.store import outbox
from inbox_daemon.store.clock import db_now
from inbox_daemon.store.columns import to_micros
from inbox_daemon.store.conversations import REFERRED, Conversation, read
from inbox_daemon.store.schema import (
    attachment,
    citizen,
    conversation,
    dispatch,
    is_open,
    message,
)

_MESSAGE_KINDS = ("open", "append", "attach")


def lock(connection: Connection, conversation_id: int) -> Conversation:
    """Keep workers and other nodes from a conversation until the transaction ends; as it is now."""
    connection.execute(select(conversation.c.id).where(conversation.c.id == conversation_id).with_for_update())
    return read(connection, conversation_id)


def lock_author(connection: Connection, one: Conversation) -> None:
    """Keep further messages of its citizen from being filed until the transaction ends. Before `lock`, never after."""
    connection.execute(select(citizen.c.id).where(citizen.c.id == one.citizen_id).with_for_update())


def _steps(one: Conversation) -> ColumnElement[bool]:
    return and_(
        dispatch.c.conversation_id == one.id,
        dispatch.c.destination == one.destination,
        dispatch.c.reply_id.is_(None),
        dispatch.c.kind.in_(_MESSAGE_KINDS),
    )


def is_untouched(connection: Connection, one: Conversation) -> bool:
    """Whether provably nothing of a (locked) conversation has reached its destination."""
    if one.ticket is not None:
        return False
    touched = select(exists().where(_steps(one), dispatch.c.state != "waiting"))
    return not connection.execute(touched).scalar_one()


def set_asked(connection: Connection, conversation_id: int, asked: int | None) -> None:
    """See `Conversation.asked`."""
    connection.execute(update(conversation).where(conversation.c.id == conversation_id).values(asked=asked))


def redirect(connection: Connection, one: Conversation, *, destination: str, matter: str) -> Conversation:
    """Give an untouched conversation to another destination: its steps go there, and now."""
    connection.execute(
        update(dispatch)
        .where(_steps(one), dispatch.c.state == "waiting")
        .values(destination=destination, due_at=db_now(), attempts=0, first_tried_at=None, reason=None)
    )
    connection.execute(
        update(conversation)
        .where(conversation.c.id == one.id)
        .values(destination=destination, matter=matter, asked=None)
    )
    return read(connection, one.id)


def hurry(connection: Connection, one: Conversation) -> None:
    """What waits of a conversation waits no longer."""
    connection.execute(update(dispatch).where(_steps(one), dispatch.c.state == "waiting").values(due_at=db_now()))


def wait_together(connection: Connection, one: Conversation) -> None:
    """Let what waits for the citizen's choice be due together: an early message that came late must not open alone."""
    waiting = (_steps(one), dispatch.c.state == "waiting", dispatch.c.kind != "attach")
    first = connection.execute(
        select(dispatch.c.due_at).where(*waiting).order_by(dispatch.c.id).limit(1)
    ).scalar_one_or_none()
    if first is not None:
        connection.execute(update(dispatch).where(*waiting).values(due_at=first))


# ---------------------------------------------------------------- referral


def refused_by(connection: Connection, one: Conversation) -> list[str]:
    """Destinations that have handed this case on, the latest first."""
    names: list[str] = []
    before = one.follows_id
    while before is not None:
        row = connection.execute(select(conversation).where(conversation.c.id == before)).one()
        if row.state != REFERRED:
            break
        names.append(row.destination)
        before = row.follows_id
    return names


def went_to(connection: Connection, left: Conversation) -> Conversation:
    """The case that left this behind."""
    row = connection.execute(select(conversation).where(conversation.c.follows_id == left.id)).one()
    return went_to(connection, read(connection, row.id)) if row.state == REFERRED else read(connection, row.id)


def leave_behind(connection: Connection, one: Conversation, to: str) -> Conversation:
    """Move a (locked) case to `to`: returns what it leaves behind, which has the ticket and all that went into it.

    Messages that provably never reached that ticket go along.
    """
    left_id = _copy(connection, one.id)
    connection.execute(
        update(dispatch)
        .where(
            dispatch.c.conversation_id == one.id,
            dispatch.c.destination == one.destination,
            ~and_(dispatch.c.id.in_(_movable(connection, one)), dispatch.c.state == "waiting"),
        )
        .values(conversation_id=left_id)
    )
    connection.execute(
        update(conversation)
        .where(conversation.c.id == one.id)
        .values(
            destination=to,
            state="open",
            ticket_id=None,
            ticket_number=None,
            ticket_url=None,
            ticket_state=TicketState.REFERRED.value,
            ticket_state_at=db_now(),
            follows_id=left_id,
            asked=None,
        )
    )
    connection.execute(
        update(dispatch)
        .where(dispatch.c.conversation_id == one.id, dispatch.c.destination == one.destination)
        .values(destination=to, due_at=db_now(), attempts=0, first_tried_at=None, reason=None)
    )
    return read(connection, left_id)


def _copy(connection: Connection, conversation_id: int) -> int:
    """A conversation row for what is left behind, under a number that nobody is told."""
    row = connection.execute(select(conversation).where(conversation.c.id == conversation_id)).mappings().one()
    values = dict(row) | {"state": REFERRED, "asked": None}
    del values["id"], values["case_number"]
    new_id = connection.execute(insert(conversation).values(values).returning(conversation.c.id)).scalar_one()
    connection.execute(update(conversation).where(conversation.c.id == new_id).values(case_number=encode(new_id)))
    return int(new_id)


def _movable(connection: Connection, one: Conversation) -> list[int]:
    """Steps of messages that wait still, and of their files."""
    rows = connection.execute(
        select(dispatch.c.id, dispatch.c.message_id).where(
            _steps(one), is_open(dispatch), dispatch.c.state == "waiting", dispatch.c.ordered
        )
    ).all()
    files = connection.execute(
        select(dispatch.c.id).where(_steps(one), dispatch.c.after_id.in_([row.id for row in rows]))
    ).scalars()
    return [*(row.id for row in rows), *files]


def history(connection: Connection, left: Conversation) -> list[Row[Any]]:
    """Messages that went into what a case left behind, in order."""
    told = exists().where(
        dispatch.c.message_id == message.c.id,
        dispatch.c.ordered,
        dispatch.c.conversation_id == left.id,
        dispatch.c.state != "discarded",
    )
    return list(
        connection.execute(
            select(message)
            .where(
                # by its steps: those of a closed ticket that took no more stand in the conversation that followed it
                message.c.id.in_(select(dispatch.c.message_id).where(dispatch.c.conversation_id == left.id)),
                told,
            )
            .order_by(message.c.sent_at, message.c.id)
        )
    )


def give_up_rest(connection: Connection, left: Conversation) -> None:
    """What has not begun to go into the former ticket goes there no more; what may be there is still looked up."""
    connection.execute(
        update(dispatch)
        .where(is_open(dispatch), _steps(left), dispatch.c.state.in_(["waiting", "parked"]))
        .values(state="discarded", reason="the case was handed on, with this in it")
    )


def tell_again(connection: Connection, one: Conversation, rows: Sequence[Row[Any]], number: int) -> None:
    """Write steps that bring these messages and their files into the ticket of the `number`-th destination."""
    for row in rows:
        key = f"{one.case_number}.m{row.id}x{number}"
        step = _add(connection, one, key, row, kind="append")
        files = connection.execute(
            select(attachment.c.id).where(attachment.c.message_id == row.id).order_by(attachment.c.id)
        ).scalars()
        for position, file_id in enumerate(files.all(), start=1):
            _add(connection, one, f"{key}a{position}", row, kind="attach", attachment_id=file_id, after_id=step)


def _add(
    connection: Connection,
    one: Conversation,
    key: str,
    row: Row[Any],
    *,
    kind: str,
    attachment_id: int | None = None,
    after_id: int | None = None,
) -> int:
    return outbox.add(
        connection,
        conversation_id=one.id,
        destination=one.destination,
        kind=kind,
        key=key,
        position=to_micros(row.sent_at),
        ordered=kind == "append",
        delay=timedelta(0),
        message_id=row.id,
        attachment_id=attachment_id,
        after_id=after_id,
    )
