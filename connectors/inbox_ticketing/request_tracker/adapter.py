"""Request Tracker 5 as a destination, over REST2 and, where configured, the mail gate.

Every write of an entry begins by reading the ticket: RT adds correspondence to a deleted ticket and reopens it
without a word (seen on 5.0.3, 2026-11-24), and a merged id must be followed.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from dataclasses import replace
from email.errors import HeaderParseError
from urllib.parse import urlsplit

import aiohttp

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
from inbox_daemon.plugins import Answer, Capabilities, Context, WebhookRequest, is_signed, read_stored
from inbox_ticketing._writing import texts
from inbox_ticketing._writing.pace import Pace
from inbox_ticketing.request_tracker import parse
from inbox_ticketing.request_tracker.proof import prove
from inbox_ticketing.request_tracker.reading import Reader
from inbox_ticketing.request_tracker.rest import RestClient, message_of
from inbox_ticketing.request_tracker.settings import RequestTrackerSettings
from inbox_ticketing.request_tracker.watch import Watch

CAPABILITIES = Capabilities(
    find="immediate",
    find_entry="immediate",
    author="entries",
    attach="multipart",
    max_attachment_bytes=10_000_000,
    max_subject_bytes=parse.MAX_SUBJECT_BYTES,
    reopen="auto",
    merges="follow",
    updates="poll",
    parallel=4,
)
"""Of the product. An instance without a mail gate has `author="create"`: the citizen is the requestor only; one with a
`hint_secret` has `updates="both"`."""

SIGNATURE_HEADER = "x-inbox-signature"


class RequestTracker:
    """A `TicketingAdapter`."""

    def __init__(self, settings: RequestTrackerSettings, context: Context) -> None:
        self._settings = settings
        self._rest = RestClient(settings, context)
        self._context = context
        self._pace = Pace(context.now)
        self._reader = Reader(settings, self._rest, context)
        self._watch = Watch(settings, self._rest, self._reader)
        self.capabilities = replace(
            CAPABILITIES,
            author="entries" if settings.mail_gate_url else "create",
            updates="both" if settings.hint_secret else "poll",
            max_attachment_bytes=settings.max_attachment_bytes,
        )

    async def aclose(self) -> None:
        """Close the session."""
        await self._rest.aclose()

    async def check(self) -> None:
        """See `proof.prove`."""
        await prove(self, self._settings, self._rest, self._pace, self._context)

    # ------------------------------------------------------------ writing

    async def open_ticket(self, draft: Draft) -> Ticket:
        """Create the ticket, then read it back: RT drops a custom field that it does not know without a word."""
        settings = self._settings
        body: dict[str, object] = {
            "Queue": settings.queue,
            "Subject": parse.subject_of(draft),
            "Content": texts.text_of(draft.first, preface=texts.preface_of(draft.follows)),
            "ContentType": "text/plain",
            "CustomFields": {settings.reference_field: draft.reference},
        }
        if requestor := parse.address_of(draft.first) or settings.requestor_fallback:
            body["Requestor"] = requestor
        answer = await self._rest.send("POST", "/ticket", body)
        number = str(answer.json.get("id", "")) if isinstance(answer.json, dict) else ""
        if answer.status != 201 or not number.isdigit():
            raise Uncertain(f"{self._context.instance}: Request Tracker answered a creation without a ticket number")
        await self._see_reference(number, draft.reference)
        return self._ticket(number)

    async def _see_reference(self, number: str, reference: Reference) -> None:
        try:
            row = await self._reader.row(number)
        except EdgeError:
            return  # created; whether the reference stuck is seen by the next check
        if reference in row.references:
            return
        # Nobody could find this ticket again: it is closed, and the case waits in sight, so that no try makes another.
        with suppress(EdgeError):  # whatever comes of it, the ticket is there: nothing may say that it is not
            await self._put_status(number, self._settings.closed_status)
        raise Permanent(
            f"{self._context.instance}: Request Tracker dropped the reference of ticket {number}. Close that one. "
            f"Apply the custom field {self._settings.reference_field!r} to queue {self._settings.queue!r} and give "
            f"{self._settings.account!r} the rights SeeCustomField and ModifyCustomField; then try the case again",
            told="el sistema abrió el caso sin su referencia, y nadie podría encontrarlo",
        )

    async def append(self, ticket: Ticket, entry: Entry) -> Written:
        """Add correspondence: by the mail gate as the citizen, else by REST2 as the service account."""
        row = await self._target(ticket)
        if self._settings.mail_gate_url and (mail := self._mail(row, entry)):
            return await self._append_by_mail(row, entry.key, mail)
        body: dict[str, object] = {"Content": texts.text_of(entry), "ContentType": "text/plain"}
        return await self._add(row, "correspond", body)

    async def note(self, ticket: Ticket, entry: Entry) -> Written:
        """Add a comment; never changes the status."""
        row = await self._target(ticket, closed_too=True)
        body: dict[str, object] = {"Content": texts.text_of(entry), "ContentType": "text/plain"}
        answer = await self._rest.send("POST", f"/ticket/{row.id}/comment", body, accept=(400,))
        return self._written(row, answer)

    async def attach(self, ticket: Ticket, entry: Entry, file: StoredFile) -> Written:
        """Upload as multipart: a name such as `ü.txt` is stored broken when it comes in JSON."""
        content = await read_stored(file, self._context.instance, limit=self._settings.max_attachment_bytes)
        row = await self._target(ticket)
        body: dict[str, object] = {"Content": texts.file_text(entry, file), "ContentType": "text/plain"}
        if self._is_inactive(row):
            body["Status"] = self._settings.open_status

        def form() -> aiohttp.FormData:
            made = aiohttp.FormData(quote_fields=False)
            made.add_field("JSON", json.dumps(body), content_type="application/json")
            made.add_field("Attachments", content, filename=parse.file_name(file), content_type=parse.file_type(file))
            return made

        answer = await self._rest.upload(f"/ticket/{row.id}/correspond", form, file.size, accept=(400,))
        return self._written(row, answer, reopened=self._is_inactive(row))

    async def set_state(self, ticket: Ticket, state: TicketState) -> None:
        """Set the status and read it back: RT answers a refused change with 200, the refusal in the text.

        A ticket that ended in another way than asked stays as its agent left it.
        """
        status = self._settings.status_of(state)
        if status is None:
            raise Permanent(f"{self._context.instance}: no status of Request Tracker means {state.value!r} (`states`)")
        row = await self._reader.row(ticket.id)
        now = self._reader.state_of(row.status)
        if now is TicketState.DELETED:
            raise Gone(f"{self._context.instance}: ticket {row.id} is deleted", reason="deleted")
        if row.status.lower() == status.lower() or now is state or (now.ends and state.ends):
            return
        said = await self._put_status(row.id, status)
        if (await self._reader.row(row.id)).status.lower() != status.lower():
            raise Permanent(
                f"{self._context.instance}: Request Tracker does not set ticket {row.id} to {status!r}: {said[:200]}"
            )

    async def _add(self, row: parse.Row, verb: str, body: dict[str, object]) -> Written:
        if self._is_inactive(row):  # RT's scrip reopens it, too, where nobody switched it off
            body["Status"] = self._settings.open_status
        answer = await self._rest.send("POST", f"/ticket/{row.id}/{verb}", body, accept=(400,))
        return self._written(row, answer, reopened=self._is_inactive(row))

    def _mail(self, row: parse.Row, entry: Entry) -> str | None:
        domain = urlsplit(self._settings.url).hostname or "localhost"
        try:
            return parse.gate_mail(entry, ticket=row.id, domain=domain) if entry.reply_address else None
        except (ValueError, IndexError, HeaderParseError):  # no address that mail can come from
            return None

    async def _append_by_mail(self, row: parse.Row, key: MessageKey, mail: str) -> Written:
        instance = self._context.instance
        fields = {"queue": self._settings.queue, "action": "correspond", "ticket": row.id, "message": mail}
        answer = await self._rest.post_gate(fields)
        word = answer.text.strip().lower()
        if word.startswith("not ok"):
            raise Permanent(
                f"{instance}: the mail gate refuses the entry. Give Everyone the right ReplyToTicket on "
                f"{self._settings.queue!r} (RT's log says more)"
            )
        if word.split("\n")[0].strip() != "ok":  # also "temporary failure": it does not say how far RT came
            raise Uncertain(f"{instance}: the mail gate did not say ok")
        reopened = self._is_inactive(row)
        try:
            found = await self.find_entry(self._ticket(row.id), key)
        except EdgeError:
            found = None
        return (
            replace(found, reopened=reopened)
            if found
            else Written(ticket=self._ticket(row.id), entry=None, reopened=reopened)
        )

    async def _put_status(self, number: str, status: str) -> str:
        answer = await self._rest.send("PUT", f"/ticket/{number}", {"Status": status})
        return " ".join(str(line) for line in answer.json) if isinstance(answer.json, list) else ""

    # ------------------------------------------------------------ looking up

    async def find(self, reference: Reference) -> Ticket | None:
        """Search with `EffectiveId > 0`, which brings merged tickets back into sight; deleted ones stay out."""
        field = self._settings.reference_field
        query = f"CF.{{{field}}} = {parse.quote(reference)} AND EffectiveId > 0"
        params = {"query": query, "fields": "Status,EffectiveId,CustomFields", "per_page": "100"}
        answer = await self._rest.get("/tickets", params)
        rows = self._bearing(reference, [self._reader.as_row(item) for item in self._items(answer)])
        targets: dict[str, parse.Row] = {}
        for row in rows:
            final = row if row.effective == row.id else await self._reader.row(row.effective)
            if self._reader.state_of(final.status) != "deleted":
                targets[final.id] = final
        if len(targets) > 1:
            numbers = ", ".join(sorted(targets, key=int))
            raise Permanent(
                f"{self._context.instance}: tickets {numbers} carry the reference {reference}. Merge them in RT"
            )
        return next((self._ticket(row.id, row) for row in targets.values()), None)

    def _bearing(self, reference: Reference, rows: Sequence[parse.Row]) -> list[parse.Row]:
        """Those of `rows` with exactly `reference`; some databases take no heed of capitals. Any other row means that
        RT did not search as it was asked to: who knows what it left out, so it is never "not there"."""
        wanted, field, where = reference.casefold(), self._settings.reference_field, self._context.instance
        others = [row for row in rows if wanted not in {one.casefold() for one in row.references}]
        if any(row.references for row in others):
            raise Credentials(
                f"{where}: Request Tracker's search by {field!r} finds other tickets, too. Apply the custom field to "
                f"queue {self._settings.queue!r}, under this very name"
            )
        if others:  # one that an agent moved, mostly: the others of the destination need not wait for it
            numbers = ", ".join(row.id for row in others[:5])
            raise Permanent(
                f"{where}: ticket {numbers} is found by {field!r} and does not show it. Apply the custom field to its "
                f"queue, too, and give {self._settings.account!r} SeeCustomField there"
            )
        return [row for row in rows if reference in row.references]

    async def find_entry(self, ticket: Ticket, key: MessageKey) -> Written | None:
        """Search the texts of one ticket (merged ones included) for the marker; one request, whatever its length."""
        filters = [{"field": "Content", "operator": "LIKE", "value": texts.marker(key)}]
        params = {"fields": "Content,TransactionId,Creator,MessageId", "per_page": "100"}
        answer = await self._rest.search(f"/ticket/{ticket.id}/attachments", filters, params)
        parts = [parse.read_part(item) for item in self._items(answer)]
        mine = [part for part in parts if parse.is_entry(part, key, self._settings.account)]
        if not mine:
            return None
        row = await self._reader.row(ticket.id)
        return Written(ticket=self._ticket(row.id, row), entry=EntryId(mine[0].transaction))

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
        """See `reading.Reader.fetch`."""
        return self._reader.fetch(attachment)

    def parse_hint(self, request: WebhookRequest) -> Hint | None:
        """RT has no webhooks; a scrip may post `{"ticket": 7}` signed with `hint_secret`."""
        secret = self._settings.hint_secret
        if secret is None:
            return None
        if not is_signed(request.body, request.headers.get(SIGNATURE_HEADER, ""), secret):
            raise Credentials(f"{self._context.instance}: a hint came with a wrong signature")
        try:
            number = str(json.loads(request.body)["ticket"])
        except (ValueError, KeyError, TypeError):
            return None
        return Hint(tickets=(TicketId(number),)) if number.isascii() and number.isdigit() else None

    # ------------------------------------------------------------ parts

    async def _target(self, ticket: Ticket, *, closed_too: bool = False) -> parse.Row:
        """The ticket to write into, after merges. Raises `Gone`."""
        row = await self._reader.row(ticket.id)
        if self._reader.state_of(row.status) == "deleted":
            raise Gone(f"{self._context.instance}: ticket {row.id} is deleted", reason="deleted")
        if self._is_inactive(row) and self._settings.closed == "new" and not closed_too:
            raise Gone(f"{self._context.instance}: ticket {row.id} is closed", reason="closed")
        return row

    def _written(self, row: parse.Row, answer: Answer, *, reopened: bool = False) -> Written:
        if answer.status == 400:
            if "permission" in message_of(answer).lower():
                raise Credentials(
                    f"{self._context.instance}: Request Tracker denies writing into ticket {row.id}. Give "
                    f"{self._settings.account!r} ReplyToTicket and CommentOnTicket on the ticket's queue"
                )
            raise Permanent(f"{self._context.instance}: Request Tracker refuses the entry: {message_of(answer)}")
        transaction = parse.transaction_of(answer.headers.get("Location", ""))
        if answer.status != 201 or transaction is None:
            raise Uncertain(f"{self._context.instance}: Request Tracker did not say where the entry stands")
        status = self._settings.open_status if reopened else row.status
        return Written(
            ticket=self._ticket(row.id, replace(row, status=status)), entry=EntryId(transaction), reopened=reopened
        )

    def _items(self, answer: Answer) -> list[dict[str, object]]:
        items = answer.json.get("items") if isinstance(answer.json, dict) else None
        if not isinstance(items, list):
            raise Uncertain(f"{self._context.instance}: Request Tracker's answer is not a list")
        return [item for item in items if isinstance(item, dict)]

    def _is_inactive(self, row: parse.Row) -> bool:
        return self._reader.state_of(row.status).ends

    def _ticket(self, number: str, row: parse.Row | None = None) -> Ticket:
        base = self._settings.link_base or self._settings.url
        return Ticket(
            id=TicketId(number),
            number=number,
            url=f"{base}/Ticket/Display.html?id={number}",
            open=row is None or not self._is_inactive(row),
        )
