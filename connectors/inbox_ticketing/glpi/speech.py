"""What the adapter says to a GLPI and hears from it, whichever of its two APIs carries the words.

`legacy.Legacy` speaks `apirest.php` (GLPI 10 and 11), `v2.HighLevel` the high-level API of GLPI 11. What is said here
is GLPI's own: tickets, followups, solutions, merges; what it means for a citizen is decided once, by those who hold a
`Speech`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from inbox_daemon.model import Attachment, Entry, Reference, StoredFile
from inbox_ticketing.glpi.parse import Remark, Row, Turn

PER_PAGE = 100
"""Rows asked for at once; more tickets than this for one reference are a search that does not work."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """A ticket to create. `external_id` is empty where our reference stands in the title; `type` is GLPI's number."""

    title: str = field(repr=False)
    content: str = field(repr=False)
    type: int
    channel: str
    external_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy:
    """A followup in `ticket` that GLPI copied there from a ticket merged with it."""

    id: int
    ticket: int
    content: str = field(repr=False)


class FileSide(Protocol):
    """Files to and from GLPI."""

    @property
    def takes(self) -> bool:
        """Whether GLPI is given files at all."""

    async def put(self, row: Row, entry: Entry, file: StoredFile) -> None:
        """Have the file in the ticket, once: an upload whose end was unclear is found by its name and its bytes."""

    async def of(self, kind: str, number: int) -> tuple[Attachment, ...]:
        """The files linked to one followup (`kind` F) or solution (S)."""

    def fetch(self, attachment: Attachment) -> AsyncIterator[bytes]:
        """Stream the bytes of a file; an end that does not make its SHA-1 is an error, also after the last piece."""


class Speech(Protocol):
    """One API of one GLPI. Every call is one attempt; a session or token that ended is renewed, for nothing was done.

    All raise `EdgeError`, as the contract of adapters has it: `Transient` only where nothing was done.
    """

    @property
    def files(self) -> FileSide:
        """Files over this API."""

    async def aclose(self) -> None:
        """End what is open; safe twice, never raises."""

    async def begin_anew(self) -> None:
        """Forget the session, so that the next call sees the rights of this moment."""

    def reading(self, what: str) -> AbstractContextManager[None]:
        """Take an answer that makes no sense for one that did not come (`Transient`)."""

    def time(self, value: str) -> datetime:
        """A time as this API tells it, aware. Raises `ValueError`."""

    async def now(self) -> datetime:
        """GLPI's own clock."""

    # ------------------------------------------------------------ the check

    async def prove(self) -> None:
        """Raise unless all that is configured exists and the account sees what it must."""

    async def prove_in(self, ticket: int, key: str) -> None:
        """Raise unless what is only asked for now and then can be asked for: history, merges, uploads under `key`."""

    async def finds(self, reference: str) -> int:
        """How many tickets the search by reference answers, uncompared."""

    # ------------------------------------------------------------ tickets

    async def create(self, opening: Opening) -> int:
        """Make the ticket; its number. Raises `Uncertain` where GLPI gave none."""

    async def complete(self, ticket: int) -> None:
        """Do what belongs to an opening and is not done by `create`; twice is fine."""

    async def ticket(self, number: int) -> Row:
        """The ticket with this number itself, also in the bin. Raises `Gone`."""

    async def put_status(self, ticket: int, status: int) -> None:
        """Ask for a status; whether it took is read by the caller."""

    async def carrying(self, reference: Reference, *, deleted: bool) -> list[int]:
        """Numbers of the tickets that carry exactly `reference`, among the living or in the bin."""

    async def listed(self, since: datetime, *, deleted: bool) -> dict[int, str]:
        """Tickets of ours changed since then, with the time that GLPI tells, the last changed first."""

    async def copies(self, ticket: int) -> list[Copy]:
        """What merges copied from this ticket into those that it is linked to as their son."""

    async def sons(self, ticket: int) -> list[int]:
        """Tickets linked to this one as its sons, merged or not."""

    # ------------------------------------------------------------ entries

    async def add(self, row: Row, content: str, *, public: bool, wakes: bool) -> int:
        """Add a followup; its number. `wakes` asks GLPI to go on with the ticket, where it can be asked so.

        Raises `Permanent` where a closed ticket takes none.
        """

    async def remarks(self, ticket: int, kind: str, *, holding: str = "") -> list[Remark]:
        """Followups or solutions of one ticket, oldest first; with `holding` at least those whose content has it."""

    async def remark(self, kind: str, number: int, tickets: tuple[int, ...]) -> Remark | None:
        """The one with this number, if it is there and we may see it; it is asked for in `tickets`."""

    async def turns(self, row: Row) -> list[Turn]:
        """Changes of a ticket's status, oldest first, as far as this API tells them."""

    # ------------------------------------------------------------ people

    async def me(self) -> int:
        """Number of the service account's user."""

    async def agent(self, user: int) -> str:
        """The name of a user who is an agent beyond doubt; empty for everybody else."""

    async def requesters(self, ticket: int) -> frozenset[int]:
        """The users for whom the ticket was opened."""
