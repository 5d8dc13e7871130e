"""Carries the steps of one destination out: into its tickets, never twice.

What may have been done is looked up by its marker before it is done again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Literal

import structlog
from sqlalchemy import Connection
from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from inbox_daemon.errors import Permanent, Transient, Uncertain
from inbox_daemon.model import StoredFile, Ticket, TicketState, Written
from inbox_daemon.pipeline.drafting import Drafting, Work, load
from inbox_daemon.pipeline.reporting import Reporting
from inbox_daemon.plugins import Notifying, TicketingAdapter
from inbox_daemon.retry import Decision, Next
from inbox_daemon.store import conversations, notices, outbox
from inbox_daemon.store.database import Database
from inbox_daemon.store.outbox import Step


class Delivering:
    """The `Carrier` of one destination."""

    def __init__(
        self,
        *,
        name: str,
        adapter: TicketingAdapter,
        database: Database,
        drafting: Drafting,
        attempt: timedelta,
        on_unknown: Literal["park", "resend"],
        attachments: Path,
        link: Callable[[StoredFile], str],
        reporting: Reporting,
    ) -> None:
        self._adapter = adapter
        self._notifies = isinstance(adapter, Notifying) and adapter.notifies
        self._database = database
        self._drafting = drafting
        self._attempt = attempt
        self._on_unknown = on_unknown
        self._attachments = attachments
        self._link = link
        self._reporting = reporting
        self._log = structlog.get_logger(__name__).bind(destination=name)

    async def carry(self, step: Step, begin: Callable[[], None]) -> None:
        """Look up first where an earlier try may have worked; then send. Success is recorded here."""
        work = await self._database.read(lambda connection: load(connection, step))
        if step.suspect and work.may_be_there(step):
            found = await self._look_up(step, work)
            if found is not None:
                await self._record(step, work, found)
                return
            if self._on_unknown == "park" and self._blind(step, work) and not step.released:
                raise Permanent("possible double: it may have been delivered, and this destination can't be asked")
        kind = self._drafting.kind(step, work)
        if not await self._database.run(lambda c: outbox.plan_kind(c, step, kind, self._attempt)):
            return  # another node has taken the step over: its outcome counts
        begin()
        await self._record(step, work, await self._send(step, work, kind))

    def _findable(self, step: Step, work: Work) -> bool:
        sheet = self._adapter.capabilities
        return (sheet.find if work.opens(step) else sheet.find_entry) != "none"

    def _blind(self, step: Step, work: Work) -> bool:
        """Whether nothing tells what an earlier try did, and repeating it does harm."""
        return not self._findable(step, work) and self._adapter.capabilities.idempotency == "none"

    async def _look_up(self, step: Step, work: Work) -> Written | None:
        """What an earlier try came to. Reading is harmless, so a hiccup is tried again at once, by tenacity."""
        if not self._findable(step, work):
            return None
        async for attempt in AsyncRetrying(
            retry=retry_if_exception_type((Transient, Uncertain)),
            stop=stop_after_attempt(3),
            wait=wait_random_exponential(multiplier=0.2, max=2),
            reraise=True,
        ):
            with attempt:
                if work.opens(step):
                    ticket = await self._adapter.find(self._drafting.reference(work))
                    return None if ticket is None else Written(ticket=ticket, entry=None)
                assert work.conversation.ticket is not None
                return await self._adapter.find_entry(work.conversation.ticket, step.key)
        raise AssertionError("unreachable")

    async def _send(self, step: Step, work: Work, kind: str) -> Written:
        if kind == "open":
            return Written(ticket=await self._adapter.open_ticket(self._drafting.draft(step, work)), entry=None)
        ticket = work.conversation.ticket
        if ticket is None:
            raise Transient("the conversation has no ticket yet")
        if kind == "attach":
            return await self._attach(step, work, ticket)
        if kind == "reopen":
            await self._adapter.set_state(ticket, TicketState.REOPENED)
            return Written(ticket=replace(ticket, open=True), entry=None, reopened=True)
        if kind == "referred":
            return await self._adapter.note(ticket, self._drafting.handed_on(step, work))
        if kind == "note":
            return await self._adapter.note(ticket, self._drafting.note(step, work))
        return await self._adapter.append(ticket, self._drafting.entry(step, work))

    async def _attach(self, step: Step, work: Work, ticket: Ticket) -> Written:
        """Add the step's file; where the destination takes none like it, a note with a link in its place.

        Both under the same key: whichever an earlier try has written is found by it.
        """
        file = work.stored_file(self._attachments)
        if file is None:
            return await self._adapter.note(ticket, self._drafting.lost_file_entry(step, work))
        refusal = self._drafting.refusal(file, self._adapter.capabilities)
        if refusal is None:
            try:
                return await self._adapter.attach(ticket, self._drafting.file_entry(step, work), file)
            except Permanent as error:
                self._log.warning("dispatch.file_refused", step=step.key, reason=str(error))
                refusal = error.told or self._drafting.refused
        url = self._link(file) if _is_kept(file) else ""
        try:
            return await self._adapter.note(ticket, self._drafting.refused_file_entry(step, work, refusal, url))
        except Permanent as error:
            raise Permanent(f"a file is refused ({refusal}), and the note about it, too: {error}") from error

    async def _record(self, step: Step, work: Work, written: Written) -> None:
        """Ticket, outcome and the office's notice in one transaction."""

        kind = step.kind

        def save(connection: Connection) -> None:
            if outbox.done(connection, step, written.entry):
                ticket = self._known(work, written.ticket)
                if work.conversation.ticket != ticket:
                    conversations.set_ticket(connection, work.conversation.id, ticket, destination=step.destination)
                if written.reopened:
                    conversations.set_open(connection, work.conversation.id, is_open=True)
                if kind == "note" and work.reply is not None:
                    self._reporting.told(connection, step, work.reply.state)
                if self._notifies and step.kind in {"open", "append"}:
                    notices.add(connection, step)

        await asyncio.shield(self._database.run(save))
        self._log.info("dispatch.done", step=step.key, kind=step.kind, ticket=written.ticket.number)

    def _known(self, work: Work, ticket: Ticket) -> Ticket:
        """A ticket as it is kept: where merges are followed, under the id that its case has from the beginning.

        Under that one the adapter goes on to tell what was written there before, and of the other ticket only what
        came after the merge: what its own citizen was answered before is nobody else's.
        """
        known = work.conversation.ticket
        if known is None or self._adapter.capabilities.merges != "follow":
            return ticket
        return replace(ticket, id=known.id)

    def follow(self, connection: Connection, step: Step, decision: Decision) -> None:
        """See `Carrier.follow`."""
        left = decision.next is Next.SUCCEED and not conversations.read(connection, step.conversation_id).filed
        stays = step.reply_id is not None or step.kind == "note"  # what was said to a citizen stays where it was said
        if left or (decision.next is Next.SUCCEED and stays):
            outbox.discard(connection, step, f"the ticket takes nothing more ({decision.reason})")
        elif decision.next is Next.SUCCEED:
            _succeed(connection, step, f"the ticket takes nothing more ({decision.reason})")
        else:
            outbox.park(connection, step, decision.reason)


def _is_kept(file: StoredFile) -> bool:
    """Whether a link to a file would open anything: what was erased since is not to be had."""
    return Path(file.path).is_file()


def _succeed(connection: Connection, step: Step, reason: str) -> None:
    """Go on in the conversation that follows; what can't open a ticket, or was to open this one, waits for a person."""
    old = conversations.read(connection, step.conversation_id)
    opens = step.attachment_id is None or conversations.successor(connection, old.id) is not None
    if old.ticket is None or not opens:
        outbox.park(connection, step, reason)
    elif outbox.again(connection, step, timedelta(0), reason):
        outbox.move(connection, old.id, conversations.succeed(connection, old).id)
