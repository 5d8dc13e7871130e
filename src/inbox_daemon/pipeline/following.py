"""Follows what happens to our tickets: a conversation is open as long as its ticket is."""

from __future__ import annotations

import asyncio
import random
from datetime import timedelta

import structlog
from sqlalchemy import Connection

from inbox_daemon.errors import EdgeError
from inbox_daemon.model import InstanceId, TicketUpdate
from inbox_daemon.pipeline.polling import LEASE_LIFE
from inbox_daemon.plugins import TicketingAdapter
from inbox_daemon.retry import Policy, backoff
from inbox_daemon.store import conversations, cursors
from inbox_daemon.store.database import Database


class Follower:
    """Polls one destination for changes of its tickets, on the node that holds the lease."""

    def __init__(
        self,
        *,
        name: InstanceId,
        adapter: TicketingAdapter,
        database: Database,
        node: str,
        policy: Policy,
        every: timedelta,
    ) -> None:
        self._name = name
        self._adapter = adapter
        self._database = database
        self._node = node
        self._policy = policy
        self._every = every
        self._log = structlog.get_logger(__name__).bind(destination=name)

    async def run(self) -> None:
        """Work until cancelled. A failing destination is the dispatcher's to report; here it is only waited out."""
        failures = 0
        while True:
            try:
                await self.follow()
                failures = 0
                delay = self._every
            except EdgeError as error:
                failures += 1
                delay = min(backoff(self._policy, failures, random.random()), timedelta(minutes=5))  # noqa: S311
                self._log.debug("updates.failed", reason=str(error))
            await asyncio.sleep(delay.total_seconds())

    async def follow(self) -> int:
        """Read one page of updates; returns how many conversations changed."""
        key = f"updates:{self._name}"
        lease = await self._database.run(lambda c: cursors.acquire(c, key, self._node, LEASE_LIFE))
        if lease is None:
            return 0
        cursor, _ = await self._database.read(lambda c: cursors.read_cursor(c, key))
        updates, after = await self._adapter.updates(cursor)

        def keep(connection: Connection) -> int:
            if not cursors.holds(connection, lease):
                return 0
            if after != cursor:
                cursors.write_cursor(connection, key, after)
            return sum(self._apply(connection, update) for update in updates)

        return await self._database.run(keep)

    def _apply(self, connection: Connection, update: TicketUpdate) -> bool:
        if update.state is None:
            return False
        found = conversations.find_by_ticket(connection, self._name, update.ticket)
        is_open = not update.state.ends
        if found is None or found.open == is_open:
            return False
        conversations.set_open(connection, found.id, is_open=is_open)
        self._log.info("conversation.turned", case=found.case_number, state=update.state)
        return True
