"""GLPI 10 and 11 as a destination, over whichever of its APIs is configured.

Every write of an entry begins by reading the ticket: one in the bin takes followups as if nothing were, and a merged
one must be followed.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from dataclasses import replace

from inbox_daemon.errors import EdgeError, Gone, Permanent, Uncertain
from inbox_daemon.model import (
    Attachment,
    Cursor,
    Draft,
    Entry,
    EntryId,
    Hint,
    MessageKey,
    Reference,
    StoredFile,
    Ticket,
    TicketId,
    TicketState,
    TicketUpdate,
    Written,
)
from inbox_daemon.plugins import Capabilities, Context, WebhookRequest
from inbox_ticketing._writing import texts as words
from inbox_ticketing.glpi import hints, parse, texts
from inbox_ticketing.glpi.finding import Finder
from inbox_ticketing.glpi.lineage import Lineage
from inbox_ticketing.glpi.parse import Row
from inbox_ticketing.glpi.proof import Proof
from inbox_ticketing.glpi.reading import Reader
from inbox_ticketing.glpi.settings import GlpiSettings
from inbox_ticketing.glpi.speech import Opening, Speech
from inbox_ticketing.glpi.watch import Watch

CAPABILITIES = Capabilities(
    find="immediate",
    find_entry="immediate",
    author="none",
    attach="two_step",
    max_attachment_bytes=2_000_000,
    body_format="html",
    max_subject_bytes=texts.MAX_TITLE,
    reopen="explicit",
    merges="follow",
    updates="poll",
    parallel=4,
)
"""Of the product; an instance with a `hint_secret` has `updates="both"`, one without the older API no `attach`."""


class Glpi:
    """A `TicketingAdapter`; `speech` carries what it says."""

    def __init__(self, settings: GlpiSettings, context: Context, speech: Speech) -> None:
        self._settings = settings
        self._instance = context.instance
        self._speech = speech
        self._lineage = Lineage(speech)
        self._finder = Finder(settings, speech, self._lineage, context)
        self._watch = Watch(settings, speech, self._lineage, Reader(speech))
        self._proof = Proof(self, settings, speech, context.instance)
        self.capabilities = replace(
            CAPABILITIES,
            updates="both" if settings.hint_secret else "poll",
            attach=CAPABILITIES.attach if speech.files.takes else "none",
            max_attachment_bytes=settings.max_attachment_bytes if speech.files.takes else None,
        )

    async def aclose(self) -> None:
        """End the session."""
        await self._speech.aclose()

    async def check(self) -> None:
        """See `proof.Proof`."""
        await self._proof.run()

    # ------------------------------------------------------------ writing

    async def open_ticket(self, draft: Draft) -> Ticket:
        """Create the ticket, then read it back: GLPI drops a field that it does not know, and rules rewrite titles."""
        in_title = self._settings.reference_in == "title"
        opening = Opening(
            title=texts.title_of(draft, in_title=in_title),
            content=texts.content_of(draft.first, preface=words.preface_of(draft.follows)),
            type=2 if self._settings.type == "request" else 1,
            channel=draft.channel,
            external_id="" if in_title else draft.reference,
        )
        number = await self._speech.create(opening)
        ticket = await self._seen(number, draft.reference)
        try:
            await self._speech.complete(number)
        except EdgeError as error:  # it stands: whoever looks it up completes it
            raise Uncertain(f"{self._instance}: ticket {number} is not complete yet ({error})") from error
        return ticket

    async def _seen(self, number: int, reference: Reference) -> Ticket:
        try:
            row = await self._speech.ticket(number)
        except EdgeError:
            return self._finder.ticket_of(Row(id=number, status=1, deleted=False, references=frozenset()))
        if reference in row.references:
            return self._finder.ticket_of(row)
        # Nobody could find this ticket again. It is put away, so that the mended instance opens the only one.
        with suppress(EdgeError):
            await self._speech.put_status(number, parse.STATUS_OF[TicketState.CLOSED])
        raise Permanent(
            f"{self._instance}: GLPI dropped the reference of ticket {number}, which is to be closed. "
            + (
                "Take off the business rule that rewrites titles"
                if self._settings.reference_in == "title"
                else 'Set `reference_in` to "title": only GLPI 11 has external ids'
            ),
            told="GLPI no guardó la referencia del caso",
        )

    async def append(self, ticket: Ticket, entry: Entry) -> Written:
        """Add a public followup; asks for reopening where the ticket has ended, or waits for the citizen."""
        row = await self._target(ticket)
        return await self._add(row, texts.content_of(entry), public=True)

    async def note(self, ticket: Ticket, entry: Entry) -> Written:
        """Add a private followup, and read back that it is private; never changes the status."""
        row = await self._target(ticket, closed_too=True)
        written = await self._add(row, texts.content_of(entry), public=False)
        await self._see_private(row, written)
        return written

    async def attach(self, ticket: Ticket, entry: Entry, file: StoredFile) -> Written:
        """Put the file into the ticket, then the followup that announces it: only the latter counts as the entry."""
        row = await self._target(ticket)
        await self._speech.files.put(row, entry, file)
        return await self._add(row, texts.file_content(entry, file), public=True)

    async def set_state(self, ticket: Ticket, state: TicketState) -> None:
        """Set the status and read it back: GLPI answers true also where a rule or a right kept it from changing.

        A ticket that ended in another way than asked stays as its agent left it.
        """
        status = parse.STATUS_OF.get(state)
        if status is None:
            raise Permanent(
                f"{self._instance}: no status of GLPI means {state.value!r}", told="GLPI no tiene ese estado"
            )
        row = await self._living(ticket)
        if row.status == status or row.state is state or (row.state.ends and state.ends):
            return
        if state in {TicketState.OPEN, TicketState.REOPENED} and not row.state.ends:
            return
        await self._speech.put_status(row.id, status)
        if (await self._speech.ticket(row.id)).status != status:
            raise Permanent(f"{self._instance}: GLPI does not set ticket {row.id} to status {status}")

    async def _add(self, row: Row, content: str, *, public: bool) -> Written:
        wakes = public and (row.state.ends or row.state is TicketState.WAITING)
        try:
            number = await self._speech.add(row, content, public=public, wakes=wakes)
        except Permanent as error:
            if row.state is TicketState.CLOSED and public:
                raise Gone(f"{self._instance}: ticket {row.id} is closed and takes nothing", reason="closed") from error
            raise
        now = await self._woken(row) if wakes else row
        reopened = row.state.ends and not now.state.ends
        return Written(ticket=self._finder.ticket_of(now), entry=EntryId(f"F{number}"), reopened=reopened)

    async def _see_private(self, row: Row, written: Written) -> None:
        """Raise `Permanent` for a note that everybody reads: it stands, so nothing may write it again."""
        remark = None
        with suppress(EdgeError):
            remark = await self._speech.remark("F", parse.number(str(written.entry)[1:]), (row.id,))
        if remark is not None and remark.public:
            raise Permanent(
                f"{self._instance}: what was written as a private followup into ticket {row.id} is public. Make it "
                "private there, and give the profile of the service account the right to add private followups",
                told="GLPI deja las notas internas a la vista de todos",
            )

    async def _woken(self, row: Row) -> Row:
        """The ticket after a followup that was to wake it. The entry stands, so nothing that fails here is raised."""
        try:
            now = await self._speech.ticket(row.id)
            if now.state.ends or now.state is TicketState.WAITING:
                await self._speech.put_status(row.id, parse.STATUS_OF[TicketState.REOPENED])
                now = await self._speech.ticket(row.id)
        except EdgeError:
            return row
        return now

    async def _living(self, ticket: Ticket) -> Row:
        """The ticket by now, after merges. Raises `Gone`."""
        row = (await self._lineage.path(parse.number(ticket.id))).row
        if row.deleted:
            raise Gone(f"{self._instance}: ticket {row.id} is in the bin", reason="deleted")
        return row

    async def _target(self, ticket: Ticket, *, closed_too: bool = False) -> Row:
        row = await self._living(ticket)
        if row.state.ends and self._settings.closed == "new" and not closed_too:
            raise Gone(f"{self._instance}: ticket {row.id} is closed", reason="closed")
        return row

    # ------------------------------------------------------------ looking up

    async def find(self, reference: Reference) -> Ticket | None:
        """See `finding.Finder.find`."""
        return await self._finder.find(reference)

    async def find_entry(self, ticket: Ticket, key: MessageKey) -> Written | None:
        """See `finding.Finder.find_entry`."""
        return await self._finder.find_entry(ticket, key)

    async def updates(self, cursor: Cursor | None) -> tuple[Sequence[TicketUpdate], Cursor | None]:
        """See `watch.Watch`."""
        return await self._watch.updates(cursor)

    async def thread(self, ticket: TicketId) -> Sequence[TicketUpdate]:
        """See `watch.Watch.thread`."""
        return await self._watch.thread(ticket)

    async def entry(self, ticket: TicketId, entry: EntryId) -> TicketUpdate | None:
        """See `watch.Watch.entry`."""
        return await self._watch.entry(ticket, entry)

    def fetch(self, attachment: Attachment) -> AsyncIterator[bytes]:
        """See `files.Files.fetch`."""
        return self._speech.files.fetch(attachment)

    def parse_hint(self, request: WebhookRequest) -> Hint | None:
        """See `hints.read`."""
        return hints.read(request, self._settings.hint_secret, self._instance)
