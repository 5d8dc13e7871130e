"""The channel in the core's hands, on both engines: one person's limit slows nobody, and no crash loses or doubles."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, cast

import pytest
from sqlalchemy import select
from sqlalchemy.exc import OperationalError

from inbox_channels.whatsapp.channel import WhatsAppChannel
from inbox_daemon.model import Message, StatusEvent
from inbox_daemon.outgoing import Sessions
from inbox_daemon.store import envelopes
from inbox_daemon.store.database import Database
from inbox_daemon.store.schema import handle, message, send_status
from support.contexts import lend_context
from support.graph_fake import Fault, GraphFake, run_graph
from support.graph_fake_citizens import Phone, Update, body, citizens, status_update
from support.memory_adapter import MemoryAdapter
from support.pipes import Pipes
from unit.pipeline.cells import Mortal, short_pauses
from unit.pipeline.desk import ANA, LUIS, Desk
from unit.whatsapp.conftest import settings_for
from unit.whatsapp.test_parse_properties import read

HELD = 131056


@pytest.fixture(autouse=True)
def _quick() -> Iterator[None]:
    with short_pauses():
        yield


async def test_one_persons_limit_slows_nobody_else(database: Database) -> None:
    """Ana's answers are refused with 131056; Luis's go one after another meanwhile, and hers when it is over."""
    held = {"5493624000001": True}

    def trouble(call: str, sent: Any) -> Fault | None:
        of = str(sent.get("to", "")).removeprefix("+")
        return Fault(code=HELD) if call == "send" and held.get(of) else None

    async with (
        AsyncExitStack() as stack,
        run_graph(GraphFake(running=True)) as graph,
        lend_context("whatsapp-centro") as lent,
    ):
        sessions = Sessions("under-test")
        stack.push_async_callback(sessions.close)
        graph.trouble = trouble
        context = replace(lent, session=sessions.make, now=lambda: graph.now)
        channel = WhatsAppChannel(settings_for(graph.url, pair_seconds=0.0, answer_seconds=5.0), context)
        desk = Desk(database, cast("Any", channel))
        await desk.opens(ANA, LUIS)
        desk.adapter.say("1", "Para Ana.")
        for n in range(5):
            desk.adapter.say("2", f"Para Luis ({n}).")
        await desk.pipes.follow()

        def tried() -> int:
            return sum(one.call == "send" and one.body.get("to") == "+5493624000001" for one in graph.seen)

        async with desk.pipes.dispatching():
            await until(lambda: bool(tried() and graph.inbox(LUIS)), seconds=3)
            await asyncio.sleep(0.3)
            assert (tried(), graph.inbox(ANA)) == (1, [])  # held: Meta is not asked again and again
            assert (await desk.steps())[0][1].startswith("sending an answer: too many messages to one person")
            held.clear()
            graph.now += timedelta(seconds=10)  # Meta's clock and ours are past the hold
            await until(lambda: bool(graph.inbox(ANA)), seconds=20)
            await desk.pipes.settled()
        texts = "\n".join(one.text for one in graph.inbox(LUIS))
        assert [texts.count(f"Para Luis ({n}).") for n in range(5)] == [1] * 5
        assert [one.text for one in graph.inbox(ANA)] == ["Para Ana."]
        assert {state for state, _ in await desk.steps()} == {"done"}
        await channel.aclose()


async def until(holds: Callable[[], bool], *, seconds: float) -> None:
    """Wait until it holds."""
    async with asyncio.timeout(seconds):
        while not holds():
            await asyncio.sleep(0.01)


def everything(chance: random.Random, count: int) -> list[Update]:
    """Messages of several people with and without a number, and states in no order."""
    people, start = citizens(6, hidden_every=3), datetime.now(UTC) - timedelta(hours=1)
    made: list[Update] = []
    for n in range(count):
        at, phone = start + timedelta(seconds=n), chance.choice(people)
        made.append(
            chance.choice(
                (
                    phone.text(f"texto {n} ñ", at=at, id=f"wamid.C{n}"),
                    status_update(f"wamid.OUT{n % 5}", chance.choice(("sent", "delivered", "read")), at=at),
                )
            )
        )
    return made


def in_bodies(updates: list[Update], chance: random.Random) -> list[bytes]:
    """As Meta may bring them: any batches, any order, some more than once."""
    mixed = updates + chance.choices(updates, k=len(updates) // 2)
    chance.shuffle(mixed)
    bodies = []
    while mixed:
        size = chance.randint(1, 9)
        bodies.append(body(mixed[:size], values=chance.randint(0, size), entries=chance.randint(1, 2)))
        mixed = mixed[size:]
    return bodies


async def take_in(mortal: Mortal) -> None:
    """A reader takes in two envelopes at a time, until none is left or it dies."""
    pipes = Pipes(cast("Database", mortal), {"gobierno": MemoryAdapter()})
    lease = timedelta(seconds=60)
    while claimed := await mortal.run(lambda c: envelopes.claim(c, "node", lease, 2)):
        await pipes.intake.take_in(claimed)


@pytest.mark.parametrize("seed", range(3))
async def test_any_batches_order_repeats_and_crashes_leave_the_same_set(database: Database, seed: int) -> None:
    """Commits fail before and after they are made, readers die in the middle; what is kept is what was written."""
    chance = random.Random(seed)
    updates = everything(chance, 60)
    events = [event for update in updates for event in read(body([update]))]
    texts = {event.external_id: event.text for event in events if isinstance(event, Message)}
    ranks: dict[str, int] = {}
    for event in events:
        if isinstance(event, StatusEvent):
            ranks[event.target] = max(ranks.get(event.target, 0), event.state.rank)
    await Pipes(database, {}).receive(*in_bodies(updates, chance))
    lives = 0
    while await database.read(envelopes.unread):
        lives += 1
        assert lives < 400
        mortal = Mortal(database, failing=0.3, chance=chance)
        reading = asyncio.create_task(take_in(mortal))
        if chance.random() < 0.3:
            await asyncio.sleep(chance.uniform(0, 0.05))
            mortal.died.set()
        with suppress(OperationalError, ConnectionError):
            await reading
        await database.run(partial(envelopes.recover, holder="node"))
    kept = await database.read(lambda c: c.execute(select(message.c.external_id, message.c.text)).all())
    states = await database.read(lambda c: c.execute(select(send_status.c.target, send_status.c.rank)).all())
    assert sorted(kept) == sorted(texts.items())
    assert sorted(states) == sorted(ranks.items())
    assert lives > 3


async def test_a_shared_number_and_a_hidden_person_are_one_citizen(database: Database) -> None:
    """Who was known by an id only, shares their number when asked: both handles are the same citizen's from then on."""
    benito, now = Phone(bsuid="AR.benito", name="Benito"), datetime.now(UTC)
    pipes = Pipes(database, {"gobierno": MemoryAdapter()})
    await pipes.deliver(body([benito.text("Hola", at=now)]))
    other = benito.share("5493624000077", "wamid.OUT1", at=now + timedelta(seconds=1))
    other["messages"][0]["contacts"][0]["origin"] = "other"
    await pipes.deliver(body([other]))
    known = select(handle.c.kind, handle.c.value, handle.c.citizen_id)
    assert [row.kind for row in await database.read(lambda c: c.execute(known).all())] == ["bsuid"]
    await pipes.deliver(body([benito.share("5493624000009", "wamid.OUT1", at=now + timedelta(seconds=2))]))
    rows = await database.read(lambda c: c.execute(known).all())
    assert sorted((row.kind, row.value) for row in rows) == [("bsuid", "AR.benito"), ("phone", "+5493624000009")]
    assert len({row.citizen_id for row in rows}) == 1
