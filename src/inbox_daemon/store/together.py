"""One writing thread whose waiting transactions share a commit: one sync of the disk for several of them.

Each is told of its end only when the disk has it. Where one of several fails, nothing of them is kept, and each runs by
itself: so a failure is its own, and what succeeds is whole.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any, TypeVar

T = TypeVar("T")
Work = Callable[[Any], Any]
MOST = 8
"""How many share a commit: enough to spread its cost, few enough that what arrives is not kept waiting."""


class Together:
    """`one(work)` runs work in a transaction of its own; `all_of(works)` runs them in one, and commits it or raises."""

    def __init__(
        self, name: str, *, one: Callable[[Work], Any], all_of: Callable[[Sequence[Work]], Sequence[Any]]
    ) -> None:
        self._one = one
        self._all_of = all_of
        self._waiting: queue.SimpleQueue[tuple[Work, Future[Any]] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._closed = False
        self._lock = threading.Lock()
        self._thread.start()

    def submit(self, work: Callable[[Any], T]) -> Future[T]:
        """Queue a transaction. Raises `RuntimeError` after `shutdown`."""
        future: Future[T] = Future()
        with self._lock:
            if self._closed:
                raise RuntimeError("the store is closed")
            self._waiting.put((work, future))
        return future

    def shutdown(self) -> None:
        """Do what was queued, and end. Safe twice."""
        with self._lock:
            closed, self._closed = self._closed, True
        if not closed:
            self._waiting.put(None)
        self._thread.join()

    def _run(self) -> None:
        going_on = True
        while going_on:
            batch = [self._waiting.get()]
            while len(batch) < MOST and batch[-1] is not None:
                try:
                    batch.append(self._waiting.get_nowait())
                except queue.Empty:
                    break
            going_on = batch[-1] is not None
            self._do([one for one in batch if one is not None and one[1].set_running_or_notify_cancel()])

    def _do(self, batch: Sequence[tuple[Work, Future[Any]]]) -> None:
        results = self._shared([work for work, _ in batch]) if len(batch) > 1 else None
        if results is not None:
            for (_, future), result in zip(batch, results, strict=True):
                future.set_result(result)
            return
        for work, future in batch:
            try:
                future.set_result(self._one(work))
            except BaseException as error:  # noqa: BLE001 - it is told to whoever waits
                future.set_exception(error)

    def _shared(self, works: Sequence[Work]) -> Sequence[Any] | None:
        """The results of all, committed; None, and nothing kept, where one failed."""
        try:
            return self._all_of(works)
        except Exception:  # noqa: BLE001 - whose failure it is shows when each runs by itself
            return None
