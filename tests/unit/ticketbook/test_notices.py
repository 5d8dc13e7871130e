"""The mail that tells an office of its cases: what it holds, and who asks for it when."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete

from contract.ticketing_words import draft, entry
from inbox_daemon.errors import Gone, Transient
from inbox_daemon.model import Reference
from inbox_daemon.plugins import Context, Notifying, Proving
from inbox_daemon.store.casebook import StoredCaseBook
from inbox_daemon.store.database import Database
from inbox_daemon.store.migrate import migrate
from inbox_daemon.store.schema import casebook_case, casebook_entry
from inbox_ticketing.ticketbook import plugin
from support.contexts import lend_context

CASE = Reference("C-7K3M-2")


@dataclass
class Outgoing:
    """A mail server that keeps what it is given, or fails."""

    from_address: str = "no-responder@gobierno.example"
    mails: list[EmailMessage] = field(default_factory=list)
    failure: Exception | None = None

    async def send(
        self, message: EmailMessage, *, recipients: Sequence[str] | None = None, sender: str | None = None
    ) -> None:
        assert recipients is None
        if self.failure:
            raise self.failure
        self.mails.append(message_from_bytes(message.as_bytes(), policy=policy.default))

    async def check(self) -> None:
        if self.failure:
            raise self.failure


@dataclass
class Office:
    """A ticketbook at a set time."""

    database: Database
    context: Context
    outgoing: Outgoing

    def adapter(self, **changes: Any) -> Notifying:
        settings = {
            "office_name": "Fiduciaria del Norte",
            "mail_to": ["mesa@fiduciaria.example", "guardia@fiduciaria.example"],
        }
        context = replace(self.context, now=lambda: datetime(2026, 11, 23, 12, 30, tzinfo=UTC))
        adapter = plugin.build(plugin.settings.model_validate(settings | changes), context)
        assert isinstance(adapter, Notifying)
        return adapter


@pytest.fixture
async def office(tmp_path: Path) -> AsyncIterator[Office]:
    outgoing = Outgoing()
    with Database(f"sqlite:///{tmp_path / 'book.db'}") as database:
        migrate(database)
        async with lend_context("fiduciaria", StoredCaseBook(database), mail=outgoing) as context:
            yield Office(database, context, outgoing)


async def test_the_office_is_mailed_number_and_link_and_nothing_of_the_citizen(office: Office) -> None:
    adapter = office.adapter()
    written = draft(CASE, subject="Luminaria apagada en calle Ñandú")
    ticket = await adapter.open_ticket(written)
    assert office.outgoing.mails == [], "opening a case waits for no mail server"
    await adapter.notify(ticket, written.first.key, opened=True)
    [mail] = office.outgoing.mails
    assert mail["Subject"] == "Caso C-7K3M-2 · Fiduciaria del Norte"
    assert mail["To"] == "mesa@fiduciaria.example, guardia@fiduciaria.example"
    assert mail["From"] == "no-responder@gobierno.example"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["Date"].datetime == datetime(2026, 11, 23, 12, 30, tzinfo=UTC)
    text = mail.get_content()
    assert ticket.url in text
    assert CASE in text
    for secret in ("Ana", "Gómez", "362", "luminaria", "Luminaria", "Ñandú", "WhatsApp"):
        assert secret not in mail.as_string() + text


async def test_further_messages_join_the_thread_and_repeats_keep_their_id(office: Office) -> None:
    adapter = office.adapter()
    written = draft(CASE)
    ticket = await adapter.open_ticket(written)
    await adapter.notify(ticket, written.first.key, opened=True)
    for number in (2, 2, 3):
        await adapter.append(ticket, entry(CASE, number))
        await adapter.notify(ticket, entry(CASE, number).key, opened=False)
    first, second, again, third = office.outgoing.mails
    assert second["In-Reply-To"] == first["Message-ID"] == third["References"]
    assert again["Message-ID"] == second["Message-ID"] != third["Message-ID"]
    assert first["Message-ID"].endswith("@gobierno.example>")


async def test_only_the_opening_where_configured_so(office: Office) -> None:
    adapter = office.adapter(mail_each_message=False)
    ticket = await adapter.open_ticket(draft(CASE))
    await adapter.notify(ticket, entry(CASE, 2).key, opened=False)
    assert office.outgoing.mails == []
    await adapter.notify(ticket, entry(CASE, 1).key, opened=True)
    assert len(office.outgoing.mails) == 1


async def test_nobody_is_mailed_where_nobody_is_named(office: Office) -> None:
    adapter = office.adapter(mail_to=[])
    assert adapter.notifies is False
    office.outgoing.failure = Transient("down")
    await adapter.check()
    assert office.adapter().notifies is True


async def test_no_case_waits_for_the_mail_server(office: Office) -> None:
    """The core sends nothing to a destination whose check fails."""
    adapter = office.adapter()
    office.outgoing.failure = Transient("down")
    await adapter.check()
    assert await adapter.open_ticket(draft(CASE))


async def test_a_person_who_checks_learns_how_the_mail_server_is(office: Office) -> None:
    adapter = office.adapter()
    assert isinstance(adapter, Proving)
    await adapter.prove()
    office.outgoing.failure = Transient("down")
    with pytest.raises(Transient, match="down"):
        await adapter.prove()


async def test_a_case_that_is_no_more_is_not_told_of(office: Office) -> None:
    adapter = office.adapter()
    ticket = await adapter.open_ticket(draft(CASE))
    await office.database.run(lambda connection: connection.execute(delete(casebook_entry)))
    await office.database.run(lambda connection: connection.execute(delete(casebook_case)))
    with pytest.raises(Gone):
        await adapter.notify(ticket, entry(CASE, 1).key, opened=True)
