"""What came into our mailbox, as updates of cases. Blocking; the adapter calls it in threads."""

from __future__ import annotations

import re
from dataclasses import dataclass

import structlog

from inbox_daemon.model import Attachment, Cursor, EntryId, TicketId, TicketUpdate
from inbox_ticketing._by_mail import parse
from inbox_ticketing._by_mail.book import Book, Copy, opens
from inbox_ticketing._by_mail.mailbox import Mailbox, Place, Row

PAGE = 40
"""Mails read for one look; more are read at the next."""
MOST_IN_THREAD = 200
_ENTRY = re.compile(r"m\.(?P<digest>[0-9a-f]{16})\.(?P<id>[^\s<>\"\\]{1,400})")
_NAMELESS = re.compile(r"u\.(?P<digest>[0-9a-f]{16})\.(?P<validity>\d{1,12})\.(?P<uid>\d{1,12})")


@dataclass(frozen=True, slots=True)
class Found:
    """A mail, where it lies and what it says."""

    row: Row
    mail: parse.Mail
    entry: EntryId


class Answers:
    """See the module."""

    def __init__(
        self,
        mailbox: Mailbox,
        book: Book,
        policy: parse.Policy,
        log: structlog.stdlib.BoundLogger,
        *,
        max_bytes: int,
    ) -> None:
        self._mailbox = mailbox
        self._book = book
        self._policy = policy
        self._log = log
        self._max_bytes = max_bytes

    # ------------------------------------------------------------ for writing

    def last_of(self, token: str) -> tuple[str, str]:
        """Message-ID and subject of the newest mail of the office in a case: the next one of ours answers it."""
        with self._mailbox.opened():
            rows = self._mailbox.rows(self._of(token)[-20:])
        for row in reversed(rows):
            sender, _ = parse.sender_of(row.head)
            if token in parse.case_tokens(row.head, self._policy) and parse.is_agent(sender, self._policy):
                return parse.message_id(row.head), parse.header_text(row.head, "subject")
        return "", ""

    def _of(self, token: str) -> list[int]:
        names = ("To", "Cc", "Delivered-To", "X-Original-To", "In-Reply-To", "References")
        criteria: list[object] = ["HEADER", names[-1], token]
        for name in names[-2::-1]:
            criteria = ["OR", ["HEADER", name, token], criteria]
        return self._mailbox.search(*criteria)

    # ------------------------------------------------------------ for reading

    def now(self) -> Cursor:
        """The cursor that tells nothing of what is there already."""
        with self._mailbox.opened() as place:
            inbox = place
        book = self._book.place()
        return _cursor(inbox, inbox.next_uid, book, book.next_uid)

    def since(self, cursor: Cursor) -> tuple[list[TicketUpdate], Cursor]:
        """One page of what came and went since. A folder that was made anew is read from its beginning."""
        inbox_at, book_at = _positions(cursor)
        with self._mailbox.opened() as inbox:
            low = inbox_at[1] if inbox_at[0] == inbox.validity else 1
            found = [uid for uid in self._mailbox.search("UID", f"{low}:*") if uid >= low][:PAGE]
            rows = self._mailbox.rows(found)
            mails = [one for row in rows if (one := self._read(row, inbox)) is not None]
        inbox_next = found[-1] + 1 if len(found) == PAGE else max(inbox.next_uid, low)
        place = self._book.place()
        book, copies, book_next = self._book.page(book_at[1] if book_at[0] == place.validity else 1, PAGE)
        known: dict[str, bool] = {}
        updates = [update for one in mails for update in self._updates(one, known)]
        updates += [own(copy) for copy in copies]
        return sorted(updates, key=lambda one: one.at), _cursor(inbox, inbox_next, book, book_next)

    def thread(self, ticket: TicketId) -> list[TicketUpdate]:
        """All of one case; nothing where its opening is not in the book."""
        if not is_token(ticket):
            return []
        copies = self._book.copies(ticket)
        if not any(opens(copy) for copy in copies):
            return []
        with self._mailbox.opened() as place:
            rows = self._mailbox.rows(self._of(ticket)[-MOST_IN_THREAD:])
            mails = [one for row in rows if (one := self._read(row, place)) is not None]
        updates = [told(one, ticket) for one in mails if ticket in one.mail.tokens]
        return sorted([*updates, *(own(copy) for copy in copies)], key=lambda one: one.at)

    def entry(self, ticket: TicketId, entry: EntryId) -> TicketUpdate | None:
        """One entry as it stands now; None also where the case is not in the book any more."""
        if not is_token(ticket):
            return None
        copies = self._book.copies(ticket)
        if not any(opens(copy) for copy in copies):
            return None
        ours = next((copy for copy in copies if entry_of(copy.message_id) == entry), None)
        if ours is not None:
            return own(ours)
        found = self.find(entry)
        return told(found, ticket) if found is not None and ticket in found.mail.tokens else None

    def find(self, entry: EntryId) -> Found | None:
        """The mail with exactly this id."""
        named, nameless = _ENTRY.fullmatch(entry), _NAMELESS.fullmatch(entry)
        if (named is None and nameless is None) or not entry.isascii():
            return None
        with self._mailbox.opened() as place:
            if named is not None:
                uids = self._mailbox.search("HEADER", "Message-ID", named["id"])[:PAGE]
            elif nameless is not None and int(nameless["validity"]) == place.validity:
                uids = [int(nameless["uid"])]
            else:
                uids = []
            for row in self._mailbox.rows(uids):
                one = self._read(row, place)
                if one is not None and one.entry == entry:
                    return one
        return None

    def _read(self, row: Row, place: Place) -> Found | None:
        """The mail, if it may concern a case. Who only wrote to the mailbox is nobody's business here."""
        if not parse.case_tokens(row.head, self._policy):
            return None
        if row.size > self._max_bytes:
            self._log.warning("mail.answer_too_large", size=row.size, most=self._max_bytes)
            return None
        raw = self._mailbox.raw(row.uid)
        if raw is None:
            return None
        try:
            mail = parse.read(raw, self._policy)
        except Exception as error:  # noqa: BLE001  # whatever a mail does to Python's parser, its neighbours go on
            self._log.warning("mail.answer_unreadable", uid=row.uid, error=type(error).__name__)
            return None
        if mail.ours and not mail.returned:
            return None
        return Found(row, mail, _entry_id(mail, row, place))

    def _updates(self, one: Found, known: dict[str, bool]) -> list[TicketUpdate]:
        for token in one.mail.tokens[:5]:
            if token not in known:
                known[token] = self._book.opening(token) is not None
        tokens = [token for token in one.mail.tokens[:5] if known[token]]
        if one.mail.returned and tokens:
            self._log.warning("mail.returned", ticket=tokens[0])
        return [told(one, TicketId(tokens[0]))] if tokens else []


def entry_of(message_id: str) -> EntryId:
    """The id of what we wrote under this Message-ID."""
    return EntryId(f"o.{message_id.strip('<>').partition('@')[0]}")


def own(copy: Copy) -> TicketUpdate:
    """What we wrote ourselves, without its words."""
    return TicketUpdate(ticket=TicketId(copy.token), entry=entry_of(copy.message_id), at=copy.at, own=True)


def told(one: Found, ticket: TicketId) -> TicketUpdate:
    """A mail as an update of `ticket`; public only in the case that it was addressed to first."""
    mail = one.mail
    return TicketUpdate(
        ticket=ticket,
        entry=one.entry,
        at=one.row.at,
        author=mail.name,
        text=mail.text,
        html=mail.html,
        public=mail.public and mail.tokens[0] == ticket,
        automatic=mail.automatic,
        attachments=tuple(
            Attachment(
                filename=file.name,
                media_type=file.media_type,
                remote=f"{file.index}:{one.entry}",
                size=len(file.content),
            )
            for file in mail.files
        ),
    )


def is_token(ticket: str) -> bool:
    """Whether an id may be one of ours."""
    return re.fullmatch(r"[a-z2-7]{16}", ticket) is not None


def _entry_id(mail: parse.Mail, row: Row, place: Place) -> EntryId:
    if mail.message_id:
        return EntryId(f"m.{mail.digest}.{mail.message_id}")
    return EntryId(f"u.{mail.digest}.{place.validity}.{row.uid}")


def _cursor(inbox: Place, inbox_next: int, book: Place, book_next: int) -> Cursor:
    return Cursor(f"{inbox.validity}/{inbox_next} {book.validity}/{book_next}")


def _positions(cursor: Cursor) -> tuple[tuple[int, int], tuple[int, int]]:
    found = re.fullmatch(r"(\d+)/(\d+) (\d+)/(\d+)", cursor)
    if found is None:
        raise ValueError("not a cursor of this adapter")
    one, two, three, four = (int(number) for number in found.groups())
    return (one, two), (three, four)
