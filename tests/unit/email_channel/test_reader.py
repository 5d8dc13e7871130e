"""Pages from servers that a healthy Dovecot doesn't imitate: mails that can't be fetched, sizes that lie, lost UIDs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any, cast

import pytest

from inbox_channels.email import parse_envelope
from inbox_channels.email.imap import Facts, Mailbox
from inbox_channels.email.position import Folder
from inbox_channels.email.reading import TRIES, TRUNCATED, Reader
from inbox_channels.email.settings import EmailSettings
from inbox_daemon.errors import Transient
from inbox_daemon.model import Content, InstanceId, Message
from inbox_daemon.plugins import Page

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
HEADER = b"From: Rosa <rosa@correo.example>\r\nSubject: Consulta\r\nMessage-ID: <1@correo.example>\r\n\r\n"


@dataclass
class FakeMailbox:
    """Mails by UID; `failing` fail when they are fetched whole, `hopeless` even for their header."""

    mails: dict[int, bytes]
    uidvalidity: int = 7
    uidnext: int = 0
    failing: set[int] = field(default_factory=set)
    hopeless: set[int] = field(default_factory=set)
    vanishing: set[int] = field(default_factory=set)
    lies: dict[int, int] = field(default_factory=dict)
    arrivals: dict[int, datetime] = field(default_factory=dict)

    def select(self) -> Folder:
        uidnext = self.uidnext or max(self.mails, default=0) + 1
        return Folder(uidvalidity=self.uidvalidity, uidnext=uidnext, exists=len(self.mails))

    def search(self, low: int, high: int | None = None, since: date | None = None) -> list[int]:
        return sorted(
            uid
            for uid in self.mails
            if low <= uid <= (high or uid) and (since is None or self.arrivals.get(uid, NOW).date() >= since)
        )

    def facts(self, uids: Sequence[int]) -> dict[int, Facts]:
        return {
            uid: Facts(size=self.lies.get(uid, len(self.mails[uid])), at=self.arrivals.get(uid, NOW)) for uid in uids
        }

    def mail(self, uid: int) -> bytes | None:
        if uid in self.failing | self.hopeless:
            raise Transient("the server closed the connection")
        return None if uid in self.vanishing else self.mails[uid]

    def header(self, uid: int) -> bytes | None:
        if uid in self.hopeless:
            raise Transient("the server closed the connection")
        return self.mails[uid].partition(b"\r\n\r\n")[0] + b"\r\n\r\n"


def reader(limit: int = 100_000) -> Reader:
    return Reader(
        instance=InstanceId("mesa"),
        folder_name="INBOX",
        limit_bytes=limit,
        rescan=timedelta(days=30),
        line=(NOW - timedelta(days=100)),
        now=lambda: NOW,
    )


def page_after_failures(reading: Reader, fake: FakeMailbox) -> tuple[Page, int]:
    failures = 0
    while True:
        try:
            return reading.page(cast("Mailbox", fake), None), failures
        except Transient:
            failures += 1
            assert failures < 20


def test_a_mail_on_which_the_server_fails_does_not_stand_in_the_way_for_ever() -> None:
    fake = FakeMailbox({1: HEADER + b"uno", 2: HEADER + b"dos", 3: HEADER + b"tres"}, failing={2})
    page, failures = page_after_failures(reader(), fake)
    assert failures == TRIES
    assert [one.body for one in page.envelopes] == [HEADER + b"uno", HEADER, HEADER + b"tres"]
    assert [one.headers.get(TRUNCATED) for one in page.envelopes] == [None, "unreadable", None]


def test_one_that_fails_even_for_its_header_comes_empty() -> None:
    fake = FakeMailbox({1: HEADER + b"uno", 2: HEADER + b"dos"}, hopeless={1})
    page, failures = page_after_failures(reader(), fake)
    assert failures == TRIES + 1
    assert [one.body for one in page.envelopes] == [b"", HEADER + b"dos"]
    assert page.envelopes[0].headers[TRUNCATED] == "unreadable"


def test_a_passing_failure_costs_nothing() -> None:
    fake = FakeMailbox({1: HEADER + b"uno"}, failing={1})
    reading = reader()
    for _ in range(TRIES):
        with pytest.raises(Transient):
            reading.page(cast("Mailbox", fake), None)
        fake.failing.clear()
        assert [one.body for one in reading.page(cast("Mailbox", fake), None).envelopes] == [HEADER + b"uno"]
        fake.failing.add(1)


def test_a_size_that_lies_is_caught_after_the_fetch() -> None:
    fake = FakeMailbox({1: HEADER + b"x" * 200_000}, lies={1: 10})
    [envelope] = reader().page(cast("Mailbox", fake), None).envelopes
    assert (envelope.body, envelope.headers[TRUNCATED]) == (HEADER, "size")


def test_a_mail_deleted_between_two_commands_is_no_error() -> None:
    fake = FakeMailbox({1: HEADER, 2: HEADER + b"dos"}, vanishing={1})
    assert [one.body for one in reader().page(cast("Mailbox", fake), None).envelopes] == [HEADER + b"dos"]


def test_a_mailbox_restored_from_a_backup_is_read_again() -> None:
    fake = FakeMailbox({uid: HEADER + str(uid).encode() for uid in range(1, 9)})
    reading = reader()
    cursor = reading.page(cast("Mailbox", fake), None).cursor
    fake.mails = {uid: body for uid, body in fake.mails.items() if uid < 5}
    page = reading.page(cast("Mailbox", fake), cursor)
    assert len(page.envelopes) == 4
    assert "UIDs went back from 8 to 4" in page.notice
    fake.mails[5] = HEADER + b"nuevo"  # a UID that was used before
    again = reading.page(cast("Mailbox", fake), page.cursor)
    assert [one.body for one in again.envelopes] == [HEADER + b"nuevo"]


def test_an_interrupted_first_import_goes_on_after_a_renumbering() -> None:
    fake = FakeMailbox({uid: HEADER + str(uid).encode() for uid in range(1, 151)})
    fake.arrivals = {uid: NOW - timedelta(days=90) for uid in fake.mails}
    reading = reader()
    first = reading.page(cast("Mailbox", fake), None)
    assert (len(first.envelopes), first.more) == (100, True)
    fake.uidvalidity = 8
    second = reading.page(cast("Mailbox", fake), first.cursor)
    third = reading.page(cast("Mailbox", fake), second.cursor)
    assert (len(second.envelopes), len(third.envelopes), third.more) == (100, 50, False)


def test_an_incomplete_mail_becomes_a_message_that_says_so() -> None:
    fake = FakeMailbox({1: HEADER + b"x" * 200_000})
    [envelope] = reader().page(cast("Mailbox", fake), None).envelopes
    settings: Any = EmailSettings
    [message] = parse_envelope(envelope, settings.model_construct())
    assert isinstance(message, Message)
    assert (message.subject, message.content) == ("Consulta", Content.UNSUPPORTED)
    assert message.details["correo incompleto"] == (
        "supera el límite configurado, solo se tomó el encabezado; "
        "el original (0.2 MB) quedó en el buzón, carpeta INBOX"
    )
