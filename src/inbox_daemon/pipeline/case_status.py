"""Tells citizens where their cases stand, and nobody else anything: a stranger's number looks like an unknown one."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta

from sqlalchemy import Connection

from inbox_daemon.identity.handles import wrote_in_public
from inbox_daemon.model import Content, Message, TicketState
from inbox_daemon.pipeline import queries
from inbox_daemon.pipeline.queries import Query
from inbox_daemon.pipeline.texts import Texts
from inbox_daemon.store import cases, conversations, replies
from inbox_daemon.store.cases import Standing
from inbox_daemon.store.conversations import UNFILED, Conversation
from inbox_daemon.store.people import Author

MOST_CASES = 5
MOST_ANSWERS = 5
PER = timedelta(hours=1)
STATUS = "status"


class CaseStatus:
    """Answers queries. `answerable` are instances by which citizens can be answered; `history` is the age from which on
    a message brings no answer of ours any more; `office_of` and `public_states` are by destination.
    """

    def __init__(
        self,
        *,
        texts: Texts,
        answerable: Collection[str],
        history: timedelta,
        office_of: Mapping[str, str],
        public_states: Mapping[str, Collection[TicketState]],
        default: str,
    ) -> None:
        self._texts = texts
        self._answerable = frozenset(answerable)
        self._history = history
        self._office_of = office_of
        self._public_states = public_states
        self._default = default

    def reads(self, instance: str, message: Message, author: Author) -> Query | None:
        """The query that a message is, where it can be answered; else it goes its normal way."""
        if author.handle_id is None or instance not in self._answerable or message.automatic is not None:
            return None
        if wrote_in_public(message.sender):
            return None
        return read(message)

    def place(self, connection: Connection, query: Query, author: Author, subject: str, at: datetime) -> Conversation:
        """Where the query is kept: in the case it is about, else where it concerns no office."""
        told = self._told(connection, query, author)
        if told:
            return told[0].conversation
        found = cases.unfiled_of(connection, author.citizen_id)
        return found or conversations.open_new(
            connection,
            citizen_id=author.citizen_id,
            destination=self._default,
            matter="consulta",
            subject=subject,
            at=at,
            state=UNFILED,
        )

    def answer(
        self,
        connection: Connection,
        query: Query,
        author: Author,
        message: Message,
        *,
        message_id: int,
        conversation: Conversation,
        instance: str,
        received_at: datetime,
    ) -> bool:
        """Answer the query just kept as `message_id`; False where it is too old, or this handle asks too much."""
        assert author.handle_id is not None
        if received_at - message.sent_at > self._history:
            return False
        if cases.queries_since(connection, author.handle_id, received_at - PER) > MOST_ANSWERS:
            return False
        told = self._told(connection, query, author)
        text = "\n\n".join(self._words(one, received_at) for one in told) or self._texts.say("status_unknown")
        return replies.tell(
            connection,
            conversation=conversation,
            key=f"{STATUS}|{message_id}",
            origin=STATUS,
            text=text,
            at=message.sent_at,
            instance=instance,
            handle_id=author.handle_id,
        )

    def _told(self, connection: Connection, query: Query, author: Author) -> Sequence[Standing]:
        """The cases that this author may learn of, the one to answer in first."""
        if query.wrong or author.handle_id is None or not cases.is_proven(connection, author.handle_id):
            return []
        if query.number is None:
            found = cases.open_of(connection, author.citizen_id, MOST_CASES)
        else:
            one = cases.by_number(connection, query.number)
            found = [one] if one is not None and one.citizen_id == author.citizen_id else []
        return [cases.standing(connection, one) for one in found]

    def _words(self, standing: Standing, now: datetime) -> str:
        conversation = standing.conversation
        public = self._public_states.get(conversation.destination, frozenset(TicketState))
        state = public_state(standing.state, public)
        since = standing.opened_at if state is TicketState.OPEN else standing.since
        return self._texts.say(
            STATUS,
            case=conversation.case_number,
            state=self._texts.state(state),
            office=self._office_of.get(conversation.destination, conversation.destination),
            since=self._texts.moment(since, now=now),
        )


def public_state(state: TicketState | None, public: Collection[TicketState]) -> TicketState:
    """What a citizen may learn of a ticket's state: pure. Of one that is not public, at most that it is over."""
    if state is None:
        return TicketState.OPEN
    if state in public:
        return state
    return TicketState.CLOSED if state.ends and TicketState.CLOSED in public else TicketState.OPEN


def read(message: Message) -> Query | None:
    """The query that a message is, by its words, or by the subject of a mail without any."""
    if message.content is not Content.TEXT or message.attachments:
        return None
    return queries.read(message.text if message.text.strip() else message.subject)
