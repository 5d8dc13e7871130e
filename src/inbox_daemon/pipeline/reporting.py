"""Tells the ticket what became of an answer: one note for each state worth telling, never backwards.

A note is worded when it is written, so it says where the answer stands by then; what happens while it is on its way
makes the next one.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta

from sqlalchemy import Connection

from inbox_daemon.model import SendState, StatusEvent, WatermarkEvent
from inbox_daemon.pipeline.acquainting import acquaint
from inbox_daemon.pipeline.sending import standing
from inbox_daemon.store import conversations, outbox, portions, replies
from inbox_daemon.store.outbox import Step

ALWAYS = frozenset({"held", "failed", "parked", "call"})
"""States that the office has to know of, whatever is configured."""
_RANKS = {state.value: state.rank for state in SendState}


class Reporting:
    """What tickets are told. `report` are the ordinary states worth a note; `reopens` the destinations whose tickets
    are reopened when an answer failed; `delay` lets states that follow each other quickly become one note.
    """

    def __init__(
        self, *, report: Collection[str], reopens: Collection[str] = (), delay: timedelta = timedelta(seconds=5)
    ) -> None:
        self._report = frozenset(report) | ALWAYS
        self._reopens = frozenset(reopens)
        self._delay = delay

    def turn(
        self,
        connection: Connection,
        leader_id: int,
        state: str,
        reason: str | None = None,
        at: datetime | None = None,
    ) -> None:
        """An answer has come into `state`, for `reason` (in the agents' language): keep it, and tell the ticket."""
        before = next((one for one in replies.read_together(connection, leader_id) if one.state != "withdrawn"), None)
        if (
            before is None
            or _is_backwards(before.state, state)
            or not replies.set_state(connection, leader_id, state, reason, at)
        ):
            return
        if before.origin != replies.ANSWER or not self._is_told(state, before.told):
            return
        if not replies.note_waits(connection, before.id):
            self._add(connection, before.id, "note", self._delay if state not in ALWAYS else timedelta(0))
        conversation = conversations.read(connection, before.conversation_id)
        if state in {"failed", "parked"} and conversation.destination in self._reopens and not conversation.open:
            self._add(connection, before.id, "reopen", timedelta(0))

    def withdrawn(self, connection: Connection, leader_id: int) -> None:
        """An answer was taken back before anything of it went: the ticket is told that nothing did."""
        self._add(connection, leader_id, "note", timedelta(0))

    def heard(self, connection: Connection, instance: str, event: StatusEvent | WatermarkEvent) -> None:
        """A channel says what became of something that we sent, or of all of it up to some moment."""
        if isinstance(event, WatermarkEvent):
            for step_id in portions.reach(connection, instance, event):
                self._settle(connection, step_id)
            return
        reported = portions.report(connection, instance, event)
        if reported is not None:
            acquaint(connection, instance, reported.handle_id, event.learned)
            self._settle(connection, reported.step_id)

    def _settle(self, connection: Connection, step_id: int) -> None:
        """Portions of a step were reported of: where does its answer stand now?"""
        portions.lock(connection, step_id)
        route = portions.last_route(connection, step_id)
        found = standing(route)
        failed = found is not None and found[0] == SendState.FAILED
        if found is not None and not failed:
            state, slowest = found
            self.turn(connection, outbox.reply_of(connection, step_id), state, at=slowest.settled_at)
        portions.wake(connection, step_id, failed=failed or any(one.state == portions.CLOSED for one in route))

    def told(self, connection: Connection, step: Step, state: str) -> None:
        """The ticket was told of `state`; where the answer has moved on meanwhile, it is told of that, too."""
        assert step.reply_id is not None
        replies.told(connection, step.reply_id, state)
        now = replies.read(connection, step.reply_id).state
        if now != state and self._is_told(now, state):
            self._add(connection, step.reply_id, "note", self._delay)
        elif now == state and not step.suspect:  # else an earlier try may have said less
            replies.drop_notes(connection, step.reply_id)

    def _is_told(self, state: str, told: str | None) -> bool:
        """Whether a state is worth a note: also one that says more than a configured one which was skipped.

        Where the ticket believes that the answer stopped, every further one is.
        """
        if state in self._report or state not in _RANKS:
            return state in self._report
        before = -1 if told is None else _RANKS.get(told, -1)
        return told in ALWAYS or any(before < _RANKS.get(one, -1) <= _RANKS[state] for one in self._report - ALWAYS)

    def _add(self, connection: Connection, reply_id: int, kind: str, delay: timedelta) -> None:
        reply = replies.read(connection, reply_id)
        conversation = conversations.read(connection, reply.conversation_id)
        if conversation.ticket is None or conversation.destination != reply.destination:
            return  # the case has gone on elsewhere: the office there wrote nothing
        outbox.add(
            connection,
            conversation_id=conversation.id,
            destination=conversation.destination,
            kind=kind,
            key=replies.next_note_key(connection, conversation.case_number, reply_id),
            position=0,
            ordered=False,
            delay=delay,
            reply_id=reply_id,
        )


def _is_backwards(before: str, after: str) -> bool:
    """Whether a state would take an answer back on its way: what was delivered is never again only sent."""
    if before == "call":
        return True
    return before in _RANKS and before != "failed" and _RANKS.get(after, -1) <= _RANKS[before] and after in _RANKS
