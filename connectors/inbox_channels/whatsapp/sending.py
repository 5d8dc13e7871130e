"""Answers to citizens, on their way: upload, read mark, pace, and the message itself."""

from __future__ import annotations

import asyncio
from pathlib import Path

import aiohttp
import structlog

from inbox_channels._graph.client import GraphClient
from inbox_channels._graph.file_names import part_name
from inbox_channels._graph.reading import Json, children, word
from inbox_channels.whatsapp import compose
from inbox_channels.whatsapp.pace import Holds, Throughput
from inbox_channels.whatsapp.settings import WhatsAppSettings
from inbox_daemon.errors import EdgeError, Permanent, Transient, Uncertain, WindowClosed
from inbox_daemon.model import Handle, RemoteId, Reply, Sent, StoredFile

_MARK_SECONDS = 10.0
"""The longest that a read mark may be on its way; nobody waits for it."""


class Sending:
    """What goes out from one number."""

    def __init__(
        self, graph: GraphClient, settings: WhatsAppSettings, holds: Holds, log: structlog.stdlib.BoundLogger
    ) -> None:
        self._graph = graph
        self._settings = settings
        self._log = log
        self._holds = holds
        self._throughput = Throughput(settings.per_second)
        self._marks: set[asyncio.Task[None]] = set()

    async def send(self, reply: Reply) -> Sent:
        """Send one portion, once. Nothing was sent yet when an upload fails: only the message can be `Uncertain`."""
        compose.check(reply)
        self._holds.check(_person(reply.to))
        uploaded = [await self._upload(file) for file in reply.attachments]
        self._mark_read(reply)
        file = uploaded[0] if uploaded else None
        if self._settings.ask_for_number and compose.may_ask(reply):
            try:
                return await self._message(reply.to, compose.asking(reply))
            except WindowClosed:
                raise
            except Permanent as error:  # provably not taken, so that the plain text may follow
                self._log.info("number_request.refused", reason=str(error))
        return await self._message(reply.to, compose.body(reply, file, self._settings))

    async def aclose(self) -> None:
        """Let go of read marks that are still on their way."""
        marks = list(self._marks)
        for mark in marks:
            mark.cancel()
        await asyncio.gather(*marks, return_exceptions=True)

    async def _message(self, to: Handle, body: Json) -> Sent:
        await self._throughput.turn()
        try:
            answer = await self._graph.post(self._path("messages"), doing="sending an answer", json=body)
        except Transient as error:
            if not error.only_this:
                raise
            wait = self._holds.refused(_person(to), error.retry_after)
            raise Transient(str(error), retry_after=wait, only_this=True) from None
        self._holds.taken(_person(to))
        sent = next((word(message, "id") for message in children(answer, "messages") if word(message, "id")), "")
        if not sent:
            raise Uncertain("sending an answer: it was taken without an id")
        return Sent(id=RemoteId(sent))

    async def _upload(self, file: StoredFile) -> compose.UploadedFile:
        try:
            content = await asyncio.to_thread(Path(file.path).open, "rb")
        except OSError:
            raise Permanent(
                "sending a file: its bytes are not on our disk any more", told="el archivo adjunto ya no está guardado"
            ) from None
        with content:
            form = aiohttp.FormData(quote_fields=False)
            form.add_field("messaging_product", "whatsapp")
            name = part_name(file.filename)
            form.add_field("file", content, filename=name, content_type=compose.media_type(file))
            answer = await self._graph.upload(self._path("media"), doing="uploading a file", form=form, size=file.size)
        media_id = word(answer, "id")
        if not media_id:
            raise Transient("uploading a file: it was taken without an id")
        return compose.UploadedFile(file=file, media_id=media_id)

    def _path(self, edge: str) -> str:
        return f"{self._settings.phone_number_id}/{edge}"

    # ------------------------------------------------------------ read mark

    def _mark_read(self, reply: Reply) -> None:
        """Show the citizen that a person has read what they wrote; whether that works, nothing depends on."""
        if not self._settings.mark_read or reply.automatic or not reply.in_reply_to:
            return
        task = asyncio.get_running_loop().create_task(self._mark(str(reply.in_reply_to)))
        self._marks.add(task)
        task.add_done_callback(self._marks.discard)

    async def _mark(self, message_id: str) -> None:
        body = {"messaging_product": "whatsapp", "status": "read", "message_id": message_id}
        try:
            async with asyncio.timeout(_MARK_SECONDS):
                await self._graph.post(self._path("messages"), doing="marking a message as read", json=body)
        except (EdgeError, TimeoutError) as error:
            self._log.info("read_mark.failed", reason=str(error))


def _person(to: Handle) -> str:
    return to.value.removeprefix("+")
