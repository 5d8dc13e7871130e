"""What tells who a citizen is, or opens something, is in no repr: those end up in logs."""

from __future__ import annotations

from datetime import UTC, datetime

from inbox_daemon.model import Entry, MessageKey, Ticket, TicketId


def test_an_entry_prints_its_key_and_nothing_that_a_citizen_said_or_is() -> None:
    shown = repr(
        Entry(
            key=MessageKey("PA95A-3/k7f3qx.m1"),
            heading="WhatsApp · Ana Invento · 362 400-0001 · 23/11/2026 09:30",
            body="perdí mi documento",
            author_name="Ana Invento",
            reply_address="ana@correo.test",
            sent_at=datetime(2026, 11, 23, 12, 30, tzinfo=UTC),
        )
    )
    assert "PA95A-3/k7f3qx.m1" in shown
    assert not [words for words in ("Ana", "362", "documento", "correo.test") if words in shown]


def test_a_ticket_prints_its_number_and_not_the_link_that_opens_it() -> None:
    shown = repr(Ticket(id=TicketId("7"), number="7", url="https://casos.test/case/firmado"))
    assert "number='7'" in shown
    assert "firmado" not in shown
