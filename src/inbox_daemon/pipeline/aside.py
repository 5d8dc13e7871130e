"""Keeps what is no message to us: what agents wrote outside of us, and what was written before we listened.

Neither is answered, nor opens a ticket, nor counts as a citizen's word: no notice, no menu, no loop, nothing that was
held goes. What agents wrote to somebody with an open case becomes a note in its ticket, so that whoever goes on with
it there knows what was said.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sqlalchemy import Row

from inbox_daemon.model import Message
from inbox_daemon.pipeline.parcel import NO_ENTRY, Parcel
from inbox_daemon.pipeline.rendering import Wording
from inbox_daemon.store import conversations, echoes, outbox, people
from inbox_daemon.store.columns import to_micros
from inbox_daemon.store.conversations import ECHO, HISTORY, UNFILED, Conversation
from inbox_daemon.store.people import Author


class Aside:
    """Keeps them. `default` is the destination that unfiled conversations are written down under."""

    def __init__(self, *, default: str, wording: Wording, delay: timedelta) -> None:
        self._default = default
        self._wording = wording
        self._delay = delay

    def echo(self, parcel: Parcel, message: Message, *, edits: Row[Any] | None = None, type_: str = ECHO) -> str:
        """Keep what an agent wrote to somebody, or changed (`edits`); returns how it is counted."""
        known = parcel.known(message, type_)
        if known is not None:
            return parcel.repeat(*known) or NO_ENTRY[type_]
        author = echoes.addressee(parcel.connection, message.sender.handles, parcel.instance)
        if author is None and edits is not None:
            author = Author(citizen_id=edits.citizen_id, handle_id=edits.handle_id)
        if author is None:
            return "echo_to_nobody"
        conversation = None if message.history else self._case(parcel, message, author, edits)
        kept_as = HISTORY if message.history else type_
        details = _with_names(message)
        if conversation is None:
            aside = self._unfiled(parcel, message, author)
            parcel.keep(message, author, aside.id, kept_as, details=details, direction="out")
            return NO_ENTRY[kept_as]
        message_id = parcel.keep(message, author, conversation.id, kept_as, details=details, direction="out")
        conversations.touch(parcel.connection, conversation.id, message.sent_at)
        outbox.add(
            parcel.connection,
            conversation_id=conversation.id,
            destination=conversation.destination,
            kind="note",
            key=f"{conversation.case_number}.m{message_id}",
            position=to_micros(message.sent_at),
            ordered=False,  # a note never opens a ticket, and must keep nothing from opening it
            delay=self._delay,
            message_id=message_id,
        )
        return NO_ENTRY[kept_as]

    def history(self, parcel: Parcel, message: Message) -> str | None:
        """Keep what somebody wrote before we listened; returns how it is counted.

        Whose it is is decided as for any message, so that what they write from now on is known to be theirs.
        """
        known = parcel.known(message, "message")
        if known is not None:
            return parcel.repeat(*known)
        if not message.sender.handles:
            return NO_ENTRY[HISTORY]
        author = people.resolve(parcel.connection, message.sender, parcel.instance, message.sent_at, parcel.envelope_id)
        aside = self._unfiled(parcel, message, author)
        parcel.keep(message, author, aside.id, HISTORY, details=_with_names(message))
        return NO_ENTRY[HISTORY]

    def _case(self, parcel: Parcel, message: Message, author: Author, edits: Row[Any] | None) -> Conversation | None:
        """The open case that an agent's words belong to: that of what they answer or change, else the newest."""
        connection, about = parcel.connection, edits
        if about is None and message.in_reply_to is not None:
            about = conversations.find_message(connection, parcel.instance, [message.in_reply_to])
        if about is not None:
            found = conversations.read(connection, about.conversation_id)
            if found.open and found.citizen_id == author.citizen_id:
                return found
        return echoes.open_case(connection, author.citizen_id, parcel.instance)

    def _unfiled(self, parcel: Parcel, message: Message, author: Author) -> Conversation:
        """Where a citizen's things are that no office has: one conversation, whose number nobody is told."""
        return echoes.kept_aside(parcel.connection, author.citizen_id) or conversations.open_new(
            parcel.connection,
            citizen_id=author.citizen_id,
            destination=self._default,
            matter="consulta",
            subject=self._wording.subject(channel=parcel.called, subject=message.subject, text=message.text),
            at=message.sent_at,
            state=UNFILED,
        )


def _with_names(message: Message) -> dict[str, str]:
    """Its details, and the names of its files: the files themselves stay where they are."""
    names = [file.filename for file in message.attachments]
    numbers = [""] if len(names) == 1 else [f" {number}" for number in range(1, len(names) + 1)]
    return dict(message.details) | {f"file{number}": name for number, name in zip(numbers, names, strict=True)}
