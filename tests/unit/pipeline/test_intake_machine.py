"""Deliveries, repeats, disorder, batches, crashes and replays in any order: what was accepted is there, once."""

from __future__ import annotations

import asyncio
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from sqlalchemy import URL, Connection

from inbox_daemon.store import envelopes
from inbox_daemon.store.database import Database
from inbox_daemon.store.migrate import migrate
from unit.pipeline.scripted import Office, holding, says, unreadable


class _Crash(Exception):
    """The process ends here."""


class Deliveries(RuleBasedStateMachine):
    """A model of what must be there, beside the real intake on a real database."""

    def __init__(self) -> None:
        super().__init__()
        self._folder = tempfile.TemporaryDirectory()
        self._database = Database(URL.create("sqlite", database=str(Path(self._folder.name) / "inbox.sqlite3")))
        migrate(self._database)
        self._loop = asyncio.new_event_loop()
        self._number = 0
        self._unread: list[list[int]] = []
        self._accepted: Counter[int] = Counter()
        self._parked = 0
        self._sent: list[list[int]] = []

    @initialize()
    def start(self) -> None:
        self._office = Office(self._database)

    def _run(self, work: Any) -> Any:
        return self._loop.run_until_complete(work)

    def _receive(self, numbers: list[int]) -> None:
        self._run(self._office.pipes.receive(holding(*(says(f"n{n}", n, by=f"p{n % 3}") for n in numbers))))
        self._unread.append(numbers)
        self._sent.append(numbers)

    @rule(size=st.integers(1, 4), shuffled=st.randoms(use_true_random=False))
    def deliver(self, size: int, shuffled: Any) -> None:
        numbers = list(range(self._number, self._number + size))
        self._number += size
        shuffled.shuffle(numbers)
        self._receive(numbers)

    @rule(data=st.data())
    def redeliver(self, data: st.DataObject) -> None:
        if self._sent:
            again = [n for one in data.draw(st.lists(st.sampled_from(self._sent), max_size=3)) for n in one]
            self._receive(data.draw(st.permutations(again)))

    @rule()
    def garbage(self) -> None:
        self._run(self._office.pipes.receive(unreadable("no JSON")))
        self._parked += 1

    @rule()
    def take_in(self) -> None:
        self._run(self._office.pipes.take_in())
        for numbers in self._unread:
            self._accepted |= Counter(set(numbers))
        self._unread = []

    @rule(after=st.booleans())
    def crash(self, after: bool) -> None:
        """The process dies before or after the commit, and a new one begins."""
        real = self._database.run_now

        def dying(work: Any) -> Any:
            def half(connection: Connection) -> Any:
                work(connection)
                raise _Crash

            if getattr(work, "__qualname__", "").startswith("Intake.take_in"):
                if after:
                    real(work)
                    raise _Crash
                return real(half)
            return real(work)

        self._database.run_now = dying  # type: ignore[method-assign]
        try:
            self._run(self._office.pipes.take_in())
        except _Crash:
            if after:
                for numbers in self._unread[:20]:
                    self._accepted |= Counter(set(numbers))
        finally:
            self._database.run_now = real  # type: ignore[method-assign]
        self._office = Office(self._database)
        self._database.run_now(lambda c: envelopes.recover(c, "node"))

    @rule()
    def replay(self) -> None:
        self._database.run_now(envelopes.replay)

    @invariant()
    def nothing_lost_nothing_twice(self) -> None:
        kept = Counter(text for _, text in self._run(self._office.kept()))
        assert set(kept.values()) <= {1}
        assert set(kept) >= {f"n{n}" for n in self._accepted}
        if self._sent or self._parked:
            self._run(self._office.pipes.books())

    def teardown(self) -> None:
        self.take_in()
        kept = Counter(text for _, text in self._run(self._office.kept()))
        assert kept == Counter(f"n{n}" for n in range(self._number))
        states = Counter(state for state, _ in self._run(self._office.states()))
        assert states == Counter({"done": len(self._sent), "parked": self._parked})
        self._database.close()
        self._loop.close()
        self._folder.cleanup()


TestDeliveries = Deliveries.TestCase
TestDeliveries.settings = settings(
    max_examples=12, stateful_step_count=15, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True
)
