"""Answers through a real Postfix into a real mailbox, and what comes back: answers, mails returned, our own mail."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from email import message_from_bytes, policy
from email.message import EmailMessage
from email.utils import make_msgid

import pytest

from inbox_channels.email import parse_envelope
from inbox_channels.email.channel import EmailChannel
from inbox_daemon.errors import Permanent
from inbox_daemon.mailing import Mailer
from inbox_daemon.model import (
    CaseNumber,
    Cursor,
    Event,
    Handle,
    Ignored,
    Message,
    Reply,
    SendState,
    StatusEvent,
    StoredFile,
)
from inbox_daemon.settings import Smtp
from real.email.opening import opened, settings
from real.servers.fixtures import Dovecot, Mailbox, Postfix

pytestmark = pytest.mark.real

SECONDS = 30.0
LONG_ID = "SN7PR05MB7614E8CB4E9F0F9F7C6F7D1DAB0C9AAAAAAAAAAAA@SN7PR05MB7614.namprd05.prod.outlook.example"


class Office:
    """The office's mailbox as the core uses its channel, from the beginning on."""

    def __init__(self, mailbox: Mailbox, channel: EmailChannel) -> None:
        self.address = mailbox.user
        self.channel = channel
        self._settings = settings(mailbox)
        self._cursor: Cursor | None = None

    async def begin(self) -> None:
        await self._page()

    async def next(self) -> Event:
        """The one thing that comes next."""
        async with asyncio.timeout(SECONDS):
            while not (events := await self._page()):
                await asyncio.sleep(0.2)
        [event] = events
        return event

    async def _page(self) -> list[Event]:
        page = await self.channel.poll(self._cursor)
        self._cursor = page.cursor
        return [event for envelope in page.envelopes for event in parse_envelope(envelope, self._settings)]


@pytest.fixture
async def office(dovecot: Dovecot, postfix: Postfix) -> AsyncIterator[Office]:
    mailbox = dovecot.mailbox()
    smtp = Smtp(host=postfix.host, port=postfix.smtp_port, tls="none", from_address=mailbox.user)
    async with opened(mailbox, Mailer(smtp), from_name="Mesa de Entradas") as channel:
        await channel.check()
        office = Office(mailbox, channel)
        await office.begin()
        yield office


async def arrived(mailbox: Mailbox, number: int = 1) -> list[EmailMessage]:
    """Wait for so many mails."""
    async with asyncio.timeout(SECONDS):
        while len(found := await asyncio.to_thread(_mails, mailbox)) < number:
            await asyncio.sleep(0.2)
    return found


def _mails(mailbox: Mailbox) -> list[EmailMessage]:
    with mailbox.client(readonly=True) as client:
        found = client.fetch(client.search(), ["RFC822"])
    return [message_from_bytes(one[b"RFC822"], policy=policy.default) for _, one in sorted(found.items())]


def question(sender: str, office: Office, message_id: str) -> EmailMessage:
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = f"Ana Gómez <{sender}>", office.address, "turno en el hospital"
    mail.add_header("Message-ID", f"<{message_id}>")
    mail.set_content("Señores, ¿cuándo hay turno?\n")
    return mail


def reply(to: str, message: Message | None = None, **changes: object) -> Reply:
    values: dict[str, object] = {
        "tag": "4F7K2-8.r12.1",
        "to": Handle(kind="email", value=to),
        "case_number": CaseNumber("4F7K2-8"),
        "text": "Señora, hay turno el lunes.\n.\nFrom las 8:30.",
        "subject": message.subject if message else "turno",
    }
    if message is not None:
        (handle,) = message.sender.handles
        values |= {"to": handle, "in_reply_to": message.external_id, "quoted": message.text}
        values |= {"quoted_at": message.sent_at, "thread": (message.external_id, *message.thread)}
    return Reply(**(values | changes))  # type: ignore[arg-type]


async def test_a_conversation_to_and_fro(dovecot: Dovecot, postfix: Postfix, office: Office) -> None:
    ana = dovecot.mailbox("ana")
    postfix.send(ana.user, office.address, question(ana.user, office, LONG_ID))
    asked = await office.next()
    assert isinstance(asked, Message)
    answer = reply("", asked)
    assert office.channel.address([answer.to]) == answer.to
    sent = await office.channel.send(answer)

    [mail] = await arrived(ana)
    assert (mail["From"], mail["Return-Path"]) == (f"Mesa de Entradas <{office.address}>", f"<{office.address}>")
    assert mail["Message-ID"] == f"<{sent.id}>"
    assert mail["In-Reply-To"] == mail["References"] == f"<{LONG_ID}>"
    assert mail["Subject"] == "Re: [Caso 4F7K2-8] turno en el hospital"
    text = mail.get_content().replace("\r\n", "\n")
    assert text.startswith("Señora, hay turno el lunes.\n.\nFrom las 8:30.\n\nEl ")
    assert text.endswith(" escribió:\n> Señores, ¿cuándo hay turno?\n")

    back = EmailMessage()
    back["From"], back["To"], back["Subject"] = ana.user, office.address, f"RE: {mail['Subject']}"
    back["Message-ID"] = make_msgid(domain="centro.test")
    back.add_header("In-Reply-To", mail["Message-ID"])
    history = "".join(f"> {line}" for line in text.splitlines(keepends=True))
    back.set_content(f"Gracias.\n\nEl 24/11/2026 09:30, Mesa escribió:\n\n{history}")
    postfix.send(ana.user, office.address, back)
    thanked = await office.next()
    assert isinstance(thanked, Message)
    assert thanked.text == "Gracias."
    assert str(thanked.in_reply_to) == sent.id
    assert [str(one) for one in thanked.thread] == [sent.id]


async def test_a_file_of_the_answer_arrives_whole(
    tmp_path_factory: pytest.TempPathFactory, dovecot: Dovecot, office: Office
) -> None:
    content = bytes(range(256)) * 20_000
    path = tmp_path_factory.mktemp("files") / "file"
    path.write_bytes(content)
    file = StoredFile(
        filename="Resolución N° 1.234 de la Dirección de Niñez, Adolescencia y Familia.pdf",
        media_type="application/pdf",
        size=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
        path=str(path),
    )
    ana = dovecot.mailbox("ana")
    await office.channel.send(reply(ana.user, attachments=(file,)))
    [mail] = await arrived(ana)
    [part] = mail.iter_attachments()
    assert part.get_filename() == file.filename
    assert part.get_payload(decode=True) == content


async def test_an_address_that_the_server_knows_to_be_wrong_is_refused_at_once(office: Office) -> None:
    with pytest.raises(Permanent, match="550"):
        await office.channel.send(reply("desconocido-ana@centro.test"))


async def test_a_mail_that_comes_back_is_a_failed_answer(office: Office) -> None:
    sent = await office.channel.send(reply("ana@rebota.test", tag="4F7K2-8.r13.1"))
    status = await office.next()
    assert isinstance(status, StatusEvent)
    assert (status.target, status.state, status.tag) == (sent.id, SendState.FAILED, "4F7K2-8.r13.1")
    assert status.error_code
    assert status.error_code.startswith("5.")
    assert status.reason
    assert "ana" not in status.reason


async def test_our_own_mail_sent_back_to_us_is_no_message(dovecot: Dovecot, postfix: Postfix, office: Office) -> None:
    ana = dovecot.mailbox("ana")
    sent = await office.channel.send(reply(ana.user))
    [mail] = await arrived(ana)
    postfix.send(ana.user, office.address, mail.as_bytes())
    event = await office.next()
    assert isinstance(event, Ignored)
    assert (event.reason, str(event.external_id)) == ("own", sent.id)
