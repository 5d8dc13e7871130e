"""Fixtures `database` (each test once on SQLite and once on PostgreSQL) and `postgresql`: fresh, migrated databases."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from sqlalchemy import URL, create_engine, text

from inbox_daemon.store.database import Database
from inbox_daemon.store.migrate import migrate
from real.servers.launch import server


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgreSQL:
    """A running server; every test gets a database of its own from `fresh`."""

    host: str
    port: int
    user: str
    template: str = field(default_factory=lambda: f"migrated_{os.getpid()}")
    """A migrated database of this test run that all others are copied from."""

    def url(self, name: str) -> URL:
        """Address of one database."""
        return URL.create("postgresql+psycopg", self.user, None, self.host, self.port, name)

    def fresh(self) -> URL:
        """A new database, copied from a migrated template."""
        name = f"t{secrets.token_hex(6)}"
        self._execute(f"CREATE DATABASE {name} TEMPLATE {self.template}")
        return self.url(name)

    def empty(self) -> URL:
        """A new database without a schema."""
        name = f"t{secrets.token_hex(6)}"
        self._execute(f"CREATE DATABASE {name}")
        return self.url(name)

    def prepare(self) -> None:
        """Make the template."""
        self.drop(self.template)
        self._execute(f"CREATE DATABASE {self.template}")
        with Database(self.url(self.template), pool_size=1) as database:
            migrate(database)

    def drop(self, name: str | None) -> None:
        """Remove a database, whoever is still connected to it."""
        self._execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")

    def _execute(self, statement: str) -> None:
        engine = create_engine(self.url("postgres"), isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(text(statement))
        engine.dispose()


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgreSQL]:
    """A real PostgreSQL."""
    with server("postgresql") as values:
        running = PostgreSQL(host=values["HOST"], port=int(values["PORT"]), user=values["USER"])
        running.prepare()
        yield running
        running.drop(running.template)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.real)])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[URL]:
    """Address of a fresh, migrated database, once on each engine."""
    if request.param == "postgresql":
        running: PostgreSQL = request.getfixturevalue("postgresql")
        fresh = running.fresh()
        yield fresh
        running.drop(fresh.database)
        return
    url = URL.create("sqlite", database=str(tmp_path / "inbox.sqlite3"))
    with Database(url) as database:
        migrate(database)
    yield url


@pytest.fixture
def database(database_url: URL) -> Iterator[Database]:
    """A fresh, migrated database, once on each engine."""
    with Database(database_url) as opened:
        yield opened
