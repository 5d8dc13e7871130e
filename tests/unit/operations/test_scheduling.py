"""Local duties run at their times, also when a clock jumps, a job fails, hangs or overlaps."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime, tzinfo
from datetime import time as time_of_day
from zoneinfo import ZoneInfo

import apscheduler.schedulers.base
import apscheduler.triggers.interval
import pytest
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from structlog.testing import capture_logs

from inbox_daemon.scheduling import Scheduler

ZONE = ZoneInfo("America/Argentina/Cordoba")
THREE_HOURS = 3 * 3600.0


class Wall:
    """A wall clock that can be set, as APScheduler sees it too."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def __call__(self) -> float:
        return time.time() + self.ahead


@pytest.fixture
def wall(monkeypatch: pytest.MonkeyPatch) -> Wall:
    clock = Wall()

    class Set(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
            return datetime.fromtimestamp(clock(), tz)

    monkeypatch.setattr(apscheduler.schedulers.base, "datetime", Set)
    monkeypatch.setattr(apscheduler.triggers.interval, "datetime", Set)
    return clock


@asynccontextmanager
async def running(scheduler: Scheduler) -> AsyncIterator[Scheduler]:
    scheduler.start()
    try:
        yield scheduler
    finally:
        await scheduler.stop(1)


async def until(condition: Callable[[], bool], seconds: float = 3.0) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(0.01)
    return True


def counting() -> tuple[list[float], Callable[[], object]]:
    runs: list[float] = []

    async def job() -> None:
        runs.append(time.monotonic())

    return runs, job


async def test_a_clock_set_back_three_hours_silences_nothing(wall: Wall) -> None:
    runs, job = counting()
    steps: list[str] = []
    scheduler = Scheduler(ZONE, wall=wall, check_seconds=0.1, clock_stepped=lambda: steps.append("step"))
    scheduler.every("count", 0.1, job)  # type: ignore[arg-type]
    async with running(scheduler):
        assert await until(lambda: len(runs) >= 2)
        wall.ahead -= THREE_HOURS
        before = len(runs)
        with capture_logs() as log:
            assert await until(lambda: len(runs) >= before + 5)
    assert steps == ["step"]
    [told] = [line for line in log if line["event"] == "clock.stepped"]
    assert told["step_seconds"] == pytest.approx(-THREE_HOURS, abs=1)


async def test_negative_control_the_plain_scheduler_falls_silent(wall: Wall) -> None:
    runs, job = counting()
    plain = AsyncIOScheduler(timezone=ZONE)
    plain.add_job(job, "interval", seconds=0.1, misfire_grace_time=None, coalesce=True)
    plain.start()
    assert await until(lambda: len(runs) >= 2)
    wall.ahead -= THREE_HOURS
    await asyncio.sleep(0.15)  # one run may have been due already
    before = len(runs)
    assert not await until(lambda: len(runs) > before, seconds=1.0)
    plain.shutdown(wait=False)
    await asyncio.sleep(0)


async def test_a_clock_set_forward_runs_what_became_due_at_once_and_once(wall: Wall) -> None:
    runs, job = counting()
    scheduler = Scheduler(ZONE, wall=wall, check_seconds=0.05)
    scheduler.every("hourly", 3600, job)  # type: ignore[arg-type]
    soon = datetime.fromtimestamp(wall() + 7200, ZONE)
    scheduler.daily("at night", soon.time().replace(microsecond=0), job)  # type: ignore[arg-type]
    async with running(scheduler):
        await asyncio.sleep(0.1)
        assert not runs
        wall.ahead += THREE_HOURS
        assert await until(lambda: len(runs) == 2)
        await asyncio.sleep(0.3)
        assert len(runs) == 2


async def test_a_slow_drift_is_no_step(wall: Wall) -> None:
    steps: list[str] = []
    scheduler = Scheduler(ZONE, wall=wall, check_seconds=0.02, clock_stepped=lambda: steps.append("step"))
    async with running(scheduler):
        for _ in range(10):
            wall.ahead += 1.0
            await asyncio.sleep(0.03)
    assert not steps


async def test_a_failing_job_is_told_and_runs_again() -> None:
    outcomes: Counter[tuple[str, str]] = Counter()

    async def bad() -> None:
        raise ValueError("some words of 'Ana'")

    _, good = counting()
    scheduler = Scheduler(ZONE, outcome=lambda name, word: outcomes.update([(name, word)]))
    scheduler.every("bad", 0.05, bad)
    scheduler.every("good", 0.05, good)  # type: ignore[arg-type]
    with capture_logs() as log:
        async with running(scheduler):
            assert await until(lambda: outcomes["bad", "failed"] >= 3 and outcomes["good", "done"] >= 3)
    assert {line["job"] for line in log if line["event"] == "job.failed"} == {"bad"}


async def test_a_hanging_job_ends_at_its_limit_and_runs_again() -> None:
    outcomes: Counter[str] = Counter()

    async def hang() -> None:
        await asyncio.Event().wait()

    scheduler = Scheduler(ZONE, outcome=lambda name, word: outcomes.update([word]))
    scheduler.every("hang", 0.1, hang, limit_seconds=0.15)
    async with running(scheduler):
        assert await until(lambda: outcomes["timed_out"] >= 2)
    assert outcomes["overlapped"] >= 1


async def test_no_job_runs_twice_at_once() -> None:
    at_once = most = 0

    async def slow() -> None:
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        await asyncio.sleep(0.2)
        at_once -= 1

    scheduler = Scheduler(ZONE)
    scheduler.every("slow", 0.05, slow)
    async with running(scheduler):
        await asyncio.sleep(0.6)
    assert most == 1


async def test_at_once_runs_when_the_scheduler_starts() -> None:
    runs, job = counting()
    scheduler = Scheduler(ZONE)
    scheduler.every("now", 3600, job, at_once=True)  # type: ignore[arg-type]
    async with running(scheduler):
        assert await until(lambda: len(runs) == 1, seconds=1)


async def test_stop_waits_for_a_running_job() -> None:
    done: list[str] = []
    began = asyncio.Event()

    async def work() -> None:
        began.set()
        await asyncio.sleep(0.3)
        done.append("done")

    scheduler = Scheduler(ZONE)
    scheduler.every("work", 3600, work, at_once=True)
    scheduler.start()
    await asyncio.wait_for(began.wait(), 1)
    await scheduler.stop(2)
    assert done == ["done"]
    await scheduler.stop(2)


async def test_stop_cancels_what_takes_too_long() -> None:
    outcomes: list[str] = []
    began = asyncio.Event()

    async def hang() -> None:
        began.set()
        await asyncio.Event().wait()

    scheduler = Scheduler(ZONE, outcome=lambda name, word: outcomes.append(word))
    scheduler.every("hang", 3600, hang, at_once=True)
    scheduler.start()
    await asyncio.wait_for(began.wait(), 1)
    before = time.monotonic()
    await scheduler.stop(0.1)
    assert time.monotonic() - before < 1
    assert outcomes == ["cancelled"]


def test_a_name_is_used_once() -> None:
    async def job() -> None: ...

    scheduler = Scheduler(ZONE)
    scheduler.every("purge", 60, job)
    with pytest.raises(ValueError, match="purge"):
        scheduler.daily("purge", time_of_day(2, 30), job)


async def test_daily_is_planned_at_the_offices_time() -> None:
    async def job() -> None: ...

    scheduler = Scheduler(ZONE)
    scheduler.daily("report", time_of_day(6, 15), job)
    async with running(scheduler):
        planned = scheduler._planner.get_job("report").next_run_time
    assert (planned.hour, planned.minute, planned.tzinfo) == (6, 15, ZONE)
