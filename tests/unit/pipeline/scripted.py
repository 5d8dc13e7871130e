"""A channel whose envelopes say which events they hold, so that tests of the intake need no channel's format."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import select

from inbox_daemon.errors import Permanent
from inbox_daemon.model import Envelope, Event, ExternalId, Handle, Message, Sender
from inbox_daemon.plugins import ChannelPlugin, PluginSettings
from inbox_daemon.store.database import Database
from inbox_daemon.store.ledger import Line
from inbox_daemon.store.schema import envelope, message
from support.memory_adapter import MemoryAdapter
from support.pipes import Pipes

AT = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


class Misreading:
    """What a parser with a bug makes of an envelope, as long as the bug is in."""

    events: Sequence[Event] | Exception | None = None


def parse(content: Envelope, settings: PluginSettings) -> Sequence[Event]:
    """The events that the envelope says, unless the parser has a bug just now."""
    if isinstance(Misreading.events, Exception):
        raise Misreading.events
    if Misreading.events is not None:
        return Misreading.events
    events: Any = pickle.loads(content.body)
    if isinstance(events, str):
        raise Permanent(events)
    return list(events)


plugin: ChannelPlugin[Any] = ChannelPlugin(
    kind="desk",
    summary="for tests",
    settings=PluginSettings,
    build=lambda settings, context: (_ for _ in ()).throw(NotImplementedError),
    parse=parse,
)


def holding(*events: Event) -> bytes:
    """An envelope that holds `events`."""
    return pickle.dumps(events)


def unreadable(reason: str) -> bytes:
    """An envelope that the parser refuses."""
    return pickle.dumps(reason)


def person(value: str = "ana") -> Sender:
    """Somebody the channel knows."""
    return Sender(name=value.title(), handles=(Handle(kind="session", value=value),))


def says(text: str, number: int = 0, *, by: str = "ana", id: str | None = None, **more: Any) -> Message:  # noqa: A002
    """`by` says `text` in minute `number`."""
    own = ExternalId(id or f"{by}{number}")
    return Message(external_id=own, sent_at=AT + number * MINUTE, sender=person(by), text=text, **more)


class Office:
    """A pipeline with one destination, fed with scripted envelopes."""

    def __init__(self, database: Database, **more: Any) -> None:
        self.adapter = MemoryAdapter()
        self.pipes = Pipes(database, {"gobierno": self.adapter}, plugin=plugin, **more)

    async def take(self, *bodies: bytes) -> Line:
        """Receive and take in; the books of the day."""
        await self.pipes.receive(*bodies)
        await self.pipes.take_in()
        [line] = await self.pipes.books()
        return line

    async def told(self, *bodies: bytes) -> list[list[str]]:
        """Receive, take in, deliver; what stands in the tickets."""
        await self.pipes.deliver(*bodies)
        await self.pipes.books()
        return [[body for _, _, body in ticket.entries] for ticket in self.adapter.tickets]

    async def line(self) -> Line:
        """The books of the day, which balance."""
        [line] = await self.pipes.books()
        return line

    async def states(self) -> list[tuple[str, str | None]]:
        """(state, reason) of all envelopes."""
        columns = (envelope.c.state, envelope.c.reason)
        rows = await self.pipes.database.read(lambda c: c.execute(select(*columns).order_by(envelope.c.id)).all())
        return [(row.state, row.reason) for row in rows]

    async def kept(self) -> list[tuple[str, str]]:
        """(external id, text) of all messages taken in, sorted."""
        columns = (message.c.external_id, message.c.text)
        rows = await self.pipes.database.read(lambda c: c.execute(select(*columns)).all())
        return sorted((row.external_id, row.text) for row in rows)
