"""The receiving path: concurrent requests share one transaction and one fsync, each acknowledged after its commit.

While one group is being written the next one gathers, so the group's size follows the load by itself and a lone
request waits for nobody.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from inbox_daemon.model import Envelope
from inbox_daemon.store import envelopes
from inbox_daemon.store.database import Database, StorageBroken

MAX_GROUP = 512
MAX_GROUP_BYTES = 32_000_000
GAP_SECONDS = 0.05
LONGEST_GAP_SECONDS = 1.0


def day_in(zone: ZoneInfo) -> Callable[[datetime], int]:
    """A function that gives the local day of a moment as YYYYMMDD."""

    def day(moment: datetime) -> int:
        local = moment.astimezone(zone)
        return local.year * 10_000 + local.month * 100 + local.day

    return day


class Journal:
    """Appends envelopes durably, in groups."""

    def __init__(
        self,
        database: Database,
        day: Callable[[datetime], int],
        arrived: asyncio.Event,
        written: Callable[[Sequence[Envelope], float], None] = lambda envelopes, seconds: None,
        broken: Callable[[], None] = lambda: None,
    ) -> None:
        self._broken = broken
        self._written = written
        self._database = database
        self._day = day
        self._arrived = arrived
        self._waiting: list[tuple[Envelope, asyncio.Future[None]]] = []
        self._writing: asyncio.Task[None] | None = None
        self._since = 0.0  # when the oldest of those waiting came, at the latest

    async def gap(self) -> None:
        """Receiving comes first: work that can wait waits here for a gap in it, but not for ever."""
        began = time.monotonic()
        while self._writing is not None and time.monotonic() - began < LONGEST_GAP_SECONDS:  # noqa: ASYNC110 - several gaps may pass
            await asyncio.sleep(GAP_SECONDS)

    async def append(self, envelope: Envelope) -> None:
        """Return when the envelope is on disk. Raises what the commit raised; then nothing was kept."""
        loop = asyncio.get_running_loop()
        written: asyncio.Future[None] = loop.create_future()
        self._waiting.append((envelope, written))
        if self._writing is None:
            self._since = time.monotonic()
            self._writing = loop.create_task(self._write())
        await written

    async def _write(self) -> None:
        try:
            while self._waiting:
                group = self._take()
                began, self._since = self._since, time.monotonic()
                try:
                    rows = [(envelope, self._day(envelope.received_at)) for envelope, _ in group]
                    await self._database.run(lambda connection, rows=rows: envelopes.append(connection, rows))  # type: ignore[misc]
                except Exception as error:  # noqa: BLE001 - handed to every sender of the group
                    _tell(group, error)
                    if isinstance(error, StorageBroken):
                        self._broken()
                else:
                    _tell(group, None)
                    self._arrived.set()
                    self._written([envelope for envelope, _ in group], time.monotonic() - began)
        finally:
            self._writing = None

    def _take(self) -> list[tuple[Envelope, asyncio.Future[None]]]:
        size = 0
        for count, (envelope, _) in enumerate(self._waiting[:MAX_GROUP], start=1):  # noqa: B007 - used after the loop
            size += len(envelope.body)
            if size > MAX_GROUP_BYTES:
                break
        group, self._waiting = self._waiting[:count], self._waiting[count:]
        return group


def _tell(group: list[tuple[Envelope, asyncio.Future[None]]], error: Exception | None) -> None:
    for _, written in group:
        if written.done():  # the sender went away
            continue
        if error is None:
            written.set_result(None)
        else:
            written.set_exception(error)
