"""How the ticketbook tells what the office did: in order, and nothing that became visible late is passed over."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from inbox_daemon.errors import Gone, Permanent
from inbox_daemon.model import (
    CaseNumber,
    EntryId,
    InstanceId,
    MessageKey,
    Reference,
    StoredFile,
    Ticket,
    TicketId,
    TicketState,
)
from inbox_daemon.plugins import Case, CaseEntry
from inbox_daemon.store.casebook import StoredCaseBook
from inbox_daemon.store.database import Database
from inbox_daemon.store.migrate import migrate
from inbox_ticketing.ticketbook import plugin
from support.contexts import lend_context

START = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


class Book:
    """A book whose entries become visible when the test says so."""

    def __init__(self) -> None:
        self.visible: list[CaseEntry] = []

    def add(self, number: int, second: int, direction: str = "agent", heading: str = "", body: str = "") -> None:
        at = START + timedelta(seconds=second)
        entry = CaseEntry(id=number, direction=direction, heading=heading, body=body or f"n{number}", at=at)
        self.visible = sorted([*self.visible, entry], key=lambda one: one.id)

    async def changes(self, office: InstanceId, after: int, limit: int) -> Sequence[tuple[str, CaseEntry]]:
        return [("7", entry) for entry in self.visible if entry.id > after][:limit]

    async def open_case(self, **_: object) -> Case:
        raise NotImplementedError

    async def add_entry(self, *_: object, **__: object) -> tuple[int, bool]:
        raise NotImplementedError

    async def add_file(self, case: str, *, key: MessageKey, file: StoredFile) -> int:
        raise NotImplementedError

    async def withdraw(self, case: str, entry: int) -> bool:
        raise NotImplementedError

    async def set_open(self, case: str, *, is_open: bool, by: str) -> None:
        raise NotImplementedError

    async def find(self, office: InstanceId, reference: Reference) -> Case | None:
        raise NotImplementedError

    async def read(self, case: str) -> Case | None:
        raise NotImplementedError

    async def find_entry(self, case: str, key: MessageKey) -> int | None:
        raise NotImplementedError


async def test_an_entry_that_becomes_visible_late_is_told() -> None:
    book = Book()
    async with lend_context("fiduciaria", book) as context:
        adapter = plugin.build(plugin.settings(office_name="Fiduciaria"), context)
        _, cursor = await adapter.updates(None)
        book.add(2, 1)  # 1 was begun before it and is not committed yet
        told, cursor = await adapter.updates(cursor)
        assert [update.text for update in told] == ["n2"]
        book.add(1, 0)
        told, cursor = await adapter.updates(cursor)
        assert [update.text for update in told] == ["n1", "n2"]
        book.add(3, 100)
        told, cursor = await adapter.updates(cursor)
        assert [update.text for update in told] == ["n1", "n2", "n3"]
        told, cursor = await adapter.updates(cursor)
        assert [update.text for update in told] == ["n3"], "what is older than a minute is settled"


async def test_more_than_a_page_at_once_is_told_page_by_page() -> None:
    book = Book()
    async with lend_context("fiduciaria", book) as context:
        adapter = plugin.build(plugin.settings(office_name="Fiduciaria"), context)
        _, cursor = await adapter.updates(None)
        for number in range(1, 1202):
            book.add(number, 0)
        seen: set[str] = set()
        for _round in range(3):
            told, cursor = await adapter.updates(cursor)
            seen |= {update.text for update in told}
        assert len(seen) == 1201
        _, fresh = await adapter.updates(None)
        assert not (await adapter.updates(fresh))[0], "first contact tells nothing old"


async def test_each_direction_has_its_meaning() -> None:
    book = Book()
    async with lend_context("fiduciaria", book) as context:
        adapter = plugin.build(plugin.settings(office_name="Fiduciaria"), context)
        _, cursor = await adapter.updates(None)
        for number, direction in enumerate(("citizen", "agent", "note"), start=1):
            book.add(number, 0, direction)
        book.add(7, 0, "withdrawn", "La oficina")
        book.add(4, 0, "system", "La oficina", "closed")
        book.add(5, 0, "system", "La oficina", "open")
        book.add(6, 0, "system", "El sistema", "closed")
        told, _ = await adapter.updates(cursor)
        assert [(one.public, one.own, one.state) for one in told] == [
            (False, True, None),
            (True, False, None),
            (False, True, None),
            (False, False, "closed"),
            (False, False, "reopened"),
            (False, True, "closed"),
            (False, False, None),
        ]
        assert told[3].text == ""


async def test_a_case_of_another_office_is_none_of_ours(tmp_path: Path) -> None:
    with Database(f"sqlite:///{tmp_path / 'book.db'}") as database:
        migrate(database)
        book = StoredCaseBook(database)
        case = await book.open_case(
            office=InstanceId("salud"),
            number=CaseNumber("4F7K-2"),
            reference=Reference("4F7K-2/tag"),
            subject="Taller",
            key=MessageKey("4F7K-2.m1"),
            heading="WhatsApp",
            body="Hola",
        )
        key = MessageKey("page.1")
        made, _ = await book.add_entry(case.id, key=key, direction="agent", heading="La oficina", body="De Salud")
        async with lend_context("salud", book) as theirs, lend_context("fiduciaria", book) as ours:
            salud = plugin.build(plugin.settings(office_name="Salud"), theirs)
            fiduciaria = plugin.build(plugin.settings(office_name="Fiduciaria"), ours)
            ticket, entry = TicketId(case.id), EntryId(str(made))
            assert await salud.entry(ticket, entry) is not None
            assert await fiduciaria.entry(ticket, entry) is None
            assert list(await fiduciaria.thread(ticket)) == []
            with pytest.raises(Gone):
                await fiduciaria.set_state(Ticket(id=ticket, number="4F7K-2"), TicketState.CLOSED)
            for state in (TicketState.WAITING, TicketState.REFERRED, TicketState.DELETED):
                with pytest.raises(Permanent, match="open or closed"):
                    await salud.set_state(Ticket(id=ticket, number="4F7K-2"), state)
