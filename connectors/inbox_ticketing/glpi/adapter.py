"""GLPI 10 and 11 as a destination, over `apirest.php`.

Every write of an entry begins by reading the ticket: one in the bin takes followups as if nothing were, and a merged
one must be followed.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from dataclasses import replace
from zoneinfo import ZoneInfo

from inbox_daemon.errors import Credentials, EdgeError, Gone, Permanent, Uncertain
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
from inbox_ticketing.glpi import hints, parse, texts
from inbox_ticketing.glpi.files import Files
from inbox_ticketing.glpi.finding import Finder
from inbox_ticketing.glpi.lineage import Lineage
from inbox_ticketing.glpi.outcome import Answer
from inbox_ticketing.glpi.parse import Row
from inbox_ticketing.glpi.places import Places
from inbox_ticketing.glpi.proof import Proof
from inbox_ticketing.glpi.reading import Reader
from inbox_ticketing.glpi.rest import RestClient
from inbox_ticketing.glpi.settings import GlpiSettings
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
"""Of the product; an instance with a `hint_secret` has `updates="both"`."""


class Glpi:
    """A `TicketingAdapter`."""

    def __init__(self, settings: GlpiSettings, context: Context) -> None:
        self._settings = settings
        self._instance = context.instance
        self._rest = RestClient(settings, context)
        zone = ZoneInfo(settings.zone) if settings.zone else context.zone
        self._places = Places(settings, self._rest, context)
        self._lineage = Lineage(self._rest, zone, self._instance, in_title=settings.reference_in == "title")
        self._files = Files(settings, self._rest, self._places, context)
        self._reader = Reader(self._rest, self._places, self._files, zone, context)
        self._finder = Finder(settings, self._rest, self._places, self._lineage, self._reader, context)
        self._watch = Watch(settings, self._rest, self._places, self._lineage, self._reader)
        self.capabilities = replace(
            CAPABILITIES,
            updates="both" if settings.hint_secret else "poll",
            max_attachment_bytes=settings.max_attachment_bytes,
        )

    async def aclose(self) -> None:
        """End the session."""
        await self._rest.aclose()

    async def check(self) -> None:
        """See `proof.Proof`."""
        await Proof(self, self._settings, self._rest, self._places, self._reader).run(self._instance)

    # ------------------------------------------------------------ writing

    async def open_ticket(self, draft: Draft) -> Ticket:
        """Create the ticket, then read it back: GLPI drops a field that it does not know, and rules rewrite titles."""
        in_title = self._settings.reference_in == "title"
        fields: dict[str, object] = {
            "name": texts.title_of(draft, in_title=in_title),
            "content": texts.content_of(draft.first, preface=texts.preface_of(draft)),
            "type": 2 if self._settings.type == "request" else 1,
            "entities_id": await self._places.entity(),
            "_users_id_requester": await self._places.requester() or 0,
        }
        if not in_title:
            fields["externalid"] = draft.reference
        if (category := await self._places.category()) is not None:
            fields["itilcategories_id"] = category
        if (source := await self._places.source(draft.channel)) is not None:
            fields["requesttypes_id"] = source
        number = self._made(await self._rest.send("POST", "/Ticket", fields), "a creation")
        return await self._seen(number, draft.reference)

    async def _seen(self, number: int, reference: Reference) -> Ticket:
        try:
            row = await self._lineage.ticket(number)
        except EdgeError:
            return self._finder.ticket_of(Row(id=number, status=1, deleted=False, references=frozenset()))
        if reference in row.references:
            return self._finder.ticket_of(row)
        # Nobody could find this ticket again. It is put away, so that the mended instance opens the only one.
        with suppress(EdgeError):
            await self._put_status(number, parse.STATUS_OF[TicketState.CLOSED])
        raise Credentials(
            f"{self._instance}: GLPI dropped the reference of ticket {number}, which is to be closed. "
            + (
                "Take off the business rule that rewrites titles"
                if self._settings.reference_in == "title"
                else 'Set `reference_in` to "title": only GLPI 11 has external ids'
            )
        )

    async def append(self, ticket: Ticket, entry: Entry) -> Written:
        """Add a public followup; asks for reopening where the ticket has ended, or waits for the citizen."""
        row = await self._target(ticket)
        return await self._add(row, texts.content_of(entry), public=True)

    async def note(self, ticket: Ticket, entry: Entry) -> Written:
        """Add a private followup; never changes the status."""
        row = await self._target(ticket, closed_too=True)
        return await self._add(row, texts.content_of(entry), public=False)

    async def attach(self, ticket: Ticket, entry: Entry, file: StoredFile) -> Written:
        """Put the file into the ticket, then the followup that announces it: only the latter counts as the entry."""
        row = await self._target(ticket)
        await self._files.put(row, entry, file)
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
        await self._put_status(row.id, status)
        if (await self._lineage.ticket(row.id)).status != status:
            raise Permanent(f"{self._instance}: GLPI does not set ticket {row.id} to status {status}")

    async def _add(self, row: Row, content: str, *, public: bool) -> Written:
        reopens = public and row.state.ends
        fields: dict[str, object] = {
            "itemtype": "Ticket",
            "items_id": row.id,
            "content": content,
            "is_private": 0 if public else 1,
        }
        if reopens or (public and row.state is TicketState.WAITING):  # GLPI does so itself for requesters only
            fields["add_reopen"] = 1
        try:
            answer = await self._rest.send("POST", "/ITILFollowup", fields)
        except Permanent as error:
            if row.state is TicketState.CLOSED and public:
                raise Gone(f"{self._instance}: ticket {row.id} is closed and takes nothing", reason="closed") from error
            raise
        entry = EntryId(f"F{self._made(answer, 'a followup')}")
        now = await self._reopened(row) if reopens else row
        return Written(ticket=self._finder.ticket_of(now), entry=entry, reopened=row.state.ends and not now.state.ends)

    async def _reopened(self, row: Row) -> Row:
        """The ticket after a followup that was to reopen it. The entry stands, so nothing that fails here is raised."""
        try:
            now = await self._lineage.ticket(row.id)
            if now.state.ends:
                await self._put_status(row.id, parse.STATUS_OF[TicketState.REOPENED])
                now = await self._lineage.ticket(row.id)
        except EdgeError:
            return row
        return now

    async def _put_status(self, number: int, status: int) -> None:
        await self._rest.send("PUT", f"/Ticket/{number}", {"status": status})

    def _made(self, answer: Answer, what: str) -> int:
        """The number of what was created. GLPI was seen to answer 200 to a POST that a redirect had made a GET."""
        number = parse.number(answer.json.get("id")) if isinstance(answer.json, dict) else 0
        if answer.status != 201 or not number:
            raise Uncertain(f"{self._instance}: GLPI answered {what} without a number")
        return number

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
        return self._files.fetch(attachment)

    def parse_hint(self, request: WebhookRequest) -> Hint | None:
        """See `hints.read`."""
        return hints.read(request, self._settings.hint_secret, self._instance)
