"""How many steps a second go out to a destination that does nothing: the outbox's own cost, beside a bare client's."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeVar

import aiohttp
from sqlalchemy import URL

from inbox_daemon.store.database import Database
from inbox_daemon.store.migrate import migrate
from support.graph_fake_citizens import body, citizens
from support.memory_adapter import MemoryAdapter
from support.pipes import Pipes

T = TypeVar("T")
PARALLEL = 64
LONGEST_SECONDS = 120.0


class StubAdapter(MemoryAdapter):
    """Remembers what it is given, after a request to a server that does nothing."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        super().__init__()
        self._session = session
        self._url = url

    async def _write(self, work: Callable[[], T], faults: object) -> T:
        async with self._session.post(self._url, json={"words": "x" * 300}) as answer:
            await answer.read()
        return work()


async def dispatched(folder: Path, port: int, *, conversations: int, messages: int) -> dict[str, float]:
    """Steps a second of `conversations` with `messages` each, through the outbox on SQLite and by a bare client."""
    url = f"http://127.0.0.1:{port}/hooks/stub"
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=PARALLEL)) as session:
        adapter = StubAdapter(session, url)
        with Database(URL.create("sqlite", database=str(folder / "dispatch.sqlite3"))) as database:
            migrate(database)
            seconds = await _through_the_outbox(
                Pipes(database, {"gobierno": adapter}, parallel=PARALLEL), conversations, messages
            )
        total = conversations * messages
        assert sum(len(ticket.entries) for ticket in adapter.tickets) == total
        assert len(adapter.tickets) == conversations
        return {
            "dispatched_per_second": total / seconds,
            "bare_client_per_second": total / await _bare(session, url, total),
        }


async def _through_the_outbox(pipes: Pipes, conversations: int, messages: int) -> float:
    began = datetime.now(UTC) - timedelta(hours=1)
    people = citizens(conversations)
    for number in range(messages):
        at = began + timedelta(minutes=number)
        await pipes.receive(*(body([one.text(f"mensaje {number}", at=at)]) for one in people))
    await pipes.take_in()
    start = time.perf_counter()
    async with pipes.dispatching():
        await pipes.settled(seconds=LONGEST_SECONDS)
    return time.perf_counter() - start


async def _bare(session: aiohttp.ClientSession, url: str, total: int) -> float:
    """The same requests, as many at a time, and nothing else."""
    left = iter(range(total))

    async def post() -> None:
        for _ in left:
            async with session.post(url, json={"words": "x" * 300}) as answer:
                await answer.read()

    start = time.perf_counter()
    await asyncio.gather(*(post() for _ in range(PARALLEL)))
    return time.perf_counter() - start
