"""Asks a citizen which office a first message is for, and does what they answer; waits for nobody.

Meanwhile the message stands in the outbox, due at the default destination when the time to answer is over: that needs
no timer, and so works across restarts. Once anything of it may have reached a destination, the question is over.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection

from inbox_daemon.identity.handles import wrote_in_public
from inbox_daemon.model import Content, Message
from inbox_daemon.pipeline.routing import Route
from inbox_daemon.pipeline.texts import Texts
from inbox_daemon.pipeline.triage import Option, Understood, understand
from inbox_daemon.settings.dialogue import Triage
from inbox_daemon.store import cases, replies, transfers
from inbox_daemon.store.conversations import Conversation
from inbox_daemon.store.people import Author

MENU = "menu"


@dataclass(frozen=True, slots=True, kw_only=True)
class Menu:
    """What is asked. `channels` are kinds of channel on which it is; empty: all."""

    options: Sequence[Option]
    wait: timedelta
    tries: int
    channels: frozenset[str] = frozenset()

    @classmethod
    def of(cls, table: Triage) -> Menu:
        """The menu as configured."""
        return cls(
            options=tuple(
                Option(
                    title=one.title,
                    description=one.description,
                    destination=one.destination,
                    matter=one.matter,
                    keywords=one.keywords,
                )
                for one in table.options
            ),
            wait=timedelta(minutes=table.wait_minutes),
            tries=table.tries,
            channels=frozenset(table.channels),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """A message as the answer to the question that is open in `conversation`.

    `bare`: it is nothing but the choice, and makes no entry. `missed`: it was meant as an answer and not understood.
    """

    conversation: Conversation
    bare: bool = False
    missed: bool = False


class Asking:
    """The menu of offices. `answerable` are instances by which citizens can be answered; messages older than `history`
    when they arrive are asked nothing, nor is anybody who did not say within `window`.
    """

    def __init__(
        self, *, menu: Menu, texts: Texts, answerable: Collection[str], history: timedelta, window: timedelta
    ) -> None:
        self.wait = menu.wait
        self._menu = menu
        self._texts = texts
        self._answerable = frozenset(answerable)
        self._history = history
        self._window = window

    def may_ask(
        self,
        connection: Connection,
        message: Message,
        author: Author,
        way: Route,
        *,
        kind: str,
        instance: str,
        received_at: datetime,
    ) -> bool:
        """Whether a message that opens a conversation is asked about."""
        fits = not way.explicit and message.automatic is None and self._reaches(message, author, instance)
        if not fits or (self._menu.channels and kind not in self._menu.channels):
            return False
        if received_at - message.sent_at > self._history:
            return False
        return not cases.asked_since(connection, author.citizen_id, message.sent_at - self._window)

    def ask(self, connection: Connection, one: Conversation, message: Message, author: Author, instance: str) -> None:
        """Ask for the first time."""
        self._ask(connection, one, message, author, instance, number=1, words="menu_ask")

    def hear(self, connection: Connection, message: Message, author: Author, way: Route) -> Heard | None:
        """What a citizen's message does to an open question of ours; None where none is open (any more).

        Whoever writes what a rule knows has said which office it is for, too.
        """
        found = cases.asked_of(connection, author.citizen_id)
        if found is None:
            return None
        one = transfers.lock(connection, found.id)
        if not transfers.is_untouched(connection, one):
            transfers.set_asked(connection, one.id, 0)
            return None
        if message.automatic is not None:
            return Heard(conversation=one)
        meant = understand(message.text, _tapped(message), self._offered(connection, one))
        if isinstance(meant, Understood):
            chosen, bare = (meant.option.destination, meant.option.matter), meant.bare and not message.attachments
        elif way.explicit:
            chosen, bare = (way.destination, way.matter), False
        else:
            return Heard(conversation=one, missed=self._is_answer(connection, one, message))
        one = transfers.redirect(connection, one, destination=chosen[0], matter=chosen[1])
        return Heard(conversation=one, bare=bare)

    def missed(
        self, connection: Connection, one: Conversation, message: Message, author: Author, instance: str
    ) -> None:
        """An answer was not understood, and is filed: ask again, or give up and let the case go its way."""
        asked = one.asked or 0
        if asked < self._menu.tries:
            self._ask(connection, one, message, author, instance, number=asked + 1, words="menu_again")
            return
        transfers.set_asked(connection, one.id, 0)
        transfers.hurry(connection, one)
        if author.handle_id is not None and self._reaches(message, author, instance):
            replies.tell(
                connection,
                conversation=one,
                key=f"{MENU}|{one.case_number}|over",
                origin=MENU,
                text=self._texts.say("menu_gave_up"),
                at=message.sent_at,
                instance=instance,
                handle_id=author.handle_id,
            )

    def _ask(
        self,
        connection: Connection,
        one: Conversation,
        message: Message,
        author: Author,
        instance: str,
        *,
        number: int,
        words: str,
    ) -> None:
        if author.handle_id is None or not self._reaches(message, author, instance):
            return  # written by another channel that takes no answer, or in public: the time runs out
        transfers.set_asked(connection, one.id, number)
        replies.tell(
            connection,
            conversation=one,
            key=_key(one, number),
            origin=MENU,
            text=self._texts.say(words),
            at=message.sent_at,
            instance=instance,
            handle_id=author.handle_id,
            choices=[option.choice for option in self._menu.options],
        )

    def _reaches(self, message: Message, author: Author, instance: str) -> bool:
        """Whether a question or a notice of ours would come to who wrote the message."""
        return author.handle_id is not None and instance in self._answerable and not wrote_in_public(message.sender)

    def _offered(self, connection: Connection, one: Conversation) -> Sequence[Option]:
        """The lines in the order in which they were read, as long as all of them are still configured."""
        asked = cases.said_under(connection, _key(one, one.asked or 0))
        known = {option.id: option for option in self._menu.options}
        ids = [] if asked is None else [str(choice["id"]) for choice in asked.choices]
        return [known[each] for each in ids] if ids and all(each in known for each in ids) else self._menu.options

    def _is_answer(self, connection: Connection, one: Conversation, message: Message) -> bool:
        """Whether it was written as an answer: people write on before they have read a question, and send pictures."""
        asked = cases.said_under(connection, _key(one, one.asked or 0))
        written = message.content in {Content.TEXT, Content.INTERACTIVE} and not message.attachments
        return written and asked is not None and message.sent_at > asked.learnt_at


def _key(one: Conversation, number: int) -> str:
    return f"{MENU}|{one.case_number}|{number}"


def _tapped(message: Message) -> str:
    """The id of the line that was tapped, as channels with menus tell it."""
    return message.details.get("choice", "")
