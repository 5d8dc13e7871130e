"""What was said to and fro with one address of late, and whether something that comes in was ours."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import Connection, bindparam, func, select

from inbox_daemon.store.conversations import SAID_TO_US
from inbox_daemon.store.schema import dispatch, message, portion, reply

LONGEST_TEXT = 4000
"""Characters of a text that are looked at: enough to tell texts apart, and it bounds the work on long mails."""
MOST_SAID = 400
_WENT = portion.c.state.not_in(["planned", "dropped"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """One message of theirs, or one portion of ours.

    `at` is when it passed our door, by our clock, and `written_at` when its author says it was written. `told_at` is
    when the office had it, or was to be found there. A portion has a `body_hash`, a message its `text`, or where that
    is empty the `fingerprint` of what it holds instead. `query`: it asked us for the state of a case.
    """

    ours: bool
    at: datetime
    written_at: datetime
    told_at: datetime
    body_hash: str = ""
    text: str = field(default="", repr=False)
    fingerprint: str = ""
    query: bool = False


# These run for every message that comes in or goes out, so they are built once.
_FIRST_DONE = (
    select(func.min(dispatch.c.done_at))
    .where(dispatch.c.message_id == message.c.id, dispatch.c.ordered)
    .scalar_subquery()
)
_THEIRS = (
    select(
        message.c.received_at,
        message.c.sent_at,
        _FIRST_DONE.label("told_at"),
        func.substr(message.c.text, 1, LONGEST_TEXT).label("text"),
        message.c.fingerprint,
        message.c.type,
    )
    .where(
        message.c.handle_id == bindparam("handle_"),
        message.c.direction == "in",
        message.c.type.in_(["message", "edit", *SAID_TO_US]),
        message.c.received_at >= bindparam("since_"),
    )
    .order_by(message.c.received_at.desc(), message.c.id.desc())
    .limit(MOST_SAID)
)
_OURS = (
    select(portion.c.tried_at, reply.c.at, reply.c.learnt_at, portion.c.body_hash)
    .join(dispatch, dispatch.c.id == portion.c.dispatch_id)
    .join(reply, reply.c.id == dispatch.c.reply_id)
    .where(portion.c.handle_id == bindparam("handle_"), portion.c.tried_at >= bindparam("since_"), _WENT)
    .order_by(portion.c.tried_at.desc(), portion.c.id.desc())
    .limit(MOST_SAID)
)
_COUNT = (
    select(func.count())
    .select_from(portion)
    .join(dispatch, dispatch.c.id == portion.c.dispatch_id)
    .join(reply, reply.c.id == dispatch.c.reply_id)
    .where(reply.c.conversation_id == bindparam("conversation_"), portion.c.tried_at >= bindparam("since_"), _WENT)
)
_UNDER = (
    select(portion.c.id)
    .where(portion.c.instance == bindparam("instance_"), portion.c.remote_id == bindparam("remote_"))
    .limit(1)
)
_TEXTS = select(portion.c.tried_at, portion.c.text).where(
    portion.c.handle_id == bindparam("handle_"), portion.c.tried_at >= bindparam("since_"), _WENT
)
_AUTOMATIC = select(func.count()).where(
    message.c.conversation_id == bindparam("conversation_"),
    message.c.automatic == bindparam("automatic_"),
    message.c.received_at > bindparam("since_"),
    message.c.received_at <= bindparam("until_"),
)


def history(connection: Connection, handle_id: int, since: datetime) -> list[Said]:
    """What was said to and fro with this handle since then, in order, whatever it was about.

    A machine keeps its address while its conversations change (a closed case is followed by a new one).
    """
    values: dict[str, object] = {"handle_": handle_id, "since_": since}
    said = [
        Said(
            ours=False,
            at=row.received_at,
            written_at=row.sent_at,
            told_at=row.told_at or row.received_at,
            text=row.text,
            fingerprint=row.fingerprint,
            query=row.type == "query",
        )
        for row in connection.execute(_THEIRS, values)
    ]
    said += [
        Said(
            ours=True,
            at=row.tried_at,
            # The destination's clock may be ahead of ours: nothing was written after we had learnt of it.
            written_at=min(row.at, row.learnt_at),
            told_at=row.learnt_at,
            body_hash=row.body_hash,
        )
        for row in connection.execute(_OURS, values)
    ]
    return sorted(said, key=lambda one: one.at)


def portions_of(connection: Connection, conversation_id: int, since: datetime) -> int:
    """How many portions went out in a conversation since then, to whomever."""
    return int(connection.execute(_COUNT, {"conversation_": conversation_id, "since_": since}).scalar_one())


def is_sent(connection: Connection, instance: str, external_id: str) -> bool:
    """Whether the channel calls something that we sent by this id."""
    values = {"instance_": instance, "remote_": external_id}
    return connection.execute(_UNDER, values).first() is not None


def sent_to(connection: Connection, handle_id: int, since: datetime) -> list[tuple[datetime, str]]:
    """(when, text) of what went to this handle since then."""
    rows = connection.execute(_TEXTS, {"handle_": handle_id, "since_": since})
    return [(row.tried_at, row.text) for row in rows]


def automatic_messages(
    connection: Connection, conversation_id: int, kind: str, until: datetime, span: timedelta
) -> int:
    """How many messages a machine of this kind has brought into a conversation for `span` until then."""
    values: dict[str, object] = {
        "conversation_": conversation_id,
        "automatic_": kind,
        "since_": until - span,
        "until_": until,
    }
    return int(connection.execute(_AUTOMATIC, values).scalar_one())
