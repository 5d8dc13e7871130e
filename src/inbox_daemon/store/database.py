"""One database, reached from asyncio: short transactions in worker threads, never across a network call.

`Database.run(work)` calls `work(connection)` inside one transaction and commits it before it returns. On SQLite all
writing goes through one thread (the engine has one writer anyway, and a queue in front beats waiting for its lock),
where what waits shares a commit; reading has threads of its own. On PostgreSQL both use one pool.

SQLite runs with `synchronous=FULL`: with NORMAL a power cut loses transactions that were acknowledged.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Self, TypeVar

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, OperationalError, ProgrammingError
from tenacity import Retrying, retry_if_exception, stop_after_delay, wait_random

from inbox_daemon.store.together import Together

T = TypeVar("T")

BUSY_SECONDS = 30
"""How long a SQLite connection waits for a lock that another process holds."""

CONFLICT_TRIES = 5
"""How often a transaction is run again after losing against another node (unique key, dead lock)."""


class StorageFull(Exception):
    """There is no room on the disk: nothing is acknowledged until there is; it resumes by itself."""


class StorageBroken(Exception):
    """The disk answered with an I/O error: what is on it is unknown, so the process must end and start anew."""


class Database:
    """Engine and threads of one database."""

    def __init__(self, url: URL | str, *, pool_size: int = 8) -> None:
        self.url = make_url(url)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        if self.is_sqlite:
            self._writer = _sqlite_engine(self.url, begin="BEGIN IMMEDIATE")
            self._reader = _sqlite_engine(self.url, begin="BEGIN")
            self._writing: Together | ThreadPoolExecutor = Together(
                "store-write", one=self.run_now, all_of=self._run_all
            )
            self._reading = ThreadPoolExecutor(2, "store-read")
        else:
            self._writer = self._reader = create_engine(
                self.url, pool_size=pool_size, max_overflow=0, pool_pre_ping=True, connect_args={"connect_timeout": 10}
            )
            self._writing = self._reading = ThreadPoolExecutor(pool_size, "store")

    @property
    def engine(self) -> Engine:
        """The writing engine, for code that runs before there is a loop (migrations, tests)."""
        return self._writer

    async def run(self, work: Callable[[Connection], T]) -> T:
        """Commit `work` as one transaction. Raises `StorageFull`, `StorageBroken` and what `work` raises."""
        if isinstance(self._writing, Together):
            return await asyncio.wrap_future(self._writing.submit(work))
        return await asyncio.get_running_loop().run_in_executor(self._writing, self.run_now, work)

    async def read(self, work: Callable[[Connection], T]) -> T:
        """Run `work` on a consistent snapshot; what it writes is not kept."""
        return await asyncio.get_running_loop().run_in_executor(self._reading, self._read_now, work)

    def run_now(self, work: Callable[[Connection], T]) -> T:
        """`run` for a thread of the caller's own."""
        for left in reversed(range(CONFLICT_TRIES)):
            try:
                with self._writer.begin() as connection:
                    return work(connection)
            except (IntegrityError, OperationalError) as error:
                if not left or not _is_conflict(error):
                    raise _named(error) from error
            except DBAPIError as error:
                raise _named(error) from error
        raise AssertionError("unreachable")

    def _run_all(self, works: Sequence[Callable[[Connection], object]]) -> list[object]:
        """Several in one transaction; raises where any of them, or the commit, fails."""
        with self._writer.begin() as connection:
            return [work(connection) for work in works]

    def _read_now(self, work: Callable[[Connection], T]) -> T:
        try:
            with self._reader.connect() as connection:
                return work(connection)
        except DBAPIError as error:
            raise _named(error) from error

    def close(self) -> None:
        """Wait for running transactions and close all connections. Safe twice."""
        self._writing.shutdown()
        self._reading.shutdown()
        self._writer.dispose()
        self._reader.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _sqlite_engine(url: URL, *, begin: str) -> Engine:
    """An engine that begins every transaction with `begin`; the driver's own implicit transactions are off."""
    engine = create_engine(url, connect_args={"check_same_thread": False, "timeout": BUSY_SECONDS})

    @event.listens_for(engine, "connect")
    def configure(connection: Any, _: object) -> None:
        connection.isolation_level = None
        _write_ahead(connection)
        for pragma in ("synchronous=FULL", "foreign_keys=ON"):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def start(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    return engine


def _write_ahead(connection: Any) -> None:
    """Switch a file to the write-ahead log, also while other nodes that start together are at it.

    SQLite does not wait for its busy timeout where waiting could deadlock, and the switch is such a place: the second
    of two that switch at once is told "database is locked" straight away (sqlite.org/c3ref/busy_handler.html).
    """
    for attempt in Retrying(
        retry=retry_if_exception(lambda error: getattr(error, "sqlite_errorname", "").startswith("SQLITE_BUSY")),
        stop=stop_after_delay(BUSY_SECONDS),
        wait=wait_random(0.01, 0.1),
        reraise=True,
    ):
        with attempt:
            connection.execute("PRAGMA journal_mode=WAL")


def _is_conflict(error: DBAPIError) -> bool:
    """Whether another node won a race, so that running the same transaction again makes sense."""
    state = getattr(error.orig, "sqlstate", None)
    return isinstance(error, IntegrityError) or state in {"40001", "40P01", "55P03"}


def is_mistake(error: Exception) -> bool:
    """Whether a statement itself is wrong, or its values are: running it again would be of no use."""
    if not isinstance(error, DBAPIError):
        return True
    name = getattr(error.orig, "sqlite_errorname", "")
    return isinstance(error, DataError | ProgrammingError) or name == "SQLITE_ERROR"


def _named(error: DBAPIError) -> Exception:
    """The error as what the caller has to do about it. Names of SQLite: sqlite.org/rescode.html."""
    name = getattr(error.orig, "sqlite_errorname", "")
    if name == "SQLITE_FULL" or getattr(error.orig, "sqlstate", None) == "53100":
        return StorageFull(str(error.orig))
    if name.startswith(("SQLITE_IOERR", "SQLITE_CORRUPT", "SQLITE_NOTADB")):
        return StorageBroken(str(error.orig))
    return error
