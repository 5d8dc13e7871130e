"""Carries answers and notices to citizens by one channel: portion by portion, inside its rules, once.

Right before anything goes, the entry is read again: what its agent took back, or made internal, goes nowhere. What
can't go now waits for the citizen, or takes the next configured way, and the ticket is told which.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, Protocol, TypeVar

import structlog
from sqlalchemy import Connection, Row

from inbox_daemon.errors import Credentials, Permanent, Transient, WindowClosed
from inbox_daemon.identity.handles import readable
from inbox_daemon.model import Sent, StoredFile, TicketUpdate
from inbox_daemon.pipeline import cutting
from inbox_daemon.pipeline.markup import to_channel
from inbox_daemon.pipeline.rendering import CHANNELS
from inbox_daemon.pipeline.reporting import Reporting
from inbox_daemon.pipeline.rereading import NotNow, Rereading
from inbox_daemon.pipeline.routing import RESERVED_MATTERS
from inbox_daemon.pipeline.sending import Sending, load, reply_of, standing
from inbox_daemon.pipeline.texts import Texts
from inbox_daemon.plugins import Replying
from inbox_daemon.retry import Decision, Policy, backoff
from inbox_daemon.store import outbox, portions, replies
from inbox_daemon.store.database import Database
from inbox_daemon.store.outbox import Step
from inbox_daemon.store.portions import Planned
from inbox_daemon.store.replies import Target

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ways:
    """What may be done where the first way is shut; `replying` are the instances by which citizens can be answered."""

    on_unknown: Literal["never", "twice"] = "never"
    other_handles: bool = False
    call_task: bool = False
    replying: Sequence[str] = ()


class Firewall(Protocol):
    """Says when two machines are talking to each other."""

    def verdict(self, connection: Connection, sending: Sending, planned: Sequence[Planned]) -> str | None:
        """Why what is planned does not go, in the agents' language; None: it goes."""

    def body_hash(self, text: str) -> str:
        """By what a text is known again when some machine sends it back."""


class Answering:
    """The `Carrier` of one channel's instance; `kind_of` gives the kind of each instance."""

    def __init__(
        self,
        *,
        name: str,
        channel: Replying,
        database: Database,
        rereading: Rereading,
        reporting: Reporting,
        firewall: Firewall,
        texts: Texts,
        ways: Ways,
        kind_of: Callable[[str], str],
        link: Callable[[StoredFile], str],
        policy: Policy,
        attempt: timedelta,
    ) -> None:
        self._name = name
        self._channel = channel
        self._database = database
        self._rereading = rereading
        self._reporting = reporting
        self._firewall = firewall
        self._texts = texts
        self._ways = ways
        self._kind_of = kind_of
        self._link = link
        self._policy = policy
        self._attempt = attempt
        self._log = structlog.get_logger(__name__).bind(channel=name)

    async def carry(self, step: Step, begin: Callable[[], None]) -> None:
        """One attempt: see how far it is, prepare what isn't yet, send what is still to go."""
        sending = await self._read(step)
        if await self._turned_aside(sending):
            return
        prepared = await self._prepare(sending, begin)
        if prepared is not None:
            await self._send_all(prepared, begin)

    def follow(self, connection: Connection, step: Step, decision: Decision) -> None:
        """See `Carrier.follow`: nothing more can be done without a person."""
        reason = self._texts.say("sent_failed", reason=decision.reason, next=self._texts.say("next_parked"))
        self._stop(connection, step, "parked", reason)

    # ------------------------------------------------------------ before anything goes

    async def _read(self, step: Step) -> Sending:
        return await self._database.read(lambda connection: load(connection, step))

    async def _turned_aside(self, sending: Sending) -> bool:
        """Settle what needs no sending: another lane, an unknown outcome, a refusal, or all of it being out."""
        step = sending.step
        where = self._answerable(sending)
        if where is None:
            await self._other_way(sending, self._texts.say("no_address", channel=self._channel_name()))
        elif where != self._name and not sending.begun:
            await self._run(lambda c: outbox.change_lane(c, step, where, "the citizen wrote there last"))
        elif sending.shared and not sending.begun:
            await self._run(lambda c: self._stop(c, step, "parked", self._texts.say("merged_other_person")))
        elif sending.portions("trying"):
            await self._reconcile(sending)
        elif sending.portions("failed") and not step.released:
            await self._other_way(sending, sending.portions("failed")[0].reason or "")
        elif standing(sending.route) is not None and not step.released:
            await self._finish(sending)
        elif step.suspect and not step.released and not sending.begun:
            await self._run(lambda c: outbox.again(c, step, timedelta(0), "nothing of it went"))  # in its turn
        elif await self._too_soon(sending):
            pass
        else:
            return False
        return True

    def _answerable(self, sending: Sending) -> str | None:
        """By which channel's instance the citizen can be answered."""
        where = sending.target
        if where is None or where.instance not in self._ways.replying:
            return None
        if where.instance == self._name and self._channel.address([where.handle]) is None:
            return None
        return where.instance

    async def _reconcile(self, sending: Sending) -> None:
        """Nothing has told what became of a portion: it is sent again only as configured, or as a person decided."""
        step = sending.step
        if step.released or self._ways.on_unknown == "twice":
            await self._run(lambda c: portions.untried_all(c, step.id))
            await self._again(step)
            return
        reason = self._texts.say("unknown_parked", channel=self._channel_name())

        def park(connection: Connection) -> None:
            portions.lock(connection, step.id)
            if load(connection, step).portions("trying"):
                self._stop(connection, step, "parked", reason)
            else:  # a report has come in this moment
                outbox.again(connection, step, timedelta(0), "reported of")

        await self._run(park)

    async def _again(self, step: Step) -> None:
        """Let the step come up again at once, as one that provably was not done."""
        await self._run(lambda c: outbox.again(c, step, timedelta(0), "sent again"))

    async def _too_soon(self, sending: Sending) -> bool:
        """Whether the channel wants a pause between two portions to one person; the step waits for its end then."""
        pause, where = self._channel.rules.pair_seconds, sending.target
        if not pause or where is None:
            return False
        last = await self._database.read(lambda c: portions.last_tried(c, where.instance, where.handle_id))
        left = timedelta(0) if last is None else last + timedelta(seconds=pause) - datetime.now(UTC)
        if left <= timedelta(0):
            return False
        await self._run(lambda c: outbox.again(c, sending.step, left, "a pause between two messages to one person"))
        return True

    async def _prepare(self, sending: Sending, begin: Callable[[], None]) -> Sending | None:
        """Read the entries again and lay the answer out; None where it does not go now.

        What has begun to go goes on as it was laid out, unless all of it was taken back.
        """
        step = sending.step
        try:
            entries = await self._rereading.entries(sending)
            if not entries and sending.is_answer:
                await self._run(lambda c: self._take_back(c, step))
                return None
            if sending.begun and not (step.released and sending.portions("failed")):
                return sending
            if await self._is_closed(sending):
                await self._wait_for_citizen(sending, begin)
                return None
            files, missing = await self._rereading.files(entries, sending.leader.destination or "")
        except NotNow as error:  # the ticketing system can't be asked: that is no fault of this channel
            delay = backoff(self._policy, step.attempts, random.random())  # noqa: S311 - spreads retries
            reason = str(error)
            await self._run(lambda c: outbox.again(c, step, delay, reason))
            return None
        planned = await asyncio.to_thread(self._lay_out, sending, entries, files, missing)
        return await self._run(lambda c: self._plan(c, sending, planned))

    def _lay_out(
        self, sending: Sending, entries: Sequence[TicketUpdate], files: Sequence[StoredFile], missing: Sequence[str]
    ) -> list[Planned]:
        """The answer as portions inside the channel's rules."""
        rules = self._channel.rules
        if sending.is_answer:
            texts = [to_channel(one.text, html=one.html, markup=rules.markup) for one in entries]
        else:
            texts = [sending.leader.text]
            if sending.choices and not self._has_menu(sending):
                texts.append(self._numbered(sending))
        texts += [self._texts.say("file_missing", name=name) for name in missing]
        made = cutting.cut(cutting.join(texts), files, rules, self._link)
        return [Planned(text=one.text, files=one.files, body_hash=self._firewall.body_hash(one.text)) for one in made]

    def _has_menu(self, sending: Sending) -> bool:
        """Whether the channel shows these choices itself."""
        rules = self._channel.rules
        return 0 < len(sending.choices) <= max(rules.max_buttons, rules.max_rows)

    def _numbered(self, sending: Sending) -> str:
        lines = [f"{number}. {one.title}" for number, one in enumerate(sending.choices, start=1)]
        return "\n".join([*lines, self._texts.say("menu_hint")])

    def _plan(self, connection: Connection, sending: Sending, planned: Sequence[Planned]) -> Sending | None:
        step, where = sending.step, sending.target
        assert where is not None
        if not outbox.hold_lease(connection, step, self._attempt):
            return None  # another node has taken the step over
        if not planned:
            outbox.discard(connection, step, "nothing is left of it to send")
            replies.set_state(connection, sending.leader.id, "withdrawn", "empty")
            return None
        stopped = self._firewall.verdict(connection, sending, planned)
        if stopped is not None:
            self._stop(connection, step, "parked", stopped)
            return None
        portions.plan(connection, step.id, step.key, planned, instance=where.instance, handle_id=where.handle_id)
        return load(connection, step)

    # ------------------------------------------------------------ the channel's window

    async def _is_closed(self, sending: Sending) -> bool:
        assert sending.target is not None
        until = self._channel.window(sending.target.last_at).open_until
        return until is not None and until <= datetime.now(UTC)

    async def _wait_for_citizen(self, sending: Sending, begin: Callable[[], None]) -> None:
        """The time for free answers is over: the approved template goes once, and the answer when they write."""
        where = sending.target
        assert where is not None
        template = self._channel.window(where.last_at).template
        if not sending.is_answer:
            await self._run(lambda c: self._drop(c, sending.step, "too late for a notice"))
            return
        if template is None:
            await self._shut(sending)
            return
        told = await self._database.read(lambda c: portions.notified(c, where.instance, where.handle_id, where.last_at))
        if not told:
            planned = [Planned(text="", body_hash=self._firewall.body_hash(f"template {template}"), template=template)]
            laid_out = await self._run(lambda c: self._plan(c, sending, planned))
            if laid_out is None:
                return
            try:
                await self._send(laid_out, laid_out.route[0], begin)
            except (Transient, Credentials):
                raise
            except Permanent as error:
                self._log.warning("template.refused", step=sending.step.key, reason=str(error))
                await self._shut(sending)
                return
        reason = self._texts.say("held_template", channel=self._channel_name(), case=sending.conversation.case_number)
        await self._run(lambda c: self._hold(c, sending, reason))

    async def _shut(self, sending: Sending) -> None:
        """No free answer and no template: the next way, else it waits in everyone's sight for the citizen to write."""
        if await self._found_other_way(sending, ""):
            return
        reason = self._texts.say("held_window", channel=self._channel_name())

        def wait(connection: Connection) -> None:
            if outbox.park(connection, sending.step, reason):
                replies.aim(connection, sending.leader.id, sending.target)
                self._reporting.turn(connection, sending.leader.id, "held", reason)

        await self._run(wait)

    def _hold(self, connection: Connection, sending: Sending, reason: str) -> None:
        if outbox.hold(connection, sending.step, "waits for the citizen to write"):
            replies.aim(connection, sending.leader.id, sending.target)
            self._reporting.turn(connection, sending.leader.id, "held", reason)

    # ------------------------------------------------------------ sending

    async def _send_all(self, sending: Sending, begin: Callable[[], None]) -> None:
        """Send what is still to go, in order; with a pause between portions where the channel wants one."""
        waiting = sending.portions("planned")
        for position, portion in enumerate(waiting):
            try:
                await self._send(sending, portion, begin)
            except WindowClosed:
                self._log.info("window.closed", step=sending.step.key)
                await self._wait_for_citizen(sending, begin)
                return
            except Permanent as error:
                await self._other_way(await self._read(sending.step), self._told(error))
                return
            if self._channel.rules.pair_seconds and position + 1 < len(waiting):
                await self._again(sending.step)  # the pause is waited for in the outbox
                return
        await self._finish(await self._read(sending.step))

    async def _send(self, sending: Sending, portion: Row[Any], begin: Callable[[], None]) -> None:
        """Send one portion; what is known of its outcome is on disk when this returns or raises."""
        step = sending.step

        def start(connection: Connection) -> bool:
            if not outbox.hold_lease(connection, step, self._attempt):
                return False
            portions.trying(connection, portion.id)
            return True

        if not await self._run(start):
            raise Transient("another node has taken the step over")
        begin()
        try:
            sent: Sent = await self._channel.send(reply_of(sending, portion, menu=self._has_menu(sending)))
        except (Transient, Credentials, WindowClosed):
            await self._run(lambda c: portions.untried(c, portion.id))
            raise
        except Permanent as error:
            reason = self._told(error)
            self._log.warning("portion.refused", step=step.key, reason=str(error))
            await self._run(lambda c: portions.refused(c, portion.id, reason))
            raise
        await self._run(lambda c: portions.accepted(c, portion.id, sent.id, sent.state))
        self._log.info("portion.sent", step=step.key, portion=portion.number, route=portion.route)

    async def _finish(self, sending: Sending) -> None:
        """All portions are out (or one has failed since): the step is done, and the ticket is told how far it is."""
        step = sending.step

        def save(connection: Connection) -> None:
            portions.lock(connection, step.id)  # what is reported from here on finds the step done
            found = standing(load(connection, step).route)
            if found is None or found[0] == "failed":
                outbox.again(connection, step, timedelta(0), "sent again")
            elif outbox.done(connection, step, None):
                state, slowest = found
                self._reporting.turn(connection, sending.leader.id, state, at=slowest.settled_at)

        await self._run(save)

    # ------------------------------------------------------------ other ways

    async def _other_way(self, sending: Sending, reason: str) -> None:
        """This way is shut for good: the next configured one, else a person has to see to it."""
        if not sending.is_answer:
            await self._run(lambda c: self._drop(c, sending.step, reason))
        elif not await self._found_other_way(sending, reason):
            text = self._texts.say("sent_failed", reason=reason, next=self._texts.say("next_parked"))
            await self._run(lambda c: self._stop(c, sending.step, "failed", text))

    async def _found_other_way(self, sending: Sending, reason: str) -> bool:
        """Go on by another channel or a telephone call, where configured and possible.

        Not once a portion has arrived: what is left of the answer would make no sense elsewhere.
        """
        return await self._run(lambda c: self._take_other_way(c, sending, reason))

    def _take_other_way(self, connection: Connection, sending: Sending, reason: str) -> bool:
        step, leader = sending.step, sending.leader
        fresh = not any(one.state in portions.OUT and one.template is None for one in sending.route)
        if self._ways.other_handles and fresh and not sending.elsewhere:
            others = [one for one in self._ways.replying if one != self._name]
            where = replies.other_target(connection, sending.conversation.id, others)
            if where is not None:
                self._report_failure(connection, sending, reason, self._next_other(where))
                replies.aim(connection, leader.id, where)
                return outbox.change_lane(connection, step, where.instance, "by another channel")
        if self._ways.call_task and sending.conversation.matter not in RESERVED_MATTERS:
            phone = replies.phone_of(connection, sending.conversation.id)
            if phone is not None:
                way = self._texts.say("next_call", phone=readable(phone))
                text = self._texts.say("sent_failed", reason=reason or self._closed_reason(), next=way)
                if outbox.discard(connection, step, "the office was asked to phone"):
                    self._reporting.turn(connection, leader.id, "call", text)
                return True
        return False

    def _report_failure(self, connection: Connection, sending: Sending, reason: str, way: str) -> None:
        text = self._texts.say("sent_failed", reason=reason or self._closed_reason(), next=way)
        self._reporting.turn(connection, sending.leader.id, "failed", text)

    def _next_other(self, where: Target) -> str:
        kind = self._kind_of(where.instance)
        return self._texts.say("next_other", channel=CHANNELS.get(kind, kind))

    def _closed_reason(self) -> str:
        return self._texts.say("window_over", channel=self._channel_name())

    def _stop(self, connection: Connection, step: Step, state: str, reason: str) -> None:
        """Park the step and tell the ticket."""
        assert step.reply_id is not None
        if outbox.park(connection, step, reason):
            self._reporting.turn(connection, step.reply_id, state, reason)

    def _take_back(self, connection: Connection, step: Step) -> None:
        """All of it was taken back by its agent, or is not public any more."""
        assert step.reply_id is not None
        if outbox.discard(connection, step, "taken back by its agent"):
            self._reporting.withdrawn(connection, step.reply_id)

    def _drop(self, connection: Connection, step: Step, reason: str) -> None:
        """A notice that can't be given is not worth anybody's time."""
        assert step.reply_id is not None
        if outbox.discard(connection, step, reason):
            replies.set_state(connection, step.reply_id, "failed", reason)

    def _told(self, error: Permanent) -> str:
        return error.told or self._texts.say("refused", channel=self._channel_name())

    def _channel_name(self) -> str:
        kind = self._kind_of(self._name)
        return CHANNELS.get(kind, kind)

    async def _run(self, work: Callable[[Connection], T]) -> T:
        return await self._database.run(work)
