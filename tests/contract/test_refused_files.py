"""A file that a product doesn't take, through the pipeline into each product: its agents read where it can be had.

Not a scenario of the suite: what is played is the core's part, over the adapters of all products.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, select

from contract.ticketing_model import AdapterUnderTest
from contract.ticketing_providers import PROVIDERS
from inbox_daemon.errors import Permanent
from inbox_daemon.model import TicketId
from inbox_daemon.pipeline.files import path_of
from inbox_daemon.store import attachments, parked
from inbox_daemon.store.database import Database
from inbox_daemon.store.migrate import migrate
from inbox_daemon.store.schema import attachment, conversation
from support.graph_fake_citizens import Phone, body
from support.pipes import Pipes
from unit.pipeline.cells import AT

ANA = Phone(number="5493624000001", bsuid="AR.ana1", name="Ana Invento")
SHA = "ab" * 32
LINK = f"https://archivos.test/{SHA}"
TOLD = "el tipo de archivo no está permitido"
NOTING = [one for one in PROVIDERS if one.capabilities.note and not one.real]
"""The others have nothing that only agents read: there a refused file waits in sight (see the pipeline's own tests)."""
LIMITED = [one for one in NOTING if one.capabilities.max_attachment_bytes is not None]


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    """One engine will do: it is the products that differ here."""
    with Database(f"sqlite:///{tmp_path / 'inbox.sqlite3'}") as opened:
        migrate(opened)
        yield opened


async def _sends_a_file(under_test: AdapterUnderTest, database: Database, folder: Path, size: int) -> list[str]:
    """A citizen sends a file of this size; what stands in the ticket then."""
    pipes = Pipes(database, {"gobierno": under_test.adapter}, folder=folder)
    media = {"id": "M1", "mime_type": "application/pdf", "filename": "dni.pdf"}
    await pipes.receive(body([ANA.media("document", media, at=AT)]))
    await pipes.take_in()

    def fetched(connection: Connection) -> None:
        for number in connection.execute(select(attachment.c.id)).scalars().all():
            attachments.stored(connection, number, size=size, sha256=SHA)

    path = path_of(folder, SHA)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"%PDF")
    await database.run(fetched)
    async with pipes.dispatching():
        await pipes.settled()
    assert await database.read(parked.items) == []
    ticket = await database.read(lambda c: c.execute(select(conversation.c.ticket_id)).scalar_one())
    assert await under_test.backstage.files(TicketId(ticket)) == {}
    return [line.text for line in await under_test.backstage.thread(TicketId(ticket))]


def _noted(lines: list[str]) -> list[str]:
    return [line for line in lines if "dni.pdf" in line and "no se copió" in line]


@pytest.mark.parametrize("under_test", [pytest.param(one, id=one.name) for one in LIMITED], indirect=True)
async def test_a_file_beyond_the_limit_is_told_with_a_link(
    under_test: AdapterUnderTest, database: Database, tmp_path: Path
) -> None:
    limit = under_test.adapter.capabilities.max_attachment_bytes
    assert limit is not None
    [line] = _noted(await _sends_a_file(under_test, database, tmp_path, limit + 1))
    assert LINK in line
    assert "supera el límite" in line


@pytest.mark.parametrize("under_test", [pytest.param(one, id=one.name) for one in NOTING], indirect=True)
async def test_a_file_that_the_product_refuses_is_told_with_a_link(
    under_test: AdapterUnderTest, database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(*asked: Any) -> None:
        raise Permanent("415", told=TOLD)

    monkeypatch.setattr(under_test.adapter, "attach", refuse)
    [line] = _noted(await _sends_a_file(under_test, database, tmp_path, 4))
    assert LINK in line
    assert TOLD in line
