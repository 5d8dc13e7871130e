"""To which conversation a message belongs, or that it opens one. Inside one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection

from inbox_daemon.identity import casenumber
from inbox_daemon.model import Automatic, CaseNumber, ExternalId, InstanceId, Message
from inbox_daemon.pipeline.asking import Asking
from inbox_daemon.pipeline.rendering import Wording
from inbox_daemon.pipeline.routing import MAX_SEARCHED_CHARS, RESERVED_MATTERS, Route, Rule, route
from inbox_daemon.store import cases, conversations
from inbox_daemon.store.conversations import Conversation
from inbox_daemon.store.people import Author

NO_TICKET_OF_THEIR_OWN = frozenset({Automatic.AUTO_REPLY})
"""Automatic mail that joins the conversation it answers, and never opens one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Whence a message comes: the instance of a channel, its kind, what people call it, and when it arrived there."""

    connection: Connection
    instance: InstanceId
    kind: str
    called: str
    received_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a message goes. `opened`: now an office has the conversation, which none had before. `bare`, `missed`: what
    it was as an answer to our question (see `asking.Heard`).
    """

    conversation: Conversation
    opened: bool = False
    bare: bool = False
    missed: bool = False


def quoted(message: Message) -> list[CaseNumber]:
    """Case numbers that a message quotes, in its subject or its own words."""
    return casenumber.find_all(f"{message.subject}\n{message.text}"[:MAX_SEARCHED_CHARS])


def _may_join(conversation: Conversation, way: Route) -> bool:
    """What is reserved never enters a ticket that names its author."""
    return way.matter not in RESERVED_MATTERS or conversation.matter == way.matter


class Placing:
    """Places messages by the configured rules."""

    def __init__(
        self, *, rules: Sequence[Rule], default: str, window: timedelta, wording: Wording, asking: Asking | None
    ) -> None:
        self._rules = rules
        self._default = default
        self._window = window
        self._wording = wording
        self._asking = asking

    def place(self, source: Source, message: Message, author: Author, *, may_ask: bool) -> Place | None:
        """Where the message belongs; None for automatic mail that belongs nowhere.

        An answer goes where the message it answers went, and one that quotes a case of its author into that case; else
        it may be the answer to a question of ours. Else the rules decide; and when no rule does, a citizen who is in
        the middle of a conversation goes on with it rather than with the default destination ("gracias, ¿y el
        horario?"). With `may_ask` the citizen is asked which office a new conversation is for, where that is wanted.
        """
        text = f"{message.subject}\n{message.text}"
        way = route(self._rules, self._default, channel=source.kind, instance=source.instance, text=text)
        before = self._answered(source, message, author)
        answered = before if before is not None and before.open and _may_join(before, way) else None
        if answered is None and (case := self._case(source.connection, message, author, way)) is not None:
            return Place(conversation=case)
        if (heard := self._heard(source.connection, message, author, way, answered)) is not None:
            return heard
        if answered is not None:
            return Place(conversation=conversations.read(source.connection, answered.id))
        found = conversations.find_open(
            source.connection,
            citizen_id=author.citizen_id,
            about=(way.destination, way.matter) if way.explicit else None,
            at=message.sent_at,
            window=self._window,
        )
        if found is not None:
            return Place(conversation=found)
        if message.automatic in NO_TICKET_OF_THEIR_OWN:
            return None
        goes_on = before is not None and before.filed
        opened = self._open(source, message, author, way, may_ask=may_ask and not goes_on)
        return Place(conversation=opened, opened=True)

    def _open(self, source: Source, message: Message, author: Author, way: Route, *, may_ask: bool) -> Conversation:
        """Open a conversation, and ask which office it is for where no rule knows."""
        asks = (
            may_ask
            and self._asking is not None
            and self._asking.may_ask(
                source.connection,
                message,
                author,
                way,
                kind=source.kind,
                instance=source.instance,
                received_at=source.received_at,
            )
        )
        opened = conversations.open_new(
            source.connection,
            citizen_id=author.citizen_id,
            destination=way.destination,
            matter=way.matter,
            subject=self._wording.subject(channel=source.called, subject=message.subject, text=message.text),
            at=message.sent_at,
        )
        if not asks or self._asking is None:
            return opened
        self._asking.ask(source.connection, opened, message, author, source.instance)
        return conversations.read(source.connection, opened.id)

    def _heard(
        self, connection: Connection, message: Message, author: Author, way: Route, answered: Conversation | None
    ) -> Place | None:
        """The message as the answer to our question, unless it answers something else."""
        if self._asking is None or (answered is not None and not answered.asked):
            return None
        heard = self._asking.hear(connection, message, author, way)
        if heard is None or (answered is not None and answered.id != heard.conversation.id):
            return None
        settled = heard.missed or not heard.conversation.asked
        return Place(conversation=heard.conversation, opened=settled, bare=heard.bare, missed=heard.missed)

    def _answered(self, source: Source, message: Message, author: Author) -> Conversation | None:
        """The conversation of its author that a message answers: something they wrote there, or we sent."""
        ids: list[ExternalId] = [*([message.in_reply_to] if message.in_reply_to else []), *message.thread]
        if not ids:
            return None
        found = cases.of_sent(source.connection, source.instance, ids[:1])
        if found is None:
            before = conversations.find_message(source.connection, source.instance, list(ids))
            found = None if before is None else before.conversation_id
        if found is None:
            found = cases.of_sent(source.connection, source.instance, ids[1:])
        conversation = None if found is None else conversations.read(source.connection, found)
        return conversation if conversation is not None and conversation.citizen_id == author.citizen_id else None

    def _case(self, connection: Connection, message: Message, author: Author, way: Route) -> Conversation | None:
        """The case of its author that a message quotes, or what follows that where it is closed.

        Only a handle that the channel vouches for joins anything: a number is no secret.
        """
        numbers = quoted(message)
        if not numbers or author.handle_id is None or not cases.is_proven(connection, author.handle_id):
            return None
        for number in numbers:
            case = cases.by_number(connection, number)
            if case is None or case.citizen_id != author.citizen_id or not _may_join(case, way):
                continue
            if case.open:
                return case
            if message.automatic is None:
                return _after(connection, case, message)
        return None


def _after(connection: Connection, closed: Conversation, message: Message) -> Conversation:
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
