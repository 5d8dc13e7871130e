"""The casebook on both engines: every write once by its reference or key, also when two nodes repeat it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from inbox_daemon.errors import Gone
from inbox_daemon.model import CaseNumber, InstanceId, MessageKey, Reference, StoredFile
from inbox_daemon.plugins.casebook import Case
from inbox_daemon.store.casebook import StoredCaseBook
from inbox_daemon.store.database import Database

OFFICE = InstanceId("cultura")


async def _open(book: StoredCaseBook, reference: str = "4F7K-2/tag", **more: Any) -> Case:
    values: dict[str, Any] = {"key": MessageKey("4F7K-2.m1"), "heading": "WhatsApp · Ana", "body": "Hola"} | more
    return await book.open_case(
        office=values.pop("office", OFFICE),
        number=CaseNumber("4F7K-2"),
        reference=Reference(reference),
        subject="Taller",
        **values,
    )


async def _add(book: StoredCaseBook, case: str, key: str, direction: str = "citizen") -> tuple[int, bool]:
    return await book.add_entry(case, key=MessageKey(key), direction=direction, heading="h", body=key)


async def test_opening_twice_gives_the_same_case_with_one_entry(database: Database) -> None:
    book = StoredCaseBook(database)
    first = await _open(book)
    again = await _open(book, body="another body is not written")
    assert again.id == first.id
    assert [entry.body for entry in again.entries] == ["Hola"]
    other = await _open(book, office=InstanceId("salud"))
    assert other.id != first.id  # the reference is one office's


async def test_entries_and_files_are_written_once(database: Database) -> None:
    book = StoredCaseBook(database)
    case = await _open(book)
    file = StoredFile(filename="dni.pdf", media_type="application/pdf", size=3, sha256="ab", path="/x/ab")
    first = await _add(book, case.id, "k2")
    assert await _add(book, case.id, "k2") == (first[0], False)
    attached = await book.add_file(case.id, key=MessageKey("k2a1"), file=file)
    assert await book.add_file(case.id, key=MessageKey("k2a1"), file=file) == attached
    found = await book.read(case.id)
    assert found is not None
    assert [entry.body for entry in found.entries] == ["Hola", "k2", ""]
    assert found.entries[2].files == (file,)
    assert await book.find_entry(case.id, MessageKey("k2")) == first[0]
    assert await book.find_entry(case.id, MessageKey("nobody's")) is None


async def test_a_citizen_reopens_a_closed_case_once_and_a_note_does_not(database: Database) -> None:
    book = StoredCaseBook(database)
    case = await _open(book)
    await book.set_open(case.id, is_open=False, by="Agente")
    await book.set_open(case.id, is_open=False, by="Agente")
    assert (await _add(book, case.id, "note", "note"))[1] is False
    assert (await _add(book, case.id, "k2"))[1] is True
    assert (await _add(book, case.id, "k2"))[1] is False
    assert (await _add(book, case.id, "k3"))[1] is False
    found = await book.read(case.id)
    assert found is not None
    assert found.open
    assert [entry.body for entry in found.entries if entry.direction == "system"] == ["closed", "open"]


async def test_a_case_that_is_not_there_is_gone(database: Database) -> None:
    book = StoredCaseBook(database)
    for case in ("77", "", "-1", "1; DROP TABLE casebook_case", "²"):
        with pytest.raises(Gone):
            await _add(book, case, "k")
        assert await book.read(case) is None


async def test_changes_come_in_order_for_one_office(database: Database) -> None:
    book = StoredCaseBook(database)
    mine, other = await _open(book), await _open(book, office=InstanceId("salud"))
    await _add(book, other.id, "theirs")
    for n in range(3):
        await _add(book, mine.id, f"k{n}")
    changes = await book.changes(OFFICE, 0, 3)
    assert [entry.body for _, entry in changes] == ["Hola", "k0", "k1"]
    rest = await book.changes(OFFICE, changes[-1][1].id, 10)
    assert [(case, entry.body) for case, entry in rest] == [(mine.id, "k2")]


async def test_only_an_agents_answer_of_this_case_is_taken_back_and_its_words_stay(database: Database) -> None:
    book = StoredCaseBook(database)
    case, other = await _open(book), await _open(book, "other")
    answer, _ = await _add(book, case.id, "answer", "agent")
    citizen, _ = await _add(book, case.id, "k2")
    note, _ = await _add(book, case.id, "note", "note")
    for entry in (citizen, note, 0, answer + 1000):
        assert not await book.withdraw(case.id, entry)
    for elsewhere in (other.id, "", "77", "²"):
        assert not await book.withdraw(elsewhere, answer)
    assert [one.direction for _, one in await book.changes(OFFICE, answer - 1, 1)] == ["agent"]
    assert await book.withdraw(case.id, answer)
    assert await book.withdraw(case.id, answer), "a second click is told the same"
    assert await _add(book, case.id, "answer", "agent") == (answer, False), "a repeated post does not bring it back"
    found = await book.read(case.id)
    assert found is not None
    assert [(one.direction, one.body) for one in found.entries if one.id == answer] == [("withdrawn", "answer")]
    assert [one.direction for _, one in await book.changes(OFFICE, answer - 1, 1)] == ["withdrawn"]


async def test_two_nodes_that_repeat_each_other_write_once(database: Database) -> None:
    with Database(database.url) as second:
        books = [StoredCaseBook(database), StoredCaseBook(second)]
        for n in range(5):
            cases = await asyncio.gather(*(_open(book, f"r{n}", key=MessageKey(f"r{n}")) for book in books * 2))
            assert len({case.id for case in cases}) == 1
            entries = await asyncio.gather(*(_add(book, cases[0].id, "same") for book in books * 2))
            assert len({entry for entry, _ in entries}) == 1
            found = await books[0].read(cases[0].id)
            assert found is not None
            assert len(found.entries) == 2
