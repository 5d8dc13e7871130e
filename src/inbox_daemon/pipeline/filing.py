"""Files one message: whose it is, to which conversation it belongs, and the steps it needs. Inside one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import Connection

from inbox_daemon.model import (
    Automatic,
    Content,
    EditEvent,
    ExternalId,
    InstanceId,
    Message,
    ReactionEvent,
    RevokeEvent,
)
from inbox_daemon.pipeline.rendering import Wording
from inbox_daemon.pipeline.routing import RESERVED_MATTERS, Route, Rule, route
from inbox_daemon.store import attachments, conversations, outbox, people
from inbox_daemon.store.conversations import Conversation
from inbox_daemon.store.people import Author
from inbox_daemon.store.schema import to_micros

NO_TICKET_OF_THEIR_OWN = frozenset({Automatic.AUTO_REPLY})
"""Automatic mail that joins the conversation it answers, and never opens one."""
IGNORED_AUTOMATIC = frozenset({Automatic.BOUNCE, Automatic.LIST})


@dataclass(frozen=True, slots=True, kw_only=True)
class Parcel:
    """What is common to all events of one envelope; `seen` are the messages it turned out to hold."""

    connection: Connection
    envelope_id: int
    instance: InstanceId
    kind: str
    day: int
    received_at: datetime
    seen: set[int] = field(default_factory=set)

    def known(self, message: Message, type_: str) -> tuple[int, int | None] | None:
        """(message id, envelope id) when exactly this was taken in before."""
        return conversations.known_message(
            self.connection,
            instance=self.instance,
            external_id=message.external_id,
            type_=type_,
            fingerprint=message.fingerprint,
        )

    def repeat(self, message_id: int, envelope_id: int | None) -> str | None:
        """Why a known message makes no entry: None for one that this very envelope brought, when it is read again."""
        if envelope_id != self.envelope_id or message_id in self.seen:
            return "repeat"
        self.seen.add(message_id)
        return None


class Filing:
    """Files messages by the configured rules."""

    def __init__(
        self,
        *,
        rules: Sequence[Rule],
        default: str,
        window: timedelta,
        order_grace: timedelta,
        max_attachments: int,
        wording: Wording,
    ) -> None:
        self._rules = rules
        self._default = default
        self._window = window
        self._order_grace = order_grace
        self._max_attachments = max_attachments
        self._wording = wording

    def message(self, parcel: Parcel, message: Message, *, type_: str = "message") -> str | None:
        """File a message; returns None, or why it made no entry."""
        if message.echo:
            return "echo"
        if message.automatic in IGNORED_AUTOMATIC:
            return str(message.automatic)
        connection = parcel.connection
        known = parcel.known(message, type_)
        if known is not None:
            return parcel.repeat(*known)
        author = people.resolve(connection, message.sender, parcel.instance, message.sent_at, parcel.envelope_id)
        conversation = self._conversation(parcel, message, author)
        if conversation is None:
            return str(message.automatic)
        self._enter(parcel, message, author, conversation, type_)
        return None

    def edit(self, parcel: Parcel, event: EditEvent) -> str | None:
        """File the new form of a message as an entry of its own; evidence is never overwritten."""
        before = conversations.find_message(parcel.connection, parcel.instance, [event.target])
        if before is None:
            return self.message(parcel, event.message, type_="edit")
        return self._follow(parcel, before.conversation_id, event.message, "edit", before.handle_id)

    def mark(self, parcel: Parcel, event: RevokeEvent | ReactionEvent) -> str | None:
        """File a withdrawal or a reaction beside the message it is about; without that one there is nothing to say."""
        type_ = "revoke" if isinstance(event, RevokeEvent) else "reaction"
        before = conversations.find_message(parcel.connection, parcel.instance, [event.target])
        if before is None:
            return f"{type_}_without_message"
        words = Message(
            external_id=event.external_id,
            sent_at=event.sent_at,
            sender=event.sender,
            content=Content.TEXT,
            text=event.emoji if isinstance(event, ReactionEvent) else "",
            in_reply_to=event.target,
        )
        return self._follow(parcel, before.conversation_id, words, type_, before.handle_id)

    def _follow(
        self, parcel: Parcel, conversation_id: int, message: Message, type_: str, handle_id: int | None
    ) -> str | None:
        """File something about an earlier message into that one's conversation."""
        known = parcel.known(message, type_)
        if known is not None:
            return parcel.repeat(*known)
        conversation = conversations.read(parcel.connection, conversation_id)
        author = Author(citizen_id=conversation.citizen_id, handle_id=handle_id)
        self._enter(parcel, message, author, conversation, type_)
        return None

    def _conversation(self, parcel: Parcel, message: Message, author: Author) -> Conversation | None:
        """Where the message belongs; None for automatic mail that belongs nowhere.

        An answer goes where the message it answers went, if that was the same citizen's. Else the rules decide; and
        when no rule does, a citizen who is in the middle of a conversation goes on with it rather than with the
        default destination ("gracias, ¿y el horario?"). What is reserved never enters a ticket that names its author.
        """
        connection = parcel.connection
        way = route(
            self._rules,
            self._default,
            channel=parcel.kind,
            instance=parcel.instance,
            text=f"{message.subject}\n{message.text}",
        )
        answered = self._answered(parcel, message, author, way)
        if answered is not None:
            return answered
        found = conversations.find_open(
            connection,
            citizen_id=author.citizen_id,
            about=(way.destination, way.matter) if way.explicit else None,
            at=message.sent_at,
            window=self._window,
        )
        if found is not None or message.automatic in NO_TICKET_OF_THEIR_OWN:
            return found
        return conversations.open_new(
            connection,
            citizen_id=author.citizen_id,
            destination=way.destination,
            matter=way.matter,
            subject=self._wording.subject(channel=parcel.kind, subject=message.subject, text=message.text),
            at=message.sent_at,
        )

    def _answered(self, parcel: Parcel, message: Message, author: Author, way: Route) -> Conversation | None:
        ids: list[ExternalId] = [*([message.in_reply_to] if message.in_reply_to else []), *message.thread]
        before = conversations.find_message(parcel.connection, parcel.instance, list(ids)) if ids else None
        if before is None or before.citizen_id != author.citizen_id:
            return None
        conversation = conversations.read(parcel.connection, before.conversation_id)
        if way.matter in RESERVED_MATTERS and conversation.matter != way.matter:
            return None
        return conversation if conversation.open else None

    def _enter(self, parcel: Parcel, message: Message, author: Author, conversation: Conversation, type_: str) -> None:
        """Write the message, its steps and its attachments."""
        connection = parcel.connection
        message_id = conversations.add_message(
            connection,
            envelope_id=parcel.envelope_id,
            instance=parcel.instance,
            day=parcel.day,
            external_id=message.external_id,
            fingerprint=message.fingerprint,
            type=type_,
            content=message.content,
            citizen_id=author.citizen_id,
            handle_id=author.handle_id,
            conversation_id=conversation.id,
            sent_at=message.sent_at,
            received_at=parcel.received_at,
            sender_name=message.sender.name or "",
            subject=message.subject,
            text=message.text,
            quoted=message.quoted,
            details=dict(message.details),
            in_reply_to=message.in_reply_to,
            automatic=message.automatic,
        )
        parcel.seen.add(message_id)
        conversations.touch(connection, conversation.id, message.sent_at)
        position = to_micros(message.sent_at)
        key = f"{conversation.case_number}.m{message_id}"
        step = outbox.add(
            connection,
            conversation_id=conversation.id,
            destination=conversation.destination,
            kind="append",
            key=key,
            position=position,
            ordered=True,
            delay=self._order_grace,
            message_id=message_id,
        )
        for number, file in enumerate(message.attachments, start=1):
            attachment_id = attachments.add(
                connection,
                message_id=message_id,
                envelope_id=parcel.envelope_id,
                instance=parcel.instance,
                file=file,
                refused="demasiados archivos en un mensaje" if number > self._max_attachments else None,
            )
            outbox.add(
                connection,
                conversation_id=conversation.id,
                destination=conversation.destination,
                kind="attach",
                key=f"{key}a{number}",
                position=position,
                ordered=False,
                message_id=message_id,
                attachment_id=attachment_id,
                after_id=step,
            )
