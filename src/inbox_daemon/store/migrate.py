"""Brings a database to the schema this program knows; a database of a newer program is refused.

Alembic costs a fifth of a second and some megabytes, so it is imported only when there is something to migrate.
"""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection, inspect, text

from inbox_daemon.errors import SettingsError
from inbox_daemon.store.database import Database

HEAD = "0002"
"""The newest revision in `migrations/versions`; a test holds it equal to Alembic's own view."""


def version(connection: Connection) -> str | None:
    """Revision of the database, None when it is empty."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    found: str | None = connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one_or_none()
    return found


def migrate(database: Database) -> bool:
    """Bring the database to `HEAD`; returns whether anything was done. Raises `SettingsError` for a newer database."""
    with database.engine.connect() as connection:
        found = version(connection)
    if found == HEAD:
        return False
    if found is not None and found > HEAD:
        raise SettingsError(
            f"the database is at revision {found}, which is newer than this program's {HEAD}",
            key="database.url",
            remedy="install the version of inbox-daemon that wrote it, or point database.url at another database",
        )
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["engine"] = database.engine
    command.upgrade(config, "head")
    return True
