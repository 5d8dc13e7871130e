"""Where each poll goes on, and which node may poll: lease rows on the database's clock.

Session advisory locks would be shorter, but a pooler in transaction mode gives one lock to two clients.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import Connection, delete, insert, select, update

from inbox_daemon.model import Cursor, Envelope, InstanceId
from inbox_daemon.store.clock import after_now, db_now
from inbox_daemon.store.schema import cursor, envelope, lease


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """A lease held: `token` rises with every new holder, so that a late writer is told from the present one."""

    name: str
    holder: str
    token: int


def read_cursor(connection: Connection, instance: str) -> tuple[Cursor | None, int]:
    """(cursor, items passed over so far); (None, 0) before the first contact."""
    row = connection.execute(select(cursor).where(cursor.c.instance == instance)).one_or_none()
    if row is None:
        return None, 0
    return (None if row.value is None else Cursor(row.value)), row.passed_over


def write_cursor(connection: Connection, instance: str, value: Cursor | None, passed_over: int = 0) -> None:
    """Set the cursor, in the transaction that keeps what it has passed."""
    changed = connection.execute(
        update(cursor)
        .where(cursor.c.instance == instance)
        .values(value=value, passed_over=cursor.c.passed_over + passed_over, updated_at=db_now())
    ).rowcount
    if not changed:
        connection.execute(
            insert(cursor).values(instance=instance, value=value, passed_over=passed_over, updated_at=db_now())
        )


def untold(connection: Connection, instance: str, limit: int = 1000) -> tuple[list[Envelope], int]:
    """Envelopes on disk of which the source has not been told yet, without their bodies; and the highest id of them."""
    told = select(cursor.c.told_id).where(cursor.c.instance == instance).scalar_subquery()
    rows = connection.execute(
        select(envelope.c.id, envelope.c.received_at, envelope.c.headers)
        .where(envelope.c.instance == instance, envelope.c.id > told)
        .order_by(envelope.c.id)
        .limit(limit)
    ).all()
    found = [
        Envelope(instance=InstanceId(instance), body=b"", received_at=row.received_at, headers=row.headers)
        for row in rows
    ]
    return found, rows[-1].id if rows else 0


def told(connection: Connection, instance: str, envelope_id: int) -> None:
    """The source has been told of everything up to this envelope."""
    connection.execute(update(cursor).where(cursor.c.instance == instance).values(told_id=envelope_id))


def acquire(connection: Connection, name: str, holder: str, life: timedelta) -> Lease | None:
    """Take or renew the lease `name`; None while somebody else holds it."""
    row = connection.execute(
        select(lease, (lease.c.until <= db_now()).label("over")).where(lease.c.name == name).with_for_update()
    ).one_or_none()
    if row is None:
        connection.execute(insert(lease).values(name=name, holder=holder, token=1, until=after_now(life)))
        return Lease(name=name, holder=holder, token=1)
    if row.holder != holder and not row.over:
        return None
    token = row.token if row.holder == holder else row.token + 1
    connection.execute(
        update(lease).where(lease.c.name == name).values(holder=holder, token=token, until=after_now(life))
    )
    return Lease(name=name, holder=holder, token=token)


def holds(connection: Connection, held: Lease) -> bool:
    """Lock the lease row and say whether it is still ours: to be asked in the transaction that relies on it."""
    row = connection.execute(select(lease).where(lease.c.name == held.name).with_for_update()).one_or_none()
    return row is not None and row.holder == held.holder and row.token == held.token


def release(connection: Connection, held: Lease) -> None:
    """Give a lease back early, so that another node need not wait for its end."""
    connection.execute(
        update(lease)
        .where(lease.c.name == held.name, lease.c.holder == held.holder, lease.c.token == held.token)
        .values(until=db_now())
    )


def forget(connection: Connection, instance: str) -> None:
    """Drop an instance's cursor: its next poll is a first contact."""
    connection.execute(delete(cursor).where(cursor.c.instance == instance))
