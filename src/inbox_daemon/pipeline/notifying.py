"""Tells offices of what came in for them, apart from the cases: a mail server that is down costs no case its time."""

from __future__ import annotations

import asyncio
import random
import time
from datetime import timedelta

import structlog
from sqlalchemy import Connection

from inbox_daemon.errors import EdgeError, Permanent, Uncertain
from inbox_daemon.plugins import Notifying
from inbox_daemon.retry import Decision, Next, Policy, decide
from inbox_daemon.store import notices, outbox
from inbox_daemon.store.database import Database
from inbox_daemon.store.notices import Notice

IDLE_SECONDS = 1.0
"""How often a worker with nothing to do looks for new notices."""
PARALLEL = 4
LONGEST_PAUSE_SECONDS = 30.0


class Notifier:
    """The worker of one destination's notices on this node; `trouble` is why they don't get out, empty when they do."""

    def __init__(
        self, *, name: str, adapter: Notifying, database: Database, node: str, policy: Policy, attempt: timedelta
    ) -> None:
        self.trouble = ""
        self._name = name
        self._adapter = adapter
        self._database = database
        self._node = node
        self._policy = policy
        self._attempt = attempt
        self._round: asyncio.Task[int] | None = None
        self._failures_in_row = 0
        self._log = structlog.get_logger(__name__).bind(destination=name)

    async def run(self) -> None:
        """Work until cancelled; a round that is under way then is left to `drain`."""
        while True:
            self._round = asyncio.create_task(self._deliver(), name=f"{self._name}: notices")
            told = await asyncio.shield(self._round)
            if self._failures_in_row:
                await asyncio.sleep(min(2.0 ** (self._failures_in_row - 1) * 0.5, LONGEST_PAUSE_SECONDS))
            elif not told:
                await asyncio.sleep(IDLE_SECONDS)

    async def drain(self, seconds: float) -> None:
        """Let the running round end; what is cut off is recorded as unknown."""
        if self._round is not None:
            await asyncio.wait([self._round], timeout=seconds)
            self._round.cancel()
            await asyncio.gather(self._round, return_exceptions=True)

    async def _deliver(self) -> int:
        """One round; returns how many notices there were. One at a time is tried while they fail."""
        limit = 1 if self._failures_in_row else PARALLEL
        claimed = await self._database.run(
            lambda connection: notices.claim(connection, self._name, self._node, self._attempt, limit)
        )
        await asyncio.gather(*(self._tell(notice) for notice in claimed))
        return len(claimed)

    async def _tell(self, notice: Notice) -> None:
        """One attempt, and its outcome on disk whatever happens to this task."""
        outcome: Exception | None = None
        began = time.monotonic()
        try:
            async with asyncio.timeout(self._attempt.total_seconds() * 0.8):
                if notice.ticket is None:
                    raise Permanent("the conversation has no ticket any more")  # noqa: TRY301 - settled like a refusal
                await self._adapter.notify(notice.ticket, notice.key, opened=notice.opened)
        except asyncio.CancelledError:
            await asyncio.shield(self._settle(notice, Uncertain("stopped in mid-call")))
            raise
        except TimeoutError:
            outcome = Uncertain("the attempt took too long")
        except Exception as error:  # noqa: BLE001 - every failure has a decision
            if not isinstance(error, EdgeError):
                self._log.exception("notice.adapter_failed", step=notice.step.key)
            outcome = error
        if outcome is not None:
            await asyncio.shield(self._settle(notice, outcome))
            return
        await asyncio.shield(self._database.run(lambda connection: outbox.done(connection, notice.step, None)))
        self._works()
        self._log.info("notice.done", step=notice.step.key, seconds=round(time.monotonic() - began, 2))

    async def _settle(self, notice: Notice, outcome: Exception) -> None:
        """Write down what follows a failed attempt."""
        step = notice.step
        decision = decide(
            outcome,
            attempts=step.attempts,
            tried_for=step.tried_for,
            policy=self._policy,
            jitter=random.random(),  # noqa: S311 - spreads retries
        )
        await self._database.run(lambda connection: _apply(connection, notice, decision))
        if decision.next in {Next.PARK, Next.SUCCEED}:
            self._log.warning("notice.given_up", step=step.key, reason=decision.reason)
            return
        self._failures_in_row += 1
        if self._failures_in_row == 3 or (decision.next is Next.STOP and not self.trouble):
            self._log.error("notices.down", reason=decision.reason)
            self.trouble = decision.reason

    def _works(self) -> None:
        self._failures_in_row = 0
        if self.trouble:
            self._log.warning("notices.recovered")
            self.trouble = ""


def _apply(connection: Connection, notice: Notice, decision: Decision) -> None:
    match decision.next:
        case Next.AGAIN:
            outbox.again(connection, notice.step, decision.delay, decision.reason)
        case Next.STOP:
            outbox.uncounted(connection, notice.step, decision.delay, decision.reason)
        case Next.LOOK:  # nothing can be looked up: it is told again, and twice is harmless
            outbox.unknown(connection, notice.step, decision.delay, decision.reason)
        case Next.PARK:
            outbox.park(connection, notice.step, decision.reason)
        case Next.SUCCEED:
            outbox.discard(connection, notice.step, decision.reason)
