"""Files one message: whose it is, to which conversation it belongs, and the steps it needs. Inside one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection, Row

from inbox_daemon.model import Automatic, Content, EditEvent, Message, ReactionEvent, RevokeEvent
from inbox_daemon.pipeline.aside import Aside
from inbox_daemon.pipeline.asking import Asking
from inbox_daemon.pipeline.case_status import CaseStatus
from inbox_daemon.pipeline.firewall import LoopFirewall
from inbox_daemon.pipeline.parcel import FOR_US, Parcel
from inbox_daemon.pipeline.placing import Place, Placing, quoted
from inbox_daemon.pipeline.queries import Query
from inbox_daemon.pipeline.rendering import Wording
from inbox_daemon.pipeline.routing import Rule
from inbox_daemon.pipeline.telling import Telling
from inbox_daemon.store import attachments, conversations, outbox, people, replies, transfers
from inbox_daemon.store.columns import to_micros
from inbox_daemon.store.conversations import ECHO_EDIT, ECHO_REVOKE, HISTORY, Conversation
from inbox_daemon.store.people import Author

IGNORED_AUTOMATIC = frozenset({Automatic.BOUNCE, Automatic.LIST})
SPOKEN = frozenset({"message", "edit", *FOR_US})
"""Types of messages after which a channel lets us answer freely."""
NO_CONVERSATION = 0
MOST_MENTIONED = 3


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
        firewall: LoopFirewall | None = None,
        telling: Telling | None = None,
    ) -> None:
        self._placing = Placing(rules=rules, default=default, window=window, wording=wording, asking=asking)
        self._order_grace = order_grace
        self._max_attachments = max_attachments
        self._wording = wording
        self._firewall = firewall
        self._telling = telling
        self._asking = asking
        self._status = status
        self._aside = Aside(default=default, wording=wording, delay=order_grace)

    def message(self, parcel: Parcel, message: Message, *, type_: str = "message") -> str | None:
        """File a message; returns None, or why it made no entry."""
        if message.echo:
            return self._echo(parcel, message)
        if message.automatic in IGNORED_AUTOMATIC:
            return str(message.automatic)
        if message.history:
            return self._aside.history(parcel, message)
        connection = parcel.connection
        known = parcel.known(message, type_)
        if known is not None:
            return parcel.repeat(*known)
        if self._is_own(parcel, message):
            return "own"
        author = people.resolve(connection, message.sender, parcel.instance, message.sent_at, parcel.envelope_id)
        if self._asking is not None and (known := parcel.known(message, type_)) is not None:
            return parcel.repeat(*known)  # taken in by another node while we waited for the citizen
        if self._firewall is not None and (
            refusal := self._firewall.refusal(connection, author.handle_id, message, parcel.received_at)
        ):
            return refusal
        query = None if self._status is None else self._status.reads(parcel.instance, message, author)
        if query is not None:
            return self._answer(parcel, message, author, query)
        place = self._placing.place(parcel.source, message, author, may_ask=type_ == "message")
        if place is None:
            return str(message.automatic)
        return self._put(parcel, message, author, place, type_)

    def _is_own(self, parcel: Parcel, message: Message) -> bool:
        """Whether it is something of ours that the channel brought back."""
        return self._firewall is not None and self._firewall.is_own_id(parcel.connection, parcel.instance, message)

    def _echo(self, parcel: Parcel, message: Message) -> str:
        return "own" if self._is_own(parcel, message) else self._aside.echo(parcel, message)

    def _put(self, parcel: Parcel, message: Message, author: Author, place: Place, type_: str) -> str | None:
        """Write a message down where it belongs, and give the citizen notice of it."""
        connection = parcel.connection
        if place.bare:
            self._keep(parcel, message, author, place.conversation, "choice")
            self._tell(parcel, message, author, place.conversation, opened=True)
            return FOR_US["choice"]
        if self._firewall is not None and self._firewall.is_enough(
            connection, place.conversation.id, message, parcel.received_at
        ):
            return "auto_reply_loop"
        self._enter(parcel, message, author, place.conversation, type_)
        if type_ == "message":
            self._tell(parcel, message, author, place.conversation, opened=place.opened)
        if place.missed:
            assert self._asking is not None
            self._asking.missed(connection, place.conversation, message, author, parcel.instance)
        return None

    def _tell(
        self, parcel: Parcel, message: Message, author: Author, conversation: Conversation, *, opened: bool
    ) -> None:
        if self._telling is not None:
            self._telling.taken_in(
                parcel.connection,
                conversation=conversation,
                message=message,
                handle_id=author.handle_id,
                instance=parcel.instance,
                opened=opened,
                received_at=parcel.received_at,
            )

    def _answer(self, parcel: Parcel, message: Message, author: Author, query: Query) -> str:
        """Somebody asks where a case stands: that concerns no office, and changes nothing."""
        assert self._status is not None
        subject = self._wording.subject(channel=parcel.called, subject=message.subject, text=message.text)
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

    def edit(self, parcel: Parcel, event: EditEvent) -> str | None:
        """File the new form of a message as an entry of its own; evidence is never overwritten."""
        before = conversations.find_message(parcel.connection, parcel.instance, [event.target])
        if event.message.history or (before is not None and before.type == HISTORY):
            return HISTORY
        if event.message.echo or (before is not None and before.direction == "out"):
            return self._aside.echo(parcel, event.message, edits=before, type_=ECHO_EDIT)
        if before is None or before.type in FOR_US:
            return self.message(parcel, event.message, type_="edit")
        return self._follow(parcel, before.conversation_id, event.message, "edit", before.handle_id)

    def mark(self, parcel: Parcel, event: RevokeEvent | ReactionEvent) -> str | None:
        """File a withdrawal or a reaction beside the message it is about; without that one there is nothing to say."""
        type_ = "revoke" if isinstance(event, RevokeEvent) else "reaction"
        before = conversations.find_message(parcel.connection, parcel.instance, [event.target])
        if before is None:
            return f"{type_}_without_message"
        if before.type in FOR_US or before.type == HISTORY:
            return FOR_US.get(before.type, HISTORY)
        words = Message(
            external_id=event.external_id,
            sent_at=event.sent_at,
            sender=event.sender,
            content=Content.TEXT,
            text=event.emoji if isinstance(event, ReactionEvent) else "",
            in_reply_to=event.target,
        )
        if before.direction == "out":
            return self._about_echo(parcel, before, words, type_)
        return self._follow(parcel, before.conversation_id, words, type_, before.handle_id)

    def _about_echo(self, parcel: Parcel, before: Row[Any], words: Message, type_: str) -> str | None:
        """An agent took back what they had written outside of us, or the citizen reacted to it."""
        if type_ == "revoke":
            return self._aside.echo(parcel, words, edits=before, type_=ECHO_REVOKE)
        if not conversations.read(parcel.connection, before.conversation_id).filed:
            return f"{type_}_without_message"  # no office has what it is about
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

    def _delay(self, connection: Connection, conversation: Conversation) -> timedelta:
        """How long a message waits: for others to be put in order, or for its citizen to say which office it is for."""
        if self._asking is not None and conversation.asked and transfers.is_untouched(connection, conversation):
            return self._asking.wait
        return self._order_grace

    def _keep(self, parcel: Parcel, message: Message, author: Author, conversation: Conversation, type_: str) -> int:
        """Write the message row; returns its id. What the citizen waits for on this handle goes now."""
        connection = parcel.connection
        details = dict(message.details)
        mentioned = [] if type_ in FOR_US else [one for one in quoted(message) if one != conversation.case_number]
        if mentioned:
            details["mentions_case"] = ", ".join(mentioned[:MOST_MENTIONED])
        message_id = parcel.keep(message, author, conversation.id, type_, details=details)
        if message.automatic is None and type_ in SPOKEN:
            replies.release(
                connection,
                conversation_id=NO_CONVERSATION if type_ == "query" else conversation.id,
                instance=parcel.instance,
                handle_id=author.handle_id,
            )
        return message_id

    def _enter(self, parcel: Parcel, message: Message, author: Author, conversation: Conversation, type_: str) -> None:
        """Write the message, its steps and its attachments."""
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
            delay=self._delay(connection, conversation),
            message_id=message_id,
        )
        if conversation.asked:
            transfers.wait_together(connection, conversation)
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
