"""A channel that says "all up to then was read" and not which: what follows for each answer, on both engines."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
from sqlalchemy import func, select

from inbox_daemon.model import ExternalId, Handle, Reply, SendState, Sent, WatermarkEvent
from inbox_daemon.store.database import Database
from inbox_daemon.store.schema import portion, send_status
from support.memory_channel import Fault
from support.pipes import INSTANCE
from unit.pipeline.cells import short_pauses
from unit.pipeline.scripted import holding
from unit.pipeline.test_private_replies import THREE, Counter, Page, commenter, writer

_numbers = itertools.count()
SECOND = timedelta(seconds=1)


@pytest.fixture(autouse=True)
def _quick() -> Iterator[None]:
    with short_pauses():
        yield


def mark(state: SendState, *, to: Handle | None = None, until: datetime | None = None) -> WatermarkEvent:
    """All up to `until` (now) has come so far."""
    now = datetime.now(UTC)
    own = ExternalId(f"w{next(_numbers)}")
    return WatermarkEvent(external_id=own, sent_at=now, to=to or writer(), until=until or now, state=state)


async def _hears(desk: Counter, *events: WatermarkEvent) -> None:
    await desk.pipes.receive(holding(*events))
    await desk.pipes.take_in()
    await desk.pipes.books()


async def _said(desk: Counter, *words: str) -> list[datetime]:
    """Ana writes, and is answered with each of these; when each went."""
    await desk.writes()
    await desk.pipes.follow()
    for word in words:
        desk.adapter.say("1", word)
        await desk.settles()
    wanted = select(portion.c.tried_at).order_by(portion.c.id)
    return list(await desk.database.read(lambda c: c.execute(wanted).scalars().all()))


async def test_all_that_went_by_then_is_read_and_the_ticket_is_told(database: Database) -> None:
    desk = Counter(database)
    times = await _said(desk, "uno", "dos", "tres")
    await _hears(desk, mark(SendState.READ, until=times[1]))
    assert await desk.states() == ["read", "read", "accepted"]
    await desk.carries()
    assert sum("leída" in note for note in desk.notes()) == 2
    await _hears(desk, mark(SendState.DELIVERED))
    assert await desk.states() == ["read", "read", "delivered"]


async def test_it_never_goes_back_and_twice_is_once(database: Database) -> None:
    desk = Counter(database)
    await _said(desk, "uno")
    event = mark(SendState.READ)
    await _hears(desk, event, event)
    await _hears(desk, mark(SendState.DELIVERED))
    await _hears(desk, event)
    await desk.carries()
    assert await desk.states() == ["read"]
    assert sum("leída" in note for note in desk.notes()) == 1


async def test_it_concerns_nobody_else(database: Database) -> None:
    desk = Counter(database)
    await _said(desk, "uno")
    for other in (writer("p2"), Handle(kind="psid", value="p1", scope="otra"), Handle(kind="igsid", value="p1")):
        await _hears(desk, mark(SendState.READ, to=other))
    assert await desk.states() == ["accepted"]
    await database.run(partial(desk.pipes.reporting.heard, instance="otra-pagina", event=mark(SendState.READ)))
    assert await desk.states() == ["accepted"]


class Slow(Page):
    """Its answer to a call takes as long as the test wants."""

    def __init__(self) -> None:
        super().__init__()
        self.taken = asyncio.Event()
        self.answers = asyncio.Event()

    async def send(self, reply: Reply) -> Sent:
        """Take it, and answer later."""
        sent = await super().send(reply)
        self.taken.set()
        await self.answers.wait()
        return sent


@pytest.mark.parametrize("commented", [False, True])
async def test_one_that_overtakes_the_answer_to_our_call_counts_once(database: Database, commented: bool) -> None:
    page = Slow()
    desk = Counter(database, page)
    if commented:
        await desk.comments()
    else:
        await desk.writes()
        await desk.pipes.follow()
    desk.adapter.say("1", "respuesta")
    await desk.pipes.follow()
    async with desk.pipes.dispatching():
        await page.taken.wait()
        await _hears(desk, mark(SendState.DELIVERED), mark(SendState.READ))
        assert await desk.states() == ["waiting"], "it may not have been taken"
        page.answers.set()
        await desk.pipes.settled()
    assert await desk.states() == ["read"]
    assert sum("leída" in note for note in desk.notes()) == 1
    assert len(page.received) == 1


async def test_what_is_sent_later_is_not_covered(database: Database) -> None:
    desk = Counter(database)
    await desk.writes()
    await desk.pipes.follow()
    await _hears(desk, mark(SendState.READ, until=datetime.now(UTC) - SECOND))
    desk.adapter.say("1", "respuesta")
    await desk.settles()
    assert await desk.states() == ["accepted"]


async def test_what_may_never_have_gone_is_not_read(database: Database) -> None:
    """Somebody reads an older message while an unknown one waits for a person: that proves nothing of it."""
    desk = Counter(database)
    await _said(desk, "uno")
    desk.channel.faults.append(Fault.LOST_REQUEST)
    desk.adapter.say("1", "dos")
    await desk.settles()
    await _hears(desk, mark(SendState.READ))
    await desk.carries()
    assert await desk.states() == ["read", "parked"]


async def test_what_was_unknown_and_is_reported_of_is_covered_by_what_was_told_meanwhile(database: Database) -> None:
    desk = Counter(database)
    await desk.writes()
    await desk.pipes.follow()
    desk.channel.faults.append(Fault.LOST_ANSWER)
    desk.adapter.say("1", "uno")
    await desk.settles()
    await _hears(desk, mark(SendState.READ))
    assert await desk.states() == ["parked"]
    await desk.hears(desk.status(0, SendState.SENT))
    await desk.carries()
    assert await desk.states() == ["read"]


async def test_a_private_reply_lies_in_the_thread_that_is_read(database: Database) -> None:
    desk = Counter(database)
    await desk.comments()
    desk.adapter.say("1", THREE)
    await desk.settles()
    await desk.writes()
    await _hears(desk, mark(SendState.READ))
    assert await desk.states() == ["read"]
    states = await database.read(lambda c: c.execute(select(portion.c.state)).scalars().all())
    assert list(states) == ["read"] * 3


async def test_who_only_commented_has_no_watermark_of_somebody_else(database: Database) -> None:
    desk = Counter(database, Page(c9="p9"))
    await desk.comments()
    desk.adapter.say("1", "Es el martes.")
    await desk.settles()
    await _hears(desk, mark(SendState.READ))
    assert await desk.states() == ["accepted"]
    await _hears(desk, mark(SendState.READ, to=commenter()))
    assert await desk.states() == ["read"]


async def test_the_latest_of_each_state_is_kept_without_anybodys_name(database: Database) -> None:
    desk = Counter(database)
    await _said(desk, "uno")
    now = datetime.now(UTC)
    later = [mark(SendState.READ, until=now + n * SECOND) for n in (2, 1, 3, 0)]
    await _hears(desk, *later)
    rows = await database.read(lambda c: c.execute(select(send_status)).all())
    assert [row.at for row in rows] == [now + 3 * SECOND]
    assert "p1" not in rows[0].target.split(".")
    assert await database.read(lambda c: c.execute(select(func.count()).select_from(send_status)).scalar_one()) == 1


async def test_many_at_once_move_each_answer_once(database: Database) -> None:
    desk = Counter(database)
    await _said(desk, "uno", "dos")
    marks = [mark(state) for state in (SendState.DELIVERED, SendState.READ) for _ in range(4)]
    heard = desk.pipes.reporting.heard
    await asyncio.gather(*(database.run(partial(heard, instance=INSTANCE, event=one)) for one in marks))
    await desk.carries()
    assert await desk.states() == ["read", "read"]
    assert sum("leída" in note for note in desk.notes()) == 2
