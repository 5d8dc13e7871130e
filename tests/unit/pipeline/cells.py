"""Cells of the crash matrix: one destination of one class under one fault, run through deaths to its end, and judged.

A: a key makes repeats harmless. B: a unique reference does. C: what was written is found at once. D: it is found after
a lag. E: nothing can be looked up.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, TypeVar, cast

from sqlalchemy import Connection, Row, select
from sqlalchemy.exc import OperationalError

from inbox_daemon.pipeline import lane as lanes
from inbox_daemon.pipeline.routing import compile_rule
from inbox_daemon.plugins import Capabilities
from inbox_daemon.retry import Policy
from inbox_daemon.store import outbox
from inbox_daemon.store.database import Database
from inbox_daemon.store.schema import dispatch
from support.graph_fake_citizens import Phone, body
from support.memory_adapter import Fault, MemoryAdapter
from support.pipes import FAST, Pipes

T = TypeVar("T")
AT = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
LAG_SECONDS = 0.3
ROOM_SECONDS = 0.7
SHORT_ATTEMPT, ATTEMPT = timedelta(seconds=0.5), timedelta(seconds=5)
SHEETS = {
    "A": Capabilities(find="none", find_entry="none", idempotency="key"),
    "B": Capabilities(find="none", find_entry="none", idempotency="unique"),
    "C": Capabilities(),
    "D": Capabilities(find="lagging", find_entry="lagging", index_lag_seconds=LAG_SECONDS),
    "E": Capabilities(find="none", find_entry="none"),
}


class Mortal:
    """A node's way to its database: it ends with the process, and it may fail before or after a commit."""

    def __init__(self, database: Database, *, failing: float = 0.0, chance: random.Random | None = None) -> None:
        self._database = database
        self._failing = failing
        self._chance = chance or random.Random(0)
        self.died = asyncio.Event()

    async def run(self, work: Callable[[Connection], T]) -> T:
        """`Database.run`, as long as the process lives."""
        self._live()
        fails = self._chance.random() < self._failing
        if not fails or self._chance.random() < 0.5:
            result = await self._database.run(work)
        self._live()
        if fails:
            raise OperationalError("the server closed the connection unexpectedly", {}, Exception())
        return result

    async def read(self, work: Callable[[Connection], T]) -> T:
        """`Database.read`, as long as the process lives."""
        self._live()
        return await self._database.read(work)

    def _live(self) -> None:
        if self.died.is_set():
            raise ConnectionError("this process is dead")


@dataclass(kw_only=True)
class Cell:
    """One destination with its fate; `nodes` work at it at once, `restart` brings a dead one back under its name."""

    kind: str
    fault: Fault | None
    seed: int
    settle: timedelta | None = None
    on_unknown: str = "park"
    nodes: int = 1
    restart: bool = True
    lookup_fault: Fault | None = None
    failing: float = 0.0
    late_seconds: float = 0.03
    lag_seconds: float = LAG_SECONDS
    lives: int = 0
    adapter: MemoryAdapter = field(init=False)

    def __post_init__(self) -> None:
        chance = random.Random(self.seed)
        sheet = SHEETS[self.kind]
        if sheet.index_lag_seconds:
            sheet = replace(sheet, index_lag_seconds=self.lag_seconds)
        self.adapter = MemoryAdapter(sheet)
        self.adapter.zombie_seconds = 3.0  # longer than a short attempt and any settle time
        self.adapter.late_seconds = self.late_seconds
        self.adapter.faults = deque(self.fault if chance.random() < 0.6 else None for _ in range(5))
        self.adapter.lookup_faults = deque([self.lookup_fault] * 2)

    @property
    def name(self) -> str:
        """Name of the destination, and the word that citizens write to reach it."""
        parts = (self.kind, self.fault, self.seed, self.nodes, self.restart, self.lookup_fault, self.failing)
        return "x".join(str(getattr(part, "name", part)).lower().replace(".", "") for part in parts)

    @property
    def policy(self) -> Policy:
        """Quick, with the settle time that this class needs (or too little of it)."""
        # A busy machine lets timers slip, so there is room beyond what comes late and the index's lag.
        needed = self.late_seconds + self.adapter.capabilities.index_lag_seconds + ROOM_SECONDS
        settle = timedelta(seconds=needed) if self.settle is None else self.settle
        return Policy(first=FAST.first, most=FAST.most, give_up=FAST.give_up, settle=settle)

    @property
    def _outlasts(self) -> bool:
        """Whether the fate is one that only the end of an attempt or of a lease reveals."""
        return (
            not self.restart or self.failing > 0 or bool({self.fault, self.lookup_fault} & {Fault.HANG, Fault.ZOMBIE})
        )

    def messages(self) -> Iterator[Any]:
        """What two citizens write to this destination, in order."""
        for n in range(2):
            number = f"54936240{random.Random(self.name + str(n)).randrange(10**5):05d}"
            phone = Phone(number=number, bsuid=f"AR.{self.name}{n}", name="Ana Invento")
            for m in range(2):
                yield phone.text(f"{self.name} {m}", at=AT + timedelta(minutes=m))

    async def run(self, database: Database, idle: Callable[[str], bool]) -> None:
        """Live and die until nothing is left to do."""
        await asyncio.gather(*(self._node(database, f"{self.name}-{n}", idle) for n in range(self.nodes)))
        if self.fault is Fault.LATE:  # what is still on its way counts, too
            await asyncio.sleep(self.late_seconds)

    async def _node(self, database: Database, name: str, idle: Callable[[str], bool]) -> None:
        while not idle(self.name):
            self.lives += 1
            node = name if self.restart else f"{name}.{self.lives}"
            mortal = Mortal(database, failing=self.failing, chance=random.Random(self.seed))
            self.adapter.kill = mortal.died.set
            pipes = Pipes(
                cast("Database", mortal),
                {self.name: self.adapter},
                node=node,
                policy=self.policy,
                attempt=SHORT_ATTEMPT if self._outlasts else ATTEMPT,
                on_unknown=self.on_unknown,
            )
            settle = self.policy.settle
            await database.run(partial(outbox.recover, holder=node, destination=self.name, settle=settle))
            await self._live(pipes.dispatchers[self.name], mortal, idle)

    async def _live(self, lane: lanes.Lane, mortal: Mortal, idle: Callable[[str], bool]) -> None:
        working = asyncio.create_task(_again_and_again(lane))
        while not mortal.died.is_set() and not idle(self.name):
            await asyncio.sleep(0.02)
        working.cancel()
        rest = list(lane.running)
        if mortal.died.is_set():  # no last words: what it would still write does not reach the database
            for task in rest:
                task.cancel()
        await asyncio.gather(working, *rest, return_exceptions=True)

    def judge(self, steps: Sequence[Row[Any]]) -> list[str]:
        """What is wrong at the end; empty when nothing is."""
        entries = [[key for _, key, _ in ticket.entries] for ticket in self.adapter.tickets]
        written = Counter(key for keys in entries for key in keys)
        wrong = [f"{key} stands {count} times" for key, count in written.items() if count > 1]
        references = Counter(ticket.reference for ticket in self.adapter.tickets)
        wrong += [f"{reference} has {count} tickets" for reference, count in references.items() if count > 1]
        place = {step.key: step.position for step in steps}
        wrong += [f"out of order: {keys}" for keys in entries if keys != sorted(keys, key=lambda key: place[key])]
        held = {step.conversation_id for step in steps if step.state == "parked" and step.kind == "open"}
        for step in steps:
            doubtful = step.state == "parked" and str(step.reason).startswith("possible double")
            waits = step.state == "waiting" and step.conversation_id in held
            if step.state == "done":
                wrong += [] if written[step.key] == 1 else [f"{step.key} is said to be done"]
            elif self.kind != "E" or self.fault is Fault.REFUSED or not (doubtful or waits):
                wrong.append(f"{step.key} is {step.state}: {step.reason}")
        return wrong


async def _again_and_again(lane: lanes.Lane) -> None:
    while True:
        try:
            await lane.run()
        except Exception:  # noqa: BLE001 - its database fails now and then
            await asyncio.sleep(0.01)


class Matrix:
    """Many cells on one database, all at once."""

    def __init__(self, database: Database, cells: Sequence[Cell]) -> None:
        assert len({cell.name for cell in cells}) == len(cells)
        self._database = database
        self._cells = cells
        self._steps: dict[str, list[Row[Any]]] = {}

    async def run(self, *, seconds: float = 25) -> dict[str, list[str]]:
        """What is wrong, by cell; empty when every cell came to a right end."""
        rules = [compile_rule(name=cell.name, destination=cell.name, keywords=[cell.name]) for cell in self._cells]
        pipes = Pipes(self._database, {}, rules=rules)
        await pipes.receive(*(body(list(cell.messages())) for cell in self._cells))
        await pipes.take_in()
        await self._look()
        watching = asyncio.create_task(self._watch())
        try:
            async with asyncio.timeout(seconds):
                await asyncio.gather(*(cell.run(self._database, self._idle) for cell in self._cells))
        except TimeoutError:
            stuck = [cell.name for cell in self._cells if not self._idle(cell.name)]
            return {name: [f"{step.key} {step.state} {step.reason}" for step in self._steps[name]] for name in stuck}
        finally:
            watching.cancel()
        await self._look()
        await pipes.books()
        assert all(len(self._steps[cell.name]) == 4 for cell in self._cells)
        found = {cell.name: cell.judge(self._steps[cell.name]) for cell in self._cells}
        return {name: wrong for name, wrong in found.items() if wrong}

    def steps(self, cell: Cell) -> list[Row[Any]]:
        """How the steps of `cell` stood when last looked at."""
        return self._steps[cell.name]

    def _idle(self, name: str) -> bool:
        steps = self._steps[name]
        held = {step.conversation_id for step in steps if step.state == "parked" and step.kind == "open"}
        return all(
            step.state in {"done", "parked"} or (step.state == "waiting" and step.conversation_id in held)
            for step in steps
        )

    async def _watch(self) -> None:
        while True:
            await self._look()
            await asyncio.sleep(0.05)

    async def _look(self) -> None:
        rows = await self._database.read(lambda connection: connection.execute(select(dispatch)).all())
        steps: dict[str, list[Row[Any]]] = {cell.name: [] for cell in self._cells}
        for row in rows:
            steps[row.destination].append(row)
        self._steps = steps


@contextmanager
def short_pauses() -> Iterator[None]:
    """A sick destination is asked again soon."""
    before = lanes.LONGEST_PAUSE_SECONDS, lanes.IDLE_SECONDS
    lanes.LONGEST_PAUSE_SECONDS, lanes.IDLE_SECONDS = 0.03, 0.15
    try:
        yield
    finally:
        lanes.LONGEST_PAUSE_SECONDS, lanes.IDLE_SECONDS = before
