"""The mail that tells an office of its cases: what it holds, when it is sent, and what happens when it can't be."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from contract.ticketing_words import draft, entry
from inbox_daemon.errors import Credentials, Transient
from inbox_daemon.model import Reference
from inbox_daemon.plugins import Context, Secret, TicketingAdapter
from inbox_daemon.store.casebook import StoredCaseBook
from inbox_daemon.store.database import Database
from inbox_daemon.store.migrate import migrate
from inbox_ticketing.ticketbook import plugin
from support.contexts import lend_context
from unit.ticketbook.smtp_sink import Sink, mail_sink

CASE = Reference("C-7K3M-2")


@dataclass
class Office:
    """A ticketbook whose clock can be set forward."""

    context: Context
    later: timedelta = timedelta()

    def adapter(self, port: int, **changes: Any) -> TicketingAdapter:
        settings = {
            "office_name": "Fiduciaria del Norte",
            "mail_to": ["mesa@fiduciaria.example", "guardia@fiduciaria.example"],
            "smtp_host": "127.0.0.1",
            "smtp_port": port,
            "smtp_tls": "none",
            "smtp_timeout_seconds": 2,
            "from_address": "no-responder@gobierno.example",
        }
        context = replace(self.context, now=lambda: datetime(2026, 11, 23, 12, 30, tzinfo=UTC) + self.later)
        return plugin.build(plugin.settings.model_validate(settings | changes), context)


@pytest.fixture
async def office(tmp_path: Path) -> AsyncIterator[Office]:
    with Database(f"sqlite:///{tmp_path / 'book.db'}") as database:
        migrate(database)
        async with lend_context("fiduciaria", StoredCaseBook(database)) as context:
            yield Office(context)


@pytest.fixture
async def sink() -> AsyncIterator[Sink]:
    async with mail_sink() as running:
        yield running


async def test_the_office_is_mailed_number_and_link_and_nothing_of_the_citizen(office: Office, sink: Sink) -> None:
    adapter = office.adapter(sink.port)
    ticket = await adapter.open_ticket(draft(CASE, subject="Luminaria apagada en calle Ñandú"))
    [mail] = sink.mails
    assert mail["Subject"] == "Caso C-7K3M-2 · Fiduciaria del Norte"
    assert mail["To"] == "mesa@fiduciaria.example, guardia@fiduciaria.example"
    assert mail["From"] == "no-responder@gobierno.example"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["Date"].datetime == datetime(2026, 11, 23, 12, 30, tzinfo=UTC)
    assert sink.recipients == ["mesa@fiduciaria.example", "guardia@fiduciaria.example"]
    text = mail.get_content()
    assert ticket.url in text
    assert CASE in text
    for secret in ("Ana", "Gómez", "362", "luminaria", "Luminaria", "Ñandú", "WhatsApp"):
        assert secret not in mail.as_string() + text


async def test_further_messages_join_the_thread_and_repeats_keep_their_id(office: Office, sink: Sink) -> None:
    adapter = office.adapter(sink.port)
    ticket = await adapter.open_ticket(draft(CASE))
    await adapter.append(ticket, entry(CASE, 2))
    await adapter.append(ticket, entry(CASE, 2))
    await adapter.append(ticket, entry(CASE, 3))
    await adapter.note(ticket, entry(CASE, 4))
    first, second, again, third = sink.mails
    assert second["In-Reply-To"] == first["Message-ID"] == third["References"]
    assert again["Message-ID"] == second["Message-ID"] != third["Message-ID"]


async def test_only_the_opening_where_configured_so(office: Office, sink: Sink) -> None:
    adapter = office.adapter(sink.port, mail_each_message=False)
    await adapter.append(await adapter.open_ticket(draft(CASE)), entry(CASE, 2))
    assert len(sink.mails) == 1


async def test_nobody_is_mailed_where_nobody_is_named(office: Office, sink: Sink) -> None:
    await office.adapter(sink.port, mail_to=[]).open_ticket(draft(CASE))
    assert sink.mails == []


async def test_a_dead_mail_server_neither_fails_nor_doubles_the_case(office: Office) -> None:
    async with mail_sink() as gone:
        port = gone.port
    adapter = office.adapter(port)
    with capture_logs() as log:
        ticket = await adapter.open_ticket(draft(CASE))
        await adapter.append(ticket, entry(CASE, 2))
    assert [line["event"] for line in log] == ["ticketbook.notice_failed"]
    assert "fiduciaria.example" not in repr(log)
    found = await adapter.find(CASE)
    assert found is not None
    assert found.id == ticket.id
    with pytest.raises(Transient, match="smtp_host"):
        await adapter.check()


async def test_what_waits_is_mailed_once_the_server_is_back(office: Office, sink: Sink) -> None:
    sink.answer_to_rcpt = "451 try later"
    adapter = office.adapter(sink.port)
    await adapter.open_ticket(draft(CASE))
    with pytest.raises(Transient, match="1 notices"):
        await adapter.check()
    sink.answer_to_rcpt = "250 ok"
    await adapter.updates(None)
    assert sink.mails == [], "within the minute nothing is tried"
    office.later = timedelta(minutes=2)
    await adapter.updates(None)
    assert len(sink.mails) == 1
    await adapter.updates(None)
    assert len(sink.mails) == 1
    await adapter.check()


async def test_a_recipient_refused_for_good_is_told_and_not_kept(office: Office, sink: Sink) -> None:
    sink.answer_to_rcpt = "550 no such user"
    adapter = office.adapter(sink.port)
    with capture_logs() as log:
        await adapter.open_ticket(draft(CASE))
    assert [(line["event"], line["code"]) for line in log] == [("ticketbook.notice_refused", 550)]
    sink.answer_to_rcpt = "250 ok"
    await adapter.check()


async def test_a_refused_log_in_is_a_matter_of_credentials(office: Office, sink: Sink) -> None:
    sink.login_works = False
    adapter = office.adapter(sink.port, smtp_user="inbox", smtp_password=Secret("invented"))
    with pytest.raises(Credentials, match="smtp_password") as refused:
        await adapter.check()
    assert "invented" not in str(refused.value)
