"""From a webhook body to a ticket, on both engines: once, in order, in the right place."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from inbox_daemon.store.database import Database
from support.graph_fake_citizens import Phone, body
from support.memory_adapter import MemoryAdapter
from support.pipes import Pipes, body_of

AT = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


def _pipes(database: Database) -> tuple[Pipes, MemoryAdapter, MemoryAdapter]:
    salud, gobierno = MemoryAdapter(), MemoryAdapter()
    return Pipes(database, {"salud": salud, "gobierno": gobierno}), salud, gobierno


async def test_first_message_opens_and_the_next_appends(database: Database) -> None:
    pipes, salud, gobierno = _pipes(database)
    ana = Phone(number="5493624000001", bsuid="AR.ana1", name="Ana")
    first = ana.text("Necesito un turno", at=AT)
    await pipes.deliver(body([first]))
    await pipes.deliver(body([ana.text("¿Y a qué hora?", at=AT + timedelta(minutes=5))]), body([first]))
    assert [body_of(kept) for kept in salud.tickets] == [["Necesito un turno", "¿Y a qué hora?"]]
    assert gobierno.tickets == []
    [books] = await pipes.books()
    assert (books.received, books.delivered, books.ignored) == (3, 2, {"repeat": 1})
