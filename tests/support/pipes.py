"""The pipeline without listeners: envelopes in, steps out to adapters in memory, driven by tests step by step."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, cast
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from inbox_channels.whatsapp import plugin as whatsapp
from inbox_daemon.model import Envelope, InstanceId
from inbox_daemon.pipeline.answering import Answering, Firewall
from inbox_daemon.pipeline.asking import Asking
from inbox_daemon.pipeline.case_status import CaseStatus
from inbox_daemon.pipeline.delivering import Delivering
from inbox_daemon.pipeline.detours import Detours, Ways
from inbox_daemon.pipeline.drafting import Drafting
from inbox_daemon.pipeline.filing import Filing
from inbox_daemon.pipeline.firewall import LoopFirewall
from inbox_daemon.pipeline.following import Follower
from inbox_daemon.pipeline.intake import Intake
from inbox_daemon.pipeline.lane import Carrier, Lane
from inbox_daemon.pipeline.learning import Learning, Turns
from inbox_daemon.pipeline.notifying import Notifier
from inbox_daemon.pipeline.parsing import Parser
from inbox_daemon.pipeline.receive import day_in
from inbox_daemon.pipeline.rendering import Wording
from inbox_daemon.pipeline.reporting import Reporting
from inbox_daemon.pipeline.rereading import Rereading
from inbox_daemon.pipeline.routing import Rule, compile_rule
from inbox_daemon.pipeline.sending import Sending
from inbox_daemon.pipeline.telling import Telling
from inbox_daemon.pipeline.texts import Texts
from inbox_daemon.plugins import ChannelPlugin, Notifying, TicketingAdapter
from inbox_daemon.registry import ChannelInstance
from inbox_daemon.retry import Policy
from inbox_daemon.store import envelopes, figures, ledger
from inbox_daemon.store.database import Database
from inbox_daemon.store.portions import Planned
from support.memory_channel import MemoryChannel

ZONE = ZoneInfo("America/Argentina/Cordoba")
INSTANCE = InstanceId("whatsapp-centro")
FAST = Policy(
    first=timedelta(milliseconds=20),
    most=timedelta(milliseconds=200),
    give_up=timedelta(minutes=5),
    settle=timedelta(milliseconds=50),
)
SALUD = compile_rule(name="salud", destination="salud", keywords=["turno", "hospital"])


class Pipes:
    """One node of the pipeline on a database."""

    def __init__(
        self,
        database: Database,
        adapters: Mapping[str, TicketingAdapter],
        *,
        node: str = "node",
        rules: Sequence[Rule] = (SALUD,),
        default: str = "gobierno",
        policy: Policy = FAST,
        attempt: timedelta = timedelta(seconds=10),
        on_unknown: Any = "park",
        order_grace: timedelta = timedelta(0),
        folder: Path = Path("/nonexistent"),
        parallel: int = 8,
        plugin: ChannelPlugin[Any] = whatsapp,
        channel: MemoryChannel | None = None,
        ways: Ways | None = None,
        grace: timedelta = timedelta(0),
        firewall: Firewall | None = None,
        telling: Telling | None = None,
        asking: Asking | None = None,
        status: CaseStatus | None = None,
        turns: Sequence[Turns] = (),
    ) -> None:
        self.database = database
        self.node = node
        self.arrived = asyncio.Event()
        self.texts = Texts.load("es-AR", {}, ZONE)
        self.reporting = Reporting(report=["accepted", "delivered", "read"], delay=timedelta(0))
        self._policy, self._attempt, self._folder = policy, attempt, folder
        self._parallel = parallel
        filing = Filing(
            rules=rules,
            default=default,
            window=timedelta(days=14),
            order_grace=order_grace,
            max_attachments=30,
            wording=Wording("es-AR", ZONE),
            firewall=firewall if isinstance(firewall, LoopFirewall) else None,
            telling=telling,
            asking=asking,
            status=status,
        )
        self.intake = self._intake(filing, plugin)
        self.dispatchers = {
            name: self._lane(name, self._delivering(name, one, on_unknown), one.check) for name, one in adapters.items()
        }
        self.notifiers = {
            name: Notifier(name=name, adapter=adapter, database=database, node=node, policy=policy, attempt=attempt)
            for name, adapter in adapters.items()
            if isinstance(adapter, Notifying) and adapter.notifies
        }
        self.answerer = None
        if channel is not None:
            answering = self._answering(
                channel, adapters, firewall or OpenFirewall(), ways or Ways(replying=[INSTANCE])
            )
            self.answerer = self._lane(INSTANCE, answering)
        replying = [INSTANCE] if channel else []
        self.followers = {name: self._follower(name, one, replying, grace, turns) for name, one in adapters.items()}

    def _intake(self, filing: Filing, plugin: ChannelPlugin[Any]) -> Intake:
        configured = ChannelInstance(name=INSTANCE, plugin=plugin, settings=plugin.settings.model_construct())
        return Intake(
            database=self.database,
            channels={INSTANCE: configured},
            filing=filing,
            parser=Parser(),
            node=self.node,
            arrived=self.arrived,
            gap=_no_wait,
            taken_in=lambda instance, taken, seconds: None,
            heard=self.reporting.heard,
        )

    def _lane(self, name: str, carrier: Carrier, check: Callable[[], Awaitable[None]] | None = None) -> Lane:
        return Lane(
            name=name,
            carrier=carrier,
            database=self.database,
            node=self.node,
            policy=self._policy,
            attempt=self._attempt,
            parallel=self._parallel,
            observe=lambda lane, outcome, seconds: None,
            gap=_no_wait,
            check=check,
        )

    def _delivering(self, name: str, adapter: TicketingAdapter, on_unknown: Any) -> Delivering:
        return Delivering(
            name=name,
            adapter=adapter,
            database=self.database,
            drafting=Drafting(Wording("es-AR", ZONE), {INSTANCE: "whatsapp"}, "pruebas", texts=self.texts),
            reporting=self.reporting,
            attempt=self._attempt,
            on_unknown=on_unknown,
            attachments=self._folder,
            link=lambda file: f"https://archivos.test/{file.sha256}",
        )

    def _answering(
        self, channel: MemoryChannel, adapters: Mapping[str, TicketingAdapter], firewall: Firewall, ways: Ways
    ) -> Answering:
        rereading = Rereading(
            adapters={InstanceId(name): one for name, one in adapters.items()},
            database=self.database,
            folder=self._folder,
            max_bytes=1_000_000,
        )
        return Answering(
            name=INSTANCE,
            channel=channel,
            database=self.database,
            rereading=rereading,
            reporting=self.reporting,
            firewall=firewall,
            texts=self.texts,
            ways=ways,
            detours=Detours(
                name=INSTANCE,
                ways=ways,
                texts=self.texts,
                reporting=self.reporting,
                kind_of=lambda instance: "whatsapp",
            ),
            link=lambda file: f"https://archivos.test/{file.filename}",
            policy=self._policy,
            attempt=self._attempt,
        )

    def _follower(
        self, name: str, adapter: TicketingAdapter, replying: Sequence[str], grace: timedelta, turns: Sequence[Turns]
    ) -> Follower:
        learning = Learning(
            destination=name,
            replying=replying,
            grace=grace,
            reporting=self.reporting,
            texts=self.texts,
            turns=turns,
        )
        return Follower(
            name=InstanceId(name),
            adapter=adapter,
            learning=learning,
            database=self.database,
            node=self.node,
            policy=self._policy,
            every=timedelta(milliseconds=50),
        )

    async def follow(self) -> int:
        """Ask every destination once what is new; returns how much was."""
        return sum([await one.follow() for one in self.followers.values()])

    async def receive(self, *bodies: bytes) -> None:
        """Journal bodies as if they had been posted now."""
        if not bodies:
            return
        now = datetime.now(UTC)
        rows = [(Envelope(instance=INSTANCE, body=body, received_at=now), day_in(ZONE)(now)) for body in bodies]
        await self.database.run(partial(envelopes.append, envelopes=rows))

    async def take_in(self) -> None:
        """Take in everything that waits."""
        lease = timedelta(seconds=60)
        while claimed := await self.database.run(lambda c: envelopes.claim(c, self.node, lease, 20)):
            await self.intake.take_in(claimed)

    @asynccontextmanager
    async def dispatching(self) -> AsyncIterator[None]:
        """Run the dispatchers and notifiers meanwhile."""
        workers: list[Lane | Notifier] = [*self.dispatchers.values(), *self.notifiers.values()]
        workers += [self.answerer] if self.answerer else []
        tasks = [asyncio.create_task(_supervise(one)) for one in workers]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            for one in workers:
                await one.drain(5)

    async def settled(self, *, seconds: float = 20) -> figures.Figures:
        """Wait until nothing waits or is unknown any more; what is parked stays."""

        def idle(found: figures.Figures) -> bool:
            return not any(queue.waiting or queue.unknown for queue in found.queues.values())

        return await self.until(idle, seconds=seconds)

    async def until(self, condition: Callable[[figures.Figures], bool], *, seconds: float = 20) -> figures.Figures:
        """Wait for a condition of the figures."""
        deadline = time.monotonic() + seconds
        while True:
            found = await self.database.read(figures.read)
            if condition(found):
                return found
            assert time.monotonic() < deadline, found
            await asyncio.sleep(0.02)

    async def deliver(self, *bodies: bytes) -> figures.Figures:
        """Receive, take in and dispatch everything."""
        await self.receive(*bodies)
        await self.take_in()
        async with self.dispatching():
            return await self.settled()

    async def books(self) -> list[ledger.Line]:
        """The ledger, which must balance."""
        lines = await self.database.read(ledger.read)
        assert all(line.balance == 0 for line in lines), lines
        return lines


class OpenFirewall:
    """Lets everything pass."""

    def verdict(self, connection: Connection, sending: Sending, planned: Sequence[Planned]) -> str | None:
        """It goes."""
        return None

    def body_hash(self, text: str) -> str:
        """The text itself will do."""
        return text


async def _no_wait() -> None:
    """Nothing is being received."""


async def _supervise(worker: Lane | Notifier) -> None:
    """Start a worker again whatever ends it, as the daemon does."""
    while True:
        try:
            await worker.run()
        except Exception:  # noqa: BLE001 - a test's database may be made to fail
            await asyncio.sleep(0.01)


def body_of(kept: Any) -> list[str]:
    """The bodies of a ticket of `MemoryAdapter`, in order."""
    return [cast("str", body) for _, _, body in kept.entries]
