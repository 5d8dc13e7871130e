"""Works a lane of the outbox off: claims its steps, tries each once, and writes down what follows.

A lane is one destination's, or one channel's. Steps of a conversation go one at a time and in order, those of
different conversations in parallel. An attempt ends in one of three ways: done, refused (provably nothing happened), or
unknown; what is unknown waits until nothing of it can still be under way before it is looked into.

A destination is asked its own check before the first step, and after each refusal: only when it passes does a citizen's
step go on, so that a missing right is found at start-up and is never tried out on what citizens wrote.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Literal, Protocol

import structlog
from sqlalchemy import Connection

from inbox_daemon.errors import EdgeError, InboxError, Transient, Uncertain
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
        check: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        """Without a `check`, a refused lane is probed by its steps."""
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
        self._check = check
        self._check_due = check is not None
        self._checking: asyncio.Task[None] | None = None
        self._check_tells = False
        """Whether the check saw what is wrong, so that its passing says that it is mended."""
        self._begun: set[int] = set()
        self._paused_until = 0.0
        self._log = structlog.get_logger(__name__).bind(lane=name)

    async def run(self) -> None:
        """Work until cancelled."""
        try:
            while True:
                self.wake.clear()
                self.turned_at = time.monotonic()
                if not await self._start_some():
                    wait = max(self._paused_until - time.monotonic(), 0) or IDLE_SECONDS
                    with suppress(TimeoutError):
                        async with asyncio.timeout(wait):
                            await self.wake.wait()
        finally:
            if self._checking in self.running:
                self._checking.cancel()
                self._check_due = True

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
        if room <= 0 or time.monotonic() < self._paused_until or self._checking in self.running:
            return False
        await self._gap()
        if self._check is not None and self._check_due:
            self._check_due = False
            self._checking = self._start(self._prove(self._check), "check")
            return False
        steps = await self._claim(room)
        for step in steps:
            self._start(self._carry_out(step), step.key)
        return bool(steps)

    def _start(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        task = asyncio.create_task(work, name=f"{self.name}:{name}")
        self.running.add(task)
        task.add_done_callback(self._ended)
        return task

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

    async def _prove(self, check: Callable[[], Awaitable[None]]) -> None:
        """One check, beside `run`, which gives its signs of life meanwhile."""
        try:
            async with asyncio.timeout(self._attempt.total_seconds()):
                await check()
        except Exception as error:  # noqa: BLE001 - whatever it is, nothing is sent before it is over
            self._check_due = True
            refused = isinstance(error, InboxError) and not isinstance(error, Transient | Uncertain)
            self._check_tells |= refused or self.state.state != "refused"
            self._pause("refused" if refused else "down", _words(error))
        else:
            if self._check_tells:
                self._recovered()

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
        self._recovered()

    def _recovered(self) -> None:
        self.state.failures_in_row = 0
        self._paused_until = 0.0
        self._check_tells = False
        if self.state.state != "up":
            self._log.warning("lane.recovered", was=self.state.state, since=self.state.since.isoformat())
            self.state.state, self.state.since, self.state.detail = "up", datetime.now(UTC), ""

    def _sick(self, outcome: Exception, decision: Decision) -> None:
        """Pause the whole lane when it, and not the item, is what failed."""
        self.state.failed += 1
        if decision.next in {Next.PARK, Next.SUCCEED} or (isinstance(outcome, Transient) and outcome.only_this):
            return
        refused = decision.next is Next.STOP
        self._check_due |= refused and self._check is not None
        self._pause("refused" if refused else "down", str(outcome))

    def _pause(self, state: Literal["down", "refused"], reason: str) -> None:
        """Try nothing for a growing time. A refusal shows at once, anything else when it is no hiccup any more."""
        self.state.failures_in_row += 1
        doublings = min(self.state.failures_in_row - 1, 10)  # days of them would be no number any more
        self._paused_until = time.monotonic() + min(0.5 * 2.0**doublings, LONGEST_PAUSE_SECONDS)
        before = self.state.state
        if before == "up" and (state == "refused" or self.state.failures_in_row >= 3):
            self.state.state, self.state.since = state, datetime.now(UTC)
        elif state == "refused" and (before == "down" or self.state.detail != reason):
            self.state.state = state  # since it was down, nothing has gone out
        else:
            return
        self.state.detail = reason
        self._log.error("lane.down", state=state, reason=reason)


def _words(error: Exception) -> str:
    """What a check's failure says to people."""
    if isinstance(error, TimeoutError):
        return "the check took too long"
    return str(error) if isinstance(error, InboxError) else f"{type(error).__name__} in the check"
