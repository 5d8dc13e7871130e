"""The book of cases behind the ticketbook adapter and the case pages (see `plugins.casebook`)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from sqlalchemy import Connection, Row, func, insert, select, update

from inbox_daemon.errors import Gone
from inbox_daemon.model import CaseNumber, InstanceId, MessageKey, Reference, StoredFile
from inbox_daemon.plugins.casebook import Case, CaseEntry
from inbox_daemon.store.clock import db_now
from inbox_daemon.store.database import Database
from inbox_daemon.store.schema import casebook_case, casebook_entry


class StoredCaseBook:
    """`CaseBook` on the daemon's database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def open_case(
        self,
        *,
        office: InstanceId,
        number: CaseNumber,
        reference: Reference,
        subject: str,
        key: MessageKey,
        heading: str,
        body: str,
    ) -> Case:
        """See `CaseBook.open_case`."""

        def work(connection: Connection) -> Case:
            found = _find(connection, office, reference)
            if found is None:
                now = connection.execute(select(db_now())).scalar_one()
                case_id = connection.execute(
                    insert(casebook_case)
                    .values(
                        office=office, number=number, reference=reference, subject=subject, is_open=True, opened_at=now
                    )
                    .returning(casebook_case.c.id)
                ).scalar_one()
                _write(connection, case_id, key=key, direction="citizen", heading=heading, body=body)
                found = _find(connection, office, reference)
            assert found is not None
            return found

        return await self._database.run(work)

    async def add_entry(
        self, case: str, *, key: MessageKey, direction: str, heading: str, body: str
    ) -> tuple[int, bool]:
        """See `CaseBook.add_entry`. A citizen's entry reopens a closed case."""

        def work(connection: Connection) -> tuple[int, bool]:
            row = _lock(connection, case)
            found = _entry_id(connection, row.id, key)
            if found is not None:
                return found, False
            reopened = direction == "citizen" and not row.is_open
            if reopened:  # told as an entry like any other turn, or who follows the book would know of the closing only
                _turn(connection, row.id, is_open=True, by="")
            return _write(connection, row.id, key=key, direction=direction, heading=heading, body=body), reopened

        return await self._database.run(work)

    async def add_file(self, case: str, *, key: MessageKey, file: StoredFile) -> int:
        """See `CaseBook.add_file`."""

        def work(connection: Connection) -> int:
            row = _lock(connection, case)
            found = _entry_id(connection, row.id, key)
            if found is not None:
                return found
            return _write(
                connection, row.id, key=key, direction="citizen", heading=file.filename, body="", file=asdict(file)
            )

        return await self._database.run(work)

    async def set_open(self, case: str, *, is_open: bool, by: str) -> None:
        """See `CaseBook.set_open`."""

        def work(connection: Connection) -> None:
            row = _lock(connection, case)
            if row.is_open != is_open:
                _turn(connection, row.id, is_open=is_open, by=by)

        await self._database.run(work)

    async def withdraw(self, case: str, entry: int) -> bool:
        """See `CaseBook.withdraw`."""

        def work(connection: Connection) -> bool:
            this = (casebook_entry.c.id == entry) & (casebook_entry.c.case_id == _as_id(case))
            connection.execute(
                update(casebook_entry).where(this, casebook_entry.c.direction == "agent").values(direction="withdrawn")
            )
            direction = connection.execute(select(casebook_entry.c.direction).where(this)).scalar_one_or_none()
            return bool(direction == "withdrawn")

        return await self._database.run(work)

    async def find(self, office: InstanceId, reference: Reference) -> Case | None:
        """See `CaseBook.find`."""
        return await self._database.read(lambda connection: _find(connection, office, reference))

    async def read(self, case: str) -> Case | None:
        """See `CaseBook.read`."""

        def work(connection: Connection) -> Case | None:
            row = connection.execute(select(casebook_case).where(casebook_case.c.id == _as_id(case))).one_or_none()
            return None if row is None else _as_case(connection, row)

        return await self._database.read(work)

    async def find_entry(self, case: str, key: MessageKey) -> int | None:
        """See `CaseBook.find_entry`."""
        return await self._database.read(lambda connection: _entry_id(connection, _as_id(case), key))

    async def changes(self, office: InstanceId, after: int, limit: int) -> Sequence[tuple[str, CaseEntry]]:
        """See `CaseBook.changes`."""

        def work(connection: Connection) -> list[tuple[str, CaseEntry]]:
            rows = connection.execute(
                select(casebook_entry)
                .join(casebook_case, casebook_case.c.id == casebook_entry.c.case_id)
                .where(casebook_case.c.office == office, casebook_entry.c.id > after)
                .order_by(casebook_entry.c.id)
                .limit(limit)
            )
            return [(str(row.case_id), _as_entry(row)) for row in rows]

        return await self._database.read(work)


def _as_id(case: str) -> int:
    return int(case) if case.isdecimal() else 0


def _lock(connection: Connection, case: str) -> Row[Any]:
    row = connection.execute(
        select(casebook_case).where(casebook_case.c.id == _as_id(case)).with_for_update()
    ).one_or_none()
    if row is None:
        raise Gone("this case is not in the book", reason="deleted")
    return row


def _turn(connection: Connection, case_id: int, *, is_open: bool, by: str) -> None:
    """Close or reopen, with an entry that says so."""
    connection.execute(update(casebook_case).where(casebook_case.c.id == case_id).values(is_open=is_open))
    entries = select(func.count()).select_from(casebook_entry).where(casebook_entry.c.case_id == case_id)
    word = "open" if is_open else "closed"
    key = f"{word}.{connection.execute(entries).scalar_one()}"
    _write(connection, case_id, key=key, direction="system", heading=by, body=word)


def _write(connection: Connection, case_id: int, **values: object) -> int:
    return int(
        connection.execute(
            insert(casebook_entry).values(case_id=case_id, at=db_now(), **values).returning(casebook_entry.c.id)
        ).scalar_one()
    )


def _entry_id(connection: Connection, case_id: int, key: str) -> int | None:
    found: int | None = connection.execute(
        select(casebook_entry.c.id).where(casebook_entry.c.case_id == case_id, casebook_entry.c.key == key)
    ).scalar_one_or_none()
    return found


def _find(connection: Connection, office: str, reference: str) -> Case | None:
    row = connection.execute(
        select(casebook_case).where(casebook_case.c.office == office, casebook_case.c.reference == reference)
    ).one_or_none()
    return None if row is None else _as_case(connection, row)


def _as_case(connection: Connection, row: Row[Any]) -> Case:
    entries = connection.execute(
        select(casebook_entry).where(casebook_entry.c.case_id == row.id).order_by(casebook_entry.c.id)
    )
    return Case(
        id=str(row.id),
        number=CaseNumber(row.number),
        office=InstanceId(row.office),
        subject=row.subject,
        open=row.is_open,
        opened_at=row.opened_at,
        entries=[_as_entry(entry) for entry in entries],
    )


def _as_entry(row: Row[Any]) -> CaseEntry:
    files = () if row.file is None else (StoredFile(**row.file),)
    return CaseEntry(id=row.id, direction=row.direction, heading=row.heading, body=row.body, at=row.at, files=files)
