"""Redmine as a destination, over its REST API.

Every change answers 204 without a word, also one that changed nothing (an unknown status, a right that is not there;
seen on 5.0.4, 2026-11-23). So whatever is written is read back.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from typing import Literal
from weakref import WeakValueDictionary

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
from inbox_daemon.plugins import Capabilities, Context, WebhookRequest, read_stored
from inbox_ticketing._writing import texts
from inbox_ticketing._writing.pace import Pace
from inbox_ticketing.redmine import parse
from inbox_ticketing.redmine.hints import read_hint
from inbox_ticketing.redmine.proof import prove
from inbox_ticketing.redmine.reading import PER_PAGE, Reader, rows_of
from inbox_ticketing.redmine.rest import RestClient, errors_of
from inbox_ticketing.redmine.settings import RedmineSettings
from inbox_ticketing.redmine.watch import Watch

CAPABILITIES = Capabilities(
    find="immediate",
    find_entry="immediate",
    author="none",
    attach="two_step",
    max_attachment_bytes=5 * 1024 * 1024,
    body_format="textile",
    max_subject_bytes=parse.MAX_SUBJECT_CHARS,
    reopen="explicit",
    merges="none",
    updates="poll",
    parallel=4,
)
"""Of the product. An instance has `body_format` as configured; one with a `hint_secret` has `updates="both"`."""

_BODY_FORMATS: dict[str, Literal["text", "textile", "markdown"]] = {
    "textile": "textile",
    "markdown": "markdown",
    "common_mark": "markdown",
    "plain": "text",
}


class Redmine:
    """A `TicketingAdapter`."""

    def __init__(self, settings: RedmineSettings, context: Context) -> None:
        self._settings = settings
        self._context = context
        self._pace = Pace(context.now)
        self._rest = RestClient(settings, context)
        self._reader = Reader(settings, self._rest, context)
        self._watch = Watch(settings, self._rest, self._reader)
        self._writing: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self.capabilities = replace(
            CAPABILITIES,
            body_format=_BODY_FORMATS[settings.text_format],
            updates="both" if settings.hint_secret else "poll",
            max_attachment_bytes=settings.max_attachment_bytes,
        )

    async def aclose(self) -> None:
        """Close the session."""
        await self._rest.aclose()

    async def check(self) -> None:
        """See `proof.prove`."""
        await prove(self, self._settings, self._reader, self._pace, self._context)

    # ------------------------------------------------------------ writing

    async def open_ticket(self, draft: Draft) -> Ticket:
        """Create the issue. The answer shows it as it stands: a field that Redmine does not know is just left out."""
        settings, instance = self._settings, self._context.instance
        place = await self._reader.place()
        reference = {"id": settings.reference_field, "value": draft.reference}
        more = [{"id": int(number), "value": value} for number, value in settings.fields.items()]
        issue = {
            "project_id": place.project,
            "tracker_id": place.tracker,
            "subject": parse.subject_of(draft),
            "description": parse.text_of(draft.first, settings.text_format, preface=texts.preface_of(draft.follows)),
            "custom_fields": [reference, *more],
        }
        answer = await self._rest.create("/issues.json", {"issue": issue}, accept=(422,))
        if answer.status == 422:
            await self._reader.place(fresh=True)  # raises where the project is out of sight: "Project cannot be blank"
            raise Permanent(
                f"{instance}: Redmine does not open an issue in {settings.project!r}: {'; '.join(errors_of(answer))}. "
                "Give what the tracker requires in `fields`, or make it optional",
                told="el sistema rechazó el caso nuevo: falta un dato obligatorio",
            )
        try:
            made = parse.read_issue(answer.part("issue"), settings.reference_field)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise Uncertain(f"{instance}: Redmine answered a creation without an issue") from error
        if draft.reference not in made.references:
            await self._put_away(made)
        return self._as_ticket(made, is_open=True)

    async def _put_away(self, made: parse.Issue) -> None:
        """Nobody could find this issue again: it is closed, and the case waits in sight: no try makes another."""
        try:
            status = await self._reader.status_id(self._settings.closed_status)
            await self._rest.change(f"/issues/{made.id}.json", {"issue": {"status_id": status}})
        except EdgeError:
            pass  # what follows is the reason, and says what to mend
        raise Permanent(
            f"{self._context.instance}: Redmine dropped the reference of issue {made.id}. Close that one. Use the "
            f"custom field number {self._settings.reference_field} in project {self._settings.project!r} and tracker "
            f"{self._settings.tracker!r}, visible to and editable by the role of {self._settings.account!r}; then try "
            "the case again",
            told="el sistema abrió el caso sin su referencia, y nadie podría encontrarlo",
        )

    async def append(self, ticket: Ticket, entry: Entry) -> Written:
        """Add a public note, and reopen an issue that has ended."""
        text = parse.text_of(entry, self._settings.text_format)
        return await self._add(ticket, entry.key, {"notes": text, "private_notes": False})

    async def note(self, ticket: Ticket, entry: Entry) -> Written:
        """Add a private note; never changes the status."""
        text = parse.text_of(entry, self._settings.text_format)
        return await self._add(ticket, entry.key, {"notes": text, "private_notes": True}, private=True)

    async def attach(self, ticket: Ticket, entry: Entry, file: StoredFile) -> Written:
        """Upload, then add a note with the token. A token serves once, so that every try uploads anew."""
        content = await read_stored(file, self._context.instance, limit=self._settings.max_attachment_bytes)
        name = parse.file_name(file)
        token = await self._rest.upload(name, content)
        upload = {"token": token, "filename": name, "content_type": texts.file_type(file)}
        text = parse.file_text(entry, file, self._settings.text_format)
        return await self._add(ticket, entry.key, {"notes": text, "private_notes": False, "uploads": [upload]})

    async def set_state(self, ticket: Ticket, state: TicketState) -> None:
        """Set the status and read it back. An issue that ended in another way than asked stays as its agent left it."""
        status, where = self._settings.status_of(state), self._context.instance
        if status is None:
            raise Permanent(f"{where}: no status of Redmine means {state.value!r} (`states`)")
        issue = await self._reader.issue(ticket.id)
        wanted = await self._reader.status_id(status)
        now = await self._reader.state_of(issue.status)
        if issue.status == wanted or now is state or (now.ends and state.ends):
            return
        async with self._lock(ticket.id):
            await self._put(issue, {"status_id": wanted})
        if (await self._reader.issue(ticket.id)).status != wanted:
            raise Permanent(
                f"{where}: Redmine does not set issue {issue.id} to {status!r}. Allow the change in the workflow of "
                f"the role of {self._settings.account!r}, for tracker {self._settings.tracker!r}"
            )

    async def _add(
        self, ticket: Ticket, key: MessageKey, change: dict[str, object], *, private: bool = False
    ) -> Written:
        """Write a note and read the issue back, as the answer is empty; one at a time in each issue.

        Two changes of an issue at once fail by Redmine's optimistic locking. After the write nothing may raise what
        says "not done".
        """
        async with self._lock(ticket.id):
            issue = await self._target(ticket, closed_too=private)
            ended = not private and (await self._reader.state_of(issue.status)).ends
            if ended:
                change = change | {"status_id": await self._reader.status_id(self._settings.open_status)}
            me, before = await self._reader.me(), await self._ticket(issue)
            await self._put(issue, change)
        try:
            after = await self._reader.issue(ticket.id)
            now = await self._ticket(after)
        except EdgeError:  # it is written; only where exactly is not known
            return Written(ticket=replace(before, open=before.open or ended), entry=None, reopened=ended)
        found = parse.entry_of(after, key, me)
        if not isinstance(found, parse.Journal):
            known = {one.id for one in issue.journals}
            raise self._not_kept(issue, [one for one in after.journals if one.user == me and one.id not in known])
        if private and found.private is not True:
            raise Permanent(
                f"{self._context.instance}: a private note in issue {issue.id} became public. Make it private. Give "
                f"the role of {self._settings.account!r} the permission Set notes as private",
                told="la nota quedó a la vista de todos los que ven el caso",
            )
        if ended and not now.open:  # the workflow leaves it out
            self._context.log.warning("redmine.not_reopened", issue=issue.id, status=self._settings.open_status)
        return Written(ticket=now, entry=EntryId(str(found.id)), reopened=ended and now.open)

    def _not_kept(self, issue: parse.Issue, made: Sequence[parse.Journal]) -> EdgeError:
        """What is wrong with a change that left `made`, and no note as it was sent. Where anything of it stands (a part
        of the note, a file, a status), another try would add that once more."""
        where = f"{self._context.instance}: Redmine took a note into issue {issue.id} and"
        if any(one.notes for one in made):
            return Permanent(
                f"{where} kept a part of it. Convert its database (MySQL, MariaDB) to utf8mb4",
                told="el sistema guardó solo una parte del texto",
            )
        words = f"{where} did not keep it. Give the role of {self._settings.account!r} the permission Add notes"
        return Permanent(words, told="el sistema no guardó el texto") if made else Credentials(words)

    async def _put(self, issue: parse.Issue, change: dict[str, object]) -> None:
        where = self._context.instance
        answer = await self._rest.change(f"/issues/{issue.id}.json", {"issue": change}, accept=(403, 404))
        if answer.status == 404:
            await self._reader.issue(str(issue.id))  # raises Gone where it is deleted
            raise Uncertain(
                f"{where}: Redmine says that it does not know the change of an issue. If this goes on, let the proxy "
                "before it pass the header X-HTTP-Method-Override on"
            )
        if answer.status == 403:
            if issue.project != (await self._reader.place()).project:
                raise Gone(f"{where}: issue {issue.id} is in a project where we may not write", reason="moved")
            raise Credentials(
                f"{where}: Redmine denies writing into issue {issue.id}. Give the role of {self._settings.account!r} "
                f"the permissions Edit issues and Add notes; project {self._settings.project!r} must not be closed"
            )

    # ------------------------------------------------------------ looking up

    async def find(self, reference: Reference) -> Ticket | None:
        """Search by the custom field. A filter that Redmine does not know is ignored: then it gives all issues."""
        settings, where = self._settings, self._context.instance
        params = {f"cf_{settings.reference_field}": f"={reference}", "status_id": "*", "limit": str(PER_PAGE)}
        answer = await self._rest.get("/issues.json", params)
        rows = [self._reader.as_issue(row) for row in rows_of(answer, "issues")]
        found = [row for row in rows if reference in row.references]
        if not rows:
            await self._reader.log_in()  # a wrong key is answered with an empty list
            return None
        wanted = reference.casefold()
        if not all(any(one.casefold() == wanted for one in row.references) for row in rows):
            raise Credentials(
                f"{where}: Redmine ignores the filter cf_{settings.reference_field}. Mark custom field number "
                f"{settings.reference_field} as 'Used as a filter', visible to the role of {settings.account!r}"
            )
        if len(found) > 1:
            numbers = ", ".join(str(row.id) for row in found)
            raise Permanent(
                f"{where}: issues {numbers} carry the reference {reference}. Empty the field in all but one of them"
            )
        return await self._ticket(found[0]) if found else None

    async def find_entry(self, ticket: Ticket, key: MessageKey) -> Written | None:
        """Look for the marker in the description and the journals: one request, whatever the length."""
        issue = await self._reader.issue(ticket.id)
        found = parse.entry_of(issue, key, await self._reader.me())
        if found is None:
            return None
        entry = f"{found.id}" if isinstance(found, parse.Journal) else f"issue-{found.id}"
        return Written(ticket=await self._ticket(issue), entry=EntryId(entry))

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
        """See `hints`."""
        secret = self._settings.hint_secret
        return read_hint(request, secret, self._context.instance) if secret else None

    # ------------------------------------------------------------ parts

    def _lock(self, ticket: str) -> asyncio.Lock:
        return self._writing.setdefault(ticket, asyncio.Lock())

    async def _target(self, ticket: Ticket, *, closed_too: bool) -> parse.Issue:
        """The issue to write into. Raises `Gone`."""
        issue = await self._reader.issue(ticket.id)
        if self._settings.closed == "new" and not closed_too and (await self._reader.state_of(issue.status)).ends:
            raise Gone(f"{self._context.instance}: issue {issue.id} is closed", reason="closed")
        return issue

    async def _ticket(self, issue: parse.Issue) -> Ticket:
        return self._as_ticket(issue, is_open=not (await self._reader.state_of(issue.status)).ends)

    def _as_ticket(self, issue: parse.Issue, *, is_open: bool) -> Ticket:
        base, number = self._settings.link_base or self._settings.url, str(issue.id)
        return Ticket(id=TicketId(number), number=number, url=f"{base}/issues/{number}", open=is_open)
