"""Asks a channel now and then how it stands with its provider, and keeps what it says: a worker for each instance.

Of several nodes one looks: whoever has the lease, which lasts until after the next look. A look that fails is a state
to be seen and nothing more; receiving and answering find out by themselves what no longer works.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import structlog
from sqlalchemy import Connection

from inbox_daemon.errors import Credentials, EdgeError
from inbox_daemon.model import InstanceId, InstanceNotice
from inbox_daemon.plugins import Inspecting
from inbox_daemon.store import cursors, standing
from inbox_daemon.store.cursors import Lease
from inbox_daemon.store.database import Database

EVERY = timedelta(hours=1)
AGAIN = timedelta(minutes=5)
"""When a look failed, or another node has the lease."""
LIFE = EVERY + AGAIN
LIMIT_SECONDS = 120.0

State = Literal["waiting", "up", "down", "refused", "elsewhere"]


@dataclass(slots=True, kw_only=True)
class InspectionState:
    """How the last look went, as `/status` tells it."""

    state: State = "waiting"
    since: datetime
    detail: str = ""
    looked_at: datetime | None = None


class Inspector:
    """Looks at one instance on this node."""

    def __init__(
        self, *, name: InstanceId, channel: Inspecting, database: Database, node: str, every: timedelta = EVERY
    ) -> None:
        self.name = name
        self.state = InspectionState(since=datetime.now(UTC))
        self._channel = channel
        self._database = database
        self._node = node
        self._every = every
        self._lease: Lease | None = None
        self._log = structlog.get_logger(__name__).bind(instance=name)

    async def run(self) -> None:
        """Look, and look again, until cancelled."""
        while True:
            good = await self.look()
            await asyncio.sleep((self._every if good else min(AGAIN, self._every)).total_seconds())

    async def look(self) -> bool:
        """Look once if it is this node's turn; whether that was done."""
        name = f"inspect:{self.name}"
        self._lease = await self._database.run(lambda c: cursors.acquire(c, name, self._node, LIFE))
        if self._lease is None:
            self._turn("elsewhere", "another node looks at this instance")
            return False
        notices = await self._ask()
        if notices is None:
            return False
        changed = await self._database.run(lambda c: self._keep(c, notices))
        for notice in changed:
            tell_of(self._log, self.name, notice)
        self.state.looked_at = datetime.now(UTC)
        self._turn("up", "")
        return True

    async def stop(self) -> None:
        """Let another node look at once."""
        held = self._lease
        if held is not None:
            await self._database.run(lambda c: cursors.release(c, held))

    async def _ask(self) -> Sequence[InstanceNotice] | None:
        try:
            async with asyncio.timeout(LIMIT_SECONDS):
                return await self._channel.inspect()
        except Credentials as error:
            self._turn("refused", str(error))
        except (EdgeError, OSError) as error:  # TimeoutError is an OSError
            self._turn("down", str(error) or type(error).__name__)
        except Exception as error:  # noqa: BLE001 - a bug in looking must not disturb what works
            self._log.exception("inspection.crashed")
            self._turn("down", type(error).__name__)
        return None

    def _keep(self, connection: Connection, notices: Sequence[InstanceNotice]) -> list[InstanceNotice]:
        kept = [standing.file(connection, self.name, notice) for notice in sorted(notices, key=_place)]
        return [notice for notice in kept if notice is not None]

    def _turn(self, state: State, detail: str) -> None:
        """Log the change, not the state."""
        if self.state.state != state:
            log = self._log.info if state in {"up", "elsewhere"} else self._log.error
            log("inspection.turned", state=state, was=self.state.state, reason=detail)
            self.state.state, self.state.since = state, datetime.now(UTC)
        self.state.detail = detail


def _place(notice: InstanceNotice) -> tuple[str, str]:
    """Every node locks rows in this order, so that two don't wait for each other."""
    return notice.topic, notice.subject


def about(notice: InstanceNotice) -> str:
    """What a notice is about, in one word or two."""
    return " ".join(part for part in (notice.topic, notice.subject) if part)


def tell_of(log: Any, instance: str, notice: InstanceNotice) -> None:
    """One line in the log for what is new of an instance."""
    say = log.warning if notice.grave else log.info
    say(
        "instance.noticed",
        instance=instance,
        topic=notice.topic,
        subject=notice.subject,
        grave=notice.grave,
        words=notice.words,
    )
