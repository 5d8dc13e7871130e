"""Transactions that share a commit: each whole, each told of its own end only, nothing of a failed one kept."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, event, select

from inbox_daemon.store.database import Database
from inbox_daemon.store.migrate import migrate
from inbox_daemon.store.schema import lease
from inbox_daemon.store.together import MOST, Together
from unit.store.rows import AT


@pytest.fixture
def sqlite(tmp_path: Path) -> Iterator[Database]:
    with Database(f"sqlite:///{tmp_path / 'inbox.sqlite3'}") as database:
        migrate(database)
        yield database


def _write(name: str) -> Callable[[Connection], str]:
    def work(connection: Connection) -> str:
        connection.execute(lease.insert().values(name=name, holder="", token=0, until=AT + timedelta(0)))
        return name

    return work


async def _names(database: Database) -> list[str]:
    return await database.read(lambda c: list(c.execute(select(lease.c.name).order_by(lease.c.name)).scalars()))


def _held(database: Database) -> tuple[threading.Event, Any]:
    """Keep the writing thread busy, so that what comes now waits together."""
    go = threading.Event()
    return go, asyncio.ensure_future(database.run(lambda connection: go.wait(10)))


async def test_what_waits_shares_a_commit(sqlite: Database) -> None:
    commits: list[Connection] = []
    event.listen(sqlite.engine, "commit", commits.append)

    go, holding = _held(sqlite)
    await asyncio.sleep(0.05)
    waiting = [asyncio.ensure_future(sqlite.run(_write(f"n{number}"))) for number in range(MOST)]
    await asyncio.sleep(0.05)
    go.set()
    assert await asyncio.gather(*waiting) == [f"n{number}" for number in range(MOST)]
    await holding
    assert len(commits) == 2
    assert len(await _names(sqlite)) == MOST


async def test_one_that_fails_fails_alone_and_leaves_nothing(sqlite: Database) -> None:
    def fails(connection: Connection) -> None:
        _write("half")(connection)
        raise ValueError("a bug")

    go, holding = _held(sqlite)
    await asyncio.sleep(0.05)
    waiting = [asyncio.ensure_future(sqlite.run(work)) for work in (_write("a"), fails, _write("b"))]
    await asyncio.sleep(0.05)
    go.set()
    ended = await asyncio.gather(*waiting, return_exceptions=True)
    await holding
    assert [str(one) for one in ended] == ["a", "a bug", "b"]
    assert await _names(sqlite) == ["a", "b"]


async def test_nobody_is_told_before_the_commit(sqlite: Database) -> None:
    """The commit of two fails: neither was told that it is done, and each is done by itself then."""
    commits = count(1)

    @event.listens_for(sqlite.engine, "commit")
    def fail(_: Connection) -> None:
        if next(commits) == 2:  # the first is that of the one before
            raise OSError("the disk says no")

    async def ask(name: str) -> list[str]:
        await sqlite.run(_write(name))
        return await _names(sqlite)

    go, holding = _held(sqlite)
    await asyncio.sleep(0.05)
    waiting = [asyncio.ensure_future(ask(name)) for name in ("a", "b")]
    await asyncio.sleep(0.05)
    go.set()
    await holding
    seen_by_a, seen_by_b = await asyncio.gather(*waiting)
    assert "a" in seen_by_a
    assert seen_by_b == ["a", "b"]
    assert next(commits) == 5


async def test_what_was_given_up_before_it_began_is_not_done(sqlite: Database) -> None:
    go, holding = _held(sqlite)
    await asyncio.sleep(0.05)
    given_up = asyncio.ensure_future(sqlite.run(_write("given up")))
    kept = asyncio.ensure_future(sqlite.run(_write("kept")))
    await asyncio.sleep(0.05)
    given_up.cancel()
    await asyncio.sleep(0.05)
    go.set()
    await asyncio.gather(kept, holding)
    assert await _names(sqlite) == ["kept"]


def test_what_was_queued_is_done_before_the_end() -> None:
    done: list[int] = []
    together = Together("t", one=lambda work: work(None), all_of=lambda works: [work(None) for work in works])
    for number in range(30):
        together.submit(lambda _, number=number: done.append(number))  # type: ignore[misc]
    together.shutdown()
    together.shutdown()
    assert done == list(range(30))
    with pytest.raises(RuntimeError, match="closed"):
        together.submit(lambda _: None)
