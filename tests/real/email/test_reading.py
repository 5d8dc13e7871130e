"""What is read from a real mailbox, in which order and how often."""

from __future__ import annotations

import asyncio
import secrets
import time
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage

import pytest
from imapclient import IMAPClient

from inbox_channels.email import parse_envelope
from inbox_channels.email.reading import PAGE_MAILS, TRUNCATED
from inbox_daemon.model import Message
from real.email.opening import drained, mail, opened, settings, subjects
from real.servers.fixtures import Dovecot, Postfix

pytestmark = pytest.mark.real

NOW = datetime.now(UTC).replace(microsecond=0)


async def test_a_mail_goes_through_postfix_and_dovecot_to_a_page(dovecot: Dovecot, postfix: Postfix) -> None:
    box = dovecot.mailbox()
    async with opened(box) as channel:
        _, cursor = await drained(channel, None)
        raw = mail("Turno para DNI")
        postfix.send("rosa.benitez@correo.example", box.user, raw)
        until = time.monotonic() + 20
        while not (page := await channel.poll(cursor)).envelopes and time.monotonic() < until:
            await asyncio.sleep(0.1)
    [envelope] = page.envelopes
    assert raw.replace(b"\n", b"\r\n").strip() in envelope.body
    assert b"Return-Path: <rosa.benitez@correo.example>" in envelope.body
    assert envelope.received_at.tzinfo is not None
    assert abs(envelope.received_at - datetime.now(UTC)) < timedelta(minutes=1)
    assert {"uid", "uidvalidity", "folder"} == set(envelope.headers)
    assert envelope.headers["folder"] == "INBOX"


async def test_first_contact_passes_over_what_is_there(dovecot: Dovecot) -> None:
    box = dovecot.mailbox()
    box.put(mail("viejo 1"), mail("viejo 2"), mail("viejo 3"), at=NOW - timedelta(days=400))
    box.put(mail("de hoy, pero antes"))
    async with opened(box) as channel:
        first = await channel.poll(None)
        assert (subjects(first), first.passed_over, first.more) == ([], 4, False)
        assert "first contact" in first.notice
        box.put(mail("nuevo"))
        assert first.cursor is not None
        second = await channel.poll(first.cursor)
    assert (subjects(second), second.passed_over, second.notice) == (["nuevo"], 0, "")


async def test_first_contact_imports_from_the_date_line_on(dovecot: Dovecot) -> None:
    box = dovecot.mailbox()
    box.put(mail("muy viejo"), at=NOW - timedelta(days=400))
    box.put(mail("de la semana"), at=NOW - timedelta(days=5))
    box.put(mail("copiado más tarde, pero viejo"), at=NOW - timedelta(days=90))
    box.put(mail("de ayer"), at=NOW - timedelta(days=1))
    line = (NOW - timedelta(days=30)).date()
    async with opened(box, import_since=line) as channel:
        pages, cursor = await drained(channel, None)
        assert subjects(*pages) == ["de la semana", "de ayer"]
        assert sum(page.passed_over for page in pages) == 2
        box.put(mail("viejo, movido hoy a la carpeta"), at=NOW - timedelta(days=200))
        box.put(mail("nuevo"))
        pages, _ = await drained(channel, cursor)
    assert subjects(*pages) == ["nuevo"]
    assert sum(page.passed_over for page in pages) == 1


async def test_the_date_line_is_exact_where_the_search_knows_days_only(dovecot: Dovecot) -> None:
    box = dovecot.mailbox()
    line = (NOW - timedelta(days=10)).date()
    midnight = datetime(line.year, line.month, line.day, 3, tzinfo=UTC)  # 0:00 of the office, at UTC-3
    box.put(mail("un segundo antes"), at=midnight - timedelta(seconds=1))
    box.put(mail("a medianoche"), at=midnight)
    async with opened(box, import_since=line) as channel:
        pages, _ = await drained(channel, None)
    assert subjects(*pages) == ["a medianoche"]
    assert sum(page.passed_over for page in pages) == 1


async def test_the_highest_uid_is_not_read_again(dovecot: Dovecot) -> None:
    box = dovecot.mailbox()
    async with opened(box) as channel:
        _, cursor = await drained(channel, None)
        box.put(mail("uno"))
        pages, cursor = await drained(channel, cursor)
        assert subjects(*pages) == ["uno"]
        again, after = await drained(channel, cursor)
    assert (subjects(*again), after) == ([], cursor)


async def test_gaps_and_an_emptied_mailbox(dovecot: Dovecot) -> None:
    box = dovecot.mailbox()
    async with opened(box) as channel:
        _, cursor = await drained(channel, None)
        box.put(*(mail(f"mail {number}") for number in range(6)))
        with box.client() as client:
            client.delete_messages([1, 3, 6])
            client.expunge()
        pages, cursor = await drained(channel, cursor)
        assert subjects(*pages) == ["mail 1", "mail 3", "mail 4"]
        with box.client() as client:
            client.delete_messages(client.search("ALL"))
            client.expunge()
        pages, cursor = await drained(channel, cursor)
        assert (subjects(*pages), [page.notice for page in pages]) == ([], [""])
        box.put(mail("después"))
        pages, _ = await drained(channel, cursor)
    assert subjects(*pages) == ["después"]


async def test_a_recreated_folder_is_read_again_within_the_window(dovecot: Dovecot) -> None:
    box = dovecot.mailbox()
    with box.client(None) as client:
        client.create_folder("Trámites")
    async with opened(
        box, folder="Trámites", rescan_days=30, import_since=(NOW - timedelta(days=300)).date()
    ) as channel:
        box.put(mail("visto"), folder="Trámites", at=NOW - timedelta(days=3))
        pages, cursor = await drained(channel, None)
        assert subjects(*pages) == ["visto"]
        with box.client(None) as client:
            client.delete_folder("Trámites")
            client.create_folder("Trámites")
        box.put(mail("fuera de la ventana"), folder="Trámites", at=NOW - timedelta(days=60))
        box.put(mail("visto"), folder="Trámites", at=NOW - timedelta(days=3))
        box.put(mail("todavía no visto"), folder="Trámites", at=NOW - timedelta(days=1))
        pages, cursor = await drained(channel, cursor)
        assert subjects(*pages) == ["visto", "todavía no visto"]
        assert sum(page.passed_over for page in pages) == 1
        assert "UIDVALIDITY changed" in pages[0].notice
        assert "2 mails since" in pages[0].notice
        again, _ = await drained(channel, cursor)
    assert (subjects(*again), again[0].notice) == ([], "")


async def test_a_deleted_mailbox_is_found_renumbered_over_a_standing_connection(dovecot: Dovecot) -> None:
    box = dovecot.mailbox()
    async with opened(box) as channel:
        _, cursor = await drained(channel, None)
        box.put(mail("uno"), mail("dos"))
        pages, cursor = await drained(channel, cursor)
        old = pages[0].envelopes[0].headers["uidvalidity"]
        box.wipe()
        box.put(mail("uno"), mail("dos"), mail("tres"))
        pages, _ = await drained(channel, cursor)
    assert subjects(*pages) == ["uno", "dos", "tres"]
    assert pages[0].envelopes[0].headers["uidvalidity"] != old


async def test_a_thousand_mails_come_in_bounded_pages(dovecot: Dovecot) -> None:
    box = dovecot.mailbox()
    async with opened(box) as channel:
        _, cursor = await drained(channel, None)
        with box.client(None) as client:
            for start in range(0, 1000, 250):
                client.multiappend("INBOX", [mail(f"mail {number}") for number in range(start, start + 250)])
        began = time.monotonic()
        pages, _ = await drained(channel, cursor)
        print(f"1000 mails in {time.monotonic() - began:.1f} s")
    assert subjects(*pages) == [f"mail {number}" for number in range(1000)]
    assert [len(page.envelopes) for page in pages] == [PAGE_MAILS] * 10
    assert [page.more for page in pages] == [True] * 9 + [False]


async def test_pages_are_bounded_in_bytes(dovecot: Dovecot, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("inbox_channels.email.reading.PAGE_BYTES", 250_000)
    box = dovecot.mailbox()
    async with opened(box) as channel:
        _, cursor = await drained(channel, None)
        box.put(*(mail(f"mail {number}", "texto " * 17_000) for number in range(5)))
        pages, _ = await drained(channel, cursor)
    assert [len(page.envelopes) for page in pages] == [2, 2, 1]


async def test_poison_goes_through_as_it_is_and_the_rest_goes_on(dovecot: Dovecot) -> None:
    box = dovecot.mailbox()
    poison = {
        "broken mime": b"Subject: roto\nContent-Type: multipart/mixed; boundary=\n\n--\n--=\nContent-Type: ;;;\n\nhola",
        "eight bit": b"Subject: \xf1and\xfa\nFrom: \xff\xfe\n\n\x80\x81\xfe\xff",
        "no header": b"\n\nsolo texto",
        "endless line": b"Subject: largo\n\n" + b"x" * 200_000,
        "nul bytes": b"Subject: nulo\n\nantes\0despu\xe9s\0\0",
        "control characters": b"Subject: control\n\n" + bytes(range(1, 32)),
        "encoded junk": b"Subject: =?iso-2022-jp?B?////?=\nContent-Type: text/plain; charset=x-unknown-8\n\n\x1b$B!!",
    }
    async with opened(box) as channel:
        _, cursor = await drained(channel, None)
        for raw in poison.values():
            box.drop_file(raw)
            await asyncio.sleep(0.01)  # Dovecot gives UIDs in the order of file names
        box.put(mail("sano"))
        pages, _ = await drained(channel, cursor)
    bodies = [envelope.body for page in pages for envelope in page.envelopes]
    assert len(bodies) == len(poison) + 1
    assert "sano" in subjects(*pages)
    for name, raw in poison.items():
        # IMAP has no NUL bytes: Dovecot sends 0x80 in their place.
        sent = raw.replace(b"\0", b"\x80").replace(b"\n", b"\r\n").replace(b"\r\r\n", b"\r\n")
        assert any(body.replace(b"\r\n", b"\n") == sent.replace(b"\r\n", b"\n") for body in bodies), name


async def test_an_oversized_mail_comes_as_its_header_block(dovecot: Dovecot) -> None:
    box = dovecot.mailbox()
    async with opened(box, max_message_bytes=100_000, after="seen") as channel:
        _, cursor = await drained(channel, None)
        box.put(mail("antes"), mail("enorme", "texto " * 30_000), mail("despues"))
        pages, _ = await drained(channel, cursor)
    assert subjects(*pages) == ["antes", "enorme", "despues"]
    [_, huge, _] = pages[0].envelopes
    assert huge.headers[TRUNCATED] == "size"
    assert int(huge.headers["x-inbox-size"]) > 180_000
    assert huge.body.endswith(b"\r\n\r\n")
    assert b"texto" not in huge.body
    with box.client(readonly=True) as client:
        assert client.search("UNSEEN") == [2]  # the one that is not with us whole stays for people to see


@pytest.mark.parametrize(("after", "unseen"), [("nothing", [1, 2]), ("seen", [])])
async def test_marks_only_what_is_configured_and_only_when_committed(
    dovecot: Dovecot, after: str, unseen: list[int]
) -> None:
    box = dovecot.mailbox()
    async with opened(box, after=after) as channel:
        _, cursor = await drained(channel, None)
        box.put(mail("uno"), mail("dos"))
        page = await channel.poll(cursor)
        with box.client(readonly=True) as client:
            assert client.search("UNSEEN") == [1, 2]
        await channel.committed(page.envelopes)
        await channel.committed(page.envelopes)
    with box.client(readonly=True) as client:
        assert client.search("UNSEEN") == unseen
        assert client.search("ALL") == [1, 2]


async def test_moves_when_configured_and_twice_is_once(dovecot: Dovecot) -> None:
    box = dovecot.mailbox()
    with box.client(None) as client:
        client.create_folder("Procesados")
    async with opened(box, after="move", move_to="Procesados") as channel:
        await channel.check()
        _, cursor = await drained(channel, None)
        box.put(mail("uno"), mail("dos"))
        page = await channel.poll(cursor)
        await channel.committed(page.envelopes)
        await channel.committed(page.envelopes)
        box.put(mail("tres"))
        pages, _ = await drained(channel, page.cursor)
    assert subjects(*pages) == ["tres"]
    with box.client("Procesados", readonly=True) as client:
        assert len(client.search("ALL")) == 3
        assert client.search("SEEN") == []
    with box.client(readonly=True) as client:
        assert client.search("ALL") == []


@pytest.mark.parametrize("missing", ["MOVE", "MOVE UIDPLUS"])
async def test_moves_on_a_server_that_cannot_move(
    dovecot: Dovecot, monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    has_capability = IMAPClient.has_capability
    monkeypatch.setattr(
        IMAPClient, "has_capability", lambda client, name: name not in missing.split() and has_capability(client, name)
    )
    box = dovecot.mailbox()
    with box.client() as client:
        client.create_folder("Procesados")
    box.put(mail("borrado por otra persona"))
    async with opened(box, after="move", move_to="Procesados") as channel:
        _, cursor = await drained(channel, None)
        with box.client() as client:
            client.delete_messages([1])
        box.put(mail("uno"), mail("dos"))
        page = await channel.poll(cursor)
        await channel.committed(page.envelopes)
        await channel.committed(page.envelopes)
    with box.client("Procesados", readonly=True) as client:
        assert len(client.search("ALL")) == 2
    with box.client(readonly=True) as client:
        assert client.search("DELETED") == ([1] if missing == "MOVE" else [1, 2, 3])  # nobody else's is expunged
        assert client.search("UNDELETED") == []


async def test_a_file_comes_out_of_the_mail_byte_for_byte(dovecot: Dovecot, postfix: Postfix) -> None:
    box, content = dovecot.mailbox(), secrets.token_bytes(300_000)
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "rosa@correo.example", box.user, "Documentación"
    message.set_content("Adjunto el certificado.")
    message.add_attachment(content, maintype="application", subtype="pdf", filename="certificado único.pdf")
    async with opened(box) as channel:
        _, cursor = await drained(channel, None)
        postfix.send("rosa@correo.example", box.user, message)
        until = time.monotonic() + 20
        while not (page := await channel.poll(cursor)).envelopes and time.monotonic() < until:
            await asyncio.sleep(0.1)
        [envelope] = page.envelopes
        [event] = parse_envelope(envelope, settings(box))
        assert isinstance(event, Message)
        [attachment] = event.attachments
        chunks = [chunk async for chunk in channel.fetch(attachment, envelope)]
    assert (event.subject, event.text) == ("Documentación", "Adjunto el certificado.")
    assert attachment.filename == "certificado único.pdf"
    assert b"".join(chunks) == content
    assert max(map(len, chunks)) <= 65_536


async def test_marks_nothing_in_a_mailbox_renumbered_meanwhile(dovecot: Dovecot) -> None:
    box = dovecot.mailbox()
    async with opened(box, after="seen") as channel:
        _, cursor = await drained(channel, None)
        box.put(mail("uno"))
        page = await channel.poll(cursor)
        box.wipe()
        box.put(mail("otro"))
        await channel.committed(page.envelopes)
    with box.client(readonly=True) as client:
        assert client.search("UNSEEN") == [1]
