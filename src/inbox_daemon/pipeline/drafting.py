"""What a step sends: loads the message behind it, and words it for the destination. Reads the store, writes nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any

from sqlalchemy import Connection, Row, select

from inbox_daemon.identity.handles import readable
from inbox_daemon.model import Draft, Entry, Handle, MessageKey, Proof, Reference, StoredFile
from inbox_daemon.pipeline.files import limit_words, path_of
from inbox_daemon.pipeline.markup import to_channel
from inbox_daemon.pipeline.rendering import CHANNELS, Shown, Wording
from inbox_daemon.pipeline.routing import RESERVED_MATTERS
from inbox_daemon.pipeline.texts import Texts
from inbox_daemon.plugins import Capabilities
from inbox_daemon.store import conversations, portions, replies, schema, transfers
from inbox_daemon.store.conversations import ECHO_EDIT, ECHO_REVOKE, Conversation
from inbox_daemon.store.outbox import Step

START_CHARS = 60
_ECHOES = {ECHO_EDIT: "edit", ECHO_REVOKE: "revoke"}
_PLACES = {"whatsapp": "echo_phone", "facebook": "echo_page", "instagram": "echo_page"}
"""How the place is called where agents answer outside of us, by channel."""
_ON_ITS_WAY = frozenset({"accepted", "sent", "delivered", "read", "played"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """A step with all it speaks of. `earlier` is the number of the ticket this conversation follows.

    A step about a `reply` has the citizen's latest message as its `message`; `instance` and `handle` are where the
    reply went, else those of the message. `refused_by` are the destinations that handed the case on, the latest
    first, `answers` what they had answered, for the entry that opens the next ticket;
    `gone_to` is the one that has it, where this is what it left behind.
    """

    conversation: Conversation
    message: Row[Any]
    instance: str
    reply: Row[Any] | None
    handle: Handle | None
    file: Row[Any] | None
    earlier: str
    answers: Sequence[Row[Any]]
    refused_by: Sequence[str] = ()
    gone_to: str = ""

    def opens(self, step: Step) -> bool:
        """Whether the step's earlier try was to open the ticket."""
        return step.kind == "open" and self.conversation.ticket is None

    def may_be_there(self, step: Step) -> bool:
        """Whether an earlier try can have reached the destination: without a ticket only an open can.

        A node that dies between claiming and planning leaves an append behind that was never sent.
        """
        return step.kind == "open" or self.conversation.ticket is not None

    def stored_file(self, folder: Path) -> StoredFile | None:
        """The attachment's bytes on our disk, None when they could not be had."""
        if self.file is None or self.file.state != "stored":
            return None
        return StoredFile(
            filename=self.file.filename,
            media_type=self.file.media_type,
            size=self.file.size,
            sha256=self.file.sha256,
            path=str(path_of(folder, self.file.sha256)),
        )


def load(connection: Connection, step: Step) -> Work:
    """Read what `step` speaks of."""
    conversation = conversations.read(connection, step.conversation_id)
    reply = None if step.reply_id is None else replies.read(connection, step.reply_id)
    message_id = step.message_id if reply is None else conversations.last_message_id(connection, reply.conversation_id)
    message = conversations.read_message(connection, message_id or 0)
    instance, handle_id = message.instance, message.handle_id
    if reply is not None:
        instance, handle_id = portions.went_to(connection, reply.joined_id or reply.id) or (instance, handle_id)
    handle = file = None
    if handle_id is not None:
        row = connection.execute(select(schema.handle).where(schema.handle.c.id == handle_id)).one()
        handle = Handle(kind=row.kind, value=row.value, scope=row.scope, proof=Proof(row.proof))
    if step.attachment_id is not None:
        file = connection.execute(select(schema.attachment).where(schema.attachment.c.id == step.attachment_id)).one()
    refused_by = transfers.refused_by(connection, conversation)
    earlier = ""
    if conversation.follows_id is not None and not refused_by:
        before = conversations.read(connection, conversation.follows_id)
        earlier = before.ticket.number if before.ticket else before.case_number
    return Work(
        conversation=conversation,
        message=message,
        instance=instance,
        reply=reply,
        handle=handle,
        file=file,
        earlier=earlier,
        answers=replies.given(connection, conversation.id) if refused_by and conversation.ticket is None else (),
        refused_by=refused_by,
        gone_to="" if conversation.filed else transfers.went_to(connection, conversation).destination,
    )


def _start(text: str, *, html: bool) -> str:
    """The first words of an answer, by which its agent knows it."""
    line = " ".join(to_channel(text, html=html, markup="text").split())
    return line if len(line) <= START_CHARS else f"{line[:START_CHARS].rstrip()}…"


class Drafting:
    """Words entries in the office's language. `channel_of` gives the kind of a channel instance.

    `installation` is the tag that makes references of this database unlike those of any other. `offices` are names of
    destinations as people read them. `open_until` tells until when somebody can be answered freely on a channel's
    instance who wrote there at a moment. `share_address` lets the destination have citizens' mail addresses.
    """

    def __init__(
        self,
        wording: Wording,
        channel_of: dict[str, str],
        installation: str,
        *,
        texts: Texts,
        offices: Mapping[str, str] = MappingProxyType({}),
        share_address: bool = False,
        open_until: Callable[[str, Handle, datetime], datetime | None] = lambda instance, handle, at: None,
    ) -> None:
        self._installation = installation
        self._open_until = open_until
        self._texts = texts
        self._offices = offices
        self._wording = wording
        self._channel_of = channel_of
        self._share_address = share_address

    def kind(self, step: Step, work: Work) -> str:
        """What is to be done now: the first message in order opens the ticket, the others append."""
        if step.kind in {"open", "append"}:
            return "open" if work.conversation.ticket is None else "append"
        return step.kind

    def reference(self, work: Work) -> Reference:
        """What the conversation's ticket is found by.

        A case that was handed on has another one: two offices may share one system, where a look-up finds both tickets.
        """
        times = f".{len(work.refused_by) + 1}" if work.refused_by else ""
        return Reference(f"{work.conversation.case_number}{times}/{self._installation}")

    def draft(self, step: Step, work: Work) -> Draft:
        """The ticket to open with the step's message."""
        return Draft(
            reference=self.reference(work),
            case_number=work.conversation.case_number,
            subject=work.conversation.subject,
            first=self.entry(step, work),
            channel=self._channel(work),
            matter=work.conversation.matter,
            follows=work.earlier,
        )

    def entry(self, step: Step, work: Work) -> Entry:
        """The step's message as an entry."""
        shown = self._shown(work)
        body = self._wording.body(shown)
        if work.conversation.ticket is None and (before := self._before(work)):
            body = f"{before}\n\n{body}"
        if window := self._window(work):
            body = f"{body}\n\n[{window}]"
        return Entry(
            key=MessageKey(step.key),
            heading=self._wording.heading(shown),
            body=body,
            author_name="" if shown.reserved else work.message.sender_name,
            reply_address="" if shown.reserved else self._address(work.handle),
            sent_at=work.message.sent_at,
            automatic=work.message.automatic is not None,
        )

    def _address(self, handle: Handle | None) -> str:
        """The address of who wrote by mail, where it may be passed on. Never an unproven one.

        A system that makes it the author (Request Tracker's mail gate) would take a forger for an agent of that name.
        """
        if not self._share_address or handle is None or handle.kind != "email" or handle.proof is not Proof.CHANNEL:
            return ""
        return handle.value

    def _window(self, work: Work) -> str:
        """Until when the citizen can be answered freely, where the channel sets a limit that is still ahead."""
        message = work.message
        if work.handle is None or message.automatic is not None or message.type != "message":
            return ""
        until = self._open_until(message.instance, work.handle, message.sent_at)
        if until is None or until <= datetime.now(UTC):
            return ""
        return self._texts.say("window_note", until=self._texts.moment(until))

    def _before(self, work: Work) -> str:
        """What the first entry says of where the case comes from."""
        if work.refused_by:
            office = self._office(work.refused_by[0])
            lines = [self._texts.say("referred_from", office=office, case=work.conversation.case_number)]
            if work.answers:
                lines += ["", self._texts.say("answered_before"), *map(self._answered, work.answers), ""]
            return "\n".join(lines)
        return self._wording.say("follows", number=work.earlier) if work.earlier else ""

    def _answered(self, answer: Row[Any]) -> str:
        """An answer that a former office gave, as the next one reads it."""
        text = to_channel(answer.text, html=answer.html, markup="text")
        return f"{self._wording.moment(answer.at)} · {self._office(answer.destination)}: {text}"

    def handed_on(self, step: Step, work: Work) -> Entry:
        """The note in the former office's ticket that says which one goes on with the case."""
        return Entry(
            key=MessageKey(step.key),
            heading=self._wording.heading(self._shown(work)),
            body=self._texts.say("referred_to", office=self._office(work.gone_to)),
            sent_at=work.message.sent_at,
        )

    def _office(self, destination: str) -> str:
        return self._offices.get(destination, destination)

    def file_entry(self, step: Step, work: Work) -> Entry:
        """What stands beside an attached file."""
        assert work.file is not None
        return self._about_file(step, work, self._wording.say("file", name=work.file.filename))

    def note(self, step: Step, work: Work) -> Entry:
        """What agents alone read: where an answer stands, or what one of them said outside of us."""
        return self._said_outside(step, work) if work.reply is None else self.report(step, work)

    def _said_outside(self, step: Step, work: Work) -> Entry:
        """The note about an agent's own words on the office's phone, or in the inbox of its page."""
        shown = self._shown(work)
        shown = replace(shown, type=_ECHOES.get(shown.type, "message"))
        place = _PLACES.get(self._channel(work), "echo_elsewhere")
        return Entry(
            key=MessageKey(step.key),
            heading=self._wording.heading(shown),
            body=self._texts.say(place, channel=self._channel_name(work), text=self._wording.body(shown)),
            sent_at=work.message.sent_at,
        )

    def report(self, step: Step, work: Work) -> Entry:
        """The note that says where an answer to the citizen stands."""
        assert work.reply is not None
        reply = work.reply
        at = reply.state_at or reply.learnt_at
        shown = self._shown(work)
        to = self._wording.say("reserved") if shown.reserved else shown.handle
        told = reply.reason
        if reply.state in _ON_ITS_WAY:
            values = {"channel": self._channel_name(work), "to": to, "at": self._wording.moment(at)}
            told = self._texts.say(f"sent_{reply.state}", **values)
        elif reply.state == "withdrawn":
            told = self._texts.say("withdrawn")
        return Entry(
            key=MessageKey(step.key),
            heading=self._texts.say("answer_of", start=_start(reply.text, html=reply.html)),
            body=told or reply.state,
            sent_at=at,
        )

    def lost_file_entry(self, step: Step, work: Work) -> Entry:
        """The note that stands where a file should that we have not got: nobody is left to think there was none."""
        assert work.file is not None
        text = self._wording.say("file_failed", name=work.file.filename, reason=work.file.reason or "?")
        return self._about_file(step, work, text)

    def refused_file_entry(self, step: Step, work: Work, refusal: str, url: str) -> Entry:
        """The note that stands where a file should that the destination doesn't take; `url` is where it can be had."""
        assert work.file is not None
        text = self._wording.say("file_refused", name=work.file.filename, reason=refusal)
        if url:
            text = f"{text}\n{self._wording.say('file_link', url=url)}"
        return self._about_file(step, work, text)

    @property
    def refused(self) -> str:
        """Why a file is not taken, where the destination doesn't say."""
        return "el sistema de destino no lo acepta"

    def refusal(self, file: StoredFile, sheet: Capabilities) -> str | None:
        """Why a destination can't take a file, by its capability sheet; None when it can."""
        if sheet.attach == "none":
            return "el sistema de destino no admite archivos"
        if sheet.max_attachment_bytes is not None and file.size > sheet.max_attachment_bytes:
            return f"supera el límite de {limit_words(sheet.max_attachment_bytes)} del sistema de destino"
        return None

    def _about_file(self, step: Step, work: Work, text: str) -> Entry:
        return Entry(
            key=MessageKey(step.key),
            heading=self._wording.heading(self._shown(work)),
            body=text,
            sent_at=work.message.sent_at,
        )

    def _channel(self, work: Work) -> str:
        instance = str(work.instance)
        return self._channel_of.get(instance, instance)

    def _channel_name(self, work: Work) -> str:
        channel = self._channel(work)
        return CHANNELS.get(channel, channel)

    def _shown(self, work: Work) -> Shown:
        message = work.message
        return Shown(
            channel=self._channel(work),
            type=message.type,
            content=message.content,
            text=message.text,
            details=message.details,
            sent_at=message.sent_at,
            name=message.sender_name,
            handle=readable(work.handle) if work.handle is not None else "",
            automatic=message.automatic,
            reserved=work.conversation.matter in RESERVED_MATTERS,
        )
