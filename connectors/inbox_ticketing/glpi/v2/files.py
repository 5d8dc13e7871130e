"""Files over the high-level API: out of GLPI. Into it they go over the older one, where its token is configured.

No released version takes the bytes of a file: its JSON makes a document without any, and its timeline refuses documents
(issue 24117; the change that is to mend it, 25251, was open on 2026-08-25).
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncGenerator
from contextlib import aclosing

from inbox_daemon.errors import Gone, Permanent, Transient
from inbox_daemon.model import Attachment, Entry, StoredFile
from inbox_daemon.plugins import Context
from inbox_ticketing.glpi.files import Sizes
from inbox_ticketing.glpi.parse import Document, Row, number
from inbox_ticketing.glpi.speech import FileSide
from inbox_ticketing.glpi.v2 import parse, rsql
from inbox_ticketing.glpi.v2.client import Client
from inbox_ticketing.glpi.v2.outcome import NO_RIGHT, NOT_FOUND


class Files:
    """A `speech.FileSide`; `uploads` is the older API's, None where that is not configured."""

    def __init__(self, client: Client, uploads: FileSide | None, context: Context) -> None:
        self._client = client
        self._uploads = uploads
        self._instance = context.instance
        self._sizes = Sizes()
        self.takes = uploads is not None

    async def put(self, row: Row, entry: Entry, file: StoredFile) -> None:
        """See `glpi.files.Files.put`. Raises `Permanent` without the older API: the file then goes as a link."""
        if self._uploads is None:
            raise Permanent(
                f"{self._instance}: this API of GLPI takes no files. Configure `user_token` for the older one",
                told="la API de GLPI no admite archivos",
            )
        await self._uploads.put(row, entry, file)

    async def of(self, kind: str, number_of_entry: int) -> tuple[Attachment, ...]:
        """The files linked to one followup or solution; only questions lead to them."""
        itemtype = parse.ITEMTYPES[kind]
        condition = rsql.every(rsql.equals("itemtype", itemtype), rsql.equals("items_id", number_of_entry))
        links = await self._client.ask("Document_Item", condition, "id itemtype items_id documents_id")
        mine = {
            number(link.get("documents_id"))
            for link in links
            if link.get("itemtype") == itemtype and number(link.get("items_id")) == number_of_entry
        }
        return await self._sizes.listed(mine, self._document, "/Management/Document/{}/Download", self._client.length)

    async def _document(self, ident: int) -> Document:
        answer = await self._client.get(f"/Management/Document/{ident}", accept=(NOT_FOUND, NO_RIGHT))
        if answer.status >= 400:
            raise Gone(f"{self._instance}: document {ident} is not there any more", reason="no_file")
        with self._client.reading("a document"):
            return parse.read_document(answer.json)

    async def fetch(self, attachment: Attachment) -> AsyncGenerator[bytes, None]:
        """Stream the bytes of a file; an end that does not make its SHA-1 is an error, also after the last piece."""
        ident = number(attachment.remote)
        row = await self._document(ident) if ident else None
        if row is None or row.deleted:
            raise Gone(f"{self._instance}: file {attachment.remote[:20]!r} is not there any more", reason="no_file")
        digest = hashlib.sha1(usedforsecurity=False)
        pieces = self._client.stream(f"/Management/Document/{ident}/Download", attachment.size or 0)
        async with aclosing(pieces):
            async for piece in pieces:
                digest.update(piece)
                yield piece
        if row.sha1 and digest.hexdigest() != row.sha1:
            raise Transient(f"{self._instance}: document {ident} did not come as GLPI keeps it")
