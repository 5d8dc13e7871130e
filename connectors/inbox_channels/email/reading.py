"""Reads a folder page by page from a position: first contact, new mail, rescan after changed UIDs, odd mails."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from inbox_channels.email import position as positions
from inbox_channels.email.imap import HEADER_BYTES, Facts, Mailbox
from inbox_channels.email.position import Folder, Position
from inbox_daemon.model import Cursor, Envelope, InstanceId
from inbox_daemon.plugins import Page

PAGE_MAILS = 100
PAGE_BYTES = 33_554_432
"""A page ends before the mail that would exceed it, but a single mail always fits."""
TRIES = 3
"""Failures in the middle of one mail after which it is no longer asked for: something is wrong with just that mail."""
ONE_DAY = timedelta(days=1)

TRUNCATED = "x-inbox-truncated"
"""Kept header of an envelope without its body: `size` (beyond the limit) or `unreadable` (the server fails on it)."""
SIZE = "x-inbox-size"


@dataclass(slots=True, kw_only=True)
class Reader:
    """Makes pages of one mailbox. Blocking; one thread at a time.

    A mail over `limit_bytes` becomes an envelope of its header block with the kept header `x-inbox-truncated: size`,
    and one on which the server fails time and again the same with `unreadable`: whoever parses it makes a message
    that says so, and the mail itself stays in the mailbox, neither marked nor moved. So it is seen, and it does not
    stand in the way of the others.

    `known_uidnext` is what the last page saw, for `Mailbox.wait`.
    """

    instance: InstanceId
    folder_name: str
    limit_bytes: int
    rescan: timedelta
    line: datetime | None
    now: Callable[[], datetime]
    known_uidnext: int | None = None
    _failures: Counter[int] = field(default_factory=Counter)

    def page(self, mailbox: Mailbox, cursor: Cursor | None) -> Page:
        """What came after `cursor`. Raises `EdgeError`; then nothing has changed, and the same cursor can be used."""
        self.known_uidnext = None
        folder = mailbox.select()
        position, passed_over, notice = self._begin(mailbox, cursor, folder)
        uids = _wanted(mailbox, position)
        chunk = uids[:PAGE_MAILS]
        facts = mailbox.facts(chunk)
        envelopes: list[Envelope] = []
        newest: datetime | None = None
        last, room = position.last_uid, PAGE_BYTES
        for uid in chunk:
            fact = facts.get(uid)
            if fact and fact.at and fact.at < position.floor(uid):
                passed_over += 1
            elif fact:
                size = min(fact.size, self.limit_bytes)
                if envelopes and size > room:
                    break
                room -= size
                envelopes += self._envelope(mailbox, folder, uid, fact)
                newest = max(filter(None, (newest, fact.at)), default=None)
            last = uid
        more = bool(uids) and last < uids[-1]
        if not more:
            last = max(last, position.stock_until)
        self.known_uidnext = folder.uidnext
        cursor = position.advanced(last, newest).dump()
        return Page(envelopes=envelopes, cursor=cursor, more=more, passed_over=passed_over, notice=notice)

    def _begin(self, mailbox: Mailbox, cursor: Cursor | None, folder: Folder) -> tuple[Position, int, str]:
        """The position to read from; when reading begins (anew): how many mails are passed over, and a notice."""
        if cursor is None:
            position = positions.first(folder, self.line, self.now())
            why = f"first contact with folder {self.folder_name!r}"
        else:
            held = positions.load(cursor)
            broken = positions.broken(held, folder)
            if not broken:
                return held, 0, ""
            self._failures.clear()
            position = positions.begin_anew(held, folder, self.now() - self.rescan)
            why = f"folder {self.folder_name!r}: {broken}"
        if not position.in_stock:
            passed = folder.exists if cursor is None else 0
            return position, passed, f"{why}; {passed} mails that were there are passed over"
        wanted = len(_stock(mailbox, position))
        passed = len(mailbox.search(1, position.stock_until)) - wanted
        line = position.floor(1).isoformat(timespec="minutes")
        read = f"{wanted} mails since {line} are read{' again' if cursor else ''}"
        return position, passed, f"{why}; {read}, {passed} earlier ones passed over"

    def _envelope(self, mailbox: Mailbox, folder: Folder, uid: int, fact: Facts) -> Sequence[Envelope]:
        headers = {"uid": str(uid), "uidvalidity": str(folder.uidvalidity), "folder": self.folder_name}
        body, defect = self._body(mailbox, uid, fact)
        if body is None:
            return ()  # deleted between two commands
        if defect:
            headers |= {TRUNCATED: defect, SIZE: str(fact.size)}
        received_at = fact.at or self.now()
        return (Envelope(instance=self.instance, body=body, received_at=received_at, headers=headers),)

    def _body(self, mailbox: Mailbox, uid: int, fact: Facts) -> tuple[bytes | None, str]:
        """The mail and nothing, or its header block and what is wrong with the mail; None when it is gone."""
        if fact.size > self.limit_bytes:
            return mailbox.header(uid), "size"
        if self._failures[uid] > TRIES:
            return b"", "unreadable"  # not even its header
        self._failures[uid] += 1
        defect = "unreadable" if self._failures[uid] > TRIES else ""
        body = mailbox.header(uid) if defect else mailbox.mail(uid)
        del self._failures[uid]
        if body is not None and len(body) > self.limit_bytes:  # the size was a lie
            return body.partition(b"\r\n\r\n")[0][:HEADER_BYTES] + b"\r\n\r\n", "size"
        return body, defect


def _wanted(mailbox: Mailbox, position: Position) -> list[int]:
    """UIDs to look at, ascending: of the stock those of the right days, then everything that came later."""
    stock = _stock(mailbox, position) if position.in_stock else []
    return stock + mailbox.search(max(position.last_uid, position.stock_until) + 1)


def _stock(mailbox: Mailbox, position: Position) -> list[int]:
    # SINCE compares days in the server's own zone: a day earlier is asked for, and `page` compares the times.
    since = (position.floor(position.stock_until) - ONE_DAY).date()
    return mailbox.search(position.last_uid + 1, position.stock_until, since)
