"""Facebook in the core's hands, on both engines: however it came and whoever died, each word is kept and filed once."""

from __future__ import annotations

import asyncio
import json
import random
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, cast

import pytest
from sqlalchemy import select
from sqlalchemy.exc import OperationalError

from inbox_channels.facebook import plugin
from inbox_daemon.model import Message, StatusEvent, WatermarkEvent
from inbox_daemon.store import envelopes
from inbox_daemon.store.database import Database
from inbox_daemon.store.schema import message, send_status
from support.memory_adapter import MemoryAdapter
from support.pipes import Pipes
from unit.facebook.deliveries import MILLIS, PAGE, POST, Json, comment, item, node, polled, read, said
from unit.pipeline.cells import Mortal, short_pauses

PEOPLE = 6
Told = tuple[str, Json]
"""The list of a delivery (or `polled`) that something comes in, and what it is there."""


@pytest.fixture(autouse=True)
def _quick() -> Iterator[None]:
    with short_pauses():
        yield


def _time(n: int) -> str:
    return datetime.fromtimestamp(MILLIS // 1000 + n, UTC).strftime("%Y-%m-%dT%H:%M:%S+0000")


def _message(n: int, sender: str, text: str) -> list[Told]:
    """By delivery, and as a poll finds it."""
    pushed = said(text, mid=f"m_{n}") | {"timestamp": MILLIS + n * 1000, "sender": {"id": sender}}
    fetched = node(f"m_{n}", sender=sender, message=text, created_time=_time(n))
    return [("messaging", pushed), ("polled", fetched)]


def _comment(n: int, sender: str, text: str) -> list[Told]:
    by = {"id": f"9{sender[1:]}", "name": "Ana Invento"}
    pushed = comment(n, text, created_time=MILLIS // 1000 + n)
    pushed["value"]["from"] = by
    row = {"id": f"500000000000001_{n}", "created_time": _time(n), "from": by, "message": text}
    return [("changes", pushed), ("polled", {"kind": "comment", "post": POST, "item": row})]


def _other(n: int, sender: str, chance: random.Random) -> list[Told]:
    """What comes by delivery only."""
    at, mid = MILLIS + n * 1000, f"m_out{n % 5}"
    made: list[Json] = [
        item(at=at, sender=sender, delivery={"mids": [mid]}),
        item(at=at, sender=sender, read={"watermark": at}),
        item(at=at, sender=sender, postback={"mid": f"m_{n}", "title": f"botón {n}", "payload": str(n)}),
    ]
    return [("messaging", chance.choice(made))]


def everything(chance: random.Random, count: int) -> list[Told]:
    """Words of several people in private and in public, each by delivery and by poll, taps, and states of ours."""
    made: list[Told] = []
    for n in range(count):
        sender = f"2000000000000000{chance.randrange(PEOPLE)}"
        kind = chance.random()
        if kind < 0.4:
            made += _message(n, sender, f"texto {n} ñ")
        elif kind < 0.7:
            made += _comment(n, sender, f"comentario {n} 🎉")
        else:
            made += _other(n, sender, chance)
    return made


def a_body(told: list[Told], entries: int) -> bytes:
    """What a poll fetched, or a delivery of so many entries; items keep their order within each."""
    if told[0][0] == "polled":
        return polled(*(one for _, one in told))
    parts: list[Json] = [{"id": PAGE, "time": MILLIS} for _ in range(entries)]
    for n, (key, one) in enumerate(told):
        parts[n * entries // len(told)].setdefault(key, []).append(one)
    return json.dumps({"object": "page", "entry": [part for part in parts if len(part) > 2]}).encode()


def in_bodies(told: list[Told], chance: random.Random) -> list[bytes]:
    """As it may come: any batches, any order, much of it more than once."""
    mixed = told + chance.choices(told, k=len(told) // 2)
    chance.shuffle(mixed)
    bodies = []
    for fetched in (False, True):
        left = [one for one in mixed if (one[0] == "polled") == fetched]
        while left:
            size = chance.randint(1, 9)
            bodies.append(a_body(left[:size], chance.randint(1, 2)))
            left = left[size:]
    chance.shuffle(bodies)
    return bodies


@dataclass(slots=True)
class Written:
    """What must be kept: texts by id, the highest rank of each thing of ours, and how far each person has read."""

    texts: dict[str, str] = field(default_factory=dict)
    ranks: dict[str, int] = field(default_factory=dict)
    marks: dict[str, datetime] = field(default_factory=dict)


def written(told: list[Told]) -> Written:
    made = Written()
    for event in [event for one in told for event in read(a_body([one], 1), page_id=PAGE)]:
        if isinstance(event, Message):
            assert made.texts.setdefault(event.external_id, event.text) == event.text  # by either road the same
        elif isinstance(event, StatusEvent):
            made.ranks[event.target] = max(made.ranks.get(event.target, 0), event.state.rank)
        elif isinstance(event, WatermarkEvent):
            made.marks[event.to.value] = max(made.marks.get(event.to.value, event.until), event.until)
        else:
            pytest.fail(f"{type(event).__name__} is nothing that this test makes")
    return made


async def take_in(mortal: Mortal) -> None:
    """A reader takes in two envelopes at a time, until none is left or it dies."""
    pipes = Pipes(cast("Database", mortal), {"gobierno": MemoryAdapter()}, rules=(), plugin=plugin)
    lease = timedelta(seconds=60)
    while claimed := await mortal.run(lambda c: envelopes.claim(c, "node", lease, 2)):
        await pipes.intake.take_in(claimed)


async def taken_in_by_mortals(database: Database, chance: random.Random) -> int:
    """Readers die and commits fail until all is taken in; returns how many lives it took."""
    lives = 0
    while await database.read(envelopes.unread):
        lives += 1
        assert lives < 400
        reading = asyncio.create_task(take_in(mortal := Mortal(database, failing=0.3, chance=chance)))
        if chance.random() < 0.3:
            await asyncio.sleep(chance.uniform(0, 0.05))
            mortal.died.set()
        with suppress(OperationalError, ConnectionError):
            await reading
        await database.run(partial(envelopes.recover, holder="node"))
    return lives


@pytest.mark.parametrize("seed", range(3))
async def test_both_roads_any_order_repeats_and_crashes_leave_each_word_once(database: Database, seed: int) -> None:
    """Commits fail before and after they are made, readers die in the middle, and a poll brings again what a delivery
    brought: what is kept is what was written, and it stands once in the tickets."""
    chance = random.Random(seed)
    told = everything(chance, 50)
    made = written(told)
    office = MemoryAdapter()
    pipes = Pipes(database, {"gobierno": office}, rules=(), plugin=plugin)
    await pipes.receive(*in_bodies(told, chance))
    assert await taken_in_by_mortals(database, chance) > 3
    kept = await database.read(lambda c: c.execute(select(message.c.external_id, message.c.text)).all())
    states = await database.read(lambda c: c.execute(select(send_status)).all())
    marks = [row for row in states if row.target.startswith("watermark.")]
    assert sorted(kept) == sorted(made.texts.items())
    assert {row.target: row.rank for row in states if row not in marks} == made.ranks
    assert sorted(row.at for row in marks) == sorted(made.marks.values())
    await pipes.deliver()
    (line,) = await pipes.books()
    assert (line.balance, line.pending, line.parked, line.delivered) == (0, 0, 0, len(made.texts))
    entries = Counter(words for ticket in office.tickets for words in filed(ticket))
    assert entries == Counter(made.texts.values())


def filed(ticket: Any) -> list[str]:
    """The words of citizens in a ticket, without what stands below them."""
    wanted = ("texto ", "comentario ", "botón ")
    return [line for _, _, body in ticket.entries for line in body.splitlines() if line.startswith(wanted)]
