"""A town for tests of what citizens mean: three offices, a channel with menus, everybody's clock is the real one."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import func, select

from inbox_daemon.model import Event, ExternalId, Message, Reply, TicketState
from inbox_daemon.pipeline.asking import Asking, Menu
from inbox_daemon.pipeline.case_status import CaseStatus
from inbox_daemon.pipeline.referring import Referring
from inbox_daemon.pipeline.texts import Texts
from inbox_daemon.pipeline.triage import Option
from inbox_daemon.plugins import FileRule, SendingRules
from inbox_daemon.store import conversations, envelopes
from inbox_daemon.store.conversations import Conversation
from inbox_daemon.store.database import Database
from inbox_daemon.store.ledger import Line
from inbox_daemon.store.schema import conversation, dispatch, envelope, message, reply
from support.memory_adapter import MemoryAdapter
from support.memory_channel import MemoryChannel
from support.pipes import INSTANCE, Pipes
from unit.pipeline.scripted import holding, person, plugin

ZONE = ZoneInfo("America/Argentina/Cordoba")
TEXTS = Texts.load("es-AR", {}, ZONE)
OFFICES = {"salud": "Ministerio de Salud", "gobierno": "Casa de Gobierno", "cultura": "Instituto de Cultura"}
OPTIONS = (
    Option(title="Salud", destination="salud", keywords=("médico",)),
    Option(title="Cultura y museos", destination="cultura", matter="tramite"),
    Option(title="Denunciar", destination="gobierno", matter="denuncia"),
)
RULES = SendingRules(files=(FileRule(max_bytes=1000),), max_buttons=3, max_rows=10)
HISTORY = timedelta(hours=1)
WINDOW = timedelta(days=14)
PUBLIC = {
    name: frozenset(TicketState) - {TicketState.DUPLICATE, TicketState.NOT_COMPETENT, TicketState.DELETED}
    for name in OFFICES
}


def asking(*, wait: float = 600, tries: int = 2, answerable: tuple[str, ...] = (INSTANCE,), **more: Any) -> Asking:
    """The menu of this town."""
    menu = Menu(options=more.pop("options", OPTIONS), wait=timedelta(seconds=wait), tries=tries, **more)
    return Asking(menu=menu, texts=TEXTS, answerable=answerable, history=HISTORY, window=WINDOW)


def status(**more: Any) -> CaseStatus:
    """The status of this town's cases."""
    values: dict[str, Any] = {
        "texts": TEXTS,
        "answerable": [INSTANCE],
        "history": HISTORY,
        "office_of": OFFICES,
        "public_states": PUBLIC,
        "default": "gobierno",
    }
    return CaseStatus(**values | more)


class Town:
    """One node of the pipeline for this town; another one of the same `offices` and `channel` is a second node."""

    def __init__(self, database: Database, other: Town | None = None, **more: Any) -> None:
        self.database = database
        self.offices: dict[str, MemoryAdapter] = other.offices if other else {name: MemoryAdapter() for name in OFFICES}
        self.channel: MemoryChannel = other.channel if other else MemoryChannel(RULES)
        refer_to: dict[str, str] = more.pop("refer_to", {})
        values: dict[str, Any] = {
            "plugin": plugin,
            "channel": self.channel,
            "status": status(),
            "turns": [Referring(default="gobierno", refer_to=refer_to)],
        }
        self.pipes = Pipes(database, self.offices, **values | more)

    async def says(self, text: str, *, by: str = "ana", ago: timedelta = timedelta(0), **more: Any) -> Message:
        """Somebody says something now, and it is taken in."""
        said = spoken(text, by=by, ago=ago, **more)
        await self.takes(said)
        return said

    async def takes(self, *events: Event) -> None:
        """One envelope with these is received and taken in; the books balance."""
        await self.pipes.receive(holding(*events))
        await self.pipes.take_in()
        await self.pipes.books()

    async def carries(self, *, seconds: float = 20) -> None:
        """Carry out what is due, until nothing is."""
        async with self.pipes.dispatching():
            deadline = time.monotonic() + seconds
            while await self.database.read(_due):
                assert time.monotonic() < deadline
                await asyncio.sleep(0.02)
        await self.pipes.books()

    async def reads_again(self) -> None:
        """Every envelope is read once more."""
        everything = list(await self.database.read(lambda c: c.execute(select(envelope.c.id)).scalars().all()))
        await self.database.run(partial(envelopes.replay, ids=everything))
        await self.pipes.take_in()
        await self.pipes.books()

    async def follows(self) -> None:
        """Learn what happened in the offices, and carry out what follows."""
        await self.pipes.follow()
        await self.carries()

    def tickets(self, office: str) -> list[list[str]]:
        """What citizens' messages and files say in the tickets of an office."""
        kept = self.offices[office].tickets
        return [[body for kind, _, body in ticket.entries if kind != "note"] for ticket in kept]

    def notes(self, office: str) -> list[list[str]]:
        """Notes in the tickets of an office."""
        kept = self.offices[office].tickets
        return [[body for kind, _, body in ticket.entries if kind == "note"] for ticket in kept]

    @property
    def told(self) -> list[Reply]:
        """What citizens received, in order."""
        return self.channel.received

    async def cases(self, state: str | None = None) -> list[Conversation]:
        """All conversations, or those in one state."""

        def read(connection: Any) -> list[Conversation]:
            wanted = select(conversation.c.id).order_by(conversation.c.id)
            if state is not None:
                wanted = wanted.where(conversation.c.state == state)
            return [conversations.read(connection, one) for one in connection.execute(wanted).scalars().all()]

        return await self.database.read(read)

    async def types(self) -> list[str]:
        """Types of all messages kept, in order."""
        wanted = select(message.c.type).order_by(message.c.id)
        return list(await self.database.read(lambda c: c.execute(wanted).scalars().all()))

    async def replies(self) -> list[str]:
        """Origins of all that was or is to be said."""
        wanted = select(reply.c.origin).order_by(reply.c.id)
        return list(await self.database.read(lambda c: c.execute(wanted).scalars().all()))

    async def line(self) -> Line:
        """The books of the day, which balance."""
        [line] = await self.pipes.books()
        return line


def spoken(text: str, *, by: str = "ana", ago: timedelta = timedelta(0), **more: Any) -> Message:
    """Words of somebody, said now."""
    own = ExternalId(more.pop("id", f"{by}{time.monotonic_ns()}"))
    sender = more.pop("sender", person(by))
    return Message(external_id=own, sent_at=datetime.now(UTC) - ago, sender=sender, text=text, **more)


def _due(connection: Any) -> int:
    """Steps that could be carried out now, or are."""
    waits = dispatch.c.state.in_(["waiting", "unknown"]) & (dispatch.c.due_at <= datetime.now(UTC))
    wanted = select(func.count()).select_from(dispatch).where(waits | (dispatch.c.state == "sending"))
    return int(connection.execute(wanted).scalar_one())
