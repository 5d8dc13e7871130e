"""A Zammad through the eyes of its agents, by its API and without our adapter."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import aiohttp

from contract.ticketing_model import AgentFile, Line
from inbox_daemon.model import EntryId, Reference, TicketId


class ZammadBackstage:
    """A `Backstage`, working with the token of an agent who may also delete."""

    def __init__(self, session: aiohttp.ClientSession, url: str, token: str, reference_field: str) -> None:
        self._session = session
        self._api = f"{url}/api/v1"
        self._headers = {"Authorization": f"Token token={token}"}
        self._reference_field = reference_field

    async def call(self, method: str, path: str, **options: Any) -> Any:
        """One request, which must succeed; the JSON answered."""
        params = {"expand": "true", **options.pop("params", {})}
        url = self._api + path
        async with self._session.request(method, url, headers=self._headers, params=params, **options) as response:
            answer = await response.json(content_type=None)
            assert response.status < 300, answer
            return answer

    async def articles(self, ticket: TicketId) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = await self.call("GET", f"/ticket_articles/by_ticket/{ticket}")
        return found

    async def thread(self, ticket: TicketId) -> Sequence[Line]:
        return [
            Line(
                kind="note" if one["internal"] else "public",
                text="\n".join(part for part in (one["body"], one["subject"]) if part),
                author=one["from"],
            )
            for one in await self.articles(ticket)
        ]

    async def files(self, ticket: TicketId) -> Mapping[str, bytes]:
        files: dict[str, bytes] = {}
        for article in await self.articles(ticket):
            for file in article["attachments"]:
                url = f"{self._api}/ticket_attachment/{ticket}/{article['id']}/{file['id']}"
                async with self._session.get(url, headers=self._headers) as response:
                    files[file["filename"]] = await response.read()
        return files

    async def tickets_with(self, reference: Reference) -> Sequence[TicketId]:
        condition = {f"ticket.{self._reference_field}": {"operator": "is", "value": reference}}
        rows = await self.call("POST", "/tickets/search", json={"condition": condition})
        return [TicketId(str(row["id"])) for row in rows]

    async def agent_answers(
        self, ticket: TicketId, text: str, *, html: bool = False, files: Sequence[AgentFile] = ()
    ) -> EntryId:
        attachments = [
            {
                "filename": file.name,
                "mime-type": file.media_type,
                "data": base64.b64encode(file.content).decode(),
            }
            for file in files
        ]
        content_type = "text/html" if html else "text/plain"
        return await self.write(ticket, body=text, content_type=content_type, attachments=attachments)

    async def agent_notes(self, ticket: TicketId, text: str) -> EntryId:
        return await self.write(ticket, body=text, internal=True)

    async def write(self, ticket: TicketId, **article: Any) -> EntryId:
        """An article of the agent; a public note unless it says otherwise."""
        whole = {"ticket_id": int(ticket), "type": "note", "sender": "Agent", "internal": False, **article}
        return EntryId(str((await self.call("POST", "/ticket_articles", json=whole))["id"]))

    async def take_back(self, ticket: TicketId, entry: EntryId) -> None:
        await self.call("PUT", f"/ticket_articles/{entry}", json={"internal": True})

    async def agent_closes(self, ticket: TicketId) -> None:
        await self.call("PUT", f"/tickets/{ticket}", json={"state": "closed"})

    async def delete(self, ticket: TicketId) -> None:
        await self.call("DELETE", f"/tickets/{ticket}")

    async def merge(self, ticket: TicketId, into: TicketId) -> None:
        target = await self.call("GET", f"/tickets/{into}")
        done = await self.call("PUT", f"/ticket_merge/{ticket}/{target['number']}")
        assert done["result"] == "success", done


@asynccontextmanager
async def zammad_backstage(url: str, token: str, reference_field: str) -> AsyncIterator[ZammadBackstage]:
    """Open a backstage with a session of its own."""
    async with aiohttp.ClientSession() as session:
        yield ZammadBackstage(session, url, token, reference_field)
