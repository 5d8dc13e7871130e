"""Runs the plug-ins' parsers: quick ones here, those that ask for it in a worker process with limits.

A mail can be made to take seconds or gigabytes; in the worker it costs only itself. The worker starts with the first
mail, so an installation without a mailbox never pays for it.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import resource
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any

from inbox_daemon.errors import Permanent
from inbox_daemon.model import Envelope, Event
from inbox_daemon.plugins import ChannelPlugin

WORKER_SECONDS = 15.0
WORKER_MEMORY_BYTES = 1_500_000_000
WORKER_TASKS = 2000
"""After so many envelopes a fresh worker takes over, so that nothing grows for ever."""


def _limit() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (WORKER_MEMORY_BYTES, WORKER_MEMORY_BYTES))


class Parser:
    """Parses envelopes of all instances; used by one task at a time."""

    def __init__(self, worker_seconds: float = WORKER_SECONDS) -> None:
        self._worker_seconds = worker_seconds
        self._pool: ProcessPoolExecutor | None = None

    async def parse(self, plugin: ChannelPlugin[Any], settings: Any, envelope: Envelope) -> Sequence[Event]:
        """The events of an envelope. Raises `Permanent` for what can't be read, takes too long or kills the worker."""
        if not plugin.isolated:
            return _guarded(plugin.parse, envelope, settings)
        for last in (False, True):
            try:
                return await self._in_worker(plugin.parse, envelope, settings)
            except BrokenProcessPool:
                # It may have been killed for what came before it (or by the system): once more, in a fresh one.
                self._drop()
                if last:
                    raise Permanent("the parser died of this envelope") from None
        raise AssertionError("unreachable")

    async def _in_worker(
        self, parse: Callable[[Envelope, Any], Sequence[Event]], envelope: Envelope, settings: Any
    ) -> Sequence[Event]:
        if self._pool is None:
            self._pool = ProcessPoolExecutor(
                1,
                mp_context=multiprocessing.get_context("spawn"),
                initializer=_limit,
                max_tasks_per_child=WORKER_TASKS,
            )
        work = asyncio.get_running_loop().run_in_executor(self._pool, _guarded, parse, envelope, settings)
        try:
            async with asyncio.timeout(self._worker_seconds):
                return await work
        except TimeoutError:
            self._drop()
            raise Permanent(f"the parser took more than {self._worker_seconds:g} s") from None

    def _drop(self) -> None:
        """End the worker, whatever it is doing."""
        pool, self._pool = self._pool, None
        if pool is None:
            return
        for process in list(pool._processes.values()):  # noqa: SLF001 - a hung worker has no public way out in 3.11
            process.kill()
        pool.shutdown(wait=False, cancel_futures=True)

    def close(self) -> None:
        """End the worker. Safe twice."""
        self._drop()


def _guarded(parse: Callable[[Envelope, Any], Sequence[Event]], envelope: Envelope, settings: Any) -> Sequence[Event]:
    """Every failure of a parser as `Permanent`, told without content."""
    try:
        return parse(envelope, settings)
    except Permanent:
        raise
    except MemoryError:
        raise Permanent("the parser ran out of memory") from None
    except Exception as error:  # noqa: BLE001 - whatever a parser raises, only its envelope stops
        frame = error.__traceback__
        while frame is not None and frame.tb_next is not None:
            frame = frame.tb_next
        where = f" at {frame.tb_frame.f_code.co_name}:{frame.tb_lineno}" if frame else ""
        raise Permanent(f"the parser failed with {type(error).__name__}{where}") from None
