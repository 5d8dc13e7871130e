"""The database itself: settings that durability rests on, full and broken disks, lost races."""

from __future__ import annotations

import sqlite3
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import URL, Connection, insert, select, text
from sqlalchemy.exc import IntegrityError, OperationalError

from inbox_daemon.store import envelopes
from inbox_daemon.store.clock import after_now, db_now
from inbox_daemon.store.columns import from_micros, to_micros
from inbox_daemon.store.database import CONFLICT_TRIES, Database, StorageBroken, StorageFull, _named
from inbox_daemon.store.migrate import migrate
from inbox_daemon.store.schema import citizen, lease
from unit.store.rows import AT, DAY, envelope


@pytest.fixture
def sqlite(tmp_path: Path) -> Iterator[Database]:
    """A fresh, migrated SQLite database."""
    with Database(URL.create("sqlite", database=str(tmp_path / "inbox.sqlite3"))) as database:
        migrate(database)
        yield database


@pytest.mark.parametrize(
    ("pragma", "value"),
    [("synchronous", 2), ("journal_mode", "wal"), ("foreign_keys", 1), ("busy_timeout", 30000)],
)
async def test_sqlite_is_really_set_up_in_every_connection(sqlite: Database, pragma: str, value: object) -> None:
    def ask(connection: Connection) -> object:
        return connection.execute(text(f"PRAGMA {pragma}")).scalar_one()

    assert await sqlite.run(ask) == value
    assert await sqlite.read(ask) == value


def test_the_switch_to_the_write_ahead_log_waits_for_another_node_that_is_at_it(tmp_path: Path) -> None:
    path = tmp_path / "inbox.sqlite3"
    other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    other.execute("CREATE TABLE thing (id)")
    other.execute("BEGIN IMMEDIATE")  # SQLite tells whoever switches now "locked", whatever its busy timeout
    end = threading.Timer(0.3, other.execute, ["COMMIT"])
    end.start()
    with Database(URL.create("sqlite", database=str(path))) as database:
        assert database.run_now(lambda c: c.execute(text("PRAGMA journal_mode")).scalar_one()) == "wal"
    end.join()
    other.close()


def test_postgresql_commits_to_disk(database: Database) -> None:
    if database.is_sqlite:
        assert database.run_now(lambda c: c.execute(text("PRAGMA synchronous")).scalar_one()) == 2
    else:
        assert database.run_now(lambda c: c.execute(text("SHOW synchronous_commit")).scalar_one()) == "on"


def _fill(database: Database) -> int:
    """Append until there is no room; how many were acknowledged."""
    for kept in range(10_000):
        try:
            _append(database)
        except StorageFull:
            return kept
    raise AssertionError("it never filled")


def _append(database: Database) -> None:
    database.run_now(lambda c: envelopes.append(c, [(envelope("x" * 20_000), DAY)]))


def _kept(database: Database) -> int:
    return int(database.run_now(lambda c: c.execute(text("SELECT count(*) FROM envelope")).scalar_one()))


def test_a_full_database_says_so_and_goes_on_when_there_is_room(sqlite: Database) -> None:
    pages = sqlite.run_now(lambda c: c.execute(text("PRAGMA page_count")).scalar_one())
    sqlite.run_now(lambda c: c.execute(text(f"PRAGMA max_page_count={pages + 100}")))
    kept = _fill(sqlite)
    assert kept > 5
    assert _kept(sqlite) == kept
    sqlite.run_now(lambda c: c.execute(text("PRAGMA max_page_count=1000000")))
    _append(sqlite)
    assert _kept(sqlite) == kept + 1


@contextmanager
def _small_disk(folder: Path) -> Iterator[Path]:
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1500k", "inbox-test", folder], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)


def _may_mount(folder: Path) -> bool:
    try:
        with _small_disk(folder / "try"):
            return True
    except (OSError, subprocess.CalledProcessError):
        return False


def test_a_full_disk_loses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    if not _may_mount(tmp_path):
        pytest.skip("mounting a tmpfs needs root; the page limit above tests the same path")
    with _small_disk(tmp_path / "disk") as folder:
        url = URL.create("sqlite", database=str(folder / "inbox.sqlite3"))
        with Database(url) as database:
            migrate(database)
            ballast = folder / "ballast"
            ballast.write_bytes(bytes(300_000))
            kept = _fill(database)
            assert kept >= 1
            with pytest.raises(StorageFull):
                _append(database)
            assert _kept(database) == kept
            ballast.unlink()
            _append(database)
        with Database(url) as database:
            assert _kept(database) == kept + 1
            assert database.run_now(lambda c: c.execute(text("PRAGMA integrity_check")).scalar_one()) == "ok"


async def test_a_damaged_file_is_told_as_broken_reading_and_writing(tmp_path: Path) -> None:
    path = tmp_path / "inbox.sqlite3"
    with Database(URL.create("sqlite", database=str(path))) as database:
        migrate(database)
        database.run_now(lambda c: envelopes.append(c, [(envelope("x" * 500_000), DAY)]))
    content = bytearray(path.read_bytes())
    content[4096:] = b"\xa5" * (len(content) - 4096)
    path.write_bytes(content)
    with Database(URL.create("sqlite", database=str(path))) as database:
        with pytest.raises(StorageBroken):
            await database.run(lambda c: c.execute(text("SELECT count(*) FROM citizen")).all())
        with pytest.raises(StorageBroken):
            await database.read(lambda c: c.execute(text("SELECT count(*) FROM citizen")).all())


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("SQLITE_FULL", StorageFull),
        ("SQLITE_IOERR", StorageBroken),
        ("SQLITE_IOERR_FSYNC", StorageBroken),
        ("SQLITE_CORRUPT", StorageBroken),
        ("SQLITE_CORRUPT_INDEX", StorageBroken),
        ("SQLITE_NOTADB", StorageBroken),
        ("SQLITE_BUSY", OperationalError),
        ("SQLITE_CANTOPEN", OperationalError),
    ],
)
def test_errors_are_named_after_what_to_do(name: str, expected: type[Exception]) -> None:
    original = sqlite3.OperationalError("text that says nothing")
    original.sqlite_errorname = name
    assert type(_named(OperationalError("", {}, original))) is expected


def test_a_table_called_malformed_is_no_broken_disk(database: Database) -> None:
    row = {"envelope_id": 1, "place": "x", "problem": "y"}
    with pytest.raises(IntegrityError):
        database.run_now(lambda c: c.execute(text("INSERT INTO malformed (envelope_id) VALUES (:envelope_id)"), row))


def test_a_lost_race_is_run_again_and_a_real_conflict_is_raised(database: Database) -> None:
    tries = []

    def lost(connection: Connection) -> str:
        tries.append(1)
        name = "mine" if len(tries) == 3 else "taken"
        connection.execute(insert(lease).values(name=name, holder="a", token=1, until=AT))
        return name

    database.run_now(lambda c: c.execute(insert(lease).values(name="taken", holder="b", token=1, until=AT)))
    assert database.run_now(lost) == "mine"
    tries[:] = [1, 1, 1]
    with pytest.raises(IntegrityError):
        database.run_now(lost)
    assert len(tries) == 3 + CONFLICT_TRIES


async def test_what_fails_leaves_nothing_behind(database: Database) -> None:
    def work(connection: Connection) -> None:
        connection.execute(insert(citizen).values(created_at=AT))
        raise RuntimeError("a bug")

    with pytest.raises(RuntimeError, match="a bug"):
        await database.run(work)
    await database.read(lambda c: c.execute(insert(citizen).values(created_at=AT)))  # reading keeps nothing
    assert await database.read(lambda c: c.execute(select(citizen)).all()) == []


def test_the_clock_of_the_database_is_told_in_utc(database: Database) -> None:
    now = database.run_now(lambda c: c.execute(select(db_now())).scalar_one())
    assert abs((datetime.now(UTC) - now).total_seconds()) < 5
    later = database.run_now(lambda c: c.execute(select(after_now(timedelta(hours=6)))).scalar_one())
    assert timedelta(hours=6) <= later - now < timedelta(hours=6, seconds=5)


@pytest.mark.parametrize("moment", [AT, AT.replace(microsecond=1), AT.replace(year=1969), AT.replace(year=2999)])
def test_instants_lose_nothing(moment: datetime) -> None:
    assert from_micros(to_micros(moment)) == moment
