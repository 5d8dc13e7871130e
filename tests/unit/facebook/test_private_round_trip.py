"""From a public comment to Messenger, through the core and the page's side of Meta: what is left goes there, once."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest
from sqlalchemy import select

from inbox_channels.facebook import plugin
from inbox_daemon.registry import ChannelInstance
from inbox_daemon.store.database import Database
from inbox_daemon.store.schema import handle, reply
from support.facebook_fake_book import PAGE_ID
from support.memory_adapter import MemoryAdapter
from support.pipes import INSTANCE, Pipes
from unit.facebook.conftest import Place, settings_for
from unit.facebook.deliveries import body, item
from unit.pipeline.cells import short_pauses

COMMENTER, WRITER = "9001", "89001"
LONG = " ".join(f"Esta es la oración número {n} de la respuesta." for n in range(100))


@pytest.fixture(autouse=True)
def _quick() -> Iterator[None]:
    with short_pauses():
        yield


class Office:
    """A page, the core behind it, and one destination."""

    def __init__(self, database: Database, place: Place) -> None:
        self.database, self.fake = database, place.fake
        self.adapter = MemoryAdapter()
        self.pipes = Pipes(
            database, {"gobierno": self.adapter}, rules=(), plugin=plugin, channel=cast("Any", place.channel)
        )
        configured = ChannelInstance(name=INSTANCE, plugin=plugin, settings=settings_for(self.fake.url))
        self.pipes.intake._channels = {INSTANCE: configured}

    async def comments(self, text: str = "¿Dónde pago?") -> None:
        """Somebody comments on the newest post."""
        node = self.fake.comment(COMMENTER, text, told=False)
        await self.pipes.deliver(self.fake.book.told_comment(list(self.fake.book.posts.values())[-1], node))
        await self.pipes.follow()

    async def writes(self, text: str) -> None:
        """The same person writes by Messenger."""
        node = self.fake.write(WRITER, text, told=False)
        await self.pipes.deliver(self.fake.book.told_message(node))

    async def answers(self, text: str) -> None:
        """An agent answers in the ticket."""
        self.adapter.say("1", text)
        await self.pipes.follow()
        async with self.pipes.dispatching():
            await self.pipes.settled()

    async def states(self) -> list[str]:
        return await self.database.read(lambda c: list(c.execute(select(reply.c.state).order_by(reply.c.id)).scalars()))


async def test_a_long_answer_begins_below_the_comment_and_ends_in_messenger(database: Database, page: Place) -> None:
    office = Office(database, page)
    await office.comments()
    await office.answers(LONG)
    assert [one.body["recipient"].keys() for one in office.fake.sent] == [{"comment_id"}]
    assert await office.states() == ["held"]
    owners = await database.read(lambda c: c.execute(select(handle.c.kind, handle.c.citizen_id)).all())
    assert sorted(row.kind for row in owners) == ["fb_user", "psid"]
    assert len({row.citizen_id for row in owners}) == 1

    await office.writes("hola, ¿y el resto?")
    first, *rest = office.fake.received(WRITER)
    assert " ".join([first.text, *(one.text for one in rest)]) == LONG
    assert [one.body["recipient"] for one in rest] == [{"id": WRITER}] * len(rest)
    assert len(rest) >= 1
    assert len(office.adapter.tickets) == 1
    assert await office.states() == ["accepted"]


async def test_a_read_mark_covers_the_private_reply_too(database: Database, page: Place) -> None:
    office = Office(database, page)
    await office.comments()
    await office.answers("En Rentas, de 7 a 12.")
    until = int((datetime.now(UTC) + timedelta(seconds=1)).timestamp() * 1000)
    mark = item(sender=WRITER, recipient=PAGE_ID, read={"watermark": until})
    await office.pipes.deliver(body([mark], page=PAGE_ID))
    assert await office.states() == ["read"]
