"""Cases kept in the daemon's own database, for an office that has no ticketing system."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from inbox_daemon.model import CaseNumber, InstanceId, MessageKey, Reference, StoredFile


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseEntry:
    """One line of a case's thread. `id` rises within the database.

    `direction` is citizen, agent, note, system, or withdrawn: an agent's answer that was taken back.
    """

    id: int
    direction: str
    heading: str
    body: str = field(repr=False)
    at: datetime
    files: tuple[StoredFile, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One case of one office."""

    id: str
    number: CaseNumber
    office: InstanceId
    subject: str = field(repr=False)
    open: bool
    opened_at: datetime
    entries: Sequence[CaseEntry] = ()


class CaseBook(Protocol):
    """Cases in the daemon's own database. Every write is idempotent by its reference or key, and durable on return."""

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
        """Open the case with its first entry, or return the one that is there under this reference."""

    async def add_entry(
        self, case: str, *, key: MessageKey, direction: str, heading: str, body: str
    ) -> tuple[int, bool]:
        """Add an entry once; returns (entry id, whether the case was reopened by it). Raises `Gone`."""

    async def add_file(self, case: str, *, key: MessageKey, file: StoredFile) -> int:
        """Add a file as an entry of its own, once. Raises `Gone`."""

    async def set_open(self, case: str, *, is_open: bool, by: str) -> None:
        """Close or reopen; the change is an entry of the thread. Raises `Gone`."""

    async def withdraw(self, case: str, entry: int) -> bool:
        """Take an agent's answer back; its words stay in the book. Returns whether it is withdrawn now: False for what
        is no agent's answer of this case. What has already left for the citizen is not called back by it."""

    async def find(self, office: InstanceId, reference: Reference) -> Case | None:
        """The case with this reference in this office, with its entries."""

    async def read(self, case: str) -> Case | None:
        """The case with this id, with its entries."""

    async def find_entry(self, case: str, key: MessageKey) -> int | None:
        """Id of the entry written under `key`."""

    async def changes(self, office: InstanceId, after: int, limit: int) -> Sequence[tuple[str, CaseEntry]]:
        """(case id, entry) of entries with an id above `after`, in order."""
