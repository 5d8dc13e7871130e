"""Carries the steps of one destination out: ordered within a conversation, parallel across, never twice.

An attempt ends in one of three ways: done, refused (provably nothing happened), or unknown. What is unknown waits
until nothing of it can still be under way; then its marker is looked up, and only then it is sent again.
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
from pathlib import Path
from typing import Literal

import structlog
from sqlalchemy import Connection
from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from inbox_daemon.errors import EdgeError, Permanent, Transient, Uncertain
from inbox_daemon.model import Written
from inbox_daemon.pipeline.drafting import Drafting, Work, load
from inbox_daemon.plugins import Notifying, TicketingAdapter
from inbox_daemon.retry import Decision, Next, Policy, decide
from inbox_daemon.store import conversations, notices, outbox
from inbox_daemon.store.database import Database
from inbox_daemon.store.outbox import Step

IDLE_SECONDS = 1.0
"""How long a worker sleeps when nothing wakes it: other nodes' work and due times are noticed by then."""
LONGEST_PAUSE_SECONDS = 30.0


@dataclass(slots=True, kw_only=True)
class DestinationState:
    """What `/status` and the metrics tell of a destination; `since` is when `state` began."""

    state: Literal["up", "down", "refused"] = "up"
    since: datetime
    detail: str = ""
    done: int = 0
    failed: int = 0
    failures_in_row: int = field(default=0, repr=False)


class Dispatcher:
    """The worker of one destination on this node."""

    def __init__(
        self,
        *,
        name: str,
        adapter: TicketingAdapter,
        database: Database,
        node: str,
        drafting: Drafting,
        policy: Policy,
        attempt: timedelta,
        parallel: int,
        on_unknown: Literal["park", "resend"],
        attachments: Path,
        observe: Callable[[str, str, float], None],
        gap: Callable[[], Awaitable[None]],
    ) -> None:
        self.name = name
        self.state = DestinationState(since=datetime.now(UTC))
        self.wake = asyncio.Event()
        self._adapter = adapter
        self._notifies = isinstance(adapter, Notifying) and adapter.notifies
        self._database = database
        self._node = node
        self._drafting = drafting
        self._policy = policy
        self._attempt = attempt
        self._parallel = parallel
        self._on_unknown = on_unknown
        self._attachments = attachments
        self._observe = observe
        self._gap = gap
        self._running: set[asyncio.Task[None]] = set()
        self._sending: set[int] = set()
        self._paused_until = 0.0
        self.turned_at = time.monotonic()
        """When the worker last came round: a sign of life."""
        self._log = structlog.get_logger(__name__).bind(destination=name)

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
        if self._running:
            _, late = await asyncio.wait(self._running, timeout=seconds)
            for task in late:
                task.cancel()
            await asyncio.gather(*self._running, return_exceptions=True)

    async def _start_some(self) -> bool:
        """Claim what there is room for; False when there was nothing to do (or no room, or a pause)."""
        room = self._parallel - len(self._running)
        if self.state.failures_in_row:
            room = min(room, 1 - len(self._running))  # one probe at a time while the destination is sick
        if room <= 0 or time.monotonic() < self._paused_until:
            return False
        await self._gap()
        steps = await self._claim(room)
        for step in steps:
            task = asyncio.create_task(self._carry_out(step), name=f"{self.name}:{step.key}")
            self._running.add(task)
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
        self._running.discard(task)
        self.wake.set()
        if not task.cancelled() and (error := task.exception()) is not None:
            self._log.error("dispatch.crashed", error=type(error).__name__)

    async def _carry_out(self, step: Step) -> None:
        """One attempt, and its outcome on disk whatever happens to this task."""
        began = time.monotonic()
        try:
            async with asyncio.timeout(self._attempt.total_seconds() * 0.8):
                outcome = await self._try(step)
        except asyncio.CancelledError:
            await asyncio.shield(self._settle(step, self._cut_off(step, "stopped in mid-call")))
            raise
        except TimeoutError:
            outcome = self._cut_off(step, "the attempt took too long")
        except EdgeError as error:
            outcome = error
        except Exception as error:  # noqa: BLE001 - every failure has a decision
            self._log.exception("dispatch.adapter_failed", step=step.key)
            outcome = error if step.id in self._sending else self._cut_off(step, type(error).__name__)
        finally:
            self._sending.discard(step.id)
        await asyncio.shield(self._settle(step, outcome))
        word = "done" if outcome is None else type(outcome).__name__.lower()
        self._observe(self.name, word, time.monotonic() - began)

    def _cut_off(self, step: Step, words: str) -> EdgeError:
        """What an attempt that ended early came to: before the first byte it is provably nothing."""
        return Uncertain(words) if step.id in self._sending else Transient(f"{words}, before anything was sent")

    async def _try(self, step: Step) -> Exception | None:
        """Look up first where an earlier try may have worked; then send. Success is recorded here."""
        work = await self._database.read(lambda connection: load(connection, step))
        if step.suspect and work.may_be_there(step):
            found = await self._look_up(step, work)
            if found is not None:
                await self._record(step, work, found)
                return None
            if self._on_unknown == "park" and self._blind(step, work) and not step.released:
                return Permanent("possible double: it may have been delivered, and this destination can't be asked")
        kind = self._drafting.kind(step, work)
        if not await self._database.run(lambda c: outbox.plan_kind(c, step, kind, self._attempt)):
            return None  # another node has taken the step over: its outcome counts
        self._sending.add(step.id)
        await self._record(step, work, await self._send(step, work, kind))
        return None

    def _findable(self, step: Step, work: Work) -> bool:
        sheet = self._adapter.capabilities
        return (sheet.find if work.opens(step) else sheet.find_entry) != "none"

    def _blind(self, step: Step, work: Work) -> bool:
        """Whether nothing tells what an earlier try did, and repeating it does harm."""
        return not self._findable(step, work) and self._adapter.capabilities.idempotency == "none"

    async def _look_up(self, step: Step, work: Work) -> Written | None:
        """What an earlier try came to. Reading is harmless, so a hiccup is tried again at once, by tenacity."""
        if not self._findable(step, work):
            return None
        async for attempt in AsyncRetrying(
            retry=retry_if_exception_type((Transient, Uncertain)),
            stop=stop_after_attempt(3),
            wait=wait_random_exponential(multiplier=0.2, max=2),
            reraise=True,
        ):
            with attempt:
                if work.opens(step):
                    ticket = await self._adapter.find(self._drafting.reference(work))
                    return None if ticket is None else Written(ticket=ticket, entry=None)
                assert work.conversation.ticket is not None
                return await self._adapter.find_entry(work.conversation.ticket, step.key)
        raise AssertionError("unreachable")

    async def _send(self, step: Step, work: Work, kind: str) -> Written:
        if kind == "open":
            return Written(ticket=await self._adapter.open_ticket(self._drafting.draft(step, work)), entry=None)
        ticket = work.conversation.ticket
        if ticket is None:
            raise Transient("the conversation has no ticket yet")
        if kind == "attach":
            file = work.stored_file(self._attachments)
            refusal = self._drafting.refusal(file, self._adapter.capabilities)
            if file is not None and refusal is None:
                return await self._adapter.attach(ticket, self._drafting.file_entry(step, work), file)
            return await self._adapter.note(ticket, self._drafting.missing_file_entry(step, work, refusal))
        if kind == "note":
            return await self._adapter.note(ticket, self._drafting.entry(step, work))
        return await self._adapter.append(ticket, self._drafting.entry(step, work))

    async def _record(self, step: Step, work: Work, written: Written) -> None:
        """Ticket, outcome and the office's notice in one transaction."""

        def save(connection: Connection) -> None:
            if outbox.done(connection, step, written.entry):
                if work.conversation.ticket != written.ticket:
                    conversations.set_ticket(connection, work.conversation.id, written.ticket)
                if written.reopened:
                    conversations.set_open(connection, work.conversation.id, is_open=True)
                if self._notifies and step.kind in {"open", "append"}:
                    notices.add(connection, step)

        await asyncio.shield(self._database.run(save))
        self._healthy()
        self._log.info("dispatch.done", step=step.key, kind=step.kind, ticket=written.ticket.number)

    async def _settle(self, step: Step, outcome: Exception | None) -> None:
        """Write down what follows a failed attempt."""
        if outcome is None:
            return
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
        await self._database.run(lambda connection: _apply(connection, step, decision))
        self._sick(outcome, decision)
        self._log.warning(
            "dispatch.failed",
            step=step.key,
            next=decision.next.value,
            delay_seconds=round(decision.delay.total_seconds(), 1),
            reason=decision.reason,
        )

    def _healthy(self) -> None:
        self.state.done += 1
        self.state.failures_in_row = 0
        self._paused_until = 0.0
        if self.state.state != "up":
            self._log.warning("destination.recovered", was=self.state.state, since=self.state.since.isoformat())
            self.state.state, self.state.since, self.state.detail = "up", datetime.now(UTC), ""

    def _sick(self, outcome: Exception, decision: Decision) -> None:
        """Pause the whole destination when it, and not the item, is what failed."""
        self.state.failed += 1
        if decision.next in {Next.PARK, Next.SUCCEED}:
            return
        self.state.failures_in_row += 1
        pause = min(2.0 ** (self.state.failures_in_row - 1) * 0.5, LONGEST_PAUSE_SECONDS)
        self._paused_until = time.monotonic() + pause
        state: Literal["down", "refused"] = "refused" if decision.next is Next.STOP else "down"
        if self.state.state == "up" and (state == "refused" or self.state.failures_in_row >= 3):
            self.state.state, self.state.since, self.state.detail = state, datetime.now(UTC), str(outcome)
            self._log.error("destination.down", state=state, reason=str(outcome))


def _apply(connection: Connection, step: Step, decision: Decision) -> None:
    match decision.next:
        case Next.AGAIN:
            outbox.again(connection, step, decision.delay, decision.reason)
        case Next.STOP:
            outbox.uncounted(connection, step, decision.delay, decision.reason)
        case Next.LOOK:
            outbox.unknown(connection, step, decision.delay, decision.reason)
        case Next.PARK:
            outbox.park(connection, step, decision.reason)
        case Next.SUCCEED:
            _succeed(connection, step, f"the ticket takes nothing more ({decision.reason})")


def _succeed(connection: Connection, step: Step, reason: str) -> None:
    """Go on in the conversation that follows; what can't open a ticket, or was to open this one, waits for a person."""
    old = conversations.read(connection, step.conversation_id)
    opens = step.attachment_id is None or conversations.successor(connection, old.id) is not None
    if old.ticket is None or not opens:
        outbox.park(connection, step, reason)
    elif outbox.again(connection, step, timedelta(0), reason):
        outbox.move(connection, old.id, conversations.succeed(connection, old).id)
