"""An office that is fed by mail for the contract suite: mailbox and mail server are fakes over real sockets."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest

from contract.ticketing_model import AdapterUnderTest, AgentFile, Line, holding
from inbox_daemon.mailing import Mailer
from inbox_daemon.model import EntryId, Reference, TicketId
from inbox_daemon.plugins import Secret
from inbox_daemon.settings import Smtp
from inbox_ticketing._by_mail.compose import ABOVE_HERE, NOTE
from inbox_ticketing._by_mail.parse import Policy, read
from inbox_ticketing.mail import plugin
from support.contexts import lend_context
from support.imap_fake import EVERYTHING, NOTHING, imap_fake
from support.mail_office_fake import ADDRESS, AUTHSERV, OFFICE, MailOffice

POLICY = Policy(address=ADDRESS, plus=True, agents=frozenset({"@obras.example"}), authserv=AUTHSERV)
COLLEAGUE = "pedro@obras.example"


@dataclass(frozen=True)
class MailBackstage:
    """What lies in the office's mailbox, and what its people mail."""

    office: MailOffice

    async def thread(self, ticket: TicketId) -> Sequence[Line]:
        lines = []
        for mail in self.office.of(ticket):
            body = mail.get_body(("plain",))
            assert body is not None
            text = body.get_content().replace("\r\n", "\n").removeprefix(f"{ABOVE_HERE}\n\n")
            kind = "note" if text.startswith(NOTE) else "public"
            lines.append(Line(kind=kind, text=text, author=str(mail["From"])))
        return lines

    async def files(self, ticket: TicketId) -> Mapping[str, bytes]:
        parts = [part for mail in self.office.of(ticket) for part in mail.iter_attachments()]
        return {part.get_filename() or "": part.get_payload(decode=True) for part in parts}  # type: ignore[misc]

    async def tickets_with(self, reference: Reference) -> Sequence[TicketId]:
        opened = [mail for mail in self.office.arrived if mail["X-Inbox-Reference"] == reference]
        return [TicketId(str(mail["Message-ID"]).strip("<").partition(".")[0]) for mail in opened]

    async def agent_answers(
        self, ticket: TicketId, text: str, *, html: bool = False, files: Sequence[AgentFile] = ()
    ) -> EntryId:
        mail = self.office.answer(ticket)
        mail.set_content(text, subtype="html" if html else "plain")
        for file in files:
            main, _, sub = file.media_type.partition("/")
            mail.add_attachment(file.content, maintype=main, subtype=sub, filename=file.name)
        return self._posted(mail)

    async def agent_notes(self, ticket: TicketId, text: str) -> EntryId:
        """To a colleague, with our address in Cc as "reply to all" leaves it."""
        mail = self.office.answer(ticket, to=COLLEAGUE, Cc=str(self.office.of(ticket)[-1]["Reply-To"]))
        mail.set_content(text)
        return self._posted(mail)

    def _posted(self, mail: Any) -> EntryId:
        self.office.post(mail)
        told = read(self.office.mailbox.folders["INBOX"].mails[-1].raw, POLICY)
        return EntryId(f"m.{told.digest}.{told.message_id}")

    async def take_back(self, ticket: TicketId, entry: EntryId) -> None:
        """Whoever keeps the mailbox deletes the mail in it."""
        message_id = entry.split(".", 2)[2]
        self.office.mailbox.folders["INBOX"].remove(lambda one: str(one.head["Message-ID"]) == f"<{message_id}>")

    async def agent_closes(self, ticket: TicketId) -> None:
        raise AssertionError("mails are not closed")

    async def delete(self, ticket: TicketId) -> None:
        """The case is swept out of the folder that keeps our copies."""
        folder = self.office.mailbox.folders["inbox-daemon"]
        folder.remove(lambda one: str(one.head["Message-ID"]).startswith(f"<{ticket}."))

    async def merge(self, ticket: TicketId, into: TicketId) -> None:
        raise AssertionError("mails are not merged")


@asynccontextmanager
async def mail_office(*, swallows_repeats: bool = False) -> AsyncIterator[MailOffice]:
    """The fakes, up and running."""
    async with imap_fake() as mailbox:
        office = MailOffice(mailbox=mailbox, swallows_repeats=swallows_repeats)
        await office.start()
        try:
            yield office
        finally:
            await office.stop()


def settings_for(office: MailOffice, **changes: Any) -> Any:
    """Settings of an adapter in front of the fakes."""
    values = {
        "to": OFFICE,
        "address": ADDRESS,
        "agents": ["@obras.example"],
        "authserv_id": AUTHSERV,
        "host": "127.0.0.1",
        "port": office.mailbox.port,
        "tls": "none",
        "user": ADDRESS,
        "password": Secret(office.mailbox.password),
        "timeout_seconds": 2.0,
        "probe_seconds": 2.0,
    }
    return plugin.settings.model_validate(values | changes)


def mailer_for(office: MailOffice) -> Mailer:
    """The core's own way to send."""
    return Mailer(
        Smtp(host="127.0.0.1", port=office.port, tls="none", from_address="sistema@ciudad.example", timeout_seconds=1)
    )


def lies_of(office: MailOffice) -> Mapping[str, Callable[[], AbstractContextManager[None]]]:
    """A mailbox whose search ignores what is asked."""
    return {
        f"the search finds {lie}": partial(holding, office.mailbox, "faults", {"SEARCH": lie})
        for lie in (NOTHING, EVERYTHING)
    }


def to_an_office(*, swallows_repeats: bool = False) -> Any:
    """A provider over fresh fakes."""

    @asynccontextmanager
    async def provided(request: pytest.FixtureRequest) -> AsyncIterator[AdapterUnderTest]:
        async with (
            mail_office(swallows_repeats=swallows_repeats) as office,
            lend_context("obras-mail", mail=mailer_for(office)) as context,
            AsyncExitStack() as opened,
        ):

            def adapter(**changes: Any) -> Any:
                made = plugin.build(settings_for(office, swallows_repeats=swallows_repeats, **changes), context)
                opened.push_async_callback(made.aclose)
                return made

            yield AdapterUnderTest(
                adapter=adapter(timeout_seconds=1.0),
                backstage=MailBackstage(office),
                office=office,
                stranger=adapter(password=Secret("deadbeef")),
                lies=lies_of(office),
            )

    return provided
