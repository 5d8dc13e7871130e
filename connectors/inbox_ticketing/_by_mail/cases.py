"""Conversations as threads of mails, whoever carries the mails; answers come into a mailbox of our own.

A mailbox can't be asked what became of a mail that left. `find` and `find_entry` answer from our own book of mails that
surely did, so a sheet says "none" of both.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from email.message import EmailMessage
from typing import Protocol, TypeVar

from inbox_daemon.errors import Credentials, EdgeError, Gone, Permanent, Transient
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
from inbox_daemon.plugins import Mail as MailServer
from inbox_ticketing._by_mail import compose
from inbox_ticketing._by_mail.answers import Answers, entry_of, is_token
from inbox_ticketing._by_mail.book import Book, Copy, opens
from inbox_ticketing._by_mail.mailbox import Mailbox
from inbox_ticketing._by_mail.parse import Policy
from inbox_ticketing._by_mail.proof import prove_folders, prove_way_back
from inbox_ticketing._by_mail.settings import CaseMailSettings
from inbox_ticketing._writing import texts

T = TypeVar("T")
PIECE_BYTES = 65_536
THREADS = 3


class Carrier(Protocol):
    """Takes a mail to where the office reads it."""

    async def check(self) -> None:
        """Prove that it could, without doing it."""

    def fit(self, outgoing: compose.Outgoing) -> compose.Outgoing:
        """What of it reaches the office whole. Raises `Permanent` where it can't be made to."""

    async def carry(self, mail: EmailMessage, sender: str) -> str:
        """One attempt: the number that the system gave, or nothing. Raises `EdgeError`; `Uncertain` where it may be."""

    async def aclose(self) -> None:
        """Let go of everything. Safe twice; never raises."""


class Cases:
    """A `TicketingAdapter`. A ticket's id is the short form of our reference that stands in its addresses.

    `probes` sends the check's own mail, where there is a mail server to send by.
    """

    def __init__(
        self,
        settings: CaseMailSettings,
        context: Context,
        carrier: Carrier,
        capabilities: Capabilities,
        *,
        to: str,
        probes: MailServer | None,
    ) -> None:
        self._settings = settings
        self._context = context
        self._carrier = carrier
        self._to = to
        self._probes = probes
        self._domain = settings.address.partition("@")[2]
        self._closed = False
        # Threads of its own: a server that hangs holds up this destination, not what else the process does in threads.
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix=f"mail-{context.instance}")
        self._inbox = Mailbox(settings, settings.folder)
        self._books = Mailbox(settings, settings.book_folder, make=True)
        self._book = Book(self._books, self._domain)
        policy = Policy(
            address=settings.address,
            plus=settings.plus,
            agents=frozenset(settings.agents),
            authserv=settings.authserv_id if settings.authentication == "dmarc" else "",
            bulk_is_automatic=settings.bulk_is_automatic,
        )
        self._answers = Answers(self._inbox, self._book, policy, context.log, max_bytes=settings.max_answer_bytes)
        self.capabilities = replace(capabilities, max_attachment_bytes=settings.max_attachment_bytes)

    async def aclose(self) -> None:
        """Log out of the mailbox."""
        self._closed = True
        await self._carrier.aclose()
        for mailbox in (self._inbox, self._books):
            await asyncio.to_thread(mailbox.close)
        self._threads.shutdown(wait=False)  # what still waits there ends at once: its mailbox is closed

    async def check(self) -> None:
        """See `proof.prove_folders`."""
        await self._carrier.check()
        await prove_folders(self._settings, self._context.instance, self._inbox, self._books)

    async def prove(self) -> None:
        """See `Proving.prove`; a slow way back (grey-listing) must not hold up the way there."""
        await self.check()
        if self._settings.probe_seconds and self._probes is not None:
            await prove_way_back(self._settings, self._context.instance, self._probes, self._inbox)

    # ------------------------------------------------------------ writing

    async def open_ticket(self, draft: Draft) -> Ticket:
        """Mail the first message of a case. Its subject and reference are what later mails go by."""
        case = compose.token(draft.reference)
        number = await self._send(
            compose.Outgoing(
                token=case,
                key=draft.first.key,
                kind="open",
                subject=compose.subject_of(draft),
                text=texts.text_of(draft.first, preface=texts.preface_of(draft.follows)),
                author=draft.first.author_name,
                at=draft.first.sent_at,
                reference=draft.reference,
            )
        )
        return _ticket(case, draft.reference, number)

    async def append(self, ticket: Ticket, entry: Entry) -> Written:
        """Mail a message in the thread of the case."""
        return await self._add(ticket, entry, "message", texts.text_of(entry))

    async def note(self, ticket: Ticket, entry: Entry) -> Written:
        """Mail a note. Whoever reads the office's mail is the office, so it says in words that it is one."""
        return await self._add(ticket, entry, "note", compose.note_text(entry))

    async def attach(self, ticket: Ticket, entry: Entry, file: StoredFile) -> Written:
        """Mail one file in the thread of the case."""
        content = await read_stored(file, self._context.instance, limit=self._settings.max_attachment_bytes)
        return await self._add(ticket, entry, "file", texts.file_text(entry, file), file, content)

    async def _add(
        self,
        ticket: Ticket,
        entry: Entry,
        kind: compose.Kind,
        text: str,
        file: StoredFile | None = None,
        content: bytes = b"",
    ) -> Written:
        copies, (last, subject) = await self._thread_of(ticket.id)
        opening = next((copy for copy in copies if opens(copy)), None)
        if opening is None:
            raise Gone(f"{self._context.instance}: case {ticket.id} is not in book_folder any more", reason="deleted")
        number = await self._send(
            compose.Outgoing(
                token=ticket.id,
                key=entry.key,
                kind=kind,
                subject=compose.subject_after(subject, opening.subject),
                text=text,
                author=entry.author_name,
                at=entry.sent_at,
                references=compose.chain([opening.message_id, *(one.message_id for one in copies)], last),
                file=file,
                content=content,
            )
        )
        before = _number(copies)
        if number and before and number != before:
            self._context.log.warning("mail.another_ticket", ticket=ticket.id, before=before, now=number)
        return self._written(_ticket(ticket.id, opening.reference, number or before), entry.key)

    async def _thread_of(self, token: str) -> tuple[list[Copy], tuple[str, str]]:
        if not is_token(token):
            return [], ("", "")
        copies = await self._call(lambda: self._book.copies(token))
        return copies, await self._call(lambda: self._answers.last_of(token)) if copies else ("", "")

    async def _send(self, outgoing: compose.Outgoing) -> str:
        """Note in the book, mail, note that it left. What provably never left is taken out of the book again."""
        settings = self._settings
        mail = compose.build(self._carrier.fit(outgoing), to=self._to, address=settings.address, plus=settings.plus)
        identity = compose.message_id(outgoing.token, outgoing.key, self._domain)
        uid = await self._call(lambda: self._book.begin(mail.as_bytes(), identity))
        sender = compose.own_address(settings.address, outgoing.token, plus=settings.plus)
        try:
            number = await self._carrier.carry(mail, sender)
        except (Transient, Permanent, Credentials):
            await self._in_passing(lambda: self._book.drop([uid]), "draft_left")
            raise
        await self._in_passing(lambda: self._book.sent(uid, number), "not_marked_as_sent")
        return number

    async def _in_passing(self, work: Callable[[], object], failure: str) -> None:
        """Bookkeeping after the fact: what became of the mail is known, whatever becomes of this."""
        try:
            await self._call(work)
        except EdgeError as error:
            self._context.log.warning("mail.bookkeeping_failed", what=failure, error=str(error))

    async def set_state(self, ticket: Ticket, state: TicketState) -> None:
        """There are none."""
        raise Permanent(f"{self._context.instance}: a mail has no state {state.value!r}")

    # ------------------------------------------------------------ looking up

    async def find(self, reference: Reference) -> Ticket | None:
        """The case in our book whose first mail surely left. Two first mails are two cases to whoever got them."""
        case = compose.token(reference)
        copies = await self._call(lambda: self._book.copies(case))
        found = [one for one in copies if opens(one) and one.reference == reference and not one.draft]
        if len(found) > 1 and self.capabilities.idempotency == "none":
            raise Permanent(f"{self._context.instance}: {len(found)} mails opened the case {reference}: a double")
        return _ticket(case, reference, _number(copies)) if found else None

    async def find_entry(self, ticket: Ticket, key: MessageKey) -> Written | None:
        """The mail of our book that surely left under `key`."""
        if not is_token(ticket.id):
            return None
        copies = await self._call(lambda: self._book.copies(ticket.id))
        opening = next((copy for copy in copies if opens(copy)), None)
        wanted = compose.message_id(ticket.id, key, self._domain)
        if opening is None or not any(copy.message_id == wanted and not copy.draft for copy in copies):
            return None
        return self._written(_ticket(ticket.id, opening.reference, _number(copies)), key)

    def _written(self, ticket: Ticket, key: MessageKey) -> Written:
        identity = compose.message_id(ticket.id, key, self._domain)
        return Written(ticket=ticket, entry=entry_of(identity))

    # ------------------------------------------------------------ answers

    async def updates(self, cursor: Cursor | None) -> tuple[Sequence[TicketUpdate], Cursor | None]:
        """What came in and what we sent since; the cursor is UIDVALIDITY and UID of both folders."""
        if cursor is None:
            return [], await self._call(self._answers.now)
        return await self._call(lambda: self._answers.since(cursor))

    async def thread(self, ticket: TicketId) -> Sequence[TicketUpdate]:
        """All of one case."""
        return await self._call(lambda: self._answers.thread(ticket))

    async def entry(self, ticket: TicketId, entry: EntryId) -> TicketUpdate | None:
        """One mail as it lies in the mailbox now: who deletes it there takes the answer back."""
        return await self._call(lambda: self._answers.entry(ticket, entry))

    async def fetch(self, attachment: Attachment) -> AsyncIterator[bytes]:
        """A file of a mail; the mail is read again."""
        index, _, entry = attachment.remote.partition(":")
        found = await self._call(lambda: self._answers.find(EntryId(entry)))
        files = [] if found is None else [file for file in found.mail.files if str(file.index) == index]
        if not files:
            raise Gone(f"{self._context.instance}: the file is not in the mailbox any more", reason="no_file")
        content = files[0].content
        for start in range(0, len(content), PIECE_BYTES):
            yield content[start : start + PIECE_BYTES]

    def parse_hint(self, request: WebhookRequest) -> Hint | None:
        """Nobody posts hints."""
        return None

    async def _call(self, work: Callable[[], T]) -> T:
        """Blocking calls go to threads; the mailbox lets in one at a time."""
        if self._closed:
            raise Transient(f"{self._context.instance}: the destination was closed")
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)


def _ticket(case: str, reference: str, number: str) -> Ticket:
    return Ticket(id=TicketId(case), number=number or compose.number_of(reference))


def _number(copies: Sequence[Copy]) -> str:
    """What the receiving system said last; a system may begin another ticket in place of a closed one."""
    return next((copy.number for copy in reversed(copies) if copy.number), "")
