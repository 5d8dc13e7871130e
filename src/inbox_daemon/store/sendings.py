"""What channels tell of things we sent: a monotone state each, also before the sending itself is known here."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, insert, select, update

from inbox_daemon.identity.handles import canonical
from inbox_daemon.model import Handle, SendState, StatusEvent, WatermarkEvent
from inbox_daemon.store.schema import send_status

WINDOW = "window:"
"""How the code of an error is kept that only says that the time for free answers was over."""
MARKS = (SendState.DELIVERED, SendState.READ, SendState.PLAYED)
"""States that a watermark can tell, the least first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """All that went to somebody `until` then had come as far as `state`, as was told `at`."""

    state: SendState
    until: datetime
    at: datetime


def note_status(connection: Connection, instance: str, event: StatusEvent) -> bool:
    """Keep the highest state told of a sending; False when it was known already (or a higher one was)."""
    key = (send_status.c.instance == instance, send_status.c.target == event.target)
    values = {
        "tag": event.tag,
        "state": event.state,
        "rank": event.state.rank,
        "at": event.sent_at,
        "error_code": f"{WINDOW}{event.error_code or ''}" if event.window else event.error_code,
        "reason": event.reason,
    }
    known = connection.execute(select(send_status.c.rank).where(*key).with_for_update()).scalar_one_or_none()
    if known is None:
        connection.execute(insert(send_status).values(instance=instance, target=event.target, **values))
        return True
    if known >= event.state.rank:
        return False
    connection.execute(update(send_status).where(*key).values(**values))
    return True


def note_watermark(connection: Connection, instance: str, event: WatermarkEvent) -> bool:
    """Keep the latest watermark of each state for somebody; False when it reaches no further than the one kept.

    Beside the statuses, under a digest in the place of an id: what was told before we know what it is about.
    """
    key = (send_status.c.instance == instance, send_status.c.target == _mark(event.to, event.state))
    values = {"at": event.until, "reason": event.sent_at.isoformat()}
    known = connection.execute(select(send_status.c.at).where(*key).with_for_update()).scalar_one_or_none()
    if known is not None and known >= event.until:
        return False
    if known is not None:
        connection.execute(update(send_status).where(*key).values(**values))
        return True
    fixed = {"target": _mark(event.to, event.state), "state": event.state, "rank": event.state.rank}
    connection.execute(insert(send_status).values(instance=instance, **fixed, **values))
    return True


def watermarks(connection: Connection, instance: str, handles: Sequence[Handle]) -> list[Mark]:
    """What was told of all that goes to these handles of one person, the least state first."""
    marks = [_mark(one, state) for one in handles for state in MARKS]
    rows = connection.execute(
        select(send_status)
        .where(send_status.c.instance == instance, send_status.c.target.in_(marks))
        .order_by(send_status.c.rank, send_status.c.at)
    )
    return [Mark(state=SendState(row.state), until=row.at, at=datetime.fromisoformat(row.reason)) for row in rows]


def _mark(to: Handle, state: SendState) -> str:
    one = canonical(to)
    digest = hashlib.sha256(f"{one.kind}\x1f{one.scope}\x1f{one.value}".encode()).hexdigest()
    return f"watermark.{state}.{digest[:32]}"
