"""Attachments on their way to our disk: claimed ahead of their expiry, then stored or failed with a reason."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import Connection, insert, or_, select, update

from inbox_daemon.model import Attachment
from inbox_daemon.store.clock import after_now, db_now
from inbox_daemon.store.schema import attachment, is_waiting


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A claimed attachment, and the envelope it came in."""

    id: int
    instance: str
    envelope_id: int
    attempts: int
    attachment: Attachment


def add(
    connection: Connection,
    *,
    message_id: int,
    envelope_id: int,
    instance: str,
    file: Attachment,
    refused: str | None = None,
) -> int:
    """Write one attachment to fetch, or one that is `refused` from the start with a reason; returns its id."""
    return int(
        connection.execute(
            insert(attachment)
            .values(
                message_id=message_id,
                envelope_id=envelope_id,
                instance=instance,
                filename=file.filename,
                media_type=file.media_type,
                remote=file.remote,
                inline=file.inline,
                size=file.size,
                sha256=file.sha256,
                expires_at=file.expires_at,
                due_at=db_now(),
                state="waiting" if refused is None else "failed",
                reason=refused,
            )
            .returning(attachment.c.id)
        ).scalar_one()
    )


def claim(connection: Connection, holder: str, lease: timedelta, limit: int) -> list[Wanted]:
    """Take the attachments that are due, those that expire first before the others."""
    rows = connection.execute(
        select(attachment)
        .where(
            is_waiting(attachment),
            attachment.c.due_at <= db_now(),
            or_(attachment.c.lease_until.is_(None), attachment.c.lease_until < db_now()),
        )
        .order_by(attachment.c.expires_at.is_(None), attachment.c.expires_at, attachment.c.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    ).all()
    if rows:
        connection.execute(
            update(attachment)
            .where(attachment.c.id.in_([row.id for row in rows]))
            .values(holder=holder, lease_until=after_now(lease), attempts=attachment.c.attempts + 1)
        )
    return [
        Wanted(
            id=row.id,
            instance=row.instance,
            envelope_id=row.envelope_id,
            attempts=row.attempts + 1,
            attachment=Attachment(
                filename=row.filename,
                media_type=row.media_type,
                remote=row.remote,
                size=row.size,
                sha256=row.sha256,
                expires_at=row.expires_at,
                inline=row.inline,
            ),
        )
        for row in rows
    ]


def stored(connection: Connection, attachment_id: int, *, size: int, sha256: str) -> None:
    """The bytes are on our disk under their hash."""
    _settle(connection, attachment_id, state="stored", size=size, sha256=sha256, reason=None)


def failed(connection: Connection, attachment_id: int, reason: str) -> None:
    """The bytes can't be had; the ticket will say so."""
    _settle(connection, attachment_id, state="failed", reason=reason)


def again(connection: Connection, attachment_id: int, delay: timedelta, reason: str) -> None:
    """Try again after `delay`."""
    _settle(connection, attachment_id, due_at=after_now(delay), reason=reason)


def _settle(connection: Connection, attachment_id: int, **values: object) -> None:
    connection.execute(
        update(attachment)
        .where(attachment.c.id == attachment_id, attachment.c.state == "waiting")
        .values(holder=None, lease_until=None, **values)
    )


def recover(connection: Connection, holder: str) -> None:
    """Free what an earlier life of this node was fetching when it died."""
    connection.execute(
        update(attachment)
        .where(attachment.c.state == "waiting", attachment.c.holder == holder)
        .values(holder=None, lease_until=None)
    )
