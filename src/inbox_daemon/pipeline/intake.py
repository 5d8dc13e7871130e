"""Takes envelopes in: events into messages, people, conversations and outbox steps, one transaction an envelope.

Everything an envelope leads to is committed together with the mark that it was read; a crash before the commit
leaves it to be read again, and what was taken in before is known by its ids.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import structlog
from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from inbox_daemon.errors import Permanent
from inbox_daemon.model import (
    CallEvent,
    EditEvent,
    Event,
    HandleChanged,
    Ignored,
    InstanceId,
    InstanceNotice,
    Malformed,
    Message,
    ReactionEvent,
    RevokeEvent,
    StatusEvent,
    WatermarkEvent,
)
from inbox_daemon.pipeline.filing import Filing
from inbox_daemon.pipeline.inspecting import tell_of
from inbox_daemon.pipeline.parcel import Parcel
from inbox_daemon.pipeline.parsing import Parser
from inbox_daemon.pipeline.rendering import called
from inbox_daemon.registry import ChannelInstance
from inbox_daemon.store import conversations, envelopes, people, standing
from inbox_daemon.store.database import Database, is_mistake
from inbox_daemon.store.envelopes import Journaled

BATCH = 20
TOGETHER = 4
"""Envelopes filed in one transaction: enough to share its fsync, few enough that receiving and delivering, which wait
for the same writer, get their turn within some milliseconds."""
LEASE = timedelta(seconds=120)
IDLE_SECONDS = 1.0
UNKNOWN_INSTANCE_DELAY = timedelta(minutes=5)


@dataclass(slots=True, kw_only=True)
class Taken:
    """What one envelope came to. `noticed` is what is now known of the instance itself and was not before."""

    events: int = 0
    messages: int = 0
    types: Counter[str] = field(default_factory=Counter)
    ignored: Counter[str] = field(default_factory=Counter)
    malformed: list[Malformed] = field(default_factory=list)
    noticed: list[InstanceNotice] = field(default_factory=list)


class Intake:
    """The worker that takes envelopes in on this node."""

    def __init__(
        self,
        *,
        database: Database,
        channels: Mapping[InstanceId, ChannelInstance],
        filing: Filing,
        parser: Parser,
        node: str,
        arrived: asyncio.Event,
        gap: Callable[[], Awaitable[None]],
        taken_in: Callable[[str, Taken, float], None],
        heard: Callable[[Connection, str, StatusEvent | WatermarkEvent], None],
    ) -> None:
        self._database = database
        self._channels = channels
        self._filing = filing
        self._parser = parser
        self._node = node
        self._arrived = arrived
        self._gap = gap
        self._taken_in = taken_in
        self._heard = heard
        self._log = structlog.get_logger(__name__)
        self.turned_at = time.monotonic()
        """When the worker last came round: a sign of life."""

    async def run(self) -> None:
        """Work until cancelled."""
        while True:
            self._arrived.clear()
            self.turned_at = time.monotonic()
            await self._gap()
            claimed = await self._database.run(lambda c: envelopes.claim(c, self._node, LEASE, BATCH))
            if claimed:
                for start in range(0, len(claimed), TOGETHER):
                    await self._gap()
                    await self.take_in(claimed[start : start + TOGETHER])
                continue
            try:
                async with asyncio.timeout(IDLE_SECONDS):
                    await self._arrived.wait()
            except TimeoutError:
                continue

    async def take_in(self, claimed: Sequence[Journaled]) -> None:
        """Parse outside of any transaction, then file all of it in one, each envelope by itself."""
        began = time.monotonic()
        parsed = [(item, await self._parse(item)) for item in claimed]
        try:
            results = await self._database.run(lambda connection: self._file_all(connection, parsed))
        except IntegrityError:
            self._log.warning("intake.conflict", envelopes=len(claimed))
            results = [await self._alone(item, events) for item, events in parsed]
        seconds = (time.monotonic() - began) / len(claimed)
        for (item, _), taken in zip(parsed, results, strict=True):
            if taken is not None:
                for notice in taken.noticed:
                    tell_of(self._log, item.envelope.instance, notice)
                self._taken_in(item.envelope.instance, taken, seconds)

    async def _alone(self, item: Journaled, events: Sequence[Event] | Permanent | None) -> Taken | None:
        """File one envelope. What conflicts even by itself has lost no race: it is parked like any other bug."""
        try:
            return await self._database.run(lambda connection: self._file(connection, item, events))
        except IntegrityError as error:
            bug = Permanent(f"{type(error).__name__} while taking it in")
            return await self._database.run(lambda connection: self._file(connection, item, bug))

    async def _parse(self, item: Journaled) -> Sequence[Event] | Permanent | None:
        """The events; `Permanent` when it can't be read; None when its instance isn't configured (now)."""
        instance = self._channels.get(item.envelope.instance)
        if instance is None:
            return None
        try:
            return await self._parser.parse(instance.plugin, instance.settings, item.envelope)
        except Permanent as error:
            return error

    def _file_all(
        self, connection: Connection, parsed: Sequence[tuple[Journaled, Sequence[Event] | Permanent | None]]
    ) -> list[Taken | None]:
        return [self._file(connection, item, events) for item, events in parsed]

    def _file(
        self, connection: Connection, item: Journaled, events: Sequence[Event] | Permanent | None
    ) -> Taken | None:
        if not envelopes.still_mine(connection, item.id, self._node):
            return None
        if events is None:
            envelopes.postpone(connection, item.id, UNKNOWN_INSTANCE_DELAY)
            self._log.error("envelope.orphaned", instance=item.envelope.instance, envelope=item.id)
            return None
        if isinstance(events, Permanent):
            self._park(connection, item, str(events))
            return None
        try:
            with connection.begin_nested():
                return self._take(connection, item, events)
        except Exception as error:
            if not is_mistake(error):
                raise  # a race or a dead lock lost against another node, or no database: all of it is run again
            self._log.exception("envelope.crashed", instance=item.envelope.instance, envelope=item.id)
            self._park(connection, item, f"{type(error).__name__} while taking it in")
            return None

    def _park(self, connection: Connection, item: Journaled, reason: str) -> None:
        envelopes.park(connection, item.id, reason)
        self._log.error("envelope.parked", instance=item.envelope.instance, envelope=item.id, reason=reason)

    def _take(self, connection: Connection, item: Journaled, events: Sequence[Event]) -> Taken:
        taken = Taken(events=len(events))
        channel = self._channels[item.envelope.instance]
        parcel = Parcel(
            connection=connection,
            envelope_id=item.id,
            instance=item.envelope.instance,
            kind=channel.plugin.kind,
            called=called(channel.plugin.kind, channel.settings),
            day=item.day,
            received_at=item.envelope.received_at,
        )
        for event in events:
            taken.types[type(event).__name__.lower()] += 1
            reason = self._handle(parcel, event, taken)
            if reason is None:
                taken.messages += 1
            elif reason:
                taken.ignored[reason] += 1
        # What an earlier, other reading made of this envelope is in the tickets, so it stays in the books.
        earlier = conversations.others_of(connection, item.id, parcel.seen)
        envelopes.finish(
            connection, item.id, events=taken.events + earlier, ignored=dict(taken.ignored), malformed=taken.malformed
        )
        return taken

    def _handle(self, parcel: Parcel, event: Event, taken: Taken) -> str | None:
        """File one event. None: it made a message; "": it was parked; else the reason why it made none."""
        match event:
            case Message():
                return self._filing.message(parcel, event)
            case EditEvent():
                return self._filing.edit(parcel, event)
            case RevokeEvent() | ReactionEvent():
                return self._filing.mark(parcel, event)
            case Malformed():
                taken.malformed.append(event)
                return ""
            case Ignored():
                return event.reason
        return self._heed(parcel, event, taken)

    def _heed(self, parcel: Parcel, event: Event, taken: Taken) -> str:
        """Take in an event that is no utterance of anybody; returns under which word it is counted."""
        match event:
            case StatusEvent():
                self._heard(parcel.connection, parcel.instance, event)
                return "status"
            case WatermarkEvent():
                self._heard(parcel.connection, parcel.instance, event)
                return "watermark"
            case HandleChanged():
                people.change(parcel.connection, event, parcel.envelope_id)
                return "handle_changed"
            case CallEvent():
                return "call"
            case InstanceNotice():
                kept = standing.file(parcel.connection, parcel.instance, event)
                taken.noticed += [] if kept is None else [kept]
                return "notice"
        return _unknown(event)


def _unknown(event: Any) -> str:
    """A kind of event this core doesn't know (a newer plug-in): counted, kept in its envelope."""
    return f"unknown_{type(event).__name__.lower()}"
