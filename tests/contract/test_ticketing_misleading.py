"""What every ticketing adapter makes of a far side that answers in good HTTP and does not tell the truth."""

from __future__ import annotations

import pytest

from contract.ticketing_delivery import deliver_entry, deliver_ticket, proxy_of
from contract.ticketing_model import AdapterUnderTest
from contract.ticketing_needs import ACTS_ON_404, HTTP, LIES, LOOK_UP_BY_HTTP
from contract.ticketing_providers import scenario
from contract.ticketing_words import draft, entry, reference
from inbox_daemon.errors import Credentials, EdgeError, Transient
from support.fault_proxy import MISLEADING_AFTER_WORK, Fault


@scenario(HTTP)
@pytest.mark.parametrize("fault", [one for one in MISLEADING_AFTER_WORK if one is not Fault.LOST_404])
async def test_a_misleading_answer_to_a_write_makes_no_double(under_test: AdapterUnderTest, fault: Fault) -> None:
    """What comes is good HTTP and says nothing of what was done: it is neither success nor proof of the contrary."""
    case = reference()
    proxy_of(under_test).once(fault, under_test.is_write)
    ticket = await deliver_ticket(under_test, case)
    assert proxy_of(under_test).seen[fault] == 1
    assert await under_test.backstage.tickets_with(case) == [ticket.id]
    proxy_of(under_test).once(fault, under_test.is_write)
    await deliver_entry(under_test, ticket, case)
    assert proxy_of(under_test).seen[fault] == 2
    assert len(await under_test.backstage.thread(ticket.id)) == 2


@scenario(HTTP, ACTS_ON_404)
async def test_404_to_a_write_that_was_done_makes_no_double(under_test: AdapterUnderTest) -> None:
    case = reference()
    proxy_of(under_test).once(Fault.LOST_404, under_test.is_write)
    ticket = await deliver_ticket(under_test, case)
    assert await under_test.backstage.tickets_with(case) == [ticket.id]
    proxy_of(under_test).once(Fault.LOST_404, under_test.is_write)
    await deliver_entry(under_test, ticket, case)
    assert proxy_of(under_test).seen[Fault.LOST_404] == 2
    assert len(await under_test.backstage.thread(ticket.id)) == 2


@scenario(LOOK_UP_BY_HTTP)
@pytest.mark.parametrize("fault", [Fault.ERROR_AS_200, Fault.LOST_404, Fault.EXPIRED_401])
async def test_a_misleading_answer_to_a_look_up_is_no_absence(under_test: AdapterUnderTest, fault: Fault) -> None:
    case, adapter = reference(), under_test.adapter
    ticket = await adapter.open_ticket(draft(case))
    proxy_of(under_test).set(fault)
    with pytest.raises(EdgeError):
        await adapter.find(case)
    proxy_of(under_test).fault = Fault.PASS
    assert await adapter.find(case) == ticket


@scenario(HTTP)
async def test_being_asked_to_slow_down_is_surely_nothing_done(under_test: AdapterUnderTest) -> None:
    case, adapter, proxy = reference(), under_test.adapter, proxy_of(under_test)
    ticket = await adapter.open_ticket(draft(case))
    proxy.once(Fault.SLOW_DOWN_429, under_test.is_write)
    with pytest.raises(Transient):
        await adapter.open_ticket(draft(reference()))
    proxy.once(Fault.SLOW_DOWN_429, under_test.is_write)
    with pytest.raises(Transient):
        await adapter.append(ticket, entry(case, 2))
    assert proxy.seen[Fault.SLOW_DOWN_429] == 2
    assert len(await under_test.backstage.thread(ticket.id)) == 1


@scenario(HTTP)
async def test_a_session_that_ends_in_mid_work_costs_and_doubles_nothing(under_test: AdapterUnderTest) -> None:
    """Where there are sessions the adapter begins another; a token that is refused stops the destination."""
    case, adapter, proxy = reference(), under_test.adapter, proxy_of(under_test)
    ticket = await adapter.open_ticket(draft(case))
    proxy.once(Fault.EXPIRED_401, under_test.is_write)
    try:
        await adapter.append(ticket, entry(case, 2))
    except (Credentials, Transient):
        assert len(await under_test.backstage.thread(ticket.id)) == 1
        await adapter.append(ticket, entry(case, 2))
    assert proxy.seen[Fault.EXPIRED_401] == 1
    assert len(await under_test.backstage.thread(ticket.id)) == 2


@scenario(LIES)
async def test_a_look_up_that_lies_is_noticed_by_the_check_and_makes_nobodys_ticket_ours(
    under_test: AdapterUnderTest,
) -> None:
    """A look-up that finds all or nothing, a reference that is dropped: each that this far side can be made to tell."""
    adapter, case = under_test.adapter, reference()
    await adapter.check()
    ticket = await adapter.open_ticket(draft(case))
    assert under_test.lies
    for name, lie in under_test.lies.items():
        with lie():
            with pytest.raises(Credentials):
                await adapter.check()
            try:
                assert await adapter.find(reference()) is None, name
            except EdgeError:
                continue  # said so instead
    await adapter.check()
    assert await adapter.find(case) == ticket
