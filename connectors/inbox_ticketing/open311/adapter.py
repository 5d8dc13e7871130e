"""An Open311 GeoReport v2 endpoint with mySociety's updates as a destination.

GeoReport alone opens requests and tells their status; the extension (`servicerequestupdates`) adds what citizens say
later and what the office answers. There are no notes, no files but addresses of them, and nobody's name on an update.
"""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import timedelta

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
from inbox_daemon.plugins import Answer, Capabilities, Context, WebhookRequest, cursor_at, moment_of
from inbox_ticketing._writing import texts
from inbox_ticketing._writing.pace import Pace
from inbox_ticketing.open311 import parse
from inbox_ticketing.open311.calls import Calls
from inbox_ticketing.open311.proof import prove
from inbox_ticketing.open311.reading import AHEAD, Reader
from inbox_ticketing.open311.settings import Open311Settings

CAPABILITIES = Capabilities(
    note=False,
    find="immediate",
    find_entry="immediate",
    author="create",
    attach="url",
    max_body_chars=4000,
    reopen="auto",
    merges="none",
    updates="poll",
    parallel=2,
)
"""`note` is False: an update is all that there is, and what others may see of it is the endpoint's affair. An instance
where descriptions are public, and files may not be, has `attach="none"`."""

UPDATES = "/servicerequestupdates.json"
NOTE = "Nota para la oficina:"


class Open311:
    """A `TicketingAdapter`."""

    def __init__(self, settings: Open311Settings, context: Context) -> None:
        self._settings = settings
        self._context = context
        self._pace = Pace(context.now)
        self._name = context.instance
        self._heading = not settings.descriptions_are_public
        self._takes_files = settings.files_are_public or not settings.descriptions_are_public
        self.capabilities = replace(
            CAPABILITIES,
            attach="url" if self._takes_files else "none",
            max_body_chars=settings.max_description_chars,
        )
        self._calls = Calls(settings, context)
        self._reader = Reader(settings, self._calls, context)

    async def aclose(self) -> None:
        """Close the session."""
        await self._calls.aclose()

    async def check(self) -> None:
        """See `proof.prove`."""
        await prove(self, self._settings, self._calls, self._reader, self._pace, self._context)

    # ------------------------------------------------------------ writing

    async def open_ticket(self, draft: Draft) -> Ticket:
        """Post a request. A token instead of an id is asked once; who has no id yet is found by its description."""
        settings = self._settings
        description = self._fitting(parse.request_text(draft, heading=self._heading))
        fields = {"service_code": settings.service_code, "description": description, **self._author(draft.first)}
        if settings.latitude is not None:
            fields |= {"lat": str(settings.latitude), "long": str(settings.longitude)}
        if settings.address:
            fields["address_string"] = settings.address
        fields |= {f"attribute[{code}]": value for code, value in settings.attributes.items()}
        answer = await self._calls.post("/requests.json", fields, f"a request of service {settings.service_code!r}")
        number = self._made(answer, "service_request_id") or await self._by_token(self._made(answer, "token"))
        if not number:
            raise Uncertain(f"{self._name}: the endpoint took a request and did not say its id")
        return self._ticket(number)

    async def _by_token(self, token: str) -> str:
        """The id, or nothing. The request is made: whatever keeps it from being read, nothing may say that it isn't."""
        if not token:
            return ""
        try:
            answer = await self._calls.get(f"/tokens/{parse.path_part(token)}.json", gone=(404,))
        except EdgeError:
            return ""
        return self._made(answer, "service_request_id") if answer.status == 200 else ""

    async def append(self, ticket: Ticket, entry: Entry) -> Written:
        """Post an update; one of a closed request asks for it to be reopened, and what came of that is read back."""
        return await self._update(ticket, entry, parse.update_text(entry, heading=self._heading))

    async def note(self, ticket: Ticket, entry: Entry) -> Written:
        """Post an update that says that it is a note, where nobody else reads it."""
        if self._settings.descriptions_are_public:
            raise Permanent(
                f"{self._name}: a note would be seen by anybody (`descriptions_are_public`)",
                told="el sistema de destino no tiene notas internas",
            )
        text = parse.update_text(entry, heading=self._heading, label=NOTE)
        return await self._update(ticket, entry, text, note=True)

    async def attach(self, ticket: Ticket, entry: Entry, file: StoredFile) -> Written:
        """Post an update with a link to the file: the endpoint takes no bytes."""
        if not self._takes_files:
            raise Permanent(
                f"{self._name}: a file would be had by anybody (`files_are_public`)",
                told="el sistema de destino mostraría el archivo a cualquiera",
            )
        text = parse.update_text(entry, heading=self._heading, label=texts.file_line(file))
        return await self._update(ticket, entry, text, media_url=self._context.file_link(file))

    async def set_state(self, ticket: Ticket, state: TicketState) -> None:
        """Post an update with the status, and read it back. A request that ended otherwise stays as it is."""
        status = self._settings.status_of(state)
        if status is None:
            raise Permanent(f"{self._name}: no status of the endpoint means {state.value!r} (`states`)")
        request = await self._reader.request(ticket.id)
        now = self._reader.state_of(request.status)
        if now is state or (now.ends and state.ends) or request.status == status.lower():
            return
        key = MessageKey(f"state-{secrets.token_hex(8)}")
        entry = Entry(key=key, heading="", body="", sent_at=self._context.now(), automatic=True)
        text = parse.update_text(entry, heading=False, label="Cambio de estado.")
        await self._post(ticket.id, key, status, text)
        after = self._reader.state_of((await self._reader.request(ticket.id)).status)
        if after.ends is not state.ends:
            raise Permanent(
                f"{self._name}: the endpoint took the status {status} for request {ticket.id}, and kept its own"
            )

    async def _update(
        self, ticket: Ticket, entry: Entry, text: str, *, note: bool = False, media_url: str = ""
    ) -> Written:
        fit = self._fitting(text)
        request = await self._reader.request(ticket.id)
        closed = self._reader.state_of(request.status).ends
        if closed and not note and self._settings.closed == "new":
            raise Gone(f"{self._name}: request {ticket.id} is closed", reason="closed")
        status = self._settings.open_status if closed and not note else request.status.upper()
        made = await self._post(ticket.id, entry.key, status, fit, media_url=media_url, author=self._author(entry))
        if not closed or note:
            return Written(ticket=self._ticket(ticket.id, request), entry=EntryId(made))
        after = await self._read_back(ticket.id, request)
        reopened = not self._reader.state_of(after.status).ends
        return Written(ticket=self._ticket(ticket.id, after), entry=EntryId(made), reopened=reopened)

    async def _read_back(self, ticket: TicketId, before: parse.Request) -> parse.Request:
        """The request after the update, which is made: where it can't be read, it is told as it was before."""
        try:
            return await self._reader.request(ticket)
        except EdgeError:
            return before

    async def _post(
        self,
        ticket: TicketId,
        key: MessageKey,
        status: str,
        text: str,
        *,
        media_url: str = "",
        author: dict[str, str] | None = None,
    ) -> str:
        fields = {
            "service_request_id": ticket,
            "update_id": key,
            "status": status,
            "updated_datetime": parse.instant(self._context.now()),
            "description": text,
            **(author or {}),
        }
        if media_url:
            fields["media_url"] = media_url
        made = self._made(await self._calls.post(UPDATES, fields, "an update"), "update_id")
        if not made:
            raise Uncertain(f"{self._name}: the endpoint took an update and did not say its id")
        return made

    def _author(self, entry: Entry) -> dict[str, str]:
        first, last = parse.names(entry.author_name)
        fields = {"first_name": first, "last_name": last, "email": texts.one_line(entry.reply_address)}
        return {name: value for name, value in fields.items() if value}

    def _fitting(self, text: str) -> str:
        limit = self._settings.max_description_chars
        if len(text) > limit:
            raise Permanent(
                f"{self._name}: a text of {len(text)} signs is longer than the {limit} of `max_description_chars`",
                told="es más largo de lo que el sistema de destino acepta",
            )
        return text

    def _made(self, answer: Answer, name: str) -> str:
        try:
            rows = parse.rows_of(answer.json)
        except parse.NotUnderstood:
            return ""
        return parse.read_id(rows[0], name) if len(rows) == 1 else ""

    # ------------------------------------------------------------ looking up

    async def find(self, reference: Reference) -> Ticket | None:
        """Look through the requests of `look_back_days`; a description's last line tells."""
        now = self._context.now()
        rows = await self._reader.requests(now - timedelta(days=self._settings.look_back_days), now + AHEAD)
        found = [one for one in rows if parse.is_for(one, reference)]
        alive = [one for one in found if self._reader.state_of(one.status) is not TicketState.DELETED]
        if len(alive) > 1:
            numbers = ", ".join(sorted(one.id for one in alive))
            raise Permanent(
                f"{self._name}: requests {numbers} carry the reference {reference}. Close all but one there"
            )
        return self._ticket(alive[0].id, alive[0]) if alive else None

    async def find_entry(self, ticket: Ticket, key: MessageKey) -> Written | None:
        """The request itself for its first message, else the update whose last line has the key and fits the text."""
        request = await self._reader.request(ticket.id)
        first = parse.marker_of(request.description)
        if first is not None and first.intact and first.key == key:
            return Written(ticket=self._ticket(ticket.id, request), entry=EntryId(f"request-{request.id}"))
        found = [one for one in await self._reader.changes_of(request) if parse.is_under(one, key)]
        if len(found) > 1:
            raise Permanent(f"{self._name}: request {ticket.id} has more than one update under the key {key}")
        return Written(ticket=self._ticket(ticket.id, request), entry=found[0].id) if found else None

    async def updates(self, cursor: Cursor | None) -> tuple[Sequence[TicketUpdate], Cursor | None]:
        """What was added to any request since; those that are not ours are for nobody. Time is the endpoint's own."""
        answer = await self._calls.get("/services.json")
        now = answer.server_time or self._context.now()
        after = cursor_at(now)
        if cursor is None:
            return (), after
        since = moment_of(cursor) - timedelta(seconds=self._settings.overlap_seconds)
        return [self._tell(one) for one in await self._reader.changes(since)], after

    async def thread(self, ticket: TicketId) -> Sequence[TicketUpdate]:
        """All updates of one request; none where it is not shown any more, though they may be."""
        try:
            request = await self._reader.request(ticket)
        except Gone:
            return ()
        return [self._tell(one) for one in await self._reader.changes_of(request)]

    async def entry(self, ticket: TicketId, entry: EntryId) -> TicketUpdate | None:
        """See `TicketingAdapter.entry`."""
        try:
            request = await self._reader.request(ticket)
        except Gone:
            return None
        found = await self._reader.change(request, entry)
        return None if found is None else self._tell(found)

    async def fetch(self, attachment: Attachment) -> AsyncIterator[bytes]:
        """Stream what stands at an answer's media_url, if its host is allowed."""
        async for piece in self._calls.stream(attachment.remote):
            yield piece

    def parse_hint(self, request: WebhookRequest) -> Hint | None:
        """Open311 has no webhooks."""
        return None

    def _tell(self, change: parse.Change) -> TicketUpdate:
        return parse.tell(change, self._settings.states, self._settings.agent_name)

    def _ticket(self, number: str, request: parse.Request | None = None) -> Ticket:
        base = self._settings.link_base
        return Ticket(
            id=TicketId(number),
            number=number,
            url=f"{base}/{parse.path_part(number)}" if base else "",
            open=request is None or not self._reader.state_of(request.status).ends,
        )
