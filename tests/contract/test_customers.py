"""A citizen whose address may be passed on, in the products that keep customers: one customer, whatever happens.

Not a scenario of the suite: most products know nobody but an address in a ticket, and some not even that.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from contract.ticketing_delivery import deliver, proxy_of
from contract.ticketing_model import AdapterUnderTest
from contract.ticketing_providers import PROVIDERS
from contract.ticketing_words import draft, entry, reference
from inbox_daemon.model import Draft, MessageKey, Reference, Ticket, TicketId
from support.fault_proxy import AFTER_WORK, Fault

ADDRESS = "ana.invento@correo.test"
OTHER = "luis.invento@correo.test"
Customers = Callable[[Any, TicketId], Awaitable[list[str]]]


async def _in_zammad(backstage: Any, ticket: TicketId) -> list[str]:
    row = await backstage.call("GET", f"/tickets/{ticket}")
    return [f"{row['customer_id']} {row['customer']}"]


async def _in_rt(backstage: Any, ticket: TicketId) -> list[str]:
    row = await backstage.call("GET", f"/ticket/{ticket}")
    return [one["id"] for one in row["Requestor"]]


async def _in_znuny(backstage: Any, ticket: TicketId) -> list[str]:
    return [backstage.customer_of(ticket)]


KEEPING: dict[str, Customers] = {"zammad": _in_zammad, "request_tracker-fake": _in_rt, "znuny": _in_znuny}
played = pytest.mark.parametrize(
    ("under_test", "customers"),
    [pytest.param(one, KEEPING[one.name], id=one.name) for one in PROVIDERS if one.name in KEEPING],
    indirect=["under_test"],
)


def _by_mail(case: Reference, address: str = ADDRESS) -> Draft:
    made = draft(case)
    return replace(made, first=replace(made.first, reply_address=address))


async def _delivered(under_test: AdapterUnderTest, case: Reference, address: str = ADDRESS) -> Ticket:
    adapter = under_test.adapter
    opening = partial(adapter.open_ticket, _by_mail(case, address))
    return await deliver(under_test, opening, lambda: adapter.find(case))


@played
async def test_an_address_makes_one_customer_and_is_found_again(
    under_test: AdapterUnderTest, customers: Customers
) -> None:
    tickets = [await _delivered(under_test, reference()) for _ in range(2)]
    other = await _delivered(under_test, reference(), OTHER)
    known = [await customers(under_test.backstage, one.id) for one in tickets]
    [customer] = known[0]
    assert known == [[customer]] * 2
    assert ADDRESS in customer
    assert await customers(under_test.backstage, other.id) != [customer]


@played
async def test_many_cases_of_one_citizen_at_once_have_one_customer(
    under_test: AdapterUnderTest, customers: Customers
) -> None:
    cases = [reference() for _ in range(8)]
    tickets = await asyncio.gather(*(_delivered(under_test, case) for case in cases))
    assert len({one.id for one in tickets}) == len(cases)
    [found] = {tuple(await customers(under_test.backstage, one.id)) for one in tickets}
    assert len(found) == 1
    assert ADDRESS in found[0]


@played
@pytest.mark.parametrize("fault", AFTER_WORK)
async def test_a_creation_that_ended_unclear_leaves_one_ticket_and_one_customer(
    under_test: AdapterUnderTest, customers: Customers, fault: Fault
) -> None:
    case = reference()
    proxy_of(under_test).once(fault, under_test.is_write)
    ticket = await _delivered(under_test, case)
    assert proxy_of(under_test).seen[fault] == 1
    assert await under_test.backstage.tickets_with(case) == [ticket.id]
    [customer] = await customers(under_test.backstage, ticket.id)
    again = await _delivered(under_test, reference())
    assert await customers(under_test.backstage, again.id) == [customer]


@played
async def test_a_message_by_mail_is_added_once_and_changes_no_customer(
    under_test: AdapterUnderTest, customers: Customers
) -> None:
    """Also one from another address of the same citizen, and one from none."""
    case, adapter = reference(), under_test.adapter
    ticket = await _delivered(under_test, case)
    before = await customers(under_test.backstage, ticket.id)
    for number, address in enumerate((ADDRESS, OTHER, ""), start=2):
        said = entry(case, number, address=address)
        proxy_of(under_test).once(Fault.ERROR_500, under_test.is_write)
        key = MessageKey(f"{case}.m{number}")
        await deliver(under_test, partial(adapter.append, ticket, said), partial(adapter.find_entry, ticket, key))
    assert len(await under_test.backstage.thread(ticket.id)) == 4
    assert await customers(under_test.backstage, ticket.id) == before


@played
@pytest.mark.parametrize(
    "address", ["", "no es una dirección", "ana@", "a b@correo.test", "ana@correo.test\r\nBcc: x@y.test"]
)
async def test_what_is_no_address_costs_nobody_their_ticket(
    under_test: AdapterUnderTest, customers: Customers, address: str
) -> None:
    case = reference()
    ticket = await _delivered(under_test, case, address)
    assert await under_test.backstage.tickets_with(case) == [ticket.id]
    assert not any("Bcc" in one for one in await customers(under_test.backstage, ticket.id))
