"""The ticketing system in memory for the scenarios about what agents answer."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest

from contract.ticketing_model import AdapterUnderTest, AgentFile, Line
from inbox_daemon.model import EntryId, Reference, TicketId, TicketState
from inbox_daemon.plugins import Capabilities
from support.memory_adapter import MemoryAdapter
from support.memory_office import NewFile

MEMORY_CAPABILITIES = Capabilities(merges="follow", updates="both")


@dataclass(frozen=True)
class _Office:
    adapter: MemoryAdapter

    async def thread(self, ticket: TicketId) -> Sequence[Line]:
        raise AssertionError("no scenario about answers asks for it")

    async def files(self, ticket: TicketId) -> Mapping[str, bytes]:
        raise AssertionError("no scenario about answers asks for it")

    async def tickets_with(self, reference: Reference) -> Sequence[TicketId]:
        return [TicketId(kept.id) for kept in self.adapter.tickets if kept.reference == reference]

    async def agent_answers(
        self, ticket: TicketId, text: str, *, html: bool = False, files: Sequence[AgentFile] = ()
    ) -> EntryId:
        made = [NewFile(filename=file.name, media_type=file.media_type, content=file.content) for file in files]
        return self.adapter.say(ticket, text, html=html, files=made)

    async def agent_notes(self, ticket: TicketId, text: str) -> EntryId:
        return self.adapter.say(ticket, text, public=False)

    async def take_back(self, ticket: TicketId, entry: EntryId) -> None:
        self.adapter.hide(entry)

    async def agent_closes(self, ticket: TicketId) -> None:
        self.adapter.turn(ticket, TicketState.CLOSED)

    async def delete(self, ticket: TicketId) -> None:
        next(kept for kept in self.adapter.tickets if kept.id == ticket).gone = True

    async def merge(self, ticket: TicketId, into: TicketId) -> None:
        self.adapter.merge(ticket, into)


@asynccontextmanager
async def in_memory(request: pytest.FixtureRequest) -> AsyncIterator[AdapterUnderTest]:
    """A fresh one for each scenario."""
    adapter = MemoryAdapter(MEMORY_CAPABILITIES)
    yield AdapterUnderTest(adapter=adapter, backstage=_Office(adapter), hint=adapter.hint)
