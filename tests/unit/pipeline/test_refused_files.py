"""Files that a destination doesn't take, on both engines: a note with a link stands in their place, once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Connection, select

from inbox_daemon.errors import Gone, Permanent
from inbox_daemon.model import Entry, StoredFile, Ticket, Written
from inbox_daemon.pipeline.files import path_of
from inbox_daemon.plugins import Capabilities
from inbox_daemon.store import attachments, parked
from inbox_daemon.store.database import Database
from inbox_daemon.store.schema import attachment
from support.graph_fake_citizens import Phone, body
from support.memory_adapter import Fault, MemoryAdapter
from support.pipes import Pipes
from unit.pipeline.cells import AT, short_pauses

ANA = Phone(number="5493624000001", bsuid="AR.ana1", name="Ana Invento")
SHA = "ab" * 32
LINK = f"https://archivos.test/{SHA}"
TOLD = "el tipo de archivo no está permitido"


@pytest.fixture(autouse=True)
def _quick() -> Iterator[None]:
    with short_pauses():
        yield


class Refusing(MemoryAdapter):
    """Takes no file, for a reason of its own."""

    def __init__(self, error: Permanent | Gone, sheet: Capabilities | None = None) -> None:
        super().__init__(sheet)
        self.error = error
        self.asked = 0

    async def attach(self, ticket: Ticket, entry: Entry, file: StoredFile) -> Written:
        """Refuse."""
        self.asked += 1
        raise self.error


async def _sends_a_file(pipes: Pipes, folder: Path, *, kept: bool = True) -> None:
    """A citizen's file is received and fetched; its ticket is there already."""
    media = {"id": "M1", "mime_type": "application/pdf", "filename": "dni.pdf"}
    await pipes.receive(body([ANA.media("document", media, at=AT)]))
    await pipes.take_in()

    def fetched(connection: Connection) -> None:
        for number in connection.execute(select(attachment.c.id)).scalars().all():
            attachments.stored(connection, number, size=3, sha256=SHA)

    path = path_of(folder, SHA)
    path.parent.mkdir(parents=True, exist_ok=True)
    if kept:
        path.write_bytes(b"123")
    await pipes.database.run(fetched)
    async with pipes.dispatching():
        await pipes.settled()


@pytest.mark.parametrize(
    ("adapter", "reason"),
    [
        (MemoryAdapter(Capabilities(max_attachment_bytes=2)), "supera el límite de 2 bytes del sistema de destino"),
        (MemoryAdapter(Capabilities(attach="none")), "el sistema de destino no admite archivos"),
        (Refusing(Permanent("415", told=TOLD)), TOLD),
        (Refusing(Permanent("a bare 422")), "el sistema de destino no lo acepta"),
    ],
    ids=["too large", "none taken", "refused with words", "refused without"],
)
async def test_a_refused_file_becomes_a_note_with_a_link(
    database: Database, tmp_path: Path, adapter: MemoryAdapter, reason: str
) -> None:
    adapter.tickets.clear()  # the second engine's turn
    pipes = Pipes(database, {"gobierno": adapter}, folder=tmp_path)
    await _sends_a_file(pipes, tmp_path)
    [ticket] = adapter.tickets
    assert [kind for kind, _, _ in ticket.entries] == ["open", "note"]
    assert f"El archivo adjunto «dni.pdf» no se copió aquí: {reason}." in ticket.entries[1][2]
    assert LINK in ticket.entries[1][2]
    assert await database.read(parked.items) == []
    await pipes.books()


@pytest.mark.parametrize("fault", [Fault.LOST_ANSWER, Fault.LOST_REQUEST, Fault.REFUSED, Fault.CRASH])
async def test_the_note_stands_once_whatever_happens_to_it(database: Database, tmp_path: Path, fault: Fault) -> None:
    adapter = Refusing(Permanent("415", told=TOLD))
    adapter.note_faults.extend([fault, fault])
    pipes = Pipes(database, {"gobierno": adapter}, folder=tmp_path)
    await _sends_a_file(pipes, tmp_path)
    [ticket] = adapter.tickets
    assert [kind for kind, _, _ in ticket.entries] == ["open", "note"]
    assert LINK in ticket.entries[1][2]
    assert await database.read(parked.items) == []


async def test_a_file_that_may_have_been_added_is_looked_for_before_anything_is_noted(
    database: Database, tmp_path: Path
) -> None:
    adapter = MemoryAdapter()
    adapter.faults.extend([None, Fault.LOST_ANSWER, Fault.PERMANENT])
    pipes = Pipes(database, {"gobierno": adapter}, folder=tmp_path)
    await _sends_a_file(pipes, tmp_path)
    assert [kind for kind, _, _ in adapter.tickets[0].entries] == ["open", "attach"]


async def test_a_file_that_was_surely_not_added_and_is_then_refused_is_noted(
    database: Database, tmp_path: Path
) -> None:
    adapter = MemoryAdapter()
    adapter.faults.extend([None, Fault.LOST_REQUEST, Fault.PERMANENT])
    pipes = Pipes(database, {"gobierno": adapter}, folder=tmp_path)
    await _sends_a_file(pipes, tmp_path)
    assert [kind for kind, _, _ in adapter.tickets[0].entries] == ["open", "note"]


async def test_where_nothing_can_be_looked_up_a_lost_note_waits_for_a_person(
    database: Database, tmp_path: Path
) -> None:
    adapter = Refusing(Permanent("415", told=TOLD), Capabilities(find="none", find_entry="none"))
    adapter.note_faults.append(Fault.LOST_ANSWER)
    pipes = Pipes(database, {"gobierno": adapter}, folder=tmp_path)
    await _sends_a_file(pipes, tmp_path)
    [item] = await database.read(parked.items)
    assert "possible double" in item.reason
    assert [kind for kind, _, _ in adapter.tickets[0].entries] == ["open", "note"]


async def test_no_link_is_given_to_a_file_that_is_kept_no_more(database: Database, tmp_path: Path) -> None:
    adapter = Refusing(Permanent("415", told=TOLD))
    pipes = Pipes(database, {"gobierno": adapter}, folder=tmp_path)
    await _sends_a_file(pipes, tmp_path, kept=False)
    [(_, _, words)] = adapter.tickets[0].entries[1:]
    assert TOLD in words
    assert "https://" not in words


async def test_a_file_that_is_refused_by_a_destination_without_notes_waits_in_sight(
    database: Database, tmp_path: Path
) -> None:
    adapter = Refusing(Permanent("anybody would see it", told="cualquiera lo vería"))
    adapter.note_faults.append(Fault.PERMANENT)
    pipes = Pipes(database, {"gobierno": adapter}, folder=tmp_path)
    await _sends_a_file(pipes, tmp_path)
    [item] = await database.read(parked.items)
    assert "cualquiera lo vería" in item.reason
    assert "the body is not accepted" in item.reason
    assert [kind for kind, _, _ in adapter.tickets[0].entries] == ["open"]


async def test_a_ticket_that_takes_nothing_any_more_is_no_refused_file(database: Database, tmp_path: Path) -> None:
    adapter = Refusing(Gone("it is closed", reason="closed"))
    pipes = Pipes(database, {"gobierno": adapter}, folder=tmp_path)
    await _sends_a_file(pipes, tmp_path)
    assert adapter.asked >= 1
    assert [kind for one in adapter.tickets for kind, _, _ in one.entries] == ["open"]
    [item] = await database.read(parked.items)
    assert "closed" in item.reason
