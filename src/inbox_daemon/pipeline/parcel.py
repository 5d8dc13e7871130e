"""What all events of one envelope have in common while they are filed, and how one becomes a message kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Connection

from inbox_daemon.model import ExternalId, InstanceId, Message
from inbox_daemon.pipeline.placing import Source
from inbox_daemon.store import conversations
from inbox_daemon.store.conversations import ECHO, ECHO_EDIT, ECHO_REVOKE, HISTORY
from inbox_daemon.store.people import Author

FOR_US = {"query": "status_query", "choice": "menu_choice"}
"""Types of messages that are for us and for no office, and why they make no entry."""
NO_ENTRY = {**FOR_US, HISTORY: "history", ECHO: "echo", ECHO_EDIT: "echo", ECHO_REVOKE: "echo"}
"""Types of messages that make no citizen's entry, and how they are counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parcel:
    """What is common to all events of one envelope; `seen` are the messages it turned out to hold.

    `kind` is what rules know the channel by, `called` what people do (`instagram` of the kind facebook).

    `renewed` are messages kept as history that now come live, by the channel's id: the live one takes their place.
    """

    connection: Connection
    envelope_id: int
    instance: InstanceId
    kind: str
    called: str
    day: int
    received_at: datetime
    seen: set[int] = field(default_factory=set)
    renewed: dict[ExternalId, int] = field(default_factory=dict)

    @property
    def source(self) -> Source:
        """Whence its messages come."""
        return Source(
            connection=self.connection,
            instance=self.instance,
            kind=self.kind,
            called=self.called,
            received_at=self.received_at,
        )

    def known(self, message: Message, type_: str) -> tuple[int, int | None, str] | None:
        """(message id, envelope id, type) when exactly this was taken in before.

        What is known as history only is not known yet when it comes live: somebody wrote it just when we began to
        listen, and no office has it.
        """
        found = conversations.known_message(
            self.connection,
            instance=self.instance,
            external_id=message.external_id,
            type_=type_,
            fingerprint=message.fingerprint,
        )
        if found is not None and found[2] == HISTORY and not message.history:
            self.renewed[message.external_id] = found[0]
            return None
        return found

    def repeat(self, message_id: int, envelope_id: int | None, type_: str) -> str | None:
        """Why a known message makes no entry: None for one that this very envelope brought, when it is read again."""
        if envelope_id != self.envelope_id or message_id in self.seen:
            return "repeat"
        self.seen.add(message_id)
        return NO_ENTRY.get(type_)

    def keep(
        self,
        message: Message,
        author: Author,
        conversation_id: int,
        type_: str,
        *,
        details: Mapping[str, str],
        direction: str = "in",
    ) -> int:
        """Write the message row; returns its id."""
        if message.external_id in self.renewed:
            conversations.drop_history(self.connection, self.renewed.pop(message.external_id))
        message_id = conversations.add_message(
            self.connection,
            envelope_id=self.envelope_id,
            instance=self.instance,
            day=self.day,
            external_id=message.external_id,
            fingerprint=message.fingerprint,
            direction=direction,
            type=type_,
            content=message.content,
            citizen_id=author.citizen_id,
            handle_id=author.handle_id,
            conversation_id=conversation_id,
            sent_at=message.sent_at,
            received_at=self.received_at,
            sender_name=message.sender.name or "",
            subject=message.subject,
            text=message.text,
            quoted=message.quoted,
            details=dict(details),
            in_reply_to=message.in_reply_to,
            automatic=message.automatic,
        )
        self.seen.add(message_id)
        return message_id
