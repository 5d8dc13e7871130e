"""What channels tell of things we sent: a monotone state each, also before the sending itself is known here."""

from __future__ import annotations

from sqlalchemy import Connection, insert, select, update

from inbox_daemon.model import StatusEvent
from inbox_daemon.store.schema import send_status


def note_status(connection: Connection, instance: str, event: StatusEvent) -> bool:
    """Keep the highest state told of a sending; False when it was known already (or a higher one was)."""
    key = (send_status.c.instance == instance, send_status.c.target == event.target)
    values = {
        "tag": event.tag,
        "state": event.state,
        "rank": event.state.rank,
        "at": event.sent_at,
        "error_code": event.error_code,
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
