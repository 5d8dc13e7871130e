"""Local duties at their times (reconciling, purging, reporting): the only module that knows APScheduler.

APScheduler 3 plans by the wall clock and coordinates nothing between processes: the store is memory, a duty of the
whole installation takes a lease of its own. What has to be exact to the second runs on asyncio's clock instead.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import datetime
from datetime import time as time_of_day
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

import structlog
from apscheduler.events import EVENT_JOB_MAX_INSTANCES
from apscheduler.jobstores.memory import MemoryJobStore
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.cron import CronTrigger
from apscheduler.triggers.interval import IntervalTrigger

Job = Callable[[], Awaitable[None]]

CHECK_SECONDS = 10.0
STEP_SECONDS = 5.0
LIMIT_SECONDS = 3600.0
_log: structlog.stdlib.BoundLogger = structlog.get_logger()


class Scheduler:
    """Runs each job at its times, never twice at once, and again however it ended.

    A missed time is made up for once, whatever the delay; after a clock stepped back a day's duty may run once more.
    `outcome(name, word)` is told of every run: done, failed, timed_out, cancelled or overlapped; `clock_stepped()` of
    every jump of the wall clock. `wall` and `monotonic` are the two clocks that the watchdog compares.
    """

    def __init__(
        self,
        zone: ZoneInfo,
        *,
        outcome: Callable[[str, str], None] = lambda name, word: None,
        clock_stepped: Callable[[], None] = lambda: None,
        wall: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
        check_seconds: float = CHECK_SECONDS,
    ) -> None:
        self._zone = zone
        self._outcome = outcome
        self._clock_stepped = clock_stepped
        self._wall = wall
        self._monotonic = monotonic
        self._check_seconds = check_seconds
        self._plans: dict[str, Callable[[], Any]] = {}
        self._running: set[asyncio.Task[Any]] = set()
        self._watchdog: asyncio.Task[None] | None = None
        self._planner = AsyncIOScheduler(
            timezone=zone,
            jobstores={"default": MemoryJobStore()},
            job_defaults={"misfire_grace_time": None, "coalesce": True, "max_instances": 1},
        )
        self._planner.add_listener(self._overlapped, EVENT_JOB_MAX_INSTANCES)
        logging.getLogger("apscheduler").setLevel(logging.ERROR)  # an overlap is counted, not told every time

    def every(
        self, name: str, seconds: float, job: Job, *, at_once: bool = False, limit_seconds: float = LIMIT_SECONDS
    ) -> None:
        """Run `job` every `seconds`, the first time after one interval, or when the scheduler starts."""
        plan = partial(IntervalTrigger, seconds=seconds, timezone=self._zone)
        self._add(name, plan, job, limit_seconds, at_once=at_once)

    def daily(self, name: str, at: time_of_day, job: Job, *, limit_seconds: float = LIMIT_SECONDS) -> None:
        """Run `job` once a day at the office's local time `at`."""
        plan = partial(CronTrigger, hour=at.hour, minute=at.minute, second=at.second, timezone=self._zone)
        self._add(name, plan, job, limit_seconds, at_once=False)

    def start(self) -> None:
        """Begin, inside a running event loop."""
        self._planner.start()
        self._watchdog = asyncio.create_task(self._watch(), name="clock watchdog")

    async def stop(self, limit_seconds: float = 10.0) -> None:
        """Start nothing more, wait for running jobs up to `limit_seconds`, then cancel them. Safe twice."""
        if self._watchdog is None:
            return
        self._watchdog.cancel()
        with suppress(asyncio.CancelledError):
            await self._watchdog
        self._watchdog = None
        self._planner.pause()
        if self._running:
            _, late = await asyncio.wait(self._running, timeout=limit_seconds)
            for task in late:
                task.cancel()
            if late:
                _log.warning("jobs.cancelled", jobs=sorted(task.get_name() for task in late))
                await asyncio.wait(late, timeout=1.0)
        self._planner.shutdown(wait=False)
        await asyncio.sleep(0)  # it shuts down in the loop's next round

    def _add(self, name: str, plan: Callable[[], Any], job: Job, limit_seconds: float, *, at_once: bool) -> None:
        if name in self._plans:
            raise ValueError(f"there is a job {name!r} already")
        self._plans[name] = plan  # makes a fresh trigger: an interval counts from the moment it is made
        first = {"next_run_time": self._now()} if at_once else {}
        self._planner.add_job(partial(self._run, name, job, limit_seconds), plan(), id=name, name=name, **first)

    async def _run(self, name: str, job: Job, limit_seconds: float) -> None:
        """One run: its errors are told and end with it."""
        task = asyncio.current_task()
        assert task is not None
        task.set_name(name)
        self._running.add(task)
        began = self._monotonic()
        word = "failed"
        try:
            async with asyncio.timeout(limit_seconds) as limit:
                await job()
            word = "done"
        except asyncio.CancelledError:
            word = "cancelled"
            raise
        except Exception as error:  # noqa: BLE001 - a failing duty must not end the others, nor its own next run
            word = "timed_out" if isinstance(error, TimeoutError) and limit.expired() else "failed"
            took = round(self._monotonic() - began, 3)
            _log.error(f"job.{word}", job=name, took_seconds=took, exc_info=error)
        finally:
            self._running.discard(task)
            self._outcome(name, word)

    def _overlapped(self, event: Any) -> None:
        self._outcome(event.job_id, "overlapped")

    async def _watch(self) -> None:
        """Notice that the wall clock jumped: set by hand, by NTP after a long outage, or the machine slept."""
        apart = self._wall() - self._monotonic()
        while True:
            await asyncio.sleep(self._check_seconds)
            now_apart = self._wall() - self._monotonic()
            step = now_apart - apart
            apart = now_apart
            if abs(step) > STEP_SECONDS:
                _log.warning("clock.stepped", step_seconds=round(step, 1))
                try:
                    self._replan()
                    self._clock_stepped()
                except Exception:  # noqa: BLE001 - this task has to outlive its errors
                    _log.exception("jobs.not_replanned")

    def _replan(self) -> None:
        """Plan anew from the clock as it is now. A plan only gets earlier: what is overdue already runs at once."""
        now = self._now()
        for name, plan in self._plans.items():
            trigger = plan()
            planned = self._planner.get_job(name).next_run_time
            fresh = trigger.get_next_fire_time(None, now)
            if fresh < planned:
                self._planner.reschedule_job(name, trigger=trigger)
        self._planner.wakeup()

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._wall(), self._zone)
