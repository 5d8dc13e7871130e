"""The dispatcher on both engines: order, parallelism, closed tickets, refusals, files, persons' decisions, stops."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, select, update

from inbox_daemon.errors import Gone
from inbox_daemon.model import Draft, Ticket
from inbox_daemon.plugins import Capabilities
from inbox_daemon.retry import Policy
from inbox_daemon.store import attachments, parked
from inbox_daemon.store.database import Database
from inbox_daemon.store.schema import attachment, dispatch
from support.graph_fake_citizens import Phone, body
from support.memory_adapter import Fault, MemoryAdapter
from support.pipes import FAST, Pipes, body_of
from unit.pipeline.cells import AT, short_pauses

ANA = Phone(number="5493624000001", bsuid="AR.ana1", name="Ana Invento")
MINUTE = timedelta(minutes=1)


@pytest.fixture(autouse=True)
def _quick() -> Iterator[None]:
    with short_pauses():
        yield


def _texts(*words: str, by: Phone = ANA) -> bytes:
    return body([by.text(word, at=AT + n * MINUTE) for n, word in enumerate(words)])


def _later(word: str, minutes: int) -> bytes:
    return body([ANA.text(word, at=AT + minutes * MINUTE)])


async def _steps(pipes: Pipes) -> list[tuple[str, str, str | None]]:
    columns = (dispatch.c.kind, dispatch.c.state, dispatch.c.reason)
    rows = await pipes.database.read(lambda c: c.execute(select(*columns).order_by(dispatch.c.id)).all())
    return [(row.kind, row.state, row.reason) for row in rows]


async def test_conversations_go_in_parallel_and_each_in_order(database: Database) -> None:
    adapter = MemoryAdapter()
    adapter.delay_seconds = 0.02
    phones = [Phone(number=f"54936240000{n:02d}", bsuid=f"AR.p{n}") for n in range(12)]
    await Pipes(database, {"gobierno": adapter}).deliver(*(_texts("uno", "dos", "tres", by=one) for one in phones))
    assert [body_of(kept) for kept in adapter.tickets] == [["uno", "dos", "tres"]] * 12
    assert 1 < adapter.most_in_flight <= 8


async def test_a_destination_that_is_down_does_not_slow_another(database: Database) -> None:
    salud, gobierno = MemoryAdapter(), MemoryAdapter()
    salud.down = True
    pipes = Pipes(database, {"salud": salud, "gobierno": gobierno})
    await pipes.receive(*(_texts("turno", by=Phone(bsuid=f"AR.s{n}")) for n in range(5)))
    await pipes.receive(*(_texts("hola", by=Phone(bsuid=f"AR.g{n}")) for n in range(20)))
    await pipes.take_in()
    async with pipes.dispatching():
        await pipes.until(lambda f: "gobierno" not in f.queues, seconds=5)
        await pipes.until(lambda f: pipes.dispatchers["salud"].state.state == "down", seconds=5)
        assert pipes.dispatchers["gobierno"].state.state == "up"
        assert len(gobierno.tickets) == 20
        salud.down = False
        await pipes.settled()
    assert len(salud.tickets) == 5
    assert pipes.dispatchers["salud"].state.state == "up"


async def test_a_closed_ticket_is_followed_by_a_new_one_that_names_it(database: Database) -> None:
    adapter = MemoryAdapter()
    pipes = Pipes(database, {"gobierno": adapter})
    await pipes.deliver(_texts("uno"))
    adapter.tickets[0].gone = True
    await pipes.deliver(body([ANA.text(word, at=AT + n * MINUTE) for n, word in ((3, "tres"), (2, "dos"), (4, "4"))]))
    old, new = adapter.tickets
    assert body_of(old) == ["uno"]
    assert body_of(new) == ["Continúa el caso T1, que ya no admite mensajes.\n\ndos", "tres", "4"]
    assert new.reference != old.reference
    await pipes.deliver(_later("cinco", 5))
    assert body_of(new)[-1] == "cinco"
    await pipes.books()


async def test_every_successor_can_be_closed_too(database: Database) -> None:
    adapter = MemoryAdapter()
    pipes = Pipes(database, {"gobierno": adapter})
    for n in range(4):
        await pipes.deliver(_later(str(n), n))
        adapter.tickets[-1].gone = True
    assert [body_of(kept)[0].splitlines()[-1] for kept in adapter.tickets] == ["0", "1", "2", "3"]


async def test_a_destination_that_is_gone_before_opening_makes_no_endless_chain(database: Database) -> None:
    class Closed(MemoryAdapter):
        async def open_ticket(self, draft: Draft) -> Ticket:
            self.writes += 1
            raise Gone("the queue is closed", reason="closed")

    adapter = Closed()
    await Pipes(database, {"gobierno": adapter}).deliver(_texts("uno"))
    assert adapter.writes == 1


async def test_refused_credentials_count_nothing_and_resume(database: Database) -> None:
    adapter = MemoryAdapter()
    adapter.faults.extend([Fault.CREDENTIALS] * 3)
    pipes = Pipes(database, {"gobierno": adapter})
    await pipes.receive(_texts("uno", "dos"))
    await pipes.take_in()
    async with pipes.dispatching():
        await pipes.until(lambda f: pipes.dispatchers["gobierno"].state.state == "refused", seconds=5)
        await pipes.settled()
    assert [body_of(kept) for kept in adapter.tickets] == [["uno", "dos"]]
    attempts = await database.read(lambda c: list(c.execute(select(dispatch.c.attempts)).scalars()))
    assert attempts == [1, 1]
    assert pipes.dispatchers["gobierno"].state.state == "up"


async def test_credentials_refused_while_looking_up_forget_no_doubt(database: Database) -> None:
    adapter = MemoryAdapter()
    adapter.faults.append(Fault.LOST_ANSWER)
    adapter.lookup_faults.extend([Fault.CREDENTIALS] * 2)
    await Pipes(database, {"gobierno": adapter}).deliver(_texts("uno"))
    assert [body_of(kept) for kept in adapter.tickets] == [["uno"]]


async def test_given_up_after_days_it_is_parked_and_a_person_lets_it_go_on(database: Database) -> None:
    adapter = MemoryAdapter()
    adapter.down = True
    policy = Policy(first=FAST.first, most=FAST.most, settle=FAST.settle, give_up=timedelta(days=7))
    pipes = Pipes(database, {"gobierno": adapter}, policy=policy)
    await pipes.receive(_texts("uno", "dos"))
    await pipes.take_in()
    async with pipes.dispatching():
        await pipes.until(lambda f: pipes.dispatchers["gobierno"].state.failed >= 2)
        assert ("append", "parked", None) not in await _steps(pipes)
        await database.run(_aged)
        await pipes.until(lambda f: f.queues["gobierno"].parked == 1)
        [item] = await database.read(parked.items)
        assert "given up after" in item.reason
        assert item.what.startswith("open for case ")
        adapter.down = False
        await asyncio.sleep(0.2)
        assert adapter.tickets == []  # the second message does not open in the place of the first
        assert await database.run(lambda c: parked.retry(c, item.id))
        await pipes.settled()
    assert [body_of(kept) for kept in adapter.tickets] == [["uno", "dos"]]


def _aged(connection: Connection) -> None:
    tried = dispatch.c.first_tried_at.is_not(None)
    connection.execute(update(dispatch).where(tried).values(first_tried_at=datetime.now(UTC) - timedelta(days=8)))


async def test_a_parked_append_holds_nobody_up_and_discarding_balances(database: Database) -> None:
    adapter = MemoryAdapter()
    adapter.faults.extend([None, Fault.PERMANENT])
    pipes = Pipes(database, {"gobierno": adapter})
    await pipes.deliver(_texts("uno", "dos", "tres"))
    assert [body_of(kept) for kept in adapter.tickets] == [["uno", "tres"]]
    [item] = await database.read(parked.items)
    assert item.reason == "the body is not accepted"
    [line] = await pipes.books()
    assert (line.received, line.delivered, line.parked) == (3, 2, 1)
    assert await database.run(lambda c: parked.discard(c, item.id))
    assert not await database.run(lambda c: parked.discard(c, item.id))
    [line] = await pipes.books()
    assert (line.delivered, line.parked, line.ignored) == (2, 0, {"discarded": 1})


@pytest.mark.parametrize("done", [True, False])
async def test_a_possible_double_is_sent_when_a_person_says_so(database: Database, done: bool) -> None:
    adapter = MemoryAdapter(Capabilities(find="none", find_entry="none"))
    adapter.faults.extend([None, Fault.LOST_ANSWER if done else Fault.LOST_REQUEST])
    pipes = Pipes(database, {"gobierno": adapter})
    await pipes.deliver(_texts("uno", "dos"))
    [item] = await database.read(parked.items)
    assert "possible double" in item.reason
    adapter.faults.append(Fault.REFUSED)  # and the destination is busy just then
    await database.run(lambda c: parked.retry(c, item.id))
    async with pipes.dispatching():
        await pipes.settled()
    assert body_of(adapter.tickets[0]) == ["uno", "dos", *(["dos"] if done else [])]
    assert await database.read(parked.items) == []


async def test_a_retried_step_is_looked_up_where_that_is_possible(database: Database) -> None:
    adapter = MemoryAdapter()
    pipes = Pipes(database, {"gobierno": adapter})
    await pipes.deliver(_texts("uno"))
    await database.run(lambda c: c.execute(update(dispatch).values(state="parked", reason="by a bug")))
    await database.run(lambda c: parked.retry(c, "D1"))
    async with pipes.dispatching():
        await pipes.settled()
    assert [body_of(kept) for kept in adapter.tickets] == [["uno"]]


async def test_a_stop_lets_calls_end_and_records_what_it_cuts_off(database: Database) -> None:
    adapter = MemoryAdapter()
    adapter.faults.append(Fault.HANG)
    adapter.delay_seconds = 0.1
    other = Phone(bsuid="AR.other")
    pipes = Pipes(database, {"gobierno": adapter})
    await pipes.receive(_texts("uno"), _texts("dos", by=other))
    await pipes.take_in()
    dispatcher = pipes.dispatchers["gobierno"]
    working = asyncio.create_task(dispatcher.run())
    while adapter.in_flight < 2:
        await asyncio.sleep(0.01)
    working.cancel()
    await asyncio.gather(working, return_exceptions=True)
    await dispatcher.drain(0.5)
    assert {step[1:] for step in await _steps(pipes)} == {("unknown", "stopped in mid-call"), ("done", None)}
    async with Pipes(database, {"gobierno": adapter}).dispatching():
        await pipes.settled()
    assert sorted(body_of(kept) for kept in adapter.tickets) == [["dos"], ["uno"]]


def _image(name: str) -> bytes:
    media = {"id": f"M{name}", "mime_type": "application/pdf", "filename": f"{name}.pdf"}
    return body([ANA.media("document", media, at=AT)])


async def _fetched(pipes: Pipes, tmp_path: Path, content: bytes | None) -> None:
    """What the fetcher would do."""

    def settle(connection: Connection) -> None:
        for number in connection.execute(select(attachment.c.id)).scalars().all():
            if content is None:
                attachments.failed(connection, number, "venció en el canal de origen")
            else:
                attachments.stored(connection, number, size=len(content), sha256="ab" * 32)

    await pipes.database.run(settle)


@pytest.mark.parametrize(
    ("sheet", "content", "kind", "words"),
    [
        (Capabilities(), b"123", "attach", "Archivo adjunto: dni.pdf"),
        (
            Capabilities(),
            None,
            "note",
            "No se pudo obtener el archivo adjunto «dni.pdf»: venció en el canal de origen.",
        ),
        (Capabilities(max_attachment_bytes=2), b"123", "note", "supera el límite de 2 bytes del sistema de destino"),
        (Capabilities(attach="none"), b"123", "note", "el sistema de destino no admite archivos"),
    ],
    ids=["stored", "failed", "too large", "not supported"],
)
async def test_files(
    database: Database, tmp_path: Path, sheet: Capabilities, content: bytes | None, kind: str, words: str
) -> None:
    adapter = MemoryAdapter(sheet)
    adapter.faults.extend([None, Fault.LOST_ANSWER])
    pipes = Pipes(database, {"gobierno": adapter}, folder=tmp_path)
    await pipes.receive(_image("dni"), _later("y otra cosa", 5))
    await pipes.take_in()
    async with pipes.dispatching():
        await pipes.until(lambda f: bool(adapter.tickets) and len(adapter.tickets[0].entries) == 2)  # no one waits
        await _fetched(pipes, tmp_path, content)
        await pipes.settled()
    [ticket] = adapter.tickets
    assert [entry[0] for entry in ticket.entries] == ["open", "append", kind]
    assert words in ticket.entries[2][2]
    await pipes.books()


async def test_what_fails_before_the_first_byte_is_no_possible_double(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    adapter = MemoryAdapter(Capabilities(find="none", find_entry="none"))
    pipes = Pipes(database, {"gobierno": adapter}, attempt=timedelta(seconds=0.25))
    real = database.read
    slow = [asyncio.sleep(3600), asyncio.sleep(3600), asyncio.sleep(0)]

    async def read(work: Any) -> Any:
        if slow and getattr(work, "__qualname__", "").startswith("Delivering.carry"):
            await slow.pop(0)
            if not slow:
                raise OSError("no connection to the database")
        return await real(work)

    monkeypatch.setattr(database, "read", read)
    assert (await pipes.deliver(_texts("uno"))).queues == {}
    assert slow == []
    assert [body_of(kept) for kept in adapter.tickets] == [["uno"]]
