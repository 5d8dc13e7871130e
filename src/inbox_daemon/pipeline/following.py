"""Follows what happens to our tickets: by polling, and at once where the destination gives a hint."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Sequence
from datetime import timedelta

import structlog
from sqlalchemy import Connection

from inbox_daemon.errors import EdgeError, Gone
from inbox_daemon.model import Hint, InstanceId, TicketId, TicketUpdate
from inbox_daemon.pipeline.learning import Learning
from inbox_daemon.pipeline.polling import LEASE_LIFE
from inbox_daemon.plugins import TicketingAdapter
from inbox_daemon.retry import Policy, backoff
from inbox_daemon.store import cursors, replies
from inbox_daemon.store.database import Database

MOST_HINTS = 1000
"""Tickets remembered until they are read; what is beyond that, the next poll brings."""


class Follower:
    """Asks a destination for changes of its tickets: all of them on the node that holds the lease, hinted ones on any.

    `changed` is called when something was learnt, so that the lanes look for work.
    """

    def __init__(
        self,
        *,
        name: InstanceId,
        adapter: TicketingAdapter,
        learning: Learning,
        database: Database,
        node: str,
        policy: Policy,
        every: timedelta,
        changed: Callable[[], None] = lambda: None,
    ) -> None:
        self._name = name
        self._adapter = adapter
        self._learning = learning
        self._database = database
        self._node = node
        self._policy = policy
        self._every = every
        self._changed = changed
        self._hinted: dict[TicketId, None] = {}
        self._wake = asyncio.Event()
        self._log = structlog.get_logger(__name__).bind(destination=name)

    def hint(self, hint: Hint) -> None:
        """These tickets may have changed. Remembered in memory only: what gets lost, the next poll brings."""
        for ticket in hint.tickets:
            if len(self._hinted) < MOST_HINTS:
                self._hinted[ticket] = None
        self._wake.set()

    async def run(self) -> None:
        """Work until cancelled. A failing destination is the dispatcher's to report; here it is only waited out."""
        failures = 0
        due = 0.0
        while True:
            try:
                await self.look()
                if time.monotonic() >= due and self._adapter.capabilities.updates != "none":
                    await self.follow()
                    due = time.monotonic() + self._every.total_seconds()
                failures = 0
                delay = max(due - time.monotonic(), 0)
            except EdgeError as error:
                failures += 1
                jitter = random.random()  # noqa: S311 - spreads retries
                wait = min(backoff(self._policy, failures, jitter), timedelta(minutes=5))
                delay = wait.total_seconds()
                self._log.debug("updates.failed", reason=str(error))
            await self._sleep(delay, may_wake=not failures)

    async def _sleep(self, seconds: float, *, may_wake: bool) -> None:
        if not may_wake:
            await asyncio.sleep(seconds)
            return
        try:
            async with asyncio.timeout(seconds):
                await self._wake.wait()
        except TimeoutError:
            return

    async def look(self) -> int:
        """Read the threads of tickets that a hint named; returns how many changes they brought."""
        self._wake.clear()
        changed = 0
        while self._hinted:
            ticket = next(iter(self._hinted))
            try:
                updates = await self._adapter.thread(ticket)
            except Gone:
                updates = ()
            changed += await self._keep(updates)
            self._hinted.pop(ticket, None)
        return changed

    async def follow(self) -> int:
        """Read one page of updates; returns how many changes it brought."""
        key = f"updates:{self._name}"
        lease = await self._database.run(lambda c: cursors.acquire(c, key, self._node, LEASE_LIFE))
        if lease is None:
            return 0
        cursor, _ = await self._database.read(lambda c: cursors.read_cursor(c, key))
        if cursor is None:
            await self._database.run(lambda c: replies.since(c, self._name))
        updates, after = await self._adapter.updates(cursor)

        def keep(connection: Connection) -> int:
            if not cursors.holds(connection, lease):
                return 0
            if after != cursor:
                cursors.write_cursor(connection, key, after)
            return self._learning.apply(connection, updates)

        return self._told(await self._database.run(keep))

    async def _keep(self, updates: Sequence[TicketUpdate]) -> int:
        return self._told(await self._database.run(lambda connection: self._learning.apply(connection, updates)))

    def _told(self, changed: int) -> int:
        if changed:
            self._changed()
        return changed
