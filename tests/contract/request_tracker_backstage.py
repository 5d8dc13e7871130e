"""A Request Tracker (real or fake) through the eyes of its agents, by REST2 and without our adapter."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import aiohttp

from contract.ticketing_model import AgentFile, Line
from inbox_daemon.model import EntryId, Reference, TicketId

Shred = Callable[[str], Awaitable[None]]
"""Deletes a transaction for good, by its number: all that RT has for an answer that must not be there."""


async def nothing_shreds(number: str) -> None:
    raise AssertionError("this test has no shredder")


KINDS = {"Create": "public", "Correspond": "public", "Comment": "note"}


class RtBackstage:
    """A `Backstage`, working with the agent's token."""

    def __init__(
        self, session: aiohttp.ClientSession, url: str, token: str, reference_field: str, shred: Shred | None = None
    ) -> None:
        self._session = session
        self._api = f"{url}/REST/2.0"
        self._headers = {"Authorization": f"token {token}"}
        self._reference_field = reference_field
        self._shred = shred

    async def call(self, method: str, path: str, **options: Any) -> Any:
        """One request, which must succeed; the JSON answered."""
        async with self._session.request(method, self._api + path, headers=self._headers, **options) as response:
            answer = await response.json(content_type=None)
            assert response.status < 300, answer
            return answer

    async def _all(self, method: str, path: str, params: dict[str, str], **options: Any) -> list[dict[str, Any]]:
        """Every row: an empty page after the fifth is the end (pages are cut before rights are checked)."""
        items: list[dict[str, Any]] = []
        page = 0
        while True:
            page += 1
            paged = {**params, "page": str(page), "per_page": "100"}
            got = (await self.call(method, path, params=paged, **options))["items"]
            if not got:
                return items
            items += got

    async def thread(self, ticket: TicketId) -> Sequence[Line]:
        fields = {"fields": "Type,Creator", "orderby": "id"}
        rows = await self._all("GET", f"/ticket/{ticket}/history", fields)
        kinds = {str(row["id"]): (row["Type"], row["Creator"]["id"]) for row in rows}
        lines: list[Line] = []
        for part in await self._parts(ticket):
            kind, author = kinds.get(str(part["TransactionId"]), ("", ""))
            if kind in KINDS and not part["Filename"] and part["ContentType"] == "text/plain":
                lines.append(Line(kind=KINDS[kind], text=part["Content"], author=author))
        return lines

    async def files(self, ticket: TicketId) -> Mapping[str, bytes]:
        files: dict[str, bytes] = {}
        for part in await self._parts(ticket):
            if part["Filename"]:
                whole = await self.call("GET", f"/attachment/{part['id']}")
                files[part["Filename"]] = base64.b64decode(whole["Content"])
        return files

    async def _parts(self, ticket: TicketId) -> list[dict[str, Any]]:
        params = {"fields": "TransactionId,ContentType,Filename,Content", "orderby": "id"}
        newest = [{"field": "id", "operator": ">", "value": "0"}]
        return await self._all("POST", f"/ticket/{ticket}/attachments", params, json=newest)

    async def tickets_with(self, reference: Reference) -> Sequence[TicketId]:
        query = f"CF.{{{self._reference_field}}} = '{reference}' AND EffectiveId > 0"
        return [TicketId(str(row["id"])) for row in await self._all("GET", "/tickets", {"query": query})]

    async def agent_answers(
        self, ticket: TicketId, text: str, *, html: bool = False, files: Sequence[AgentFile] = ()
    ) -> EntryId:
        body: dict[str, object] = {"Content": text, "ContentType": "text/html" if html else "text/plain"}
        return await self._write(ticket, "correspond", body, files)

    async def agent_notes(self, ticket: TicketId, text: str) -> EntryId:
        return await self._write(ticket, "comment", {"Content": text, "ContentType": "text/plain"})

    async def _write(
        self, ticket: TicketId, verb: str, body: dict[str, object], files: Sequence[AgentFile] = ()
    ) -> EntryId:
        if files:
            body["Attachments"] = [
                {
                    "FileName": file.name,
                    "FileType": file.media_type,
                    "FileContent": base64.b64encode(file.content).decode(),
                }
                for file in files
            ]
        url = f"{self._api}/ticket/{ticket}/{verb}"
        async with self._session.post(url, headers=self._headers, json=body) as response:
            assert response.status == 201, await response.text()
            return EntryId(response.headers["Location"].rsplit("/", 1)[1])

    async def take_back(self, ticket: TicketId, entry: EntryId) -> None:
        assert self._shred is not None
        await self._shred(entry)

    async def agent_closes(self, ticket: TicketId) -> None:
        await self.call("PUT", f"/ticket/{ticket}", json={"Status": "resolved"})

    async def delete(self, ticket: TicketId) -> None:
        await self.call("PUT", f"/ticket/{ticket}", json={"Status": "deleted"})

    async def merge(self, ticket: TicketId, into: TicketId) -> None:
        await self.call("PUT", f"/ticket/{ticket}", json={"MergeInto": str(into)})


@asynccontextmanager
async def rt_backstage(
    url: str, token: str, reference_field: str, shred: Shred = nothing_shreds
) -> AsyncIterator[RtBackstage]:
    """Open a backstage with a session of its own."""
    async with aiohttp.ClientSession() as session:
        yield RtBackstage(session, url, token, reference_field, shred)
