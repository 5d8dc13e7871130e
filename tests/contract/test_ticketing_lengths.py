"""What every ticketing adapter tells of long threads, and with clocks and zones that differ."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest

from contract.ticketing_model import AdapterUnderTest
from contract.ticketing_needs import CLOCK_OF_ITS_OWN, POLLED
from contract.ticketing_providers import scenario
from contract.ticketing_words import draft, entry, reference
from inbox_daemon.model import Cursor, EntryId, MessageKey, Ticket, TicketUpdate
from support.contexts import clock_off

MANY = 104
"""More than a page of every product, and no multiple of any."""
LOOKS = 60
MOMENT = timedelta(seconds=30)


async def read_on(under_test: AdapterUnderTest, cursor: Cursor | None, ticket: Ticket) -> list[TicketUpdate]:
    """What is told of the ticket from the cursor on, until the cursor moves no more."""
    told: list[TicketUpdate] = []
    for _ in range(LOOKS):
        page, after = await under_test.adapter.updates(cursor)
        told += [one for one in page if one.ticket == ticket.id]
        if after == cursor:
            return told
        cursor = after
    raise AssertionError("the cursor never comes to rest")


def answers(updates: list[TicketUpdate]) -> list[EntryId | None]:
    """Public entries of agents, each once, in the order in which they were first told."""
    return list(dict.fromkeys(one.entry for one in updates if one.public and not one.own))


@scenario(POLLED)
async def test_a_thread_of_more_than_a_hundred_entries_is_told_whole_and_in_order(under_test: AdapterUnderTest) -> None:
    """Short pages in mid-list, page limits and cut lists: nobody's answer falls between two of them."""
    case, adapter, agents = reference(), under_test.adapter, under_test.backstage
    ticket = await adapter.open_ticket(draft(case))
    _, cursor = await adapter.updates(None)
    await adapter.append(ticket, entry(case, 2))
    made = [await agents.agent_answers(ticket.id, f"Respuesta {number}") for number in range(MANY)]
    await adapter.append(ticket, entry(case, 3))
    assert answers(await read_on(under_test, cursor, ticket)) == made
    assert answers(list(await adapter.thread(ticket.id))) == made
    for number in (1, 2, 3):
        found = await adapter.find_entry(ticket, MessageKey(f"{case}.m{number}"))
        assert found is not None, f"message {number} of ours, on either side of them"
    for one in (made[0], made[MANY // 2], made[-1]):
        now = await adapter.entry(ticket.id, one)
        assert now is not None
        assert now.public


@scenario(POLLED)
@pytest.mark.parametrize("minutes", [4, -4])
async def test_a_clock_of_ours_that_is_minutes_wrong_does_no_harm(under_test: AdapterUnderTest, minutes: int) -> None:
    await with_a_wrong_clock(under_test, timedelta(minutes=minutes))


@scenario(POLLED, CLOCK_OF_ITS_OWN)
@pytest.mark.parametrize("hours", [26, -26])
async def test_a_clock_of_ours_that_is_a_day_wrong_does_no_harm(under_test: AdapterUnderTest, hours: int) -> None:
    await with_a_wrong_clock(under_test, timedelta(hours=hours))


async def with_a_wrong_clock(under_test: AdapterUnderTest, off: timedelta) -> None:
    """No answer is lost, and what was written is found, during it and afterwards."""
    case, adapter = reference(), under_test.adapter
    with clock_off(off):
        ticket = await adapter.open_ticket(draft(case))
        nothing, cursor = await adapter.updates(None)
        assert not [one for one in nothing if one.public]
        first = await under_test.backstage.agent_answers(ticket.id, "Con el reloj equivocado")
        told = await read_on(under_test, cursor, ticket)
        assert answers(told) == [first]
        await adapter.append(ticket, entry(case, 2))
        assert await adapter.find(case) == ticket
        assert await adapter.find_entry(ticket, MessageKey(f"{case}.m2")) is not None
    second = await under_test.backstage.agent_answers(ticket.id, "Y corregido")
    assert answers(await read_on(under_test, cursor, ticket)) == [first, second]


@contextmanager
def process_zone(monkeypatch: pytest.MonkeyPatch, name: str) -> Iterator[None]:
    """The machine is in another zone while the block lasts."""
    try:
        with monkeypatch.context() as patch:
            patch.setenv("TZ", name)
            time.tzset()
            yield
    finally:
        time.tzset()


@scenario(POLLED)
@pytest.mark.parametrize("zone", ["America/Argentina/Cordoba", "Pacific/Kiritimati"])
async def test_times_are_told_rightly_whatever_zone_the_machine_and_the_citizen_are_in(
    under_test: AdapterUnderTest, zone: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    case, adapter = reference(), under_test.adapter
    with process_zone(monkeypatch, zone):
        ticket = await adapter.open_ticket(draft(case))
        _, cursor = await adapter.updates(None)
        far = datetime.now(timezone(timedelta(hours=-11)))
        await adapter.append(ticket, replace(entry(case, 2), sent_at=far))
        made = await under_test.backstage.agent_answers(ticket.id, "Pasa mañana a las 9")
        told = [*await read_on(under_test, cursor, ticket), *await adapter.thread(ticket.id)]
        assert set(answers(told)) == {made}
        for one in told:
            assert one.at.tzinfo is not None
            assert abs(one.at - datetime.now(UTC)) < MOMENT, one.entry
        now = await adapter.entry(ticket.id, made)
        assert now is not None
        assert abs(now.at - datetime.now(UTC)) < MOMENT
