"""A `Context` for plug-ins under test, with real sessions and no daemon."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import cast
from zoneinfo import ZoneInfo

import aiohttp
import structlog

from inbox_daemon.model import InstanceId
from inbox_daemon.plugins import CaseBook, Context, Mail


@dataclass(slots=True)
class Clock:
    """What every lent context takes for the time: the true one, `off` by so much."""

    off: timedelta = timedelta(0)

    def now(self) -> datetime:
        """See `Context.now`."""
        return datetime.now(UTC) + self.off


CLOCK = Clock()


@contextmanager
def clock_off(by: timedelta) -> Iterator[None]:
    """Our clock is wrong while the block lasts; the far side's is not."""
    CLOCK.off = by
    try:
        yield
    finally:
        CLOCK.off = timedelta(0)


@asynccontextmanager
async def lend_context(
    instance: str = "under-test", casebook: CaseBook | None = None, *, mail: Mail | None = None
) -> AsyncIterator[Context]:
    """Yield a context whose sessions are closed at the end; loopback is allowed, as servers of tests live there."""
    sessions: list[aiohttp.ClientSession] = []

    def session(hosts: frozenset[str]) -> aiohttp.ClientSession:
        sessions.append(aiohttp.ClientSession())
        sessions[-1]._retry_connection = False  # as the core's sessions: one call is one request
        return sessions[-1]

    yield Context(
        instance=InstanceId(instance),
        session=session,
        log=structlog.get_logger().bind(instance=instance),
        now=CLOCK.now,
        zone=ZoneInfo("America/Argentina/Cordoba"),
        public_url="http://127.0.0.1:8080",
        casebook=cast("CaseBook", casebook),
        case_link=lambda case: f"http://127.0.0.1:8080/case/{case}",
        file_link=lambda file: f"http://127.0.0.1:8080/file/{file.sha256}",
        mail=mail,
    )
    for opened in sessions:
        await opened.close()
