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
from inbox_daemon.pipeline.firewall import LoopFirewall
from inbox_daemon.pipeline.rendering import Wording
from inbox_daemon.pipeline.routing import RESERVED_MATTERS, Route, Rule, route
from inbox_daemon.pipeline.telling import Telling
from inbox_daemon.store import attachments, conversations, outbox, people
from inbox_daemon.store.conversations import Conversation
from inbox_daemon.store.people import Author
from inbox_daemon.store.schema import to_micros

NO_TICKET_OF_THEIR_OWN = frozenset({Automatic.AUTO_REPLY})
"""Automatic mail that joins the conversation it answers, and never opens one."""
IGNORED_AUTOMATIC = frozenset({Automatic.BOUNCE, Automatic.LIST})
FOR_US = {"query": "status_query", "choice": "menu_choice"}
"""Types of messages that are for us and for no office, and why they make no entry."""
MOST_MENTIONED = 3


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

    def known(self, message: Message, type_: str) -> tuple[int, int | None, str] | None:
        """(message id, envelope id, type) when exactly this was taken in before."""
        return conversations.known_message(
            self.connection,
            instance=self.instance,
            external_id=message.external_id,
            type_=type_,
            fingerprint=message.fingerprint,
        )

    def repeat(self, message_id: int, envelope_id: int | None, type_: str) -> str | None:
        """Why a known message makes no entry: None for one that this very envelope brought, when it is read again."""
        if envelope_id != self.envelope_id or message_id in self.seen:
            return "repeat"
        self.seen.add(message_id)
        return FOR_US.get(type_)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a message goes. `ask`: it opens a conversation of which the citizen is asked which office it is for."""

    conversation: Conversation
    ask: bool = False
    heard: Heard | None = None


class Filing:
    """Files messages by the configured rules. Without `asking` nobody is asked which office a message is for, without
    `status` nobody is told where a case stands.
    """

    def __init__(
        self,
        *,
        rules: Sequence[Rule],
        default: str,
        window: timedelta,
        order_grace: timedelta,
        max_attachments: int,
        wording: Wording,
        asking: Asking | None = None,
        status: CaseStatus | None = None,
    ) -> None:
        self._rules = rules
        self._default = default
        self._window = window
        self._order_grace = order_grace
        self._max_attachments = max_attachments
        self._wording = wording
        self._firewall = firewall
        self._telling = telling
        self._asking = asking
        self._status = status

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
        if self._asking is not None and (known := parcel.known(message, type_)) is not None:
            return parcel.repeat(*known)  # taken in by another node while we waited for the citizen
        query = None if self._status is None else self._status.reads(parcel.instance, message, author)
        if query is not None:
            return self._answer(parcel, message, author, query)
        place = self._place(parcel, message, author, type_)
        if place is None:
            return str(message.automatic)
        if place.heard is not None and place.heard.bare:
            self._keep(parcel, message, author, place.conversation, "choice")
            return FOR_US["choice"]
        self._enter(parcel, message, author, place.conversation, type_, wait=place.ask)
        self._talk(parcel, message, author, place)
        return None

    def _answer(self, parcel: Parcel, message: Message, author: Author, query: Query) -> str:
        """Somebody asks where a case stands: that concerns no office, and changes nothing."""
        assert self._status is not None
        subject = self._wording.subject(channel=parcel.kind, subject=message.subject, text=message.text)
        conversation = self._status.place(parcel.connection, query, author, subject, message.sent_at)
        message_id = self._keep(parcel, message, author, conversation, "query")
        self._status.answer(
            parcel.connection,
            query,
            author,
            message,
            message_id=message_id,
            conversation=conversation,
            instance=parcel.instance,
            received_at=parcel.received_at,
        )
        return FOR_US["query"]

    def _talk(self, parcel: Parcel, message: Message, author: Author, place: Place) -> None:
        """Ask which office a message just filed is for, for the first time or again."""
        if self._asking is None:
            return
        conversation = place.conversation
        if place.ask:
            self._asking.ask(parcel.connection, conversation, message, author, parcel.instance)
        elif place.heard is not None and place.heard.missed:
            self._asking.missed(parcel.connection, conversation, message, author, parcel.instance)

    def edit(self, parcel: Parcel, event: EditEvent) -> str | None:
        """File the new form of a message as an entry of its own; evidence is never overwritten."""
        before = conversations.find_message(parcel.connection, parcel.instance, [event.target])
        if before is None or before.type in FOR_US:
            return self.message(parcel, event.message, type_="edit")
        return self._follow(parcel, before.conversation_id, event.message, "edit", before.handle_id)

    def mark(self, parcel: Parcel, event: RevokeEvent | ReactionEvent) -> str | None:
        """File a withdrawal or a reaction beside the message it is about; without that one there is nothing to say."""
        type_ = "revoke" if isinstance(event, RevokeEvent) else "reaction"
        before = conversations.find_message(parcel.connection, parcel.instance, [event.target])
        if before is None:
            return f"{type_}_without_message"
        if before.type in FOR_US:
            return FOR_US[before.type]
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
        conversation = transfers.lock(parcel.connection, conversation_id)
        author = Author(citizen_id=conversation.citizen_id, handle_id=handle_id)
        self._enter(parcel, message, author, conversation, type_)
        return None

    def _place(self, parcel: Parcel, message: Message, author: Author, type_: str) -> Place | None:
        """Where the message belongs; None for automatic mail that belongs nowhere.

        An answer goes where the message it answers went, and one that quotes a case of its author into that case. Else
        the rules decide; and when no rule does, a citizen who is in the middle of a conversation goes on with it rather
        than with the default destination ("gracias, ¿y el horario?"). What is reserved never enters a ticket that names
        its author.
        """
        connection = parcel.connection
        way = route(
            self._rules,
            self._default,
            channel=parcel.kind,
            instance=parcel.instance,
            text=f"{message.subject}\n{message.text}",
        )
        before, answered = self._answered(parcel, message, author, way)
        if answered is None or (answered.asked or 0) > 0:
            quoted = None if answered is not None else self._quoted(parcel, message, author, way)
            if quoted is not None:
                return Place(conversation=quoted)
            heard = None if self._asking is None else self._asking.hear(connection, message, author, way)
            if heard is not None and (answered is None or answered.id == heard.conversation.id):
                return Place(conversation=heard.conversation, heard=heard)
        if answered is not None:
            return Place(conversation=conversations.read(connection, answered.id))
        found = conversations.find_open(
            connection,
            citizen_id=author.citizen_id,
            about=(way.destination, way.matter) if way.explicit else None,
            at=message.sent_at,
            window=self._window,
        )
        if found is not None:
            return Place(conversation=found)
        if message.automatic in NO_TICKET_OF_THEIR_OWN:
            return None
        ask = type_ == "message" and not before and self._may_ask(parcel, message, author, way)
        opened = conversations.open_new(
            connection,
            citizen_id=author.citizen_id,
            destination=way.destination,
            matter=way.matter,
            subject=self._wording.subject(channel=parcel.kind, subject=message.subject, text=message.text),
            at=message.sent_at,
        )
        return Place(conversation=opened, ask=ask)

    def _may_ask(self, parcel: Parcel, message: Message, author: Author, way: Route) -> bool:
        return self._asking is not None and self._asking.may_ask(
            parcel.connection,
            message,
            author,
            way,
            kind=parcel.kind,
            instance=parcel.instance,
            received_at=parcel.received_at,
        )

    def _answered(
        self, parcel: Parcel, message: Message, author: Author, way: Route
    ) -> tuple[bool, Conversation | None]:
        """Whether it answers something of its author's conversations, and the one that it goes on with.

        What it answers is what the citizen wrote, or what we sent.
        """
        ids: list[ExternalId] = [*([message.in_reply_to] if message.in_reply_to else []), *message.thread]
        if not ids:
            return False, None
        before = conversations.find_message(parcel.connection, parcel.instance, list(ids))
        found = cases.of_sent(parcel.connection, parcel.instance, ids) if before is None else before.conversation_id
        conversation = None if found is None else conversations.read(parcel.connection, found)
        if conversation is None or conversation.citizen_id != author.citizen_id:
            return False, None
        fits = conversation.open and _may_join(conversation, way)
        return conversation.filed, conversation if fits else None

    def _quoted(self, parcel: Parcel, message: Message, author: Author, way: Route) -> Conversation | None:
        """The case of its author that a message quotes, or what follows that where it is closed.

        Only a handle that the channel vouches for joins anything: a number is no secret.
        """
        connection = parcel.connection
        numbers = _numbers_in(message)
        if not numbers or author.handle_id is None or not cases.is_proven(connection, author.handle_id):
            return None
        for number in numbers:
            case = cases.by_number(connection, number)
            if case is None or case.citizen_id != author.citizen_id or not _may_join(case, way):
                continue
            if case.open:
                return case
            if message.automatic is None:
                return self._after(connection, case, message)
        return None

    def _after(self, connection: Connection, closed: Conversation, message: Message) -> Conversation:
        """The open conversation that follows a closed case."""
        following = conversations.successor(connection, closed.id)
        while following is not None and not following.open:
            closed, following = following, conversations.successor(connection, following.id)
        return following or conversations.open_new(
            connection,
            citizen_id=closed.citizen_id,
            destination=closed.destination,
            matter=closed.matter,
            subject=closed.subject,
            at=message.sent_at,
            follows_id=closed.id,
        )

    def _keep(self, parcel: Parcel, message: Message, author: Author, conversation: Conversation, type_: str) -> int:
        """Write the message row; returns its id. What the citizen waits for on this handle goes now."""
        connection = parcel.connection
        for_us = type_ in FOR_US
        details = dict(message.details)
        mentioned = [] if for_us else [one for one in _numbers_in(message) if one != conversation.case_number]
        if mentioned and not self._is_ours(connection, mentioned, conversation):
            details["mentions_case"] = ", ".join(mentioned[:MOST_MENTIONED])
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
            details=details,
            in_reply_to=message.in_reply_to,
            automatic=message.automatic,
        )
        parcel.seen.add(message_id)
        return message_id

    def _enter(self, parcel: Parcel, message: Message, author: Author, conversation: Conversation, type_: str) -> None:
        """Write the message, its steps and its attachments. `wait`: first the citizen says which office it is for."""
        connection = parcel.connection
        message_id = self._keep(parcel, message, author, conversation, type_)
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
