"""What becomes of an answer that can't go as it should: held, sent another way, telephoned, parked; its ticket is told.

Inside a transaction of the caller's, throughout.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from sqlalchemy import Connection

from inbox_daemon.errors import Permanent
from inbox_daemon.identity.handles import readable
from inbox_daemon.pipeline.rendering import CHANNELS
from inbox_daemon.pipeline.reporting import Reporting
from inbox_daemon.pipeline.routing import RESERVED_MATTERS
from inbox_daemon.pipeline.sending import Sending
from inbox_daemon.pipeline.texts import Texts
from inbox_daemon.store import outbox, portions, replies, targets
from inbox_daemon.store.outbox import Step
from inbox_daemon.store.targets import Target


@dataclass(frozen=True, slots=True, kw_only=True)
class Ways:
    """What may be done where the first way is shut; `replying` are the instances by which citizens can be answered."""

    on_unknown: Literal["never", "twice"] = "never"
    other_handles: bool = False
    call_task: bool = False
    replying: Sequence[str] = ()


class Detours:
    """Of one channel's instance; `kind_of` gives the kind of each instance."""

    def __init__(
        self, *, name: str, ways: Ways, texts: Texts, reporting: Reporting, kind_of: Callable[[str], str]
    ) -> None:
        self._name = name
        self._ways = ways
        self._texts = texts
        self._reporting = reporting
        self._kind_of = kind_of

    @property
    def channel(self) -> str:
        """Readable name of this channel."""
        return self._channel(self._name)

    def told(self, error: Permanent) -> str:
        """Why the channel refused, in the agents' language."""
        return error.told or self._texts.say("refused", channel=self.channel)

    def other_way(self, connection: Connection, sending: Sending, reason: str) -> None:
        """This way is shut for good: the next configured one, else a person has to see to it."""
        if not sending.is_answer:
            self.drop(connection, sending.step, reason)
        elif not self._take(connection, sending, reason):
            self.stop(connection, sending.step, "failed", self._failed(reason, self._texts.say("next_parked")))

    def shut(self, connection: Connection, sending: Sending, told: str) -> None:
        """No free answer and no template: the next way, else it waits in everyone's sight for the citizen to write.

        `told` is the channel's own reason, in the agents' language; without one the time for answers is over.
        """
        if self._take(connection, sending, told or self._texts.say("window_over", channel=self.channel)):
            return
        say = self._texts.say
        reason = say("held_told", reason=told) if told else say("held_window", channel=self.channel)
        if outbox.park(connection, sending.step, reason):
            self._wait(connection, sending, reason)

    def hold(self, connection: Connection, sending: Sending) -> None:
        """A template went; the answer goes when the citizen writes."""
        case = sending.conversation.case_number
        if outbox.hold(connection, sending.step, "waits for the citizen to write"):
            self._wait(connection, sending, self._texts.say("held_template", channel=self.channel, case=case))

    def stop(self, connection: Connection, step: Step, state: str, reason: str) -> None:
        """A person has to see to it; `reason` is in the agents' language."""
        assert step.reply_id is not None
        if outbox.park(connection, step, reason):
            self._reporting.turn(connection, step.reply_id, state, reason)

    def give_up(self, connection: Connection, step: Step, reason: str) -> None:
        """Nothing more can be done without a person, for a reason of the program's."""
        self.stop(connection, step, "parked", self._failed(reason, self._texts.say("next_parked")))

    def unknown(self, connection: Connection, step: Step) -> None:
        """Nobody knows whether it went, and nothing goes twice."""
        self.stop(connection, step, "parked", self._texts.say("unknown_parked", channel=self.channel))

    def take_back(self, connection: Connection, step: Step) -> None:
        """All of it was taken back by its agent, or is not public any more."""
        assert step.reply_id is not None
        if outbox.discard(connection, step, "taken back by its agent"):
            self._reporting.withdrawn(connection, step.reply_id)

    def drop(self, connection: Connection, step: Step, reason: str) -> None:
        """A notice that can't be given is not worth anybody's time."""
        assert step.reply_id is not None
        if outbox.discard(connection, step, reason):
            replies.set_state(connection, step.reply_id, "failed", reason)

    def go_on(self, connection: Connection, sending: Sending, where: Target) -> None:
        """What is left goes to another handle of the same person, where they have written meanwhile."""
        self._aim(connection, sending, where)
        outbox.again(connection, sending.step, timedelta(0), "the channel knows the person by another handle")

    def _wait(self, connection: Connection, sending: Sending, reason: str) -> None:
        assert sending.target is not None
        where = targets.learned(connection, sending.target)
        self._aim(connection, sending, sending.target if where is None else where)
        self._reporting.turn(connection, sending.leader.id, "held", reason)

    def _aim(self, connection: Connection, sending: Sending, where: Target) -> None:
        replies.aim(connection, sending.leader.id, where)
        portions.reopen(connection, sending.step.id)
        portions.readdress(connection, sending.step.id, where.handle_id)

    def _take(self, connection: Connection, sending: Sending, reason: str) -> bool:
        """Go on by another channel or a telephone call, where configured and possible."""
        return self._by_another_handle(connection, sending, reason) or self._by_telephone(connection, sending, reason)

    def _by_another_handle(self, connection: Connection, sending: Sending, reason: str) -> bool:
        """Not once a portion has arrived: what is left of the answer would make no sense elsewhere."""
        arrived = any(one.state in portions.OUT and one.template is None for one in sending.route)
        if not self._ways.other_handles or arrived or sending.elsewhere:
            return False
        others = [one for one in self._ways.replying if one != self._name]
        where = targets.other(connection, sending.conversation.id, others)
        if where is None:
            return False
        way = self._texts.say("next_other", channel=self._channel(where.instance))
        self._reporting.turn(connection, sending.leader.id, "failed", self._failed(reason, way))
        replies.aim(connection, sending.leader.id, where)
        return outbox.change_lane(connection, sending.step, where.instance, "by another channel")

    def _by_telephone(self, connection: Connection, sending: Sending, reason: str) -> bool:
        """Ask the office to phone; never where it is not to know who wrote."""
        if not self._ways.call_task or sending.conversation.matter in RESERVED_MATTERS:
            return False
        phone = targets.phone(connection, sending.conversation.id)
        if phone is None:
            return False
        if outbox.discard(connection, sending.step, "the office was asked to phone"):
            way = self._texts.say("next_call", phone=readable(phone))
            self._reporting.turn(connection, sending.leader.id, "call", self._failed(reason, way))
        return True

    def _failed(self, reason: str, way: str) -> str:
        return self._texts.say("sent_failed", reason=reason, next=way)

    def _channel(self, instance: str) -> str:
        kind = self._kind_of(instance)
        return CHANNELS.get(kind, kind)
