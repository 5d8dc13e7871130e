"""Polls one instance: page and cursor in one transaction, by the one node that holds the instance's lease."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

import structlog
from sqlalchemy import Connection

from inbox_daemon.errors import Credentials, EdgeError
from inbox_daemon.model import InstanceId
from inbox_daemon.plugins import Page, Polled, Watching
from inbox_daemon.retry import Policy, backoff
from inbox_daemon.store import cursors, envelopes
from inbox_daemon.store.cursors import Lease
from inbox_daemon.store.database import Database

LEASE_LIFE = timedelta(seconds=60)
MOST_NOTICES = 5
REFUSED_SECONDS = 300.0
"""How long an instance whose credentials are refused is left alone, so that the account isn't locked by us."""


@dataclass(slots=True, kw_only=True)
class PollState:
    """What `/status` and the metrics tell of a polled instance.

    `notice` is what was told from poll to poll until the last one had no `more`, the newest at `notice_at`; it goes
    when as much was polled again and nothing was told.
    """

    state: Literal["waiting", "up", "down", "refused", "elsewhere"] = "waiting"
    since: datetime
    detail: str = ""
    polls: int = 0
    taken: int = 0
    passed_over: int = 0
    last_success_at: datetime | None = None
    notice: str = ""
    notice_at: datetime | None = None


class _LeaseLost(Exception):
    """Another node polls now; what this one fetched is dropped, since the other fetches it too."""


class Poller:
    """Polls one instance on this node."""

    def __init__(
        self,
        *,
        name: InstanceId,
        channel: Polled,
        database: Database,
        node: str,
        day: Callable[[datetime], int],
        policy: Policy,
        arrived: asyncio.Event,
        polled: Callable[[str, Page | None, float], None] = lambda outcome, page, seconds: None,
    ) -> None:
        self._polled = polled
        self.name = name
        self.state = PollState(since=datetime.now(UTC))
        self._noticed: list[str] = []
        self._channel = channel
        self._database = database
        self._node = node
        self._day = day
        self._policy = policy
        self._arrived = arrived
        self._log = structlog.get_logger(__name__).bind(instance=name)

    async def run(self) -> None:
        """Poll until cancelled."""
        failures = 0
        while True:
            lease = await self._database.run(lambda c: cursors.acquire(c, f"poll:{self.name}", self._node, LEASE_LIFE))
            if lease is None:
                self._turn("elsewhere", "another node polls this instance")
                await asyncio.sleep(LEASE_LIFE.total_seconds() / 3)
                continue
            try:
                await self._hold(lease)
                failures = 0
            except _LeaseLost:
                self._turn("elsewhere", "another node took this instance over")
            except Credentials as error:
                self._polled("refused", None, 0.0)
                self._turn("refused", str(error))
                await asyncio.sleep(REFUSED_SECONDS)
            except (EdgeError, OSError, TimeoutError) as error:
                failures += 1
                self._polled("down", None, 0.0)
                self._turn("down", str(error) or type(error).__name__)
                jitter = random.random()  # noqa: S311 - spreads retries
                delay = min(backoff(self._policy, failures, jitter), timedelta(minutes=5))
                await asyncio.sleep(delay.total_seconds())

    async def stop(self) -> None:
        """Let another node take over at once."""
        await self._database.run(lambda c: _release(c, f"poll:{self.name}", self._node))

    async def _hold(self, lease: Lease) -> None:
        """Poll as long as the lease is renewed, a third of its life apart."""
        renewing = asyncio.create_task(self._renew(lease))
        working = asyncio.create_task(self._work(lease))
        try:
            await asyncio.wait({renewing, working}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (renewing, working):
                task.cancel()
            results = await asyncio.gather(renewing, working, return_exceptions=True)
        for result in results:
            if isinstance(result, BaseException) and not isinstance(result, asyncio.CancelledError):
                raise result

    async def _renew(self, lease: Lease) -> None:
        while True:
            await asyncio.sleep(LEASE_LIFE.total_seconds() / 3)
            held = await self._database.run(lambda c: cursors.acquire(c, lease.name, self._node, LEASE_LIFE))
            if held is None or held.token != lease.token:
                raise _LeaseLost

    async def _work(self, lease: Lease) -> None:
        await self._tell()
        while True:
            page = await self._poll(lease)
            if page.more:
                continue
            if isinstance(self._channel, Watching):
                await self._channel.watch()
            else:
                await asyncio.sleep(self._channel.poll_seconds)

    async def _poll(self, lease: Lease) -> Page:
        began = time.monotonic()
        cursor, passed_over = await self._database.read(lambda c: cursors.read_cursor(c, self.name))
        page = await self._channel.poll(cursor)

        def keep(connection: Connection) -> None:
            if not cursors.holds(connection, lease):
                raise _LeaseLost
            if page.envelopes:
                envelopes.append(connection, [(one, self._day(one.received_at)) for one in page.envelopes])
            if page.cursor != cursor or page.passed_over:
                cursors.write_cursor(connection, self.name, page.cursor, page.passed_over)

        await self._database.run(keep)
        if page.envelopes:
            self._arrived.set()
        self._turn("up", "")
        self.state.polls += 1
        self.state.taken += len(page.envelopes)
        self.state.passed_over = passed_over + page.passed_over
        self.state.last_success_at = datetime.now(UTC)
        self._polled("up", page, time.monotonic() - began)
        self._notice(page)
        if page.envelopes or page.passed_over:
            self._log.info("poll.taken", envelopes=len(page.envelopes), passed_over=page.passed_over, more=page.more)
        await self._tell()
        return page

    def _notice(self, page: Page) -> None:
        """What one page tells stands until a whole sweep, over however many pages, tells nothing."""
        if page.notice:
            self._log.warning("poll.noticed", notice=page.notice)
            others = [one for one in self._noticed if one != page.notice]
            self._noticed = [*others, page.notice][-MOST_NOTICES:]
            self.state.notice, self.state.notice_at = "; ".join(self._noticed), datetime.now(UTC)
        if page.more:
            return
        if not self._noticed:
            self.state.notice, self.state.notice_at = "", None
        self._noticed = []

    async def _tell(self) -> None:
        """Tell the source what is on disk; what a crash kept from being told is told after the next start."""
        found, highest = await self._database.read(lambda c: cursors.untold(c, self.name))
        if found:
            await self._channel.committed(found)
            await self._database.run(lambda c: cursors.told(c, self.name, highest))

    def _turn(self, state: Literal["up", "down", "refused", "elsewhere"], detail: str) -> None:
        """Log the change, not the state."""
        if self.state.state == state:
            self.state.detail = detail
            return
        log = self._log.info if state in {"up", "elsewhere"} else self._log.error
        log("instance.turned", state=state, was=self.state.state, reason=detail)
        self.state.state, self.state.since, self.state.detail = state, datetime.now(UTC), detail
        if state == "elsewhere":  # the other node's polls tell how it is
            self._noticed, self.state.notice, self.state.notice_at = [], "", None


def _release(connection: Connection, name: str, holder: str) -> None:
    held = cursors.acquire(connection, name, holder, timedelta(0))
    if held is not None:
        cursors.release(connection, held)
