"""What every ticketing adapter leaves behind when it is hit, or dies, at any single one of its requests."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable
from pathlib import Path

import pytest

from contract.ticketing_delivery import deliver, deliver_entry, deliver_ticket, nth, proxy_of
from contract.ticketing_model import AdapterUnderTest
from contract.ticketing_needs import CLOSING, FILES, HTTP, SEARCHED, STATES
from contract.ticketing_providers import scenario
from contract.ticketing_words import draft, entry, reference, stored
from inbox_daemon.errors import Credentials, Transient, Uncertain
from inbox_daemon.model import MessageKey, TicketState
from support.fault_proxy import Fault

FAULTS = [Fault.DROP_RESPONSE, Fault.ERROR_500, Fault.RESET_ON_ACCEPT, Fault.BUSY_503]


@scenario(HTTP)
@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("what", ["open", "append"])
async def test_a_fault_at_any_of_the_requests_that_a_write_takes_leaves_one(
    under_test: AdapterUnderTest, fault: Fault, what: str
) -> None:
    """Whatever is asked or written on the way: each request is hit once, before or after it was served."""
    adapter, proxy = under_test.adapter, proxy_of(under_test)
    for number in itertools.count():
        case = reference()
        before = proxy.seen[fault]
        ticket = None
        if what == "append":
            ticket = await adapter.open_ticket(draft(case))
        nth(proxy, fault, number)
        if ticket is None:
            ticket = await deliver_ticket(under_test, case)
        else:
            await deliver_entry(under_test, ticket, case)
        proxy.fault = Fault.PASS
        assert await under_test.backstage.tickets_with(case) == [ticket.id]
        assert len(await under_test.backstage.thread(ticket.id)) == (1 if what == "open" else 2)
        if proxy.seen[fault] == before:
            break
    assert number > 0, "at least one request was hit"


@scenario(HTTP, CLOSING)
@pytest.mark.parametrize("fault", [*FAULTS, Fault.SLOW_DOWN_429, Fault.EXPIRED_401])
async def test_a_fault_at_any_of_the_requests_of_a_write_to_a_closed_ticket_leaves_one(
    under_test: AdapterUnderTest, fault: Fault
) -> None:
    """Reopening is seen by reading the ticket once more: what goes wrong there says nothing against the entry. Who is
    not let in for a moment comes again without looking, as what refuses us surely did nothing."""
    proxy = proxy_of(under_test)
    for number in itertools.count():
        case, before = reference(), proxy.seen[fault]
        ticket = await under_test.adapter.open_ticket(draft(case))
        await under_test.backstage.agent_closes(ticket.id)
        nth(proxy, fault, number)
        try:
            await deliver_entry(under_test, ticket, case)
        except Credentials:
            await deliver_entry(under_test, ticket, case)
        proxy.fault = Fault.PASS
        lines = await under_test.backstage.thread(ticket.id)
        assert len([line for line in lines if "Mensaje número 2 " in line.text]) == 1
        if proxy.seen[fault] == before:
            break
    assert number > 0, "at least one request was hit"


@scenario(HTTP, FILES)
@pytest.mark.parametrize("fault", [Fault.DROP_RESPONSE, Fault.RESET_ON_ACCEPT])
async def test_a_fault_at_any_of_the_requests_that_a_file_takes_leaves_one(
    under_test: AdapterUnderTest, fault: Fault, tmp_path: Path
) -> None:
    """Where a file takes several steps, what an earlier try left of them is taken up or lies where nobody sees it."""
    adapter, proxy = under_test.adapter, proxy_of(under_test)
    file = stored(tmp_path, "ñ.pdf", "application/pdf", b"%PDF-1.7" + b"\xff" * 70_000)
    for number in itertools.count():
        case, before = reference(), proxy.seen[fault]
        ticket = await adapter.open_ticket(draft(case))
        key = MessageKey(f"{case}.m2")
        nth(proxy, fault, number)
        await deliver(
            under_test,
            lambda ticket=ticket, case=case: adapter.attach(ticket, entry(case, 2), file),  # type: ignore[misc]  # mypy: defaults
            lambda ticket=ticket, key=key: adapter.find_entry(ticket, key),  # type: ignore[misc]  # infer nothing
        )
        proxy.fault = Fault.PASS
        assert list(await under_test.backstage.files(ticket.id)) == ["ñ.pdf"]
        assert len(await under_test.backstage.thread(ticket.id)) == 2
        if proxy.seen[fault] == before:
            break
    assert number > 0, "at least one request was hit"


@scenario(HTTP, STATES)
@pytest.mark.parametrize("fault", [Fault.DROP_RESPONSE, Fault.RESET_ON_ACCEPT])
async def test_a_fault_at_any_of_the_requests_that_a_state_takes_is_told_and_mended_by_another_try(
    under_test: AdapterUnderTest, fault: Fault
) -> None:
    adapter, proxy = under_test.adapter, proxy_of(under_test)
    for number in itertools.count():
        case, before = reference(), proxy.seen[fault]
        ticket = await adapter.open_ticket(draft(case))
        nth(proxy, fault, number)
        try:
            await adapter.set_state(ticket, TicketState.CLOSED)
            hit = proxy.seen[fault] > before
        except (Transient, Uncertain):
            hit = True
            proxy.fault = Fault.PASS
            await asyncio.sleep(under_test.settle_seconds)
            await adapter.set_state(ticket, TicketState.CLOSED)
        proxy.fault = Fault.PASS
        found = await adapter.find(case)
        assert found is not None
        assert not found.open
        said = len(await under_test.backstage.thread(ticket.id)) - 1
        assert said <= 1, "where a state can't be set without words, they stand there once"
        if not hit:
            break
    assert number > 0, "at least one request was hit"


async def die_at(under_test: AdapterUnderTest, number: int, fault: Fault, write: Awaitable[object]) -> bool:
    """The process ends while its request after `number` others is under way; whether there was such a one."""
    proxy = proxy_of(under_test)
    before = proxy.seen[fault]
    nth(proxy, fault, number)
    task = asyncio.ensure_future(write)
    while not task.done() and proxy.seen[fault] == before:
        await asyncio.sleep(0.005)
    hit = proxy.seen[fault] > before
    await asyncio.sleep(max(under_test.settle_seconds, 0.05) if hit else 0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    proxy.fault = Fault.PASS
    return hit


@scenario(HTTP, SEARCHED)
@pytest.mark.parametrize("fault", [Fault.BLACK_HOLE, Fault.SWALLOW], ids=["before the work", "after the work"])
@pytest.mark.parametrize("what", ["open", "append"])
async def test_who_dies_at_any_request_is_followed_by_one_who_finds_what_was_done(
    under_test: AdapterUnderTest, fault: Fault, what: str
) -> None:
    """The next process knows nothing but the reference and the key, and looks before it writes."""
    heir = under_test.strict
    assert heir is not None
    for number in itertools.count():
        case = reference()
        if what == "open":
            hit = await die_at(under_test, number, fault, under_test.adapter.open_ticket(draft(case)))
            ticket = await heir.find(case) or await heir.open_ticket(draft(case))
        else:
            ticket = await under_test.adapter.open_ticket(draft(case))
            hit = await die_at(under_test, number, fault, under_test.adapter.append(ticket, entry(case, 2)))
            key = MessageKey(f"{case}.m2")
            await heir.find_entry(ticket, key) or await heir.append(ticket, entry(case, 2))
        assert await under_test.backstage.tickets_with(case) == [ticket.id]
        assert len(await under_test.backstage.thread(ticket.id)) == (1 if what == "open" else 2)
        if not hit:
            break
    assert number > 0, "at least one request was under way"
