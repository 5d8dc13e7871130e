"""The folder with a copy of each mail sent: what the adapter knows of its cases. Blocking.

A copy is laid there before the mail leaves, marked as a draft, and the mark is taken off when the mail server has the
mail. A draft that stays is a mail of which nobody knows whether it left.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

from inbox_daemon.errors import Transient
from inbox_daemon.model import Reference
from inbox_ticketing._by_mail import compose, parse
from inbox_ticketing._by_mail.mailbox import Mailbox, Place, Row

DRAFT = rb"\Draft"
SEEN = rb"\Seen"
NUMBER = "inbox-ticket-"
"""Keyword on a copy, with the number that the receiving system gave to the mail."""
MAX_COPIES = 1000
_NUMBER = re.compile(rf"(?i){NUMBER}([A-Za-z0-9-]{{1,40}})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy:
    """One mail of ours. `reference` is that of the case where the mail opened it."""

    uid: int
    token: str
    message_id: str
    reference: str
    key: str
    subject: str
    at: datetime
    draft: bool
    number: str = ""
    """The ticket that the receiving system said it went into."""


class Book:
    """See the module. `domain` is that of our Message-IDs."""

    def __init__(self, mailbox: Mailbox, domain: str) -> None:
        self._mailbox = mailbox
        self._form = re.compile(rf"<([a-z2-7]{{16}})\.[a-z2-7]{{16}}@{re.escape(domain)}>")

    def copies(self, token: str) -> list[Copy]:
        """All of one case, the oldest first."""
        with self._mailbox.opened():
            found = self._mailbox.search("HEADER", "Message-ID", f"{token}.")
            rows = self._mailbox.rows(found[:1] + found[1:][-MAX_COPIES:])
        copies = [copy for row in rows if (copy := self._read(row)) is not None and copy.token == token]
        return sorted(copies, key=lambda copy: copy.uid)

    def opening(self, token: str) -> Copy | None:
        """The mail that opened the case, sent or of unknown fate; None: no such case."""
        return next((copy for copy in self.copies(token) if opens(copy)), None)

    def begin(self, mail: bytes, message_id: str) -> int:
        """Note that a mail is about to leave: its copy's UID."""
        with self._mailbox.opened():
            if (earlier := self._drafts(message_id)) is None:
                self._mailbox.put(mail, [DRAFT, SEEN])
                earlier = self._drafts(message_id)
        if earlier is None:
            raise Transient("a copy that was just laid into book_folder is not found there yet")
        return earlier

    def _drafts(self, message_id: str) -> int | None:
        found = self._mailbox.search("DRAFT", "HEADER", "Message-ID", message_id.strip("<>"))
        return next((row.uid for row in self._mailbox.rows(found) if parse.message_id(row.head) == message_id), None)

    def sent(self, uid: int, number: str = "") -> None:
        """It surely left, and got this number over there."""
        with self._mailbox.opened():
            if number:
                self._mailbox.flag(uid, f"{NUMBER}{number}".encode("ascii"))
            self._mailbox.unflag(uid, DRAFT)

    def drop(self, uids: list[int]) -> None:
        """These never left."""
        with self._mailbox.opened():
            self._mailbox.delete(uids)

    def page(self, low: int, most: int) -> tuple[Place, list[Copy], int]:
        """Copies from UID `low` on, and where to go on."""
        with self._mailbox.opened() as place:
            found = _from(self._mailbox, low, place)[:most]
            rows = self._mailbox.rows(found)
        following = found[-1] + 1 if len(found) == most else max(place.next_uid, low)
        return place, [copy for row in rows if (copy := self._read(row)) is not None], following

    def place(self) -> Place:
        """Where the folder stands now."""
        with self._mailbox.opened() as place:
            return place

    def _read(self, row: Row) -> Copy | None:
        own = parse.message_id(row.head)
        form = self._form.fullmatch(own)
        if form is None:
            return None
        return Copy(
            uid=row.uid,
            token=form[1],
            message_id=own,
            reference=parse.header_text(row.head, compose.REFERENCE_HEADER),
            key=parse.header_text(row.head, compose.KEY_HEADER),
            subject=parse.header_text(row.head, "subject"),
            at=row.at,
            draft=DRAFT in row.flags,
            number=next((one[1] for flag in row.flags if (one := _NUMBER.fullmatch(flag.decode("latin-1")))), ""),
        )


def opens(copy: Copy) -> bool:
    """Whether it is the first mail of its case: it bears the reference that the token is made of."""
    return bool(copy.reference) and compose.token(Reference(copy.reference)) == copy.token


def _from(mailbox: Mailbox, low: int, place: Place) -> list[int]:
    """UIDs from `low` on. (A search for `n:*` always includes the highest one.)"""
    if low >= place.next_uid:
        return []
    return [uid for uid in mailbox.search("UID", f"{low}:*") if uid >= low]
