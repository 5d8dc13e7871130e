"""Carries answers and notices to citizens by one channel: portion by portion, inside its rules, once.

Right before anything goes, the entry is read again: what its agent took back, or made internal, goes nowhere. What
can't go now waits for the citizen, or takes the next configured way, and the ticket is told which.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol, TypeVar

import structlog
from sqlalchemy import Connection, Row

from inbox_daemon.errors import Credentials, Permanent, Transient, WindowClosed
from inbox_daemon.model import Sent, StoredFile, TicketUpdate
from inbox_daemon.pipeline import cutting
from inbox_daemon.pipeline.acquainting import acquaint
from inbox_daemon.pipeline.detours import Detours, Ways
from inbox_daemon.pipeline.markup import to_channel
from inbox_daemon.pipeline.reporting import Reporting
from inbox_daemon.pipeline.rereading import NotNow, Rereading
from inbox_daemon.pipeline.sending import Sending, load, reply_of, standing
from inbox_daemon.pipeline.texts import Texts
from inbox_daemon.plugins import Replying
from inbox_daemon.retry import Decision, Policy, backoff
from inbox_daemon.store import outbox, portions, replies, targets
from inbox_daemon.store.database import Database
from inbox_daemon.store.outbox import Step
from inbox_daemon.store.portions import Planned
from inbox_daemon.store.targets import Target

T = TypeVar("T")


class Firewall(Protocol):
    """Says when two machines are talking to each other."""

    def verdict(self, connection: Connection, sending: Sending, planned: Sequence[Planned]) -> str | None:
        """Why what is planned does not go, in the agents' language; None: it goes."""

    def body_hash(self, text: str) -> str:
        """By what a text is known again when some machine sends it back."""


class Answering:
    """The `Carrier` of one channel's instance."""

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
        detours: Detours,
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
        self._detours = detours
        self._link = link
        self._policy = policy
        self._attempt = attempt
        self._log = structlog.get_logger(__name__).bind(channel=name)

    async def carry(self, step: Step, begin: Callable[[], None]) -> None:
        """One attempt: see how far it is, prepare what isn't yet, send what is still to go."""
        sending = await self._read(step)
        if await self._turned_aside(sending):
            return
        if sending.portions(portions.CLOSED):
            if not (step.released or sending.wrote_since):
                await self._wait_for_citizen(sending, begin)
                return
            await self._run(lambda c: portions.reopen(c, step.id))
            sending = await self._read(step)
        prepared = await self._prepare(sending, begin)
        if prepared is not None:
            await self._send_all(prepared, begin)

    def follow(self, connection: Connection, step: Step, decision: Decision) -> None:
        """See `Carrier.follow`: nothing more can be done without a person."""
        self._detours.give_up(connection, step, decision.reason)

    # ------------------------------------------------------------ before anything goes

    async def _read(self, step: Step) -> Sending:
        return await self._database.read(lambda connection: load(connection, step))

    async def _turned_aside(self, sending: Sending) -> bool:
        """Settle what needs no sending: another lane, an unknown outcome, a refusal, or all of it being out."""
        step = sending.step
        where = self._answerable(sending)
        if where is None:
            await self._other_way(sending, self._texts.say("no_address", channel=self._detours.channel))
        elif where != self._name and not sending.begun:
            await self._run(lambda c: outbox.change_lane(c, step, where, "the citizen wrote there last"))
        elif sending.shared and not sending.begun:
            await self._run(lambda c: self._detours.stop(c, step, "parked", self._texts.say("merged_other_person")))
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

        def park(connection: Connection) -> None:
            portions.lock(connection, step.id)
            if load(connection, step).portions("trying"):
                self._detours.unknown(connection, step)
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
                await self._run(lambda c: self._detours.take_back(c, step))
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
            self._detours.stop(connection, step, "parked", stopped)
            return None
        portions.plan(connection, step.id, step.key, planned, instance=where.instance, handle_id=where.handle_id)
        return load(connection, step)

    async def _other_way(self, sending: Sending, reason: str) -> None:
        await self._run(lambda c: self._detours.other_way(c, sending, reason))

    # ------------------------------------------------------------ the channel's window

    async def _is_closed(self, sending: Sending) -> bool:
        assert sending.target is not None
        return not self._is_open(sending.target)

    def _is_open(self, where: Target) -> bool:
        """Whether a free answer may go there now."""
        until = self._channel.window(where.handle, where.last_at).open_until
        return until is None or until > datetime.now(UTC)

    async def _wait_for_citizen(self, sending: Sending, begin: Callable[[], None], told: str = "") -> None:
        """No free answer goes now: the approved template goes once, and the answer when they write.

        `told` is why, in the channel's own words; without any it is that the time for free answers is over.
        """
        where = sending.target
        assert where is not None
        template = self._channel.window(where.handle, where.last_at).template
        if not sending.is_answer:
            await self._run(lambda c: self._detours.drop(c, sending.step, "too late for a notice"))
            return
        learned = await self._database.read(lambda c: targets.learned(c, where))
        if learned is not None and learned.last_at is not None and self._is_open(learned):
            await self._run(lambda c: self._detours.go_on(c, sending, learned))
            return
        if template is None:
            await self._run(lambda c: self._detours.shut(c, sending, told))
            return
        notified = await self._database.read(
            lambda c: portions.notified(c, where.instance, where.handle_id, where.last_at)
        )
        if not notified:
            planned = [Planned(text="", body_hash=self._firewall.body_hash(f"template {template}"), template=template)]
            laid_out = await self._run(lambda c: self._plan(c, sending, planned))
            if laid_out is None:
                return
            try:
                await self._send(laid_out, laid_out.route[-1], begin)
            except (Transient, Credentials):
                raise
            except Permanent as error:
                self._log.warning("template.refused", step=sending.step.key, reason=str(error))
                await self._run(lambda c: self._detours.shut(c, sending, told))
                return
        await self._run(lambda c: self._detours.hold(c, sending))

    # ------------------------------------------------------------ sending

    async def _send_all(self, sending: Sending, begin: Callable[[], None]) -> None:
        """Send what is still to go, in order; with a pause between portions where the channel wants one."""
        waiting = sending.portions("planned")
        for position, portion in enumerate(waiting):
            try:
                await self._send(sending, portion, begin)
            except WindowClosed as error:
                self._log.info("window.closed", step=sending.step.key)
                await self._wait_for_citizen(sending, begin, error.told)
                return
            except Permanent as error:
                await self._other_way(await self._read(sending.step), self._detours.told(error))
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
            reason = self._detours.told(error)
            self._log.warning("portion.refused", step=step.key, reason=str(error))
            await self._run(lambda c: portions.refused(c, portion.id, reason))
            raise
        await self._run(lambda c: self._sent(c, sending, portion, sent))
        self._log.info("portion.sent", step=step.key, portion=portion.number, route=portion.route)

    def _sent(self, connection: Connection, sending: Sending, portion: Row[Any], sent: Sent) -> None:
        assert sending.target is not None
        acquaint(connection, sending.target.instance, sending.target.handle_id, sent.learned)
        portions.accepted(connection, portion.id, sent.id, sent.state)

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

    async def _run(self, work: Callable[[Connection], T]) -> T:
        return await self._database.run(work)
