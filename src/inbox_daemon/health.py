"""What the daemon tells of itself: whether it lives, whether it may receive, and how everything stands."""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from typing import Any

from sqlalchemy import Connection, text

from inbox_daemon.assembly import Parts
from inbox_daemon.pipeline.receive import day_in
from inbox_daemon.store import figures, ledger
from inbox_daemon.store.figures import Figures, Queue

LEAST_FREE_BYTES = 50_000_000
"""Below this the node no longer acknowledges: a transaction that half fits is worth nothing."""
LEDGER_DAYS = 3
STUCK_SECONDS = 600.0
"""Longer than any batch of envelopes or claim of steps takes, also on a sick disk or with hostile mails."""


class DaemonHealth:
    """Implements `web.operations.Health` for the running daemon."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._started_at = datetime.now(UTC)
        self.phase = "starting"
        self._trouble: str | None = None

    @property
    def fatal(self) -> str | None:
        """Why the process has to end, None while it need not."""
        return "the disk failed" if self._parts.disk_failed.is_set() else None

    def alive(self) -> str | None:
        """See `Health.alive`. A worker that no longer comes round is as good as dead."""
        if self.fatal or self.phase != "running":
            return self.fatal
        workers = {"intake": self._parts.intake} | {f"dispatch {k}": v for k, v in self._parts.dispatchers.items()}
        workers |= {f"answer {k}": v for k, v in self._parts.answerers.items()}
        now = time.monotonic()
        stuck = [name for name, worker in workers.items() if now - worker.turned_at > STUCK_SECONDS]
        return f"stuck: {', '.join(stuck)}" if stuck else None

    def not_ready(self) -> str | None:
        """See `Health.not_ready`."""
        if self.phase != "running":
            return self.phase
        return self.fatal or self._trouble

    def accepting(self) -> bool:
        """Whether the public listener may take anything."""
        return self.not_ready() is None

    async def look(self) -> None:
        """Every few seconds: is there room, does the database take writes, how long are the queues."""
        metrics = self._parts.metrics
        free = shutil.disk_usage(self._parts.settings.state_dir).free
        metrics.disk_free_bytes.set(free)
        trouble = None
        if free < LEAST_FREE_BYTES:
            trouble = "disk full"
        try:
            await self._parts.database.run(_touch)
            found = await self._parts.database.read(figures.read)
        except Exception as error:  # noqa: BLE001 - whatever it is, nothing can be received
            metrics.database_writable.set(0)
            self._trouble = f"database not writable ({type(error).__name__})"
        else:
            metrics.database_writable.set(1)
            self._trouble = trouble
            self._gauge(found)
        metrics.ready.set(self.not_ready() is None)

    async def balance(self) -> None:
        """Now and then: do the books balance."""
        for instance, imbalance in (await self._imbalances()).items():
            self._parts.metrics.ledger_imbalance.labels(instance).set(imbalance)

    async def status(self) -> Mapping[str, Any]:
        """See `Health.status`."""
        found = await self._parts.database.read(figures.read)
        return {
            "version": version("inbox-daemon"),
            "node": self._parts.node,
            "ready": self.not_ready() is None,
            "reason": self.not_ready(),
            "started_at": self._started_at.isoformat(),
            "channels": {name: self._channel(name, found) for name in self._parts.channels},
            "destinations": {name: self._destination(name, found) for name in self._parts.adapters},
            "attachments_waiting": found.attachments_waiting,
            "open_conversations": found.open_conversations,
            "ledger": [asdict(line) | {"balance": line.balance} for line in await self._ledger(2)],
        }

    def _channel(self, name: Any, found: Figures) -> dict[str, Any]:
        poller = self._parts.pollers.get(name)
        state: dict[str, Any] = {"state": "up"} if poller is None else _plain(asdict(poller.state))
        if name in self._parts.answerers:
            lane = self._parts.answerers[name]
            state["answers"] = _plain(asdict(lane.state)) | self._queue(name, found)
        if name in self._parts.inspectors:
            state["inspection"] = _plain(asdict(self._parts.inspectors[name].state))
        return state | {
            "notices": [_plain(asdict(notice)) for notice in found.notices.get(name, ())],
            "unread": found.unread.get(name, 0),
            "parked": found.parked_envelopes.get(name, 0) + found.parked_items.get(name, 0),
        }

    def _destination(self, name: Any, found: Figures) -> dict[str, Any]:
        state = _plain(asdict(self._parts.dispatchers[name].state))
        if name in self._parts.notifiers:
            state["notices"] = self._parts.notifiers[name].trouble or "up"
        queue = self._queue(name, found)
        queue.pop("held")  # nothing that goes to a destination waits for a citizen
        return state | queue

    def _queue(self, name: Any, found: Figures) -> dict[str, Any]:
        queue = found.queues.get(name, Queue())
        return {
            "waiting": queue.waiting,
            "held": queue.held,
            "unknown": queue.unknown,
            "parked": queue.parked,
            "oldest_seconds": round(_age(queue, found), 1),
        }

    def _gauge(self, found: Figures) -> None:
        metrics = self._parts.metrics
        for name, dispatcher in self._parts.dispatchers.items():
            queue = found.queues.get(name, Queue())
            metrics.queue_depth.labels(name).set(queue.waiting + queue.unknown)
            metrics.queue_oldest_seconds.labels(name).set(_age(queue, found))
            metrics.parked.labels(name, "step").set(queue.parked)
            metrics.instance_up.labels(name).set(dispatcher.state.state == "up")
            metrics.instance_stopped.labels(name).set(dispatcher.state.state == "refused")
        for name in self._parts.answerers:
            queue = found.queues.get(name, Queue())
            metrics.answers_waiting.labels(name).set(queue.waiting + queue.unknown)
            metrics.answers_held.labels(name).set(queue.held)
            metrics.answers_oldest_seconds.labels(name).set(_age(queue, found))
            metrics.parked.labels(name, "step").set(queue.parked)
        for name in self._parts.channels:
            poller = self._parts.pollers.get(name)
            metrics.unread_envelopes.labels(name).set(found.unread.get(name, 0))
            metrics.parked.labels(name, "envelope").set(found.parked_envelopes.get(name, 0))
            metrics.parked.labels(name, "item").set(found.parked_items.get(name, 0))
            for grave in (True, False):
                number = sum(notice.grave is grave for notice in found.notices.get(name, ()))
                metrics.instance_notices.labels(name, str(grave).lower()).set(number)
            lane = self._parts.answerers.get(name)
            states = [one.state.state for one in (poller, lane) if one is not None]
            metrics.instance_up.labels(name).set({*states} <= {"up", "elsewhere", "waiting"})
            metrics.instance_stopped.labels(name).set("refused" in states)

    async def _ledger(self, days: int) -> list[ledger.Line]:
        since = day_in(self._parts.settings.daemon.zone)(datetime.now(UTC) - timedelta(days=days - 1))
        return await self._parts.database.read(lambda connection: ledger.read(connection, since))

    async def _imbalances(self) -> dict[str, int]:
        sums: dict[str, int] = dict.fromkeys(self._parts.channels, 0)
        for line in await self._ledger(LEDGER_DAYS):
            sums[line.instance] = sums.get(line.instance, 0) + abs(line.balance)
        return sums


def _touch(connection: Connection) -> None:
    """A write that changes nothing, to learn whether one is possible."""
    connection.execute(text("UPDATE lease SET holder = holder WHERE name = ''"))


def _age(queue: Queue, found: Figures) -> float:
    return (found.at - queue.oldest).total_seconds() if queue.oldest else 0.0


def _plain(state: dict[str, Any]) -> dict[str, Any]:
    return {key: value.isoformat() if isinstance(value, datetime) else value for key, value in state.items()}
