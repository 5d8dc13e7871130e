"""The tag of this installation: made once with the database, and part of every reference written into a ticket."""

from __future__ import annotations

import secrets

from sqlalchemy import Connection, insert, select

from inbox_daemon.store.clock import db_now
from inbox_daemon.store.schema import installation

_ALPHABET = "23456789abcdefghjkmnpqrstuvwxyz"


def tag(connection: Connection) -> str:
    """The tag, made on first use. 31**7 of them: two installations won't share one."""
    found: str | None = connection.execute(select(installation.c.tag)).scalar_one_or_none()
    if found is not None:
        return found
    made = "".join(secrets.choice(_ALPHABET) for _ in range(7))
    connection.execute(insert(installation).values(id=1, tag=made, created_at=db_now()))
    return made
