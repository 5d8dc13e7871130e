"""What a ticketing system lends to the shared contract suite, so that scenarios can be played on it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import Protocol

import pytest

from inbox_daemon.model import EntryId, Reference, TicketId
from inbox_daemon.plugins import Capabilities, TicketingAdapter, WebhookRequest
from support.fault_proxy import FaultProxy, Match, everything
from support.mail_office_fake import MailOffice


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One entry as it stands in the product. `kind` is public or note; `author` is the product's name for who wrote."""

    kind: str
    text: str
    author: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentFile:
    """A file that an agent adds to an answer."""

    name: str
    media_type: str
    content: bytes = field(repr=False)


class Backstage(Protocol):
    """The product as its agents and administrators see it, around the adapter. Every ticket is given by its id."""

    async def thread(self, ticket: TicketId) -> Sequence[Line]:
        """All entries with words, oldest first."""

    async def files(self, ticket: TicketId) -> Mapping[str, bytes]:
        """All attached files by name."""

    async def tickets_with(self, reference: Reference) -> Sequence[TicketId]:
        """Tickets that carry the reference and are not deleted, merged ones included."""

    async def agent_answers(
        self, ticket: TicketId, text: str, *, html: bool = False, files: Sequence[AgentFile] = ()
    ) -> EntryId:
        """An agent answers, for the citizen to read. HTML and files only where the provider says that they exist."""

    async def agent_notes(self, ticket: TicketId, text: str) -> EntryId:
        """An agent writes what only agents may read."""

    async def take_back(self, ticket: TicketId, entry: EntryId) -> None:
        """The answer is withdrawn, hidden or deleted: by whatever the product has for one that must not go out."""

    async def agent_closes(self, ticket: TicketId) -> None:
        """An agent closes the ticket."""

    async def delete(self, ticket: TicketId) -> None:
        """The ticket is deleted."""

    async def merge(self, ticket: TicketId, into: TicketId) -> None:
        """`ticket` is merged into the other one. Only where capabilities say that merges exist."""


@contextmanager
def holding(target: object, name: str, value: object) -> Iterator[None]:
    """Give an attribute of a fake another value while the block lasts."""
    before = getattr(target, name)
    setattr(target, name, value)
    try:
        yield
    finally:
        setattr(target, name, before)


@dataclass(frozen=True, slots=True, kw_only=True)
class AdapterUnderTest:
    """One adapter, ready to use, in front of a system that others may use at the same time (take own references).

    `proxy` stands between the adapter and its system; None for one without a network. `is_write` picks the
    requests that create a ticket or an entry. `strict` is the same adapter, configured to open a new ticket rather
    than append to a closed one (None: not configurable). `stranger` is it with a refused secret, `misplaced` it
    with a place (queue, project) that does not exist. `settle_seconds` is how long after an unclear end the system
    may still be at work. `hint` is what the product posts, rightly signed, when a ticket changes.
    """

    adapter: TicketingAdapter
    backstage: Backstage
    proxy: FaultProxy | None = None
    is_write: Match = everything
    strict: TicketingAdapter | None = None
    stranger: TicketingAdapter | None = None
    misplaced: TicketingAdapter | None = None
    settle_seconds: float = 0.0
    hint: Callable[[TicketId], WebhookRequest] | None = None
    office: MailOffice | None = None
    """Mail server and mailbox, where the way leads over them."""
    lies: Mapping[str, Callable[[], AbstractContextManager[None]]] = field(default_factory=dict)
    """What the far side can be made to do, while the block lasts, that the adapter's check has to notice."""
    closes: bool = True
    """As the provider says; the fixture fills it in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """`capabilities` as the plug-in states them; `network` says that a fault proxy for HTTP stands before the system.

    `by_mail` says that a mailbox, or a mail server, of fakes stands there (`AdapterUnderTest.office`), `lies` that
    the far side can be told to lie (`AdapterUnderTest.lies`). `rich` says that agents answer with files and in HTML,
    `hints` that the product can post hints, `closes` that its tickets have an end that agents can put to them (a mail
    has none).
    """

    name: str
    open: Callable[[pytest.FixtureRequest], AbstractAsyncContextManager[AdapterUnderTest]] = field(repr=False)
    capabilities: Capabilities = field(repr=False)
    network: bool = True
    by_mail: bool = False
    lies: bool = False
    real: bool = False
    rich: bool = True
    hints: bool = False
    closes: bool = True
