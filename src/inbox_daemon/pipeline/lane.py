"""Works a lane of the outbox off: claims its steps, tries each once, and writes down what follows.

A lane is one destination's, or one channel's. Steps of a conversation go one at a time and in order, those of
different conversations in parallel. An attempt ends in one of three ways: done, refused (provably nothing happened), or
unknown; what is unknown waits until nothing of it can still be under way before it is looked into.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Literal, Protocol

import structlog
from sqlalchemy import Connection

from inbox_daemon.errors import EdgeError, Transient, Uncertain
from inbox_daemon.retry import Decision, Next, Policy, decide
from inbox_daemon.store import outbox
from inbox_daemon.store.database import Database
from inbox_daemon.store.outbox import Step

IDLE_SECONDS = 1.0
"""How long a worker sleeps when nothing wakes it: other nodes' work and due times are noticed by then."""
LONGEST_PAUSE_SECONDS = 30.0


@dataclass(slots=True, kw_only=True)
class LaneState:
    """What `/status` and the metrics tell of a lane; `since` is when `state` began."""

    state: Literal["up", "down", "refused"] = "up"
    since: datetime
    detail: str = ""
    done: int = 0
    failed: int = 0
    failures_in_row: int = field(default=0, repr=False)


class Carrier(Protocol):
    """Who carries the steps of a lane out."""

    async def carry(self, step: Step, begin: Callable[[], None]) -> None:
        """One attempt, its success written down. Calls `begin` right before what may change something elsewhere.

        Raises `EdgeError`; anything else counts as `Uncertain` after `begin`, as a provable failure before.
        """

    def follow(self, connection: Connection, step: Step, decision: Decision) -> None:
        """Write down what follows a failed attempt. Not called for `AGAIN`, `LOOK` and `STOP`: they are all alike."""


class Lane:
    """The worker of one lane on this node."""

    def __init__(
        self,
        *,
        name: str,
        carrier: Carrier,
        database: Database,
        node: str,
        policy: Policy,
        attempt: timedelta,
        parallel: int,
        observe: Callable[[str, str, float], None],
        gap: Callable[[], Awaitable[None]],
    ) -> None:
        self.name = name
        self.state = LaneState(since=datetime.now(UTC))
        self.wake = asyncio.Event()
        self.running: set[asyncio.Task[None]] = set()
        self.turned_at = time.monotonic()
        """When the worker last came round: a sign of life."""
        self._carrier = carrier
        self._database = database
        self._node = node
        self._policy = policy
        self._attempt = attempt
        self._parallel = parallel
        self._observe = observe
        self._gap = gap
        self._begun: set[int] = set()
        self._paused_until = 0.0
        self._log = structlog.get_logger(__name__).bind(lane=name)

    async def run(self) -> None:
        """Work until cancelled."""
        while True:
            self.wake.clear()
            self.turned_at = time.monotonic()
            if not await self._start_some():
                wait = max(self._paused_until - time.monotonic(), 0) or IDLE_SECONDS
                try:
                    async with asyncio.timeout(wait):
                        await self.wake.wait()
                except TimeoutError:
                    continue

    async def drain(self, seconds: float) -> None:
        """Let running attempts end; what is cut off is recorded as unknown."""
        if self.running:
            _, late = await asyncio.wait(self.running, timeout=seconds)
            for task in late:
                task.cancel()
            await asyncio.gather(*self.running, return_exceptions=True)

    async def _start_some(self) -> bool:
        """Claim what there is room for; False when there was nothing to do (or no room, or a pause)."""
        room = self._parallel - len(self.running)
        if self.state.failures_in_row:
            room = min(room, 1 - len(self.running))  # one probe at a time while the other side is sick
        if room <= 0 or time.monotonic() < self._paused_until:
            return False
        await self._gap()
        steps = await self._claim(room)
        for step in steps:
            task = asyncio.create_task(self._carry_out(step), name=f"{self.name}:{step.key}")
            self.running.add(task)
            task.add_done_callback(self._ended)
        return bool(steps)

    async def _claim(self, limit: int) -> list[Step]:
        """Claim; what was claimed in the moment of being stopped is given back, for nothing of it was sent."""

        def claim(connection: Connection) -> list[Step]:
            return outbox.claim(connection, self.name, self._node, self._attempt, limit, settle=self._policy.settle)

        def give_back(connection: Connection, steps: Sequence[Step]) -> None:
            for step in steps:
                outbox.uncounted(connection, step, timedelta(0), "stopped before it was sent")

        claiming = asyncio.create_task(self._database.run(claim))
        try:
            return await asyncio.shield(claiming)
        except asyncio.CancelledError:
            with suppress(Exception):  # else they come back when their lease is over
                await self._database.run(partial(give_back, steps=await claiming))
            raise

    def _ended(self, task: asyncio.Task[None]) -> None:
        self.running.discard(task)
        self.wake.set()
        if not task.cancelled() and (error := task.exception()) is not None:
            self._log.error("step.crashed", error=type(error).__name__)

    async def _carry_out(self, step: Step) -> None:
        """One attempt, and its outcome on disk whatever happens to this task."""
        began = time.monotonic()
        outcome: Exception | None = None
        try:
            async with asyncio.timeout(self._attempt.total_seconds() * 0.8):
                await self._carrier.carry(step, partial(self._begun.add, step.id))
            self._healthy()
        except asyncio.CancelledError:
            await asyncio.shield(self._settle(step, self._cut_off(step, "stopped in mid-call")))
            raise
        except TimeoutError:
            outcome = self._cut_off(step, "the attempt took too long")
        except EdgeError as error:
            outcome = error
        except Exception as error:  # noqa: BLE001 - every failure has a decision
            self._log.exception("step.failed_inside", step=step.key)
            outcome = error if step.id in self._begun else self._cut_off(step, type(error).__name__)
        finally:
            self._begun.discard(step.id)
        if outcome is not None:
            await asyncio.shield(self._settle(step, outcome))
        word = "done" if outcome is None else type(outcome).__name__.lower()
        self._observe(self.name, word, time.monotonic() - began)

    def _cut_off(self, step: Step, words: str) -> EdgeError:
        """What an attempt that ended early came to: before the first byte it is provably nothing."""
        return Uncertain(words) if step.id in self._begun else Transient(f"{words}, before anything was sent")

    async def _settle(self, step: Step, outcome: Exception) -> None:
        """Write down what follows a failed attempt."""
        decision = decide(
            outcome,
            attempts=step.attempts,
            tried_for=step.tried_for,
            policy=self._policy,
            jitter=random.random(),  # noqa: S311 - spreads retries
        )
        if isinstance(outcome, Transient) and step.suspect and not step.released:
            # Only the look-up failed provably; what the earlier try did is still unknown.
            decision = Decision(next=Next.LOOK, delay=decision.delay, reason=decision.reason)
        await self._database.run(lambda connection: self._apply(connection, step, decision))
        self._sick(outcome, decision)
        self._log.warning(
            "step.failed",
            step=step.key,
            next=decision.next.value,
            delay_seconds=round(decision.delay.total_seconds(), 1),
            reason=decision.reason,
        )

    def _apply(self, connection: Connection, step: Step, decision: Decision) -> None:
        match decision.next:
            case Next.AGAIN:
                outbox.again(connection, step, decision.delay, decision.reason)
            case Next.STOP:
                outbox.uncounted(connection, step, decision.delay, decision.reason)
            case Next.LOOK:
                outbox.unknown(connection, step, decision.delay, decision.reason)
            case _:
                self._carrier.follow(connection, step, decision)

    def _healthy(self) -> None:
        self.state.done += 1
        self.state.failures_in_row = 0
        self._paused_until = 0.0
        if self.state.state != "up":
            self._log.warning("lane.recovered", was=self.state.state, since=self.state.since.isoformat())
            self.state.state, self.state.since, self.state.detail = "up", datetime.now(UTC), ""

    def _sick(self, outcome: Exception, decision: Decision) -> None:
        """Pause the whole lane when it, and not the item, is what failed."""
        self.state.failed += 1
        if decision.next in {Next.PARK, Next.SUCCEED} or (isinstance(outcome, Transient) and outcome.only_this):
            return
        self.state.failures_in_row += 1
        pause = min(2.0 ** (self.state.failures_in_row - 1) * 0.5, LONGEST_PAUSE_SECONDS)
        self._paused_until = time.monotonic() + pause
        state: Literal["down", "refused"] = "refused" if decision.next is Next.STOP else "down"
        if self.state.state == "up" and (state == "refused" or self.state.failures_in_row >= 3):
            self.state.state, self.state.since, self.state.detail = state, datetime.now(UTC), str(outcome)
            self._log.error("lane.down", state=state, reason=str(outcome))
