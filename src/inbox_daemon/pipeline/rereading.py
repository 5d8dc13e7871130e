"""Reads agents' entries again just before they go, and brings their files: nothing is believed from before."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from pathlib import Path

import structlog

from inbox_daemon.errors import EdgeError, Gone, Permanent
from inbox_daemon.model import Attachment, EntryId, InstanceId, StoredFile, TicketId, TicketUpdate
from inbox_daemon.pipeline import files
from inbox_daemon.pipeline.sending import Sending
from inbox_daemon.plugins import TicketingAdapter
from inbox_daemon.store import replies
from inbox_daemon.store.database import Database


class NotNow(Exception):
    """The ticketing system can't be asked at present."""


class Rereading:
    """Asks destinations for entries as they stand, and keeps their files in `folder`."""

    def __init__(
        self,
        *,
        adapters: Mapping[InstanceId, TicketingAdapter],
        database: Database,
        folder: Path,
        max_bytes: int,
    ) -> None:
        self._adapters = adapters
        self._database = database
        self._folder = folder
        self._max_bytes = max_bytes
        self._log = structlog.get_logger(__name__)

    async def entries(self, sending: Sending) -> list[TicketUpdate]:
        """The entries that are public at this moment, in order; the others are written down as taken back.

        Empty for a notice. Raises `NotNow`.
        """
        public: list[TicketUpdate] = []
        withdrawn: list[int] = []
        for one in sending.replies:
            if one.origin != replies.ANSWER or one.state == "withdrawn":
                continue
            entry = await self._entry(InstanceId(one.destination), TicketId(one.ticket_id), EntryId(one.entry_id))
            if entry is None or not is_public(entry):
                withdrawn.append(one.id)
            else:
                public.append(entry)
        if withdrawn:
            await self._database.run(lambda connection: replies.withdraw(connection, withdrawn))
            self._log.info("answer.withdrawn", step=sending.step.key, entries=len(withdrawn))
        return public

    async def _entry(self, destination: InstanceId, ticket: TicketId, entry: EntryId) -> TicketUpdate | None:
        adapter = self._adapters.get(destination)
        if adapter is None:
            raise NotNow(f"the destination {destination} is not configured any more")
        try:
            return await adapter.entry(ticket, entry)
        except Gone:
            return None
        except EdgeError as error:
            raise NotNow(str(error)) from error

    async def files(self, entries: Sequence[TicketUpdate], destination: str) -> tuple[list[StoredFile], list[str]]:
        """(files on our disk, names of those that can't be had). Raises `NotNow`."""
        kept: list[StoredFile] = []
        missing: list[str] = []
        for entry in entries:
            for attachment in entry.attachments:
                try:
                    kept.append(await self._fetch(InstanceId(destination), attachment))
                except (Permanent, Gone) as error:
                    self._log.warning("answer.file_missing", destination=destination, reason=type(error).__name__)
                    missing.append(attachment.filename)
                except (EdgeError, OSError) as error:
                    raise NotNow(str(error) or type(error).__name__) from error
        return kept, missing

    async def _fetch(self, destination: InstanceId, attachment: Attachment) -> StoredFile:
        chunks = self._adapters[destination].fetch(attachment)
        try:
            size, sha256 = await files.store(self._folder, chunks, self._max_bytes)
        finally:
            if isinstance(chunks, AsyncGenerator):
                await chunks.aclose()
        return StoredFile(
            filename=attachment.filename,
            media_type=attachment.media_type,
            size=size,
            sha256=sha256,
            path=str(files.path_of(self._folder, sha256)),
        )


def is_public(entry: TicketUpdate) -> bool:
    """Whether a citizen may get an entry: beyond doubt an agent's public words, and no machine's. Pure."""
    has_words = bool(entry.text.strip() or entry.attachments)
    return entry.public and not entry.own and not entry.automatic and entry.entry is not None and has_words
