"""A fake Znuny through the eyes of its agents, without our adapter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from contract.ticketing_model import AgentFile, Line
from inbox_daemon.model import EntryId, Reference, TicketId
from support.znuny_fake import File, ZnunyState


class ZnunyBackstage:
    """A `Backstage`: what the agent does with the fake's state."""

    def __init__(self, state: ZnunyState) -> None:
        self._state = state
        self._agent = state.users["agente"]

    def where(self, ticket: TicketId) -> int:
        """Where a ticket goes on after merges, as agents who follow its link see it."""
        number = int(ticket)
        while self._state.tickets[number].state_type == "merged":
            last = [
                one for one in self._state.history if one.kind == "Merged" and one.name.split("%%")[2] == str(number)
            ]
            number = int(last[-1].name.split("%%")[4])
        return number

    def customer_of(self, ticket: TicketId) -> str:
        """Whom the ticket is for."""
        return self._state.tickets[int(ticket)].customer

    async def thread(self, ticket: TicketId) -> Sequence[Line]:
        return [
            Line(kind="public" if one.visible else "note", text=one.body, author=one.sent_by)
            for one in self._state.articles_of(self.where(ticket))
        ]

    async def files(self, ticket: TicketId) -> Mapping[str, bytes]:
        return {file.name: file.content for one in self._state.articles_of(int(ticket)) for file in one.files}

    async def tickets_with(self, reference: Reference) -> Sequence[TicketId]:
        found = [one for one in self._state.tickets.values() if one.fields.get("InboxReference") == reference]
        return [TicketId(str(one.id)) for one in found if one.state_type != "removed"]

    async def agent_answers(
        self, ticket: TicketId, text: str, *, html: bool = False, files: Sequence[AgentFile] = ()
    ) -> EntryId:
        made = self._state.write(
            int(ticket),
            by=self._agent.id,
            sender="agent",
            visible=True,
            body=text,
            kind="SendAnswer",
            channel="Email",
            sent_by=f'"{self._agent.name}" <atencion@salud.test>',
        )
        made.files += [File(name=one.name, media_type=one.media_type, content=one.content) for one in files]
        return EntryId(str(made.id))

    async def agent_notes(self, ticket: TicketId, text: str) -> EntryId:
        made = self._state.write(
            int(ticket), by=self._agent.id, sender="agent", visible=False, body=text, kind="AddNote"
        )
        return EntryId(str(made.id))

    async def take_back(self, ticket: TicketId, entry: EntryId) -> None:
        self._state.hide(int(entry), self._agent.id)

    async def agent_closes(self, ticket: TicketId) -> None:
        self._state.set_state(int(ticket), "closed successful", self._agent.id)

    async def delete(self, ticket: TicketId) -> None:
        self._state.set_state(int(ticket), "removed", self._agent.id)

    async def merge(self, ticket: TicketId, into: TicketId) -> None:
        self._state.merge(int(ticket), int(into), self._agent.id)
