"""Notices to citizens: that a message arrived, when the office opens, that it takes longer, that a case was closed.

What is said to people unasked must not become a nuisance, nor reach the wrong ones. So nothing goes to machines and
lists; nothing to an address that the channel doesn't vouch for (its owner may never have written: backscatter, RFC 3834
section 5); nothing about old messages, as they come after an outage or with an import; nothing twice; and only a few a
day to one address, however many cases come from there.

An author of a reserved matter is told at once that the message arrived: whoever reads it there has just written. Later
nothing comes unasked, for by then somebody else may hold the phone, and that there is a case is itself the secret.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime, timedelta

import structlog
from sqlalchemy import Connection

from inbox_daemon.model import Handle, Message, Proof, TicketState
from inbox_daemon.pipeline.hours import ServiceHours
from inbox_daemon.pipeline.routing import RESERVED_MATTERS
from inbox_daemon.pipeline.texts import Texts
from inbox_daemon.plugins import SendingRules
from inbox_daemon.settings.dialogue import Notices
from inbox_daemon.store import conversations, replies, tellings
from inbox_daemon.store.conversations import Conversation

ACKNOWLEDGEMENT, HOURS, DOWN, CLOSED = "acknowledgement", "hours", tellings.DOWN, "closed"
ORIGINS = (ACKNOWLEDGEMENT, HOURS, DOWN, CLOSED)
DAY = timedelta(days=1)
MOST_A_DAY = 5
"""Notices to one address within a day: enough for two cases, too few to be a flood."""
MOST_AT_ONCE = 100
"""Notices about an outage in one run, so that its transaction stays short; the next run goes on."""
PATIENCE = timedelta(minutes=5)
"""A message that has waited less is not held up: another node may be delivering it this moment."""
ENDED = frozenset({TicketState.SOLVED, TicketState.CLOSED})

_NOBODY = frozenset({"noreply", "donotreply", "noresponder", "noresponda", "nocontestar", "mailerdaemon", "postmaster"})
"""Local parts of addresses at which nobody reads, without what separates their words."""


class Telling:
    """Says what `settings` want said. `rules` are those of the channels by which citizens can be answered, by instance;
    `public_states` what each destination's citizens may learn.
    """

    def __init__(
        self,
        *,
        settings: Notices,
        hours: ServiceHours,
        texts: Texts,
        rules: Mapping[str, SendingRules],
        public_states: Mapping[str, Collection[TicketState]],
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._settings = settings
        self._hours = hours
        self._texts = texts
        self._instances = sorted(name for name, one in rules.items() if settings.on_paid_channels or not one.costs)
        self._public_states = public_states
        self._clock = clock
        self._history = timedelta(minutes=settings.history_minutes)
        self._log = structlog.get_logger(__name__)

    # ------------------------------------------------------------ a message was taken in

    def taken_in(
        self,
        connection: Connection,
        *,
        conversation: Conversation,
        message: Message,
        handle_id: int | None,
        instance: str,
        opened: bool,
        received_at: datetime,
    ) -> str | None:
        """Say that a message arrived, or when the office opens, or both in one; returns which, None for nothing.

        `opened`: it is the first of its conversation. While the citizen is asked which office it is for, the question
        says enough; where that ends with an office, this may be called again for the first message.
        """
        now = self._clock()
        if message.automatic is not None or message.echo or self._is_history(message.sent_at, received_at, now):
            return None
        notice = self._notice(conversation, opened=opened, now=now)
        if notice is None or handle_id is None or conversation.asked or not conversation.filed:
            return None
        origin, key, text = notice
        handle = tellings.handle_of(connection, handle_id)
        told = self._may_tell(connection, conversation, instance, handle_id, handle, now) and replies.tell(
            connection,
            conversation=conversation,
            key=key,
            origin=origin,
            text=text,
            at=now,
            instance=instance,
            handle_id=handle_id,
        )
        return origin if told else None

    def _notice(self, conversation: Conversation, *, opened: bool, now: datetime) -> tuple[str, str, str] | None:
        """(origin, key, text) of what there is to say now. A closure is known by when it ends."""
        case = conversation.case_number
        opening = None if self._hours.is_open(now) else self._hours.next_opening(now)
        if self._settings.out_of_hours and opening is not None:
            text = self._texts.say("out_of_hours", case=case, opens=self._texts.moment(opening, now=now))
            return HOURS, f"{HOURS}|{case}|{opening.astimezone(UTC):%Y%m%dT%H%MZ}", text
        if self._settings.acknowledgement and opened:
            return ACKNOWLEDGEMENT, f"{ACKNOWLEDGEMENT}|{case}", self._texts.say("acknowledgement", case=case)
        return None

    # ------------------------------------------------------------ a ticket was closed

    def turned(self, connection: Connection, conversation: Conversation, state: TicketState) -> None:
        """A ticket came into `state`: where that ends it and citizens may know, say so to whoever wrote last.

        Once for what they wrote last: neither "closed" after "solved" nor an office that reopens and closes again is
        news. Machines don't count as having written, so that their answers to this notice bring no other.
        """
        if not self._settings.closed or state not in ENDED or conversation.matter in RESERVED_MATTERS:
            return
        if state not in self._public_states.get(conversation.destination, ()):
            return
        word = tellings.last_word(connection, conversation.id)
        if word is None or word.received_at - word.sent_at > self._history:
            return
        now = self._clock()
        case = conversation.case_number
        if self._may_tell(connection, conversation, word.instance, word.handle_id, word.handle, now):
            replies.tell(
                connection,
                conversation=conversation,
                key=f"{CLOSED}|{case}|{word.message_id}",
                origin=CLOSED,
                text=self._texts.say("closed", case=case, state=self._texts.state(state)),
                at=now,
                instance=word.instance,
                handle_id=word.handle_id,
            )

    # ------------------------------------------------------------ a destination is down

    def down(self, connection: Connection, destination: str, since: datetime | None = None) -> int:
        """Tell those who wait for a destination that has been down for long; returns how many.

        For a destination that is down now, on any node and as often as wanted. `since` is what this node has seen
        itself; the outbox knows the rest, so that a restart doesn't make an outage short.
        """
        if self._settings.down_after_minutes is None or not self._instances:
            return 0
        now = self._clock()
        success = tellings.last_success(connection, destination)
        known = [tellings.failing_since(connection, destination, success)]
        known += [since] if since is not None and (success is None or since > success) else []
        began = min((one for one in known if one is not None), default=None)
        if began is None or now - began < timedelta(minutes=self._settings.down_after_minutes):
            return 0
        told = self._tell_waiting(connection, destination, now)
        if told:
            self._log.info("notices.down", destination=destination, since=began.isoformat(), told=told)
        return told

    def _tell_waiting(self, connection: Connection, destination: str, now: datetime) -> int:
        told, after_id = 0, 0
        while told < MOST_AT_ONCE:
            found = tellings.waiting(
                connection,
                destination,
                instances=self._instances,
                matters_not=RESERVED_MATTERS,
                since=now - DAY,
                until=now - PATIENCE,
                after_id=after_id,
                limit=MOST_AT_ONCE - told,
            )
            if not found:
                break
            after_id = found[-1].conversation_id
            told += sum(self._tell_down(connection, one, now) for one in found)
        return told

    def _tell_down(self, connection: Connection, waiting: tellings.Waiting, now: datetime) -> bool:
        word = waiting.word
        if word.received_at - word.sent_at > self._history:
            return False
        conversation = conversations.read(connection, waiting.conversation_id)
        if not self._may_tell(connection, conversation, word.instance, word.handle_id, word.handle, now):
            return False
        return replies.tell(
            connection,
            conversation=conversation,
            key=waiting.key,
            origin=DOWN,
            text=self._texts.say("down", case=conversation.case_number),
            at=now,
            instance=word.instance,
            handle_id=word.handle_id,
        )

    # ------------------------------------------------------------ who may be told

    def _is_history(self, sent_at: datetime, received_at: datetime, now: datetime) -> bool:
        return now - min(sent_at, received_at) > self._history

    def _may_tell(
        self,
        connection: Connection,
        conversation: Conversation,
        instance: str,
        handle_id: int,
        handle: Handle | None,
        now: datetime,
    ) -> bool:
        """Whether there is somebody who wrote by this channel, and has not been told much today."""
        if instance not in self._instances or handle is None or handle.proof is not Proof.CHANNEL or _is_nobody(handle):
            return False
        told = tellings.told_to(
            connection,
            citizen_id=conversation.citizen_id,
            handle_id=handle_id,
            origins=ORIGINS,
            since=now - DAY,
        )
        return told < MOST_A_DAY


def _is_nobody(handle: Handle) -> bool:
    """Whether it is an address that says itself that nobody reads there."""
    if handle.kind != "email":
        return False
    local = handle.value.partition("@")[0].partition("+")[0]
    return "".join(character for character in local.lower() if character.isalpha()) in _NOBODY
