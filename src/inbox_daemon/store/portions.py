"""Portions of what is said to citizens: planned before the first byte, each tried once, with a state of its own.

What a portion says is kept from its planning on, so that a second try says the same; and its tag is ours, so that a
report about it is known also when the answer to our call was lost. A part of the tag is random: nobody can make up a
report about a mail that they haven't got.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from secrets import token_hex
from typing import Any

from sqlalchemy import Connection, Row, exists, func, insert, or_, select, update

from inbox_daemon.identity.handles import canonical
from inbox_daemon.model import RemoteId, SendState, StatusEvent, StoredFile, WatermarkEvent
from inbox_daemon.store import people
from inbox_daemon.store.clock import db_now
from inbox_daemon.store.schema import dispatch, portion, send_status
from inbox_daemon.store.sendings import WINDOW, note_status, note_watermark, watermarks

OUT = tuple(state.value for state in SendState if state is not SendState.FAILED)
"""States of a portion that the channel has."""
CLOSED = "closed"
"""State of a portion that the channel took and then did not bring, because the time for free answers was over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """What one portion is to say; `template` names a pre-approved text instead."""

    text: str
    body_hash: str
    files: Sequence[StoredFile] = ()
    template: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reported:
    """What a report is about: a portion of this step, which went to this handle."""

    step_id: int
    handle_id: int


def of_step(connection: Connection, step_id: int) -> list[Row[Any]]:
    """All portions of a step, in the order of their routes and numbers."""
    return list(
        connection.execute(
            select(portion).where(portion.c.dispatch_id == step_id).order_by(portion.c.route, portion.c.number)
        )
    )


def latest(rows: Sequence[Row[Any]]) -> list[Row[Any]]:
    """Those of the present route among a step's portions, and the template that went after they had begun."""
    left = [row for row in rows if row.state != "dropped"]
    newest = max((row.route for row in left), default=0)
    last = max((row.route for row in left if row.template is None), default=0)
    return [row for row in left if row.route == (last if row.template is None else newest)]


def last_route(connection: Connection, step_id: int) -> list[Row[Any]]:
    """The portions of a step's present route."""
    return latest(of_step(connection, step_id))


def plan(
    connection: Connection, step_id: int, key: str, planned: Sequence[Planned], *, instance: str, handle_id: int
) -> list[Row[Any]]:
    """Write portions of a new route to this address; what was only planned before falls away.

    Not for a template, which only announces the rest.
    """
    if not any(one.template for one in planned):
        connection.execute(
            update(portion)
            .where(portion.c.dispatch_id == step_id, portion.c.state == "planned")
            .values(state="dropped", settled_at=db_now())
        )
    last = connection.execute(
        select(func.coalesce(func.max(portion.c.route), 0)).where(portion.c.dispatch_id == step_id)
    ).scalar_one()
    for number, one in enumerate(planned, start=1):
        connection.execute(
            insert(portion).values(
                dispatch_id=step_id,
                route=last + 1,
                number=number,
                tag=f"{key}.{last + 1}.{number}.{token_hex(4)}",
                instance=instance,
                handle_id=handle_id,
                template=one.template,
                text=one.text,
                files=[asdict(file) for file in one.files],
                body_hash=one.body_hash,
            )
        )
    return of_step(connection, step_id)


def trying(connection: Connection, portion_id: int) -> None:
    """It goes out now: from here on it may have arrived."""
    connection.execute(update(portion).where(portion.c.id == portion_id).values(state="trying", tried_at=db_now()))


def untried(connection: Connection, portion_id: int) -> None:
    """It provably did not go out."""
    connection.execute(
        update(portion).where(portion.c.id == portion_id, portion.c.state == "trying").values(state="planned")
    )


def untried_all(connection: Connection, step_id: int) -> None:
    """Whatever of a step may have gone out goes out again."""
    connection.execute(
        update(portion).where(portion.c.dispatch_id == step_id, portion.c.state == "trying").values(state="planned")
    )


def readdress(connection: Connection, step_id: int, handle_id: int) -> None:
    """What of a step is still to go goes to this handle from here on."""
    connection.execute(
        update(portion)
        .where(portion.c.dispatch_id == step_id, portion.c.state == "planned")
        .values(handle_id=handle_id)
    )


def reopen(connection: Connection, step_id: int) -> None:
    """What came too late goes again, when its time has come."""
    connection.execute(
        update(portion).where(portion.c.dispatch_id == step_id, portion.c.state == CLOSED).values(state="planned")
    )


def refused(connection: Connection, portion_id: int, reason: str) -> None:
    """The channel will not take it."""
    connection.execute(
        update(portion)
        .where(portion.c.id == portion_id, portion.c.state.in_(["trying", "planned"]))
        .values(state="failed", settled_at=db_now(), reason=reason)
    )


def accepted(connection: Connection, portion_id: int, remote_id: RemoteId, state: SendState) -> None:
    """The channel has it under `remote_id`; what it has told of that id before counts, too."""
    row = connection.execute(select(portion).where(portion.c.id == portion_id)).one()
    connection.execute(
        update(portion)
        .where(portion.c.id == portion_id)
        .values(remote_id=remote_id, state=row.state if row.state in OUT or row.state == "failed" else state.value)
    )
    if row.state == "trying":
        connection.execute(update(portion).where(portion.c.id == portion_id).values(settled_at=db_now()))
    early = connection.execute(
        select(send_status).where(send_status.c.instance == row.instance, send_status.c.target == remote_id)
    ).one_or_none()
    if early is not None:
        _turn(connection, portion_id, early.state, early.at, early.error_code, early.reason)
    _catch_up(connection, row)


def _catch_up(connection: Connection, row: Row[Any]) -> None:
    """What was told of all that goes to somebody counts for a portion, too, also where it was told before the answer
    to our call was stored. A call takes its time: what was told up to any moment of it is taken to include it.
    """
    state = connection.execute(select(portion.c.state).where(portion.c.id == row.id)).scalar_one()
    if state not in OUT:
        return
    handles = [people.as_handle(one) for one in people.alike(connection, row.handle_id)]
    for mark in watermarks(connection, row.instance, handles):
        if row.tried_at is not None and row.tried_at <= mark.until:
            _turn(connection, row.id, mark.state, mark.at, None, "")


def reach(connection: Connection, instance: str, event: WatermarkEvent) -> list[int]:
    """Keep a watermark; returns the steps whose portions it concerns, each once.

    What may not have gone out at all is not among them: that somebody read what came before proves nothing of it.
    """
    handles = [one.id for one in people.alike(connection, canonical(event.to))]
    if not note_watermark(connection, instance, event):
        return []
    rows = connection.execute(
        select(portion)
        .where(
            portion.c.instance == instance,
            portion.c.handle_id.in_(handles),
            portion.c.tried_at <= event.until,
            portion.c.state.in_([one for one in OUT if SendState(one).rank < event.state.rank]),
        )
        .order_by(portion.c.id)
    ).all()
    for row in rows:
        _turn(connection, row.id, event.state, event.sent_at, None, "")
    return list(dict.fromkeys(row.dispatch_id for row in rows))


def report(connection: Connection, instance: str, event: StatusEvent) -> Reported | None:
    """Keep a status; returns what it is about, None for an orphan (matched later) or nothing new."""
    if not note_status(connection, instance, event):
        return None
    known = [portion.c.remote_id == event.target]
    if event.tag:
        known.append(portion.c.tag == event.tag)
    row = connection.execute(
        select(portion).where(portion.c.instance == instance, or_(*known)).order_by(portion.c.id.desc()).limit(1)
    ).one_or_none()
    if row is None:
        return None
    if row.remote_id is None:
        connection.execute(update(portion).where(portion.c.id == row.id).values(remote_id=event.target))
    code = f"{WINDOW}{event.error_code or ''}" if event.window else event.error_code
    _turn(connection, row.id, event.state, event.sent_at, code, event.reason)
    if event.state is not SendState.FAILED:
        _catch_up(connection, row)
    return Reported(step_id=row.dispatch_id, handle_id=row.handle_id)


def _turn(
    connection: Connection, portion_id: int, state: str, at: datetime, error_code: str | None, reason: str
) -> None:
    """Put a portion into a state, unless it is further already."""
    now = connection.execute(select(portion.c.state).where(portion.c.id == portion_id)).scalar_one()
    if now in set(SendState) and SendState(now).rank >= SendState(state).rank:
        return
    if state == SendState.FAILED and (error_code or "").startswith(WINDOW):
        state = CLOSED
    connection.execute(
        update(portion)
        .where(portion.c.id == portion_id)
        .values(state=str(state), settled_at=at, error_code=error_code, reason=reason or None)
    )


def lock(connection: Connection, step_id: int) -> None:
    """Let nobody else settle this step, or report of its portions, until this transaction ends.

    Else a report and the end of an attempt could pass each other by, each seeing the other's state from before.
    """
    connection.execute(select(dispatch.c.id).where(dispatch.c.id == step_id).with_for_update())


def wake(connection: Connection, step_id: int, *, failed: bool) -> None:
    """A portion was reported of: go on with its step where that hung on it, or has to find another way now."""
    hangs = exists().where(portion.c.dispatch_id == step_id, portion.c.state == "trying")
    states = ["unknown", "parked", "done"] if failed else ["unknown", "parked"]
    connection.execute(
        update(dispatch)
        .where(dispatch.c.id == step_id, dispatch.c.state.in_(states), ~hangs)
        .values(state="waiting", due_at=db_now(), attempts=0, first_tried_at=None, done_at=None)
    )


def notified(connection: Connection, instance: str, handle_id: int, since: datetime | None) -> bool:
    """Whether a template has gone to this handle since then (None: ever): one is enough until they write."""
    return bool(
        connection.execute(
            select(
                exists().where(
                    portion.c.handle_id == handle_id,
                    portion.c.instance == instance,
                    portion.c.template.is_not(None),
                    portion.c.state.in_(["trying", *OUT]),
                    portion.c.tried_at.is_not(None) if since is None else portion.c.tried_at > since,
                )
            )
        ).scalar_one()
    )


def last_tried(connection: Connection, instance: str, handle_id: int) -> datetime | None:
    """When something last went to this handle by this channel."""
    moment: datetime | None = connection.execute(
        select(func.max(portion.c.tried_at)).where(portion.c.handle_id == handle_id, portion.c.instance == instance)
    ).scalar_one()
    return moment


def went_to(connection: Connection, leader_id: int) -> tuple[str, int] | None:
    """The channel's instance and the handle that a reply last went to; None while it hasn't gone."""
    row = connection.execute(
        select(portion.c.instance, portion.c.handle_id)
        .join(dispatch, dispatch.c.id == portion.c.dispatch_id)
        .where(dispatch.c.reply_id == leader_id, portion.c.tried_at.is_not(None))
        .order_by(portion.c.route.desc(), portion.c.number.desc())
        .limit(1)
    ).one_or_none()
    return None if row is None else (row.instance, row.handle_id)


def sent_before(connection: Connection, conversation_id: int, instance: str) -> list[tuple[datetime, str]]:
    """When what was said in a conversation went out by a channel, and its ids there; the latest first."""
    rows = connection.execute(
        select(portion.c.tried_at, portion.c.remote_id)
        .join(dispatch, dispatch.c.id == portion.c.dispatch_id)
        .where(
            dispatch.c.conversation_id == conversation_id,
            portion.c.instance == instance,
            portion.c.remote_id.is_not(None),
        )
        .order_by(portion.c.id.desc())
        .limit(20)
    )
    return [(row.tried_at, row.remote_id) for row in rows]
