"""The ticketbook for the contract suite: over the real book of cases on a SQLite file."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import delete, select

from contract.ticketing_model import AdapterUnderTest, AgentFile, Line
from inbox_daemon.model import EntryId, MessageKey, Reference, TicketId
from inbox_daemon.plugins import Case
from inbox_daemon.store.casebook import StoredCaseBook
from inbox_daemon.store.database import Database
from inbox_daemon.store.migrate import migrate
from inbox_daemon.store.schema import casebook_case, casebook_entry
from inbox_ticketing.ticketbook import plugin
from support.contexts import lend_context

_KINDS = {"citizen": "public", "agent": "public", "note": "note"}


@dataclass(frozen=True)
class _Page:
    """What the office does on the case's page, straight in the book."""

    database: Database
    book: StoredCaseBook

    async def thread(self, ticket: TicketId) -> Sequence[Line]:
        return [
            Line(kind=_KINDS[entry.direction], text=f"{entry.heading}\n{entry.body}", author=entry.direction)
            for entry in (await self._case(ticket)).entries
            if entry.direction in _KINDS and not entry.files
        ]

    async def files(self, ticket: TicketId) -> Mapping[str, bytes]:
        entries = (await self._case(ticket)).entries
        return {file.filename: Path(file.path).read_bytes() for entry in entries for file in entry.files}

    async def tickets_with(self, reference: Reference) -> Sequence[TicketId]:
        wanted = select(casebook_case.c.id).where(casebook_case.c.reference == reference)
        return [TicketId(str(row)) for row in await self.database.read(lambda c: c.execute(wanted).scalars().all())]

    async def agent_answers(
        self, ticket: TicketId, text: str, *, html: bool = False, files: Sequence[AgentFile] = ()
    ) -> EntryId:
        assert not html
        assert not files
        return await self._write(ticket, "agent", text)

    async def agent_notes(self, ticket: TicketId, text: str) -> EntryId:
        return await self._write(ticket, "note", text)

    async def take_back(self, ticket: TicketId, entry: EntryId) -> None:
        assert await self.book.withdraw(ticket, int(entry))

    async def agent_closes(self, ticket: TicketId) -> None:
        await self.book.set_open(ticket, is_open=False, by="La oficina")

    async def delete(self, ticket: TicketId) -> None:
        await self.database.run(
            lambda c: c.execute(delete(casebook_entry).where(casebook_entry.c.case_id == int(ticket)))
        )
        await self.database.run(lambda c: c.execute(delete(casebook_case).where(casebook_case.c.id == int(ticket))))

    async def merge(self, ticket: TicketId, into: TicketId) -> None:
        raise AssertionError("cases of the book are not merged")

    async def _write(self, ticket: TicketId, direction: str, text: str) -> EntryId:
        key = MessageKey(f"page.{secrets.token_hex(8)}")
        made, _ = await self.book.add_entry(ticket, key=key, direction=direction, heading="La oficina", body=text)
        return EntryId(str(made))

    async def _case(self, ticket: TicketId) -> Case:
        case = await self.book.read(ticket)
        assert case is not None
        return case


@asynccontextmanager
async def over_a_file(request: pytest.FixtureRequest) -> AsyncIterator[AdapterUnderTest]:
    """A fresh book for each scenario."""
    folder: Path = request.getfixturevalue("tmp_path")
    with Database(f"sqlite:///{folder / 'book.db'}") as database:
        migrate(database)
        book = StoredCaseBook(database)
        async with lend_context("fiduciaria", book) as context:
            settings = plugin.settings(office_name="Fiduciaria del Norte")
            yield AdapterUnderTest(adapter=plugin.build(settings, context), backstage=_Page(database, book))
