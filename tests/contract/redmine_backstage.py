"""A Redmine (real or fake) through the eyes of its agents, by its REST API and without our adapter."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import aiohttp

from contract.ticketing_model import AgentFile, Line
from inbox_daemon.model import EntryId, Reference, TicketId

CLOSED = "Closed"


def shown(text: str) -> str:
    """What an agent reads of a text in Textile: the inside of a block that is preformatted as a whole."""
    text = text.replace("\r\n", "\n")
    if text.startswith("<pre>\n") and text.endswith("\n</pre>"):
        return text[len("<pre>\n") : -len("\n</pre>")]
    return text


class RedmineBackstage:
    """A `Backstage`, working with the agent's key."""

    def __init__(self, session: aiohttp.ClientSession, url: str, key: str, reference_field: int) -> None:
        self._session = session
        self._url = url
        self._headers = {"X-Redmine-API-Key": key}
        self._reference_field = reference_field

    async def call(self, method: str, path: str, **options: Any) -> Any:
        """One request, which must succeed; the JSON answered, if any."""
        headers = self._headers | options.pop("headers", {})
        async with self._session.request(method, self._url + path, headers=headers, **options) as response:
            assert response.status < 300, await response.text()
            return None if response.status == 204 else await response.json()

    async def issue(self, ticket: TicketId) -> Any:
        """The issue with all that the agent may see of it."""
        params = {"include": "journals,attachments"}
        return (await self.call("GET", f"/issues/{ticket}.json", params=params))["issue"]

    async def thread(self, ticket: TicketId) -> Sequence[Line]:
        issue = await self.issue(ticket)
        first = Line(kind="public", text=shown(issue["description"]), author=issue["author"]["name"])
        return [first] + [
            Line(
                kind="note" if one["private_notes"] else "public", text=shown(one["notes"]), author=one["user"]["name"]
            )
            for one in issue["journals"]
            if one["notes"]
        ]

    async def files(self, ticket: TicketId) -> Mapping[str, bytes]:
        found = {}
        for one in (await self.issue(ticket))["attachments"]:
            url = f"{self._url}/attachments/download/{one['id']}"
            async with self._session.get(url, headers=self._headers) as response:
                assert response.status == 200, await response.text()
                found[one["filename"]] = await response.read()
        return found

    async def tickets_with(self, reference: Reference) -> Sequence[TicketId]:
        params = {f"cf_{self._reference_field}": reference, "status_id": "*"}
        return [TicketId(str(one["id"])) for one in (await self.call("GET", "/issues.json", params=params))["issues"]]

    async def agent_answers(
        self, ticket: TicketId, text: str, *, html: bool = False, files: Sequence[AgentFile] = ()
    ) -> EntryId:
        assert not html, "notes are Textile or Markdown"
        uploads = [await self._uploaded(one) for one in files]
        return await self._write(ticket, {"notes": text, "uploads": uploads})

    async def agent_notes(self, ticket: TicketId, text: str) -> EntryId:
        return await self._write(ticket, {"notes": text, "private_notes": True})

    async def _uploaded(self, file: AgentFile) -> dict[str, str]:
        headers = {"Content-Type": "application/octet-stream"}
        params = {"filename": file.name}
        made = await self.call("POST", "/uploads.json", params=params, data=file.content, headers=headers)
        return {"token": made["upload"]["token"], "filename": file.name, "content_type": file.media_type}

    async def _write(self, ticket: TicketId, change: dict[str, object]) -> EntryId:
        await self.change(ticket, change)
        return EntryId(str((await self.issue(ticket))["journals"][-1]["id"]))

    async def change(self, ticket: TicketId, change: dict[str, object]) -> None:
        """Change an issue in any way."""
        await self.call("PUT", f"/issues/{ticket}.json", json={"issue": change})

    async def take_back(self, ticket: TicketId, entry: EntryId) -> None:
        await self.call("PUT", f"/journals/{entry}.json", json={"journal": {"private_notes": True}})

    async def agent_closes(self, ticket: TicketId) -> None:
        statuses = (await self.call("GET", "/issue_statuses.json"))["issue_statuses"]
        await self.change(ticket, {"status_id": next(one["id"] for one in statuses if one["name"] == CLOSED)})

    async def delete(self, ticket: TicketId) -> None:
        await self.call("DELETE", f"/issues/{ticket}.json")

    async def merge(self, ticket: TicketId, into: TicketId) -> None:
        raise AssertionError("Redmine merges nothing")


@asynccontextmanager
async def redmine_backstage(url: str, key: str, reference_field: int) -> AsyncIterator[RedmineBackstage]:
    """Open a backstage with a session of its own."""
    async with aiohttp.ClientSession() as session:
        yield RedmineBackstage(session, url, key, reference_field)
