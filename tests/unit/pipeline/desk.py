"""A case in a destination, its agent, and the citizen's phone: what tests of answers play with."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import select

from inbox_daemon.model import SendState, StatusEvent
from inbox_daemon.store.database import Database
from inbox_daemon.store.schema import dispatch, reply
from support.graph_fake_citizens import Phone, body
from support.memory_adapter import MemoryAdapter
from support.memory_channel import MemoryChannel
from support.pipes import INSTANCE, Pipes

ANA = Phone(number="5493624000001", bsuid="AR.ana1", name="Ana Invento")
LUIS = Phone(number="5493624000002", bsuid="AR.luis2", name="Luis Invento")


def says(phone: Phone, words: str, *, ago: timedelta = timedelta(0)) -> bytes:
    """A webhook: somebody writes."""
    return body([phone.text(words, at=datetime.now(UTC) - ago)])


class Desk:
    """A case of Ana's in a destination, its agent, and her phone."""

    def __init__(self, database: Database, channel: MemoryChannel | None = None, **more: Any) -> None:
        self.database = database
        self.adapter = MemoryAdapter()
        self.channel = channel or MemoryChannel()
        self.pipes = Pipes(database, {"gobierno": self.adapter}, channel=self.channel, **more)

    async def opens(self, *phones: Phone, ago: timedelta = timedelta(0)) -> None:
        """Each of them writes, and has a ticket; answers are carried from now on."""
        for phone in phones or (ANA,):
            await self.pipes.deliver(says(phone, f"hola, soy {phone.name}", ago=ago))
        await self.pipes.follow()

    async def settles(self) -> None:
        """Learn what is new and carry out everything that can be."""
        await self.pipes.follow()
        await self.carries()

    async def carries(self) -> None:
        """Carry out everything that can be."""
        async with self.pipes.dispatching():
            await self.pipes.settled()

    async def hears(self, *events: StatusEvent) -> None:
        """The channel tells these."""
        for event in events:
            await self.database.run(lambda c, event=event: self.pipes.reporting.heard(c, INSTANCE, event))  # type: ignore[misc]

    def notes(self, ticket: int = 0) -> list[str]:
        """Notes in a ticket, in order."""
        return [text for kind, _, text in self.adapter.tickets[ticket].entries if kind == "note"]

    async def steps(self) -> list[tuple[str, str]]:
        """(state, reason) of the steps that go to citizens."""
        rows = await self.database.read(
            lambda c: c.execute(select(dispatch).where(dispatch.c.kind == "send").order_by(dispatch.c.id)).all()
        )
        return [(row.state, row.reason or "") for row in rows]

    async def states(self) -> list[str]:
        """Of the replies."""
        return await self.database.read(lambda c: list(c.execute(select(reply.c.state).order_by(reply.c.id)).scalars()))

    def status(self, number: int, state: SendState, **more: Any) -> StatusEvent:
        """A report about the `number`-th thing that the channel took."""
        return self.channel.status(self.channel.received[number], state, at=datetime.now(UTC), **more)
