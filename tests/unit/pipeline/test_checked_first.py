"""A destination's own check comes before its first step, and before going on after a refusal."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest

from inbox_daemon.app import _ask
from inbox_daemon.errors import Credentials, Transient
from inbox_daemon.model import Draft, Ticket
from inbox_daemon.pipeline import lane as lane_module
from inbox_daemon.pipeline.lane import Lane, LaneState
from inbox_daemon.store.database import Database
from support.graph_fake_citizens import Phone, body
from support.memory_adapter import Fault, MemoryAdapter
from support.pipes import Pipes, body_of
from unit.pipeline.cells import AT, short_pauses

ANA = Phone(number="5493624000001", bsuid="AR.ana1", name="Ana Invento")
SECONDS = 10.0


@pytest.fixture(autouse=True)
def _quick() -> Iterator[None]:
    with short_pauses():
        yield


async def _waiting(pipes: Pipes, *words: str) -> None:
    """Messages taken in, before any dispatcher runs."""
    await pipes.receive(body([ANA.text(word, at=AT + timedelta(minutes=n)) for n, word in enumerate(words)]))
    await pipes.take_in()


async def _until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)


def _lane(pipes: Pipes) -> Lane:
    return pipes.dispatchers["gobierno"]


def _state(pipes: Pipes) -> LaneState:
    return _lane(pipes).state


async def test_a_destination_is_checked_once_before_anything_is_sent(database: Database) -> None:
    class Checked(MemoryAdapter):
        async def open_ticket(self, draft: Draft) -> Ticket:
            assert self.checks == 1
            return await super().open_ticket(draft)

    adapter = Checked()
    pipes = Pipes(database, {"gobierno": adapter})
    await pipes.deliver(body([ANA.text("uno", at=AT)]))
    await pipes.deliver(body([ANA.text("dos", at=AT + timedelta(minutes=1))]))
    assert [body_of(kept) for kept in adapter.tickets] == [["uno", "dos"]]
    assert adapter.checks == 1


@pytest.mark.parametrize("fault", [Fault.CREDENTIALS, Fault.PERMANENT])
async def test_refused_by_its_check_it_gets_nothing_and_says_why(database: Database, fault: Fault) -> None:
    adapter = MemoryAdapter()
    adapter.check_faults.extend([fault] * 4)
    pipes = Pipes(database, {"gobierno": adapter})
    await _waiting(pipes, "uno", "dos")
    async with pipes.dispatching():
        await _until(lambda: adapter.checks == 3)
        assert (_state(pipes).state, adapter.writes, adapter.lookups) == ("refused", 0, 0)
        assert _state(pipes).detail in {"the token is refused", "the body is not accepted"}
        await pipes.settled()
    assert _state(pipes).state == "up"
    assert [body_of(kept) for kept in adapter.tickets] == [["uno", "dos"]]
    assert adapter.checks == 5


async def test_a_refusal_shows_and_ends_without_any_work(database: Database) -> None:
    adapter = MemoryAdapter()
    adapter.check_faults.extend([Fault.CREDENTIALS] * 3)
    pipes = Pipes(database, {"gobierno": adapter})
    async with pipes.dispatching():
        await _until(lambda: _state(pipes).state == "refused")
        await _until(lambda: _state(pipes).state == "up")
    assert (_state(pipes).detail, _state(pipes).failures_in_row) == ("", 0)


@pytest.mark.parametrize("fault", [Fault.REFUSED, Fault.LOST_REQUEST, Fault.CRASH])
async def test_a_check_that_fails_by_the_way_is_a_hiccup_and_then_an_outage(database: Database, fault: Fault) -> None:
    adapter = MemoryAdapter()
    adapter.check_faults.extend([fault] * 4)
    pipes = Pipes(database, {"gobierno": adapter})
    await _waiting(pipes, "uno")
    seen = set()
    async with pipes.dispatching():
        while adapter.checks < 5:
            seen.add((adapter.checks, _state(pipes).state))
            assert adapter.writes == 0
            await asyncio.sleep(0.001)
        await pipes.settled()
    assert {state for checks, state in seen if checks < 3} == {"up"}
    assert "down" in {state for _, state in seen}
    assert "refused" not in {state for _, state in seen}
    assert [body_of(kept) for kept in adapter.tickets] == [["uno"]]


async def test_a_check_that_hangs_is_cut_off_holds_up_nobody_and_is_no_stuck_worker(database: Database) -> None:
    hanging, other = MemoryAdapter(), MemoryAdapter()
    hanging.check_faults.append(Fault.HANG)
    attempt = timedelta(seconds=2)
    pipes = Pipes(database, {"gobierno": hanging, "salud": other}, attempt=attempt)
    await _waiting(pipes, "uno")
    await pipes.receive(body([Phone(number="5493624000002", bsuid="AR.b", name="Bea").text("un turno", at=AT)]))
    await pipes.take_in()
    began = time.monotonic()
    async with pipes.dispatching():
        await _until(lambda: bool(other.tickets))
        await asyncio.sleep(1.5)
        assert hanging.writes == 0
        assert time.monotonic() - _lane(pipes).turned_at < 1.3
        await pipes.settled()
    assert time.monotonic() - began >= 2
    assert [body_of(kept) for kept in hanging.tickets] == [["uno"]]
    assert hanging.checks == 2


async def test_stopped_in_the_middle_of_a_check_it_ends_at_once_and_begins_with_a_check(database: Database) -> None:
    adapter = MemoryAdapter()
    adapter.check_faults.append(Fault.HANG)
    pipes = Pipes(database, {"gobierno": adapter})
    await _waiting(pipes, "uno")
    async with pipes.dispatching():
        await _until(lambda: adapter.checks == 1)
        began = time.monotonic()
    assert time.monotonic() - began < 1
    assert _lane(pipes).running == set()
    async with pipes.dispatching():
        await pipes.settled()
    assert (adapter.checks, len(adapter.tickets)) == (2, 1)


class LatelyRefused(MemoryAdapter):
    """Writes, and says afterwards that it may not: what an adapter must not do, and may do all the same."""

    late = 1

    async def open_ticket(self, draft: Draft) -> Ticket:
        ticket = await super().open_ticket(draft)
        if self.late:
            self.late -= 1
            raise Credentials("the reference field is not there")
        return ticket


async def test_refused_after_a_write_that_stood_it_is_not_repeated_while_the_check_fails(database: Database) -> None:
    adapter = LatelyRefused()
    adapter.check_faults.extend([None, *[Fault.CREDENTIALS] * 6])
    pipes = Pipes(database, {"gobierno": adapter})
    await _waiting(pipes, "uno")
    async with pipes.dispatching():
        await _until(lambda: adapter.checks == 7)
        assert (adapter.writes, len(adapter.tickets)) == (1, 1)
        assert _state(pipes).state == "refused"
        await pipes.settled()
    assert (adapter.checks, adapter.writes, _state(pipes).state) == (8, 2, "up")


async def test_what_only_steps_are_refused_stays_refused_until_one_goes_through(database: Database) -> None:
    adapter = MemoryAdapter()
    adapter.faults.extend([Fault.CREDENTIALS] * 3)
    pipes = Pipes(database, {"gobierno": adapter})
    await _waiting(pipes, "uno")
    since = set()
    async with pipes.dispatching():
        await _until(lambda: _state(pipes).state == "refused")
        while adapter.faults:
            assert _state(pipes).state == "refused"
            since.add(_state(pipes).since)
            await asyncio.sleep(0.001)
        await pipes.settled()
    assert len(since) == 1  # alarms go by it
    assert adapter.checks == 4  # at the start, and after each refusal
    assert _state(pipes).state == "up"


async def test_every_node_checks_for_itself(database: Database) -> None:
    adapter = MemoryAdapter()
    one, two = (Pipes(database, {"gobierno": adapter}, node=name) for name in ("one", "two"))
    await _waiting(one, "uno", "dos")
    async with one.dispatching(), two.dispatching():
        await one.settled()
        await _until(lambda: adapter.checks == 2)
    assert [body_of(kept) for kept in adapter.tickets] == [["uno", "dos"]]


async def test_after_days_of_failures_the_pause_is_still_a_number(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lane_module, "LONGEST_PAUSE_SECONDS", 30.0)
    adapter = MemoryAdapter()
    adapter.check_faults.append(Fault.REFUSED)
    pipes = Pipes(database, {"gobierno": adapter})
    _state(pipes).failures_in_row = 5000
    async with pipes.dispatching():
        await _until(lambda: _state(pipes).failures_in_row == 5001)
        await asyncio.sleep(0.3)
        assert adapter.checks == 1
    assert _state(pipes).state == "down"


async def test_what_a_person_waits_for_is_proved_by_check_online_alone(database: Database) -> None:
    class Whole(MemoryAdapter):
        async def prove(self) -> None:
            await self.check()
            raise Transient("no mail came back")

    adapter = Whole()
    pipes = Pipes(database, {"gobierno": adapter})
    await pipes.deliver(body([ANA.text("uno", at=AT)]))
    assert (_state(pipes).state, adapter.checks) == ("up", 1)
    assert await _ask("gobierno", adapter) == [("gobierno", "no mail came back")]
    assert adapter.checks == 2
