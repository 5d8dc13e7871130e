"""Cases by mail through a real Postfix into a real office's mailbox, and the office's answers back."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from email import message_from_bytes, policy
from email.message import EmailMessage
from email.utils import make_msgid
from pathlib import Path
from typing import Any

import pytest

from contract.ticketing_words import draft, entry, reference, stored
from inbox_daemon.errors import Gone, Permanent, Transient
from inbox_daemon.mailing import Mailer
from inbox_daemon.model import Cursor, MessageKey, TicketUpdate
from inbox_daemon.plugins import Secret
from inbox_daemon.settings import Smtp
from inbox_ticketing._by_mail.cases import Cases
from inbox_ticketing.mail import plugin
from real.servers.fixtures import Dovecot, Mailbox, Postfix
from support.contexts import lend_context

pytestmark = pytest.mark.real

SECONDS = 30.0
ANSWER = "La cuadrilla pasa mañana: ¡gracias! 😀\nAtte., Mesa de Entradas"


@dataclass(frozen=True)
class World:
    adapter: Cases
    cases: Mailbox
    office: Mailbox
    postfix: Postfix

    async def arrived(self, number: int) -> list[EmailMessage]:
        """Wait until the office has so many mails."""
        async with asyncio.timeout(SECONDS):
            while len(found := await asyncio.to_thread(_mails, self.office)) < number:
                await asyncio.sleep(0.2)
        return found

    async def told(
        self, cursor: Cursor | None, wanted: Callable[[TicketUpdate], bool]
    ) -> tuple[TicketUpdate, Sequence[TicketUpdate]]:
        """Look for updates until there is one as wanted."""
        async with asyncio.timeout(SECONDS):
            while True:
                updates, _ = await self.adapter.updates(cursor)
                for one in updates:
                    if wanted(one):
                        return one, updates
                await asyncio.sleep(0.2)

    def answer(self, mail: EmailMessage, text: str, **headers: str) -> None:
        """The office answers as a mail program does."""
        made = EmailMessage()
        usual = {
            "From": f"Laura Paz <{self.office.user}>",
            "To": str(mail["Reply-To"]),
            "Subject": f"Re: {mail['Subject']}",
            "Message-ID": make_msgid(domain="obras.test"),
            "In-Reply-To": str(mail["Message-ID"]),
            "References": str(mail["Message-ID"]),
        }
        for name, value in (usual | {key.replace("_", "-"): word for key, word in headers.items()}).items():
            made[name] = value
        quoted = mail.get_body(("plain",))
        assert quoted is not None
        lines = "".join(f"> {line}\n" for line in quoted.get_content().splitlines())
        made.set_content(f"{text}\n\nEl mar, 24 nov 2026 a las 10:00, Ana escribió:\n{lines}")
        made.add_attachment(b"%PDF-1.7\0\xff", maintype="application", subtype="pdf", filename="plano ñ.pdf")
        self.postfix.send(self.office.user, str(made["To"]), made)


def _mails(mailbox: Mailbox) -> list[EmailMessage]:
    with mailbox.client() as client:
        found = client.search("ALL")
        rows = client.fetch(found, ["BODY.PEEK[]"]) if found else {}
        return [message_from_bytes(rows[uid][b"BODY[]"], policy=policy.default) for uid in sorted(rows)]


@asynccontextmanager
async def opened(cases: Mailbox, postfix: Postfix, **changes: Any) -> AsyncIterator[Cases]:
    server = cases.server
    smtp = Smtp(host=postfix.host, port=postfix.smtp_port, tls="none", from_address=cases.user)
    values = {
        "address": cases.user,
        "agents": ["@obras.test"],
        "authentication": "none",
        "host": server.host,
        "port": server.imaps_port,
        "tls": "implicit",
        "ca_file": server.ca_file,
        "user": cases.user,
        "password": Secret(server.password),
    }
    async with lend_context("obras-mail", mail=Mailer(smtp)) as context:
        adapter = plugin.build(plugin.settings.model_validate(values | changes), context)
        assert isinstance(adapter, Cases)
        try:
            yield adapter
        finally:
            await adapter.aclose()


@pytest.fixture
async def world(dovecot: Dovecot, postfix: Postfix) -> AsyncIterator[World]:
    cases, office = dovecot.mailbox("casos"), dovecot.mailbox("mesa")
    async with opened(cases, postfix, to=office.user, agents=[office.user]) as adapter:
        yield World(adapter, cases, office, postfix)


async def test_the_check_finds_the_way_back_and_leaves_nothing(world: World) -> None:
    await world.adapter.prove()
    await world.adapter.prove()
    assert await asyncio.to_thread(_mails, world.cases) == []
    assert await asyncio.to_thread(_mails, world.office) == []


async def test_a_conversation_to_and_fro(world: World, tmp_path: Path) -> None:
    case, adapter = reference(), world.adapter
    ticket = await adapter.open_ticket(draft(case))
    _, cursor = await adapter.updates(None)
    [first] = await world.arrived(1)
    world.answer(first, ANSWER)
    update, updates = await world.told(cursor, lambda one: one.public)
    assert (update.ticket, update.text, update.author) == (ticket.id, ANSWER, "Laura Paz")
    assert [one for one in updates if one.public] == [update]
    [file] = update.attachments
    assert file.filename == "plano ñ.pdf"
    assert b"".join([piece async for piece in adapter.fetch(file)]) == b"%PDF-1.7\0\xff"
    assert update.entry is not None
    assert await adapter.entry(ticket.id, update.entry) == update
    await adapter.append(ticket, entry(case, 2))
    await adapter.attach(ticket, entry(case, 3), stored(tmp_path, "foto ñ.jpg", "image/jpeg", b"\xff\xd8" * 50_000))
    _, second, third = await world.arrived(3)
    assert second["Subject"] == first["Subject"] if first["Subject"].startswith("Re:") else f"Re: {first['Subject']}"
    assert first["Message-ID"] in second["References"]
    [photo] = third.iter_attachments()
    assert (photo.get_filename(), photo.get_payload(decode=True)) == ("foto ñ.jpg", b"\xff\xd8" * 50_000)
    assert await adapter.find(case) == ticket
    for number in (1, 2, 3):
        assert await adapter.find_entry(ticket, MessageKey(f"{case}.m{number}")) is not None
    assert len([one for one in await adapter.thread(ticket.id) if one.own]) == 3


async def test_an_answer_deleted_in_the_mailbox_does_not_go_out(world: World) -> None:
    ticket = await world.adapter.open_ticket(draft(reference()))
    _, cursor = await world.adapter.updates(None)
    world.answer((await world.arrived(1))[0], ANSWER)
    update, _ = await world.told(cursor, lambda one: one.public)
    with world.cases.client() as client:
        client.delete_messages(client.search("ALL"))
    assert update.entry is not None
    assert await world.adapter.entry(ticket.id, update.entry) is None


async def test_confirmations_and_strangers_are_told_and_never_public(world: World) -> None:
    ticket = await world.adapter.open_ticket(draft(reference()))
    _, cursor = await world.adapter.updates(None)
    [first] = await world.arrived(1)
    world.answer(first, "Recibimos su pedido.", Auto_Submitted="auto-replied", Subject="[Obras #7] Recibido")
    world.answer(first, "Comprá ya.", From="x@otra.test")
    stranger, _ = await world.told(cursor, lambda one: one.author == "x")
    assert (stranger.text, stranger.attachments, stranger.public) == ("", (), False)
    _, updates = await world.told(cursor, lambda one: "Recibimos" in one.text)
    assert not any(one.public for one in updates)
    await world.adapter.append(ticket, entry(reference(), 2))
    assert (await world.arrived(2))[-1]["Subject"] == "Re: [Obras #7] Recibido"


async def test_a_mail_that_comes_back_is_of_its_case(dovecot: Dovecot, postfix: Postfix) -> None:
    cases = dovecot.mailbox("casos")
    async with opened(cases, postfix, to="nadie@rebota.test") as adapter:
        world = World(adapter, cases, cases, postfix)
        _, cursor = await adapter.updates(None)
        ticket = await adapter.open_ticket(draft(reference()))
        update, _ = await world.told(cursor, lambda one: not one.own)
        assert update.ticket == ticket.id
        assert update.automatic
        assert not update.public


async def test_an_address_that_the_server_does_not_know_is_refused_and_forgotten(
    dovecot: Dovecot, postfix: Postfix
) -> None:
    case = reference()
    async with opened(dovecot.mailbox("casos"), postfix, to="desconocido@centro.test") as adapter:
        with pytest.raises(Permanent):
            await adapter.open_ticket(draft(case))
        assert await adapter.find(case) is None


async def test_a_mailbox_that_was_wiped_knows_no_case_any_more(world: World) -> None:
    ticket = await world.adapter.open_ticket(draft(reference()))
    _, cursor = await world.adapter.updates(None)
    [first] = await world.arrived(1)
    await asyncio.to_thread(world.cases.wipe)
    world.answer(first, ANSWER)
    with pytest.raises(Gone):
        await world.adapter.append(ticket, entry(reference(), 2))
    assert not [one for one in (await world.adapter.updates(cursor))[0] if one.public]


async def test_a_server_that_restarts_is_transient_and_then_fine(own_dovecot: Dovecot, postfix: Postfix) -> None:
    cases = own_dovecot.mailbox("casos")
    async with opened(cases, postfix, to="mesa@centro.test", probe_seconds=0, timeout_seconds=5) as adapter:
        ticket = await adapter.open_ticket(draft(reference()))
        await asyncio.to_thread(own_dovecot.stop)
        with pytest.raises(Transient):
            await adapter.append(ticket, entry(reference(), 2))
        await asyncio.to_thread(own_dovecot.start)
        await adapter.append(ticket, entry(reference(), 2))
        assert len([one for one in await adapter.thread(ticket.id) if one.own]) == 2


async def test_a_book_of_many_thousand_copies_is_searched_in_time(world: World) -> None:
    ticket = await world.adapter.open_ticket(draft(reference()))
    other = b"Message-ID: <%016d.%016d@centro.test>\r\nSubject: x\r\n\r\nx\r\n"
    with world.cases.client("inbox-daemon") as client:
        for start in range(0, 3000, 500):
            client.multiappend("inbox-daemon", [other % (number, number) for number in range(start, start + 500)])
    await world.adapter.thread(ticket.id)
    began = time.monotonic()
    await world.adapter.append(ticket, entry(reference(), 2))
    assert time.monotonic() - began < 5
