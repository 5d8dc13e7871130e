"""Files to and from GLPI. A document is a row of its own, linked to a ticket or to a followup.

A row without bytes is made when PHP cuts an upload off, and equal bytes may be answered with an older row; so what came
in is compared by its SHA-1, and its link to the ticket is looked at, before anything is said about it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection
from contextlib import aclosing
from typing import Any

import aiohttp

from inbox_daemon.errors import Gone, Permanent, Transient, Uncertain
from inbox_daemon.model import Attachment, Entry, StoredFile
from inbox_daemon.plugins import Context, read_stored
from inbox_ticketing._writing import texts as words
from inbox_ticketing.glpi import parse, texts
from inbox_ticketing.glpi.parse import Document, Row
from inbox_ticketing.glpi.places import Places
from inbox_ticketing.glpi.rest import RestClient
from inbox_ticketing.glpi.settings import GlpiSettings

ITEMTYPES = {"F": "ITILFollowup", "S": "ITILSolution"}
KEPT = 2_000
REFUSED = "GLPI no acepta este archivo (tipo o tamaño)"


class Sizes:
    """Sizes of documents, which are their bytes' (row and SHA-1): no API tells them, so each is counted once."""

    def __init__(self) -> None:
        self._known: dict[tuple[int, str], int | None] = {}

    async def of(self, row: Document, path: str, count: Callable[[str], Awaitable[int | None]]) -> int | None:
        """What is known, else what `count` says of `path`."""
        key = (row.id, row.sha1)
        if key not in self._known:
            if len(self._known) >= KEPT:
                self._known.clear()
            self._known[key] = await count(path)
        return self._known[key]

    async def listed(
        self,
        documents: Collection[int],
        read: Callable[[int], Awaitable[Document]],
        path: str,
        count: Callable[[str], Awaitable[int | None]],
    ) -> tuple[Attachment, ...]:
        """Those of `documents` that still have bytes; the bytes of one are at `path`, with its id in it."""
        found: list[Attachment] = []
        for one in sorted(set(documents) - {0}):
            try:
                row = await read(one)
            except Gone:
                continue
            if row.deleted or not row.sha1:
                continue
            found.append(
                Attachment(
                    filename=row.filename or row.name,
                    media_type=row.media_type or "application/octet-stream",
                    remote=str(one),
                    size=await self.of(row, path.format(one), count),
                )
            )
        return tuple(found)


class Files:
    """A `speech.FileSide` over `apirest.php`."""

    def __init__(self, settings: GlpiSettings, rest: RestClient, places: Places, context: Context) -> None:
        self._settings = settings
        self._rest = rest
        self._places = places
        self._instance = context.instance
        self._sizes = Sizes()
        self.takes = True

    async def put(self, row: Row, entry: Entry, file: StoredFile) -> None:
        """Have the file in the ticket, once: an upload whose end was unclear is found by its name and its bytes."""
        content = await read_stored(file, self._instance, limit=self._settings.max_attachment_bytes)
        sha1 = hashlib.sha1(content, usedforsecurity=False).hexdigest()
        found = await self._uploaded(entry, sha1)
        number = found.id if found else await self._upload(row, entry, file, content)
        if found is None and (await self.document(number)).sha1 != sha1:
            raise Permanent(f"{self._instance}: GLPI made document {number} without the file's bytes", told=REFUSED)
        if row.id not in await self._tickets_of(number):
            link = {"documents_id": number, "itemtype": "Ticket", "items_id": row.id}
            await self._rest.send("POST", "/Document_Item", link)

    async def _uploaded(self, entry: Entry, sha1: str) -> Document | None:
        me = await self._places.me()
        mark = words.marker(entry.key)
        for item in await self._rest.rows("/Document", {"searchText[name]": entry.key, "is_deleted": "0"}):
            with self._rest.reading("a document"):
                one = parse.read_document(item)
            if one.name.startswith(f"{mark} ") and one.author == me and one.sha1 == sha1 and not one.deleted:
                return one
        return None

    async def _upload(self, row: Row, entry: Entry, file: StoredFile, content: bytes) -> int:
        name = texts.file_name(file)
        manifest = {
            "name": texts.document_name(entry, file),
            "_filename": [name],
            "entities_id": row.entity,
            "itemtype": "Ticket",
            "items_id": row.id,
        }

        def form() -> aiohttp.FormData:
            made = aiohttp.FormData(quote_fields=False)
            made.add_field("uploadManifest", json.dumps({"input": manifest}), content_type="application/json")
            made.add_field("filename[0]", content, filename=name, content_type=words.file_type(file))
            return made

        try:
            answer = await self._rest.upload("/Document", form, file.size)
        except Permanent as error:
            if error.__cause__ is not None:
                raise
            raise Permanent(
                f"{self._instance}: GLPI refuses a file: its types of documents decide", told=REFUSED
            ) from None
        number = parse.number(answer.json.get("id")) if isinstance(answer.json, dict) else 0
        if answer.status != 201 or not number:
            raise Uncertain(f"{self._instance}: GLPI answered an upload without a document's number")
        return number

    async def _tickets_of(self, document: int) -> set[int]:
        rows = await self._rest.rows(f"/Document/{document}/Document_Item")
        return {
            parse.number(row.get("items_id"))
            for row in rows
            if row.get("itemtype") == "Ticket" and parse.number(row.get("documents_id")) == document
        }

    async def document(self, number: int) -> Document:
        """The row of one document. Raises `Gone`."""
        answer = await self._rest.get(f"/Document/{number}", accept=("ERROR_ITEM_NOT_FOUND", "ERROR_RIGHT_MISSING"))
        if answer.code:
            raise Gone(f"{self._instance}: document {number} is not there any more", reason="no_file")
        with self._rest.reading("a document"):
            return parse.read_document(answer.json)

    async def of(self, kind: str, number: int) -> tuple[Attachment, ...]:
        """The files linked to one followup or solution."""
        itemtype = ITEMTYPES[kind]
        links: list[dict[str, Any]] = await self._rest.rows(f"/{itemtype}/{number}/Document_Item")
        mine = {
            parse.number(link.get("documents_id"))
            for link in links
            if link.get("itemtype") == itemtype and parse.number(link.get("items_id")) == number
        }
        return await self._sizes.listed(mine, self.document, "/Document/{}", self._rest.length)

    async def fetch(self, attachment: Attachment) -> AsyncGenerator[bytes, None]:
        """Stream the bytes of a file; an end that does not make its SHA-1 is an error, also after the last piece."""
        number = parse.number(attachment.remote)
        row = await self.document(number) if number else None
        if row is None or row.deleted:
            raise Gone(f"{self._instance}: file {attachment.remote[:20]!r} is not there any more", reason="no_file")
        digest = hashlib.sha1(usedforsecurity=False)
        async with aclosing(self._rest.stream(f"/Document/{number}", attachment.size or 0)) as pieces:
            async for piece in pieces:
                digest.update(piece)
                yield piece
        if row.sha1 and digest.hexdigest() != row.sha1:
            raise Transient(f"{self._instance}: document {number} did not come as GLPI keeps it")
