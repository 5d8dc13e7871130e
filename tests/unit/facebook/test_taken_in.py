"""What came by webhook, by poll or by both, in any order, through the core's own intake: one entry for each word."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from inbox_channels.facebook import plugin
from inbox_daemon.store.database import Database
from support.memory_adapter import MemoryAdapter
from support.pipes import Pipes, body_of
from unit.facebook.deliveries import ANA, MILLIS, PAGE, POST, body, comment, item, node, said

HELLO, LATER = (f"2026-11-23T12:3{n}:00+0000" for n in (0, 1))
BENITO = "20000000000000002"


def fetched(*rows: Any) -> bytes:
    return json.dumps({"object": "page", "id": PAGE, "polled": list(rows)}).encode()


PUSHED = [
    body([said("hola", mid="m_1")]),
    body([said("sigo acá", mid="m_2") | {"timestamp": MILLIS + 60_000}]),
    body([item(sender=BENITO, message={"mid": "m_3", "text": "otro vecino"})]),
    body(changes=[comment(1, "¿Dónde pago?")]),
]
FETCHED = [
    fetched(
        node("m_1", message="hola", created_time=HELLO),
        node("m_2", message="sigo acá", created_time=LATER),
        node("m_3", message="otro vecino", sender=BENITO, created_time=HELLO),
        {
            "kind": "comment",
            "post": POST,
            "item": {
                "id": "500000000000001_1",
                "created_time": HELLO,
                "from": {"id": "21000000000000001", "name": "Ana Invento"},
                "message": "¿Dónde pago?",
            },
        },
    )
]


@pytest.mark.parametrize("seed", range(6))
async def test_the_same_by_webhook_and_by_poll_is_one_entry(database: Database, seed: int) -> None:
    bodies = [*PUSHED, *PUSHED, *FETCHED, *FETCHED]
    random.Random(seed).shuffle(bodies)
    office = MemoryAdapter()
    pipes = Pipes(database, {"gobierno": office}, rules=(), plugin=plugin)
    await pipes.deliver(*bodies)
    entries = [sorted(text.partition("\n")[0] for text in body_of(kept)) for kept in office.tickets]
    assert sorted(entries) == [["hola", "sigo acá"], ["otro vecino"], ["¿Dónde pago?"]]
    (line,) = await pipes.books()
    assert (line.received, line.delivered, line.parked) == (16, 4, 0)
    assert line.ignored == {"repeat": 12}


async def test_what_the_office_wrote_and_how_far_it_came_makes_no_ticket(database: Database) -> None:
    office = MemoryAdapter()
    pipes = Pipes(database, {"gobierno": office}, rules=(), plugin=plugin)
    told = [
        item(sender=PAGE, recipient=ANA, message={"mid": "m_8", "text": "Pase", "is_echo": True}),
        item(read={"watermark": MILLIS}),
        item(delivery={"mids": ["m_7"]}),
    ]
    await pipes.deliver(body(told), fetched(node("m_8", sender=PAGE, to=ANA, message="Pase")))
    assert office.tickets == []
    (line,) = await pipes.books()
    assert (line.delivered, sum(line.ignored.values())) == (0, 4)


async def test_a_broken_neighbour_is_parked_and_the_others_arrive(database: Database) -> None:
    office = MemoryAdapter()
    pipes = Pipes(database, {"gobierno": office}, rules=(), plugin=plugin)
    await pipes.deliver(body([said("antes", mid="m_1"), {"message": 7}, said("después", mid="m_2")], changes=[None]))
    assert [body_of(kept) for kept in office.tickets] == [["antes", "después"]]
    (line,) = await pipes.books()
    assert (line.received, line.delivered, line.parked) == (4, 2, 2)


async def test_a_comment_that_was_withdrawn_or_changed_says_so_in_its_own_ticket(database: Database) -> None:
    office = MemoryAdapter()
    pipes = Pipes(database, {"gobierno": office}, rules=(), plugin=plugin)
    changed = comment(1, "¿Dónde pago la patente?", verb="edited", created_time=MILLIS // 1000 + 60)
    withdrawn = comment(1, "", verb="remove", created_time=MILLIS // 1000 + 120)
    for one in (comment(1), changed, changed, withdrawn, withdrawn):
        await pipes.deliver(body(changes=[one]))
    (kept,) = office.tickets
    first, second, third = body_of(kept)
    assert "comentario público en Facebook" in first
    assert "¿Dónde pago la patente?" in second
    assert "[Eliminó" in third


@pytest.mark.parametrize("polled_first", [False, True])
async def test_what_is_said_while_another_app_has_the_conversation_is_one_entry(
    database: Database, polled_first: bool
) -> None:
    """Whoever types an answer in the page's inbox has the conversation from then on: what follows is `standby`."""
    office = MemoryAdapter()
    pipes = Pipes(database, {"gobierno": office}, rules=(), plugin=plugin)
    entry = {"id": PAGE, "time": MILLIS, "standby": [said("¿y mi trámite?", mid="m_9")]}
    bodies = [json.dumps({"object": "page", "entry": [entry]}).encode(), fetched(node("m_9", message="¿y mi trámite?"))]
    await pipes.deliver(*(reversed(bodies) if polled_first else bodies))
    assert [body_of(kept) for kept in office.tickets] == [["¿y mi trámite?"]]
    (line,) = await pipes.books()
    assert line.ignored == {"repeat": 1}
