"""A fake GLPI through the eyes of its agents, without our adapter: straight in its state."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from contract.ticketing_model import AgentFile, Line
from inbox_daemon.model import EntryId, Reference, TicketId
from inbox_ticketing.glpi.parse import references_in, text_of
from support.glpi_fake import AGENT, GlpiState, Record


@dataclass(frozen=True)
class GlpiBackstage:
    """A `Backstage`, working as the agent."""

    state: GlpiState

    def _ticket(self, ticket: TicketId) -> Record:
        row = self.state.row("Ticket", int(ticket))
        assert row is not None
        return row

    def _line(self, kind: str, row: Record, author: int) -> Line:
        text = text_of(self.state.shown(row["content"]))
        return Line(kind=kind, text=text, author=self.state.user_name(author).partition(" ")[0])

    async def thread(self, ticket: TicketId) -> Sequence[Line]:
        opening = self._ticket(ticket)
        own = [row for row in self.state.table("ITILFollowup") if row["items_id"] == int(ticket)]
        return [
            self._line("public", opening, opening["users_id_recipient"]),
            *(
                self._line("note" if row["is_private"] else "public", row, row["users_id"])
                for row in own
                if not row["sourceitems_id"]
            ),
        ]

    async def files(self, ticket: TicketId) -> Mapping[str, bytes]:
        linked = [
            row["documents_id"]
            for row in self.state.table("Document_Item")
            if row["itemtype"] == "Ticket" and row["items_id"] == int(ticket)
        ]
        documents = [self.state.row("Document", number) for number in linked]
        return {
            self.state.shown(one["filename"]): self.state.contents[one["sha1sum"]]
            for one in documents
            if one and one["sha1sum"]
        }

    async def tickets_with(self, reference: Reference) -> Sequence[TicketId]:
        return [
            TicketId(str(row["id"]))
            for row in self.state.table("Ticket")
            if not row["is_deleted"]
            and (reference in references_in(self.state.shown(row["name"])) or row.get("externalid") == reference)
        ]

    async def agent_answers(
        self, ticket: TicketId, text: str, *, html: bool = False, files: Sequence[AgentFile] = ()
    ) -> EntryId:
        return self._write(ticket, text if html else _page_html(text), files=files)

    async def agent_notes(self, ticket: TicketId, text: str) -> EntryId:
        return self._write(ticket, _page_html(text), private=1)

    def _write(self, ticket: TicketId, content: str, *, private: int = 0, files: Sequence[AgentFile] = ()) -> EntryId:
        given = {"itemtype": "Ticket", "items_id": int(ticket), "content": content, "is_private": private}
        row = self.state.add("ITILFollowup", given, AGENT)
        assert row is not None
        for file in files:
            link = {"itemtype": "ITILFollowup", "items_id": row["id"], "name": file.name}
            assert self.state.keep_file(link, file.name, file.media_type, file.content, AGENT)
        return EntryId(f"F{row['id']}")

    async def take_back(self, ticket: TicketId, entry: EntryId) -> None:
        row = self.state.row("ITILFollowup", int(entry[1:]))
        assert row is not None
        self.state.update("ITILFollowup", row, {"is_private": 1}, AGENT)

    async def agent_closes(self, ticket: TicketId) -> None:
        self.state.set_status(self._ticket(ticket), 6, AGENT)

    async def delete(self, ticket: TicketId) -> None:
        self.state.bin(int(ticket))

    async def merge(self, ticket: TicketId, into: TicketId) -> None:
        self.state.merge(int(ticket), int(into), AGENT, with_followups=True)


def _page_html(text: str) -> str:
    """What the editor of GLPI's page makes of typed text."""
    return "<p>" + html.escape(text, quote=False).replace("\n", "<br>") + "</p>"
