"""What is said to citizens: each reply once, its step in the lane of a channel, and what became of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, and_, exists, func, insert, or_, select, update

from inbox_daemon.model import Attachment, Choice, MessageKey
from inbox_daemon.store import outbox
from inbox_daemon.store.clock import after_now, db_now
from inbox_daemon.store.columns import to_micros
from inbox_daemon.store.conversations import Conversation
from inbox_daemon.store.schema import (
    dispatch,
    follow,
    is_held,
    is_open,
    reply,
)
from inbox_daemon.store.targets import Target

SEND = "send"
ANSWER = "answer"


def add(
    connection: Connection,
    *,
    conversation: Conversation,
    key: str,
    origin: str,
    text: str,
    at: datetime,
    destination: str | None = None,
    ticket_id: str | None = None,
    entry_id: str | None = None,
    author: str = "",
    html: bool = False,
    files: Sequence[Attachment] = (),
    choices: Sequence[Choice] = (),
    instance: str | None = None,
    handle_id: int | None = None,
) -> int | None:
    """Write a reply, once under its `key`; returns its id, None when it is there already.

    With `instance` and `handle_id` it goes to exactly them, else to whoever wrote last in the conversation by then.
    It goes nowhere before `schedule` gives it a step.
    """
    if connection.execute(select(reply.c.id).where(reply.c.key == key)).first() is not None:
        return None
    return int(
        connection.execute(
            insert(reply)
            .values(
                conversation_id=conversation.id,
                key=key,
                origin=origin,
                destination=destination,
                ticket_id=ticket_id,
                entry_id=entry_id,
                author=author,
                at=at,
                learnt_at=db_now(),
                text=text,
                html=html,
                files=[_file(one) for one in files],
                choices=[asdict(one) for one in choices],
                instance=instance,
                handle_id=handle_id,
            )
            .returning(reply.c.id)
        ).scalar_one()
    )


def _file(file: Attachment) -> dict[str, Any]:
    return {"filename": file.filename, "media_type": file.media_type, "remote": file.remote, "size": file.size}


def schedule(
    connection: Connection,
    reply_id: int,
    *,
    conversation: Conversation,
    lane: str,
    at: datetime,
    delay: timedelta = timedelta(0),
) -> int:
    """Give a reply its step in the lane of a channel's instance, to be sent after `delay`; returns the step's id."""
    return outbox.add(
        connection,
        conversation_id=conversation.id,
        destination=lane,
        kind=SEND,
        key=f"{conversation.case_number}.r{reply_id}",
        position=to_micros(at),
        ordered=True,
        delay=delay,
        reply_id=reply_id,
    )


def tell(
    connection: Connection,
    *,
    conversation: Conversation,
    key: str,
    origin: str,
    text: str,
    at: datetime,
    instance: str,
    handle_id: int,
    choices: Sequence[Choice] = (),
    delay: timedelta = timedelta(0),
) -> bool:
    """Say something of our own to the handle that wrote on `instance`, once under `key`; False when it was said."""
    reply_id = add(
        connection,
        conversation=conversation,
        key=key,
        origin=origin,
        text=text,
        at=at,
        choices=choices,
        instance=instance,
        handle_id=handle_id,
    )
    if reply_id is None:
        return False
    schedule(connection, reply_id, conversation=conversation, lane=instance, at=at, delay=delay)
    return True


def joinable(connection: Connection, conversation_id: int, *, lane: str, destination: str, author: str) -> int | None:
    """The newest reply of a conversation, if a further line of the same agent can go together with it.

    It must be untried and still within its grace; and it is the last, so that the order stays.
    """
    row = connection.execute(
        select(reply, dispatch.c.state.label("step_state"), (dispatch.c.due_at > db_now()).label("in_grace"))
        .join(dispatch, and_(dispatch.c.reply_id == reply.c.id, dispatch.c.kind == SEND))
        .where(dispatch.c.conversation_id == conversation_id, dispatch.c.destination == lane, is_open(dispatch))
        .order_by(dispatch.c.position.desc(), dispatch.c.id.desc())
        .limit(1)
    ).one_or_none()
    if row is None or row.step_state != "waiting" or not row.in_grace:
        return None
    fits = row.origin == ANSWER and row.destination == destination and row.author == author
    return int(row.id) if fits else None


def join(connection: Connection, reply_id: int, leader_id: int, delay: timedelta) -> None:
    """Let a reply go with an earlier one, whose step waits anew."""
    connection.execute(update(reply).where(reply.c.id == reply_id).values(joined_id=leader_id))
    connection.execute(
        update(dispatch)
        .where(dispatch.c.reply_id == leader_id, dispatch.c.kind == SEND, dispatch.c.state == "waiting")
        .values(due_at=after_now(delay))
    )


def read_together(connection: Connection, leader_id: int) -> list[Row[Any]]:
    """A reply and those joined to it, in order."""
    return list(
        connection.execute(
            select(reply)
            .where(or_(reply.c.id == leader_id, reply.c.joined_id == leader_id))
            .order_by(reply.c.at, reply.c.id)
        )
    )


def read(connection: Connection, reply_id: int) -> Row[Any]:
    """The reply with this id, which must exist."""
    return connection.execute(select(reply).where(reply.c.id == reply_id)).one()


def given(connection: Connection, conversation_id: int) -> list[Row[Any]]:
    """The answers that the citizen of a conversation has got, in order."""
    return list(
        connection.execute(
            select(reply)
            .where(
                reply.c.conversation_id == conversation_id,
                reply.c.origin == ANSWER,
                reply.c.state.in_(["accepted", "sent", "delivered", "read", "played"]),
            )
            .order_by(reply.c.at, reply.c.id)
        )
    )


def of_several(connection: Connection, destination: str, entry_id: str) -> bool:
    """Whether an entry was filed for more than one citizen: their tickets were merged."""
    number = connection.execute(
        select(func.count()).select_from(reply).where(reply.c.destination == destination, reply.c.entry_id == entry_id)
    ).scalar_one()
    return int(number) > 1


def is_ours(connection: Connection, destination: str, entry_id: str) -> bool:
    """Whether we wrote this entry."""
    return bool(
        connection.execute(
            select(
                exists().where(
                    dispatch.c.destination == destination,
                    dispatch.c.entry_id == entry_id,
                    dispatch.c.entry_id.is_not(None),
                )
            )
        ).scalar_one()
    )


def set_state(
    connection: Connection, leader_id: int, state: str, reason: str | None = None, at: datetime | None = None
) -> bool:
    """Where a reply, and those that go with it, stand since `at` (None: now); False when that was known.

    What an agent took back alone stays taken back.
    """
    return bool(
        connection.execute(
            update(reply)
            .where(
                or_(reply.c.id == leader_id, reply.c.joined_id == leader_id),
                reply.c.state != "withdrawn",
                or_(reply.c.state != state, func.coalesce(reply.c.reason, "") != (reason or "")),
            )
            .values(state=state, reason=reason, state_at=db_now() if at is None else at)
        ).rowcount
    )


def withdraw(connection: Connection, reply_ids: Sequence[int]) -> None:
    """These are not public any more: they go nowhere."""
    connection.execute(update(reply).where(reply.c.id.in_(reply_ids)).values(state="withdrawn"))


def release(connection: Connection, *, conversation_id: int, instance: str, handle_id: int | None) -> int:
    """The citizen wrote: what was held for them goes now. Returns how many steps.

    Held for the conversation, or for this handle of another one: a channel's window is open for both. The former go
    to whoever wrote last again, the latter to this handle.
    """
    waits = and_(
        is_held(reply),
        or_(
            reply.c.conversation_id == conversation_id,
            and_(reply.c.instance == instance, reply.c.handle_id == handle_id, reply.c.handle_id.is_not(None)),
        ),
    )
    ids = list(connection.execute(select(reply.c.id).where(waits)).scalars())
    if not ids:
        return 0
    connection.execute(
        update(reply)
        .where(or_(reply.c.id.in_(ids), reply.c.joined_id.in_(ids)), reply.c.state == "held")
        .values(state="waiting", reason=None)
    )
    connection.execute(
        update(reply)
        .where(reply.c.id.in_(ids), reply.c.origin == ANSWER, reply.c.conversation_id == conversation_id)
        .values(instance=None, handle_id=None)
    )
    return connection.execute(
        update(dispatch)
        .where(
            is_open(dispatch),
            dispatch.c.reply_id.in_(ids),
            dispatch.c.kind == SEND,
            dispatch.c.state.in_(["held", "parked"]),
        )
        .values(state="waiting", due_at=db_now(), reason=None, attempts=0, first_tried_at=None)
    ).rowcount


def since(connection: Connection, destination: str) -> datetime:
    """From when on a destination's answers are carried; the first call sets it."""
    found = connection.execute(select(follow.c.since).where(follow.c.destination == destination)).scalar_one_or_none()
    if found is None:
        connection.execute(insert(follow).values(destination=destination, since=db_now()))
        return since(connection, destination)
    moment: datetime = found
    return moment


def told(connection: Connection, leader_id: int, state: str) -> None:
    """The ticket was told that a reply is in `state`."""
    connection.execute(update(reply).where(reply.c.id == leader_id).values(told=state))


def note_waits(connection: Connection, leader_id: int) -> bool:
    """Whether a note about this reply is still to be worded: it will say how things stand by then."""
    return bool(
        connection.execute(
            select(
                exists().where(
                    is_open(dispatch),
                    dispatch.c.reply_id == leader_id,
                    dispatch.c.kind == "note",
                    dispatch.c.state == "waiting",
                )
            )
        ).scalar_one()
    )


def drop_notes(connection: Connection, leader_id: int) -> None:
    """What was still to be noted about this reply has just been said."""
    connection.execute(
        update(dispatch)
        .where(
            is_open(dispatch),
            dispatch.c.reply_id == leader_id,
            dispatch.c.kind == "note",
            dispatch.c.state == "waiting",
        )
        .values(state="discarded", reason="told already")
    )


def next_note_key(connection: Connection, case_number: str, reply_id: int) -> MessageKey:
    """Key of the next step that tells a ticket about this reply."""
    number = connection.execute(
        select(func.count()).select_from(dispatch).where(dispatch.c.reply_id == reply_id, dispatch.c.kind != SEND)
    ).scalar_one()
    return MessageKey(f"{case_number}.r{reply_id}s{number + 1}")


def aim(connection: Connection, leader_id: int, where: Target | None) -> None:
    """Fix where a reply goes, or (None) let it go again to whoever wrote last."""
    connection.execute(
        update(reply)
        .where(reply.c.id == leader_id)
        .values(instance=where and where.instance, handle_id=where and where.handle_id)
    )


def held_for(connection: Connection, instance: str, handle_id: int) -> list[tuple[int, int]]:
    """(leader, step) of each answer that waits for this very handle to write."""
    rows = connection.execute(
        select(reply.c.id, dispatch.c.id.label("step_id"))
        .select_from(reply)
        .join(dispatch, and_(dispatch.c.reply_id == reply.c.id, dispatch.c.kind == SEND, is_open(dispatch)))
        .where(
            is_held(reply),
            reply.c.origin == ANSWER,
            reply.c.instance == instance,
            reply.c.handle_id == handle_id,
        )
    )
    return [(row.id, row.step_id) for row in rows]
