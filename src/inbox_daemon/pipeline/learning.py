"""What is learnt of a ticket, from a poll or after a hint: its state, and agents' answers. Inside one transaction.

Updates come more than once, late and in any order; each answer is filed once for each person, and a state that is older
than the last one changes nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import timedelta
from typing import Protocol

import structlog
from sqlalchemy import Connection

from inbox_daemon.model import TicketState, TicketUpdate
from inbox_daemon.pipeline.reporting import Reporting
from inbox_daemon.pipeline.rereading import is_public
from inbox_daemon.pipeline.texts import Texts
from inbox_daemon.store import conversations, outbox, replies, targets
from inbox_daemon.store.conversations import Conversation


class Turns(Protocol):
    """Who has to do when a ticket's state changes."""

    def turned(self, connection: Connection, conversation: Conversation, state: TicketState) -> None:
        """The ticket of `conversation` came into `state`."""


class Learning:
    """Files what one destination tells. `replying` are the instances by which citizens can be answered."""

    def __init__(
        self,
        *,
        destination: str,
        replying: Collection[str],
        grace: timedelta,
        reporting: Reporting,
        texts: Texts,
        turns: Sequence[Turns] = (),
    ) -> None:
        self._destination = destination
        self._replying = sorted(replying)
        self._grace = grace
        self._reporting = reporting
        self._texts = texts
        self._turns = turns
        self._log = structlog.get_logger(__name__).bind(destination=destination)

    def apply(self, connection: Connection, updates: Sequence[TicketUpdate]) -> int:
        """File these; returns how many changed something."""
        since = replies.since(connection, self._destination)
        changed = 0
        for update in updates:
            found = conversations.in_ticket(connection, self._destination, update.ticket)
            if not found:
                continue
            if update.state is not None:
                changed += sum(self._turn(connection, one, update) for one in found)
            if update.entry is not None and is_public(update) and update.at >= since:
                changed += self._answer(connection, found, update)
        return changed

    def _turn(self, connection: Connection, conversation: Conversation, update: TicketUpdate) -> bool:
        assert update.state is not None
        if not conversations.set_state(connection, conversation.id, update.state, update.at):
            return False
        conversations.set_open(connection, conversation.id, is_open=not update.state.ends)
        self._log.info("conversation.turned", case=conversation.case_number, state=update.state)
        for one in self._turns:
            one.turned(connection, conversations.read(connection, conversation.id), update.state)
        return True

    def _answer(self, connection: Connection, found: Sequence[Conversation], update: TicketUpdate) -> int:
        """File an answer for each person whose case stands in the ticket; for several it is stopped later."""
        assert update.entry is not None
        if replies.is_ours(connection, self._destination, update.entry):
            return 0
        latest = {one.citizen_id: one for one in reversed(found)}
        return sum(self._file(connection, one, update) for one in latest.values())

    def _file(self, connection: Connection, conversation: Conversation, update: TicketUpdate) -> bool:
        reply_id = replies.add(
            connection,
            conversation=conversation,
            key=f"{replies.ANSWER}|{self._destination}|{update.entry}|{conversation.citizen_id}",
            origin=replies.ANSWER,
            text=update.text,
            html=update.html,
            files=update.attachments,
            at=update.at,
            author=update.author,
            destination=self._destination,
            ticket_id=update.ticket,
            entry_id=update.entry,
        )
        if reply_id is None:
            return False
        where = targets.last(connection, conversation.id)
        lane = where.instance if where is not None else ""
        if lane not in self._replying and self._replying:
            lane = self._replying[0]  # whose worker finds another way
        leader = replies.joinable(
            connection, conversation.id, lane=lane, destination=self._destination, author=update.author
        )
        if leader is not None:
            replies.join(connection, reply_id, leader, self._grace)
        else:
            step = replies.schedule(
                connection, reply_id, conversation=conversation, lane=lane, at=update.at, delay=self._grace
            )
            if not self._replying:
                self._give_up(connection, reply_id, step)
        self._log.info("answer.filed", case=conversation.case_number, joined=leader is not None)
        return True

    def _give_up(self, connection: Connection, reply_id: int, step_id: int) -> None:
        """Nothing is configured by which anybody could be answered."""
        reason = self._texts.say(
            "sent_failed", reason=self._texts.say("no_channel"), next=self._texts.say("next_parked")
        )
        outbox.park_new(connection, step_id, reason)
        self._reporting.turn(connection, reply_id, "failed", reason)
