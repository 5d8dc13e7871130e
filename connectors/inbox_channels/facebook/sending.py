"""Portions of answers on their way: to a person, or to a commenter as the one private reply that Meta takes."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import aiohttp
import orjson

from inbox_channels._graph.client import GraphClient
from inbox_channels._graph.file_names import part_name
from inbox_channels._graph.reading import child, children, word
from inbox_channels.facebook import compose, rules
from inbox_channels.facebook.settings import FacebookSettings
from inbox_daemon.errors import EdgeError, Permanent, Transient, Uncertain, WindowClosed
from inbox_daemon.model import Handle, RemoteId, Reply, Sent, StoredFile
from inbox_daemon.plugins import Context

_PUBLIC_SECONDS = 10.0
"""Longest that the neutral public text may hold up the word that the private answer went."""


class Sender:
    """Sends for one page or account. One portion is one message; nothing is tried again."""

    def __init__(self, graph: GraphClient, settings: FacebookSettings, context: Context) -> None:
        self._graph = graph
        self._settings = settings
        self._context = context
        self._path = f"{settings.page_id}/messages"

    async def send(self, reply: Reply) -> Sent:
        """Send one portion. Nothing was sent yet when an upload fails: only the message itself can be `Uncertain`."""
        compose.check(reply, self._settings.platform)
        if reply.to.kind == compose.COMMENTER:
            return await self._answer_comment(reply)
        attachment = await self._upload(reply.attachments[0]) if reply.attachments else None
        return await self._to_person(reply, compose.message(reply, attachment))

    async def _to_person(self, reply: Reply, content: compose.Body) -> Sent:
        """As a response; when Meta says that its time is over, once more as a human agent's, where that is granted.

        The refusal proves that nothing was sent by the first try.
        """
        recipient = compose.to_person(reply.to)
        target = reply.in_reply_to or ""
        reply_to = target if target.startswith("m_") else ""
        human = self._settings.human_agent and not reply.automatic
        if not (human and self._is_late(reply)):
            try:
                return await self._post(compose.body(recipient, content, reply_to=reply_to))
            except WindowClosed:
                if not human:
                    raise
        return await self._post(compose.body(recipient, content, reply_to=reply_to, tagged=True))

    def _is_late(self, reply: Reply) -> bool:
        return reply.quoted_at is not None and self._context.now() - reply.quoted_at >= rules.WINDOW

    async def _post(self, body: compose.Body) -> Sent:
        answer = await self._graph.post(self._path, doing="sending an answer", json=body)
        sent = word(answer, "message_id")
        if not sent:
            raise Uncertain("sending an answer: it was taken without an id")
        person = word(answer, "recipient_id")
        learned: tuple[Handle, ...] = ()
        if person and "id" not in body["recipient"]:
            kind = compose.PERSON[self._settings.platform]
            learned = (Handle(kind=kind, value=person, scope=self._settings.own_id),)
        return Sent(id=RemoteId(sent), learned=learned)

    # ------------------------------------------------------------ comments

    async def _answer_comment(self, reply: Reply) -> Sent:
        comment = compose.comment_of(reply)
        if reply.attachments:
            reply = replace(reply, text=self._links(reply), attachments=())
            compose.check(reply, self._settings.platform)
        recipient = compose.private_recipient(comment, self._settings.page_id)
        try:
            sent = await self._post(compose.body(recipient, compose.message(reply, None)))
        except WindowClosed:  # it waits: nobody is invited who was answered in private already, or will be
            raise
        except Permanent:
            await self._say_publicly(comment, self._settings.public_invite)
            raise
        await self._say_publicly(comment, self._settings.public_answer)
        return sent

    def _links(self, reply: Reply) -> str:
        return "\n".join(f"{file.filename}: {self._context.file_link(file)}" for file in reply.attachments)

    async def _say_publicly(self, comment: str, text: str) -> None:
        """Post a neutral text below a comment, unless a neutral text of ours stands there already.

        At best: whatever goes wrong here changes nothing about the private answer.
        """
        if not text:
            return
        try:
            async with asyncio.timeout(_PUBLIC_SECONDS):
                if not await self._stands_below(comment):
                    await self._graph.post(self._edge(comment), doing="posting a neutral text", json={"message": text})
        except (EdgeError, TimeoutError) as error:
            self._context.log.warning("facebook.public_text_missed", reason=str(error) or type(error).__name__)

    async def _stands_below(self, comment: str) -> bool:
        instagram = self._settings.platform == "instagram"
        answer = await self._graph.get(
            self._edge(comment),
            {"fields": "id,text,from" if instagram else "id,message,from", "limit": "100"},
            doing="looking for our neutral text",
            missing=Permanent("looking for our neutral text: the comment is gone"),
        )
        neutral = {self._settings.public_answer, self._settings.public_invite} - {""}
        own = (self._settings.own_id, self._settings.page_id)
        return any(
            word(child(row, "from"), "id") in own and (word(row, "text") or word(row, "message")).strip() in neutral
            for row in children(answer, "data")
        )

    def _edge(self, comment: str) -> str:
        return f"{comment}/{'replies' if self._settings.platform == 'instagram' else 'comments'}"

    # ------------------------------------------------------------ files

    async def _upload(self, file: StoredFile) -> compose.Body:
        """Bring a file to Meta; how a message names it then."""
        instagram = self._settings.platform == "instagram"
        kind = compose.media_kind(file, self._settings.platform)
        try:
            content = await asyncio.to_thread(Path(file.path).open, "rb")
        except OSError:
            raise Permanent(
                "sending a file: its bytes are not on our disk any more", told="el archivo adjunto ya no está guardado"
            ) from None
        with content:
            form = aiohttp.FormData(quote_fields=False)
            if instagram:
                form.add_field("platform", "instagram")
            described = {"attachment": {"type": kind, "payload": {"is_reusable": True}}}
            form.add_field("message", orjson.dumps(described).decode())
            name = part_name(file.filename, ascii_only=instagram)
            form.add_field("filedata", content, filename=name, content_type=compose.media_type(file))
            path = f"{self._settings.page_id}/message_attachments"
            answer = await self._graph.upload(path, doing="uploading a file", form=form, size=file.size)
        known = word(answer, "attachment_id")
        if not known:
            raise Transient("uploading a file: it was taken without an id")
        if instagram:
            return {"type": "MEDIA_SHARE", "payload": {"id": known}}
        return {"type": kind, "payload": {"attachment_id": known}}
