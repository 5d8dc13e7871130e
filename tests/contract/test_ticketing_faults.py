"""What every ticketing adapter makes of a failing network, and that the look-up tells done from not done.

`deliver` does what the outbox does: `Transient` is tried again, `Uncertain` waits and looks before it tries again.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from contract.ticketing_delivery import deliver, proxy_of
from contract.ticketing_model import AdapterUnderTest
from contract.ticketing_needs import FILES, HTTP, LOOK_UP_BY_HTTP, NOTES, PLACES
from contract.ticketing_providers import scenario
from contract.ticketing_words import draft, entry, reference, stored
from inbox_daemon.errors import Credentials, Permanent, Transient, Uncertain
from inbox_daemon.model import MessageKey
from support.fault_proxy import AFTER_WORK, BEFORE_WORK, Fault

AT_ONCE = tuple(fault for fault in BEFORE_WORK if fault is not Fault.REFUSE)


@scenario(HTTP)
@pytest.mark.parametrize("fault", AFTER_WORK + AT_ONCE)
async def test_one_ticket_stands_after_a_fault(under_test: AdapterUnderTest, fault: Fault) -> None:
    case, adapter = reference(), under_test.adapter
    proxy_of(under_test).once(fault, under_test.is_write)
    ticket = await deliver(under_test, lambda: adapter.open_ticket(draft(case)), lambda: adapter.find(case))
    assert proxy_of(under_test).seen[fault] == 1
    assert await under_test.backstage.tickets_with(case) == [ticket.id]
    assert len(await under_test.backstage.thread(ticket.id)) == 1
    assert await adapter.find_entry(ticket, MessageKey(f"{case}.m1")) is not None


@scenario(HTTP)
@pytest.mark.parametrize("fault", AFTER_WORK)
async def test_the_work_was_really_done_before_the_fault(under_test: AdapterUnderTest, fault: Fault) -> None:
    """The control: who tries again without looking makes a double where the system is not idempotent itself, so the
    test above can fail."""
    case = reference()
    proxy_of(under_test).once(fault, under_test.is_write)
    with pytest.raises(Uncertain):
        await under_test.adapter.open_ticket(draft(case))
    await asyncio.sleep(under_test.settle_seconds)
    assert len(await under_test.backstage.tickets_with(case)) == 1
    await under_test.adapter.open_ticket(draft(case))
    blind = under_test.adapter.capabilities.idempotency == "none"
    assert len(await under_test.backstage.tickets_with(case)) == (2 if blind else 1)


@scenario(HTTP)
@pytest.mark.parametrize("fault", AFTER_WORK + AT_ONCE)
async def test_one_entry_stands_after_a_fault(under_test: AdapterUnderTest, fault: Fault) -> None:
    case, adapter = reference(), under_test.adapter
    ticket = await adapter.open_ticket(draft(case))
    key = MessageKey(f"{case}.m2")
    proxy_of(under_test).once(fault, under_test.is_write)
    written = await deliver(
        under_test, lambda: adapter.append(ticket, entry(case, 2)), lambda: adapter.find_entry(ticket, key)
    )
    assert proxy_of(under_test).seen[fault] == 1
    assert written.entry is not None
    lines = await under_test.backstage.thread(ticket.id)
    assert [line.text.count("número 2 del") for line in lines] == [0, 1]


@scenario(HTTP, NOTES)
@pytest.mark.parametrize("fault", [Fault.DROP_RESPONSE, Fault.ERROR_500])
async def test_one_note_stands_after_a_fault(under_test: AdapterUnderTest, fault: Fault) -> None:
    case, adapter = reference(), under_test.adapter
    ticket = await adapter.open_ticket(draft(case))
    key = MessageKey(f"{case}.m2")
    proxy_of(under_test).once(fault, under_test.is_write)
    await deliver(under_test, lambda: adapter.note(ticket, entry(case, 2)), lambda: adapter.find_entry(ticket, key))
    assert [line.kind for line in await under_test.backstage.thread(ticket.id)] == ["public", "note"]


@scenario(HTTP, FILES)
@pytest.mark.parametrize("fault", [Fault.DROP_RESPONSE, Fault.ERROR_500])
async def test_one_file_stands_after_a_fault(under_test: AdapterUnderTest, fault: Fault, tmp_path: Path) -> None:
    case, adapter = reference(), under_test.adapter
    ticket = await adapter.open_ticket(draft(case))
    key = MessageKey(f"{case}.m2")
    file = stored(tmp_path, "ñ.pdf", "application/pdf", b"%PDF-1.7" + b"\xff" * 70_000)
    proxy_of(under_test).once(fault, under_test.is_write)
    await deliver(
        under_test, lambda: adapter.attach(ticket, entry(case, 2), file), lambda: adapter.find_entry(ticket, key)
    )
    assert len(await under_test.backstage.thread(ticket.id)) == 2
    assert list(await under_test.backstage.files(ticket.id)) == ["ñ.pdf"]


@scenario(HTTP)
async def test_a_refused_connection_is_surely_nothing_done(under_test: AdapterUnderTest) -> None:
    case, adapter, proxy = reference(), under_test.adapter, proxy_of(under_test)
    ticket = await adapter.open_ticket(draft(case))
    proxy.fault = Fault.REFUSE
    with pytest.raises(Transient):
        await adapter.open_ticket(draft(reference()))
    with pytest.raises(Transient):
        await adapter.append(ticket, entry(case, 2))
    with pytest.raises(Transient):
        await adapter.check()
    proxy.fault = Fault.PASS
    await adapter.append(ticket, entry(case, 2))
    assert len(await under_test.backstage.thread(ticket.id)) == 2


@scenario(LOOK_UP_BY_HTTP)
@pytest.mark.parametrize("fault", [*AFTER_WORK, *BEFORE_WORK, Fault.SLOW_DOWN_429])
async def test_a_failed_look_up_is_never_an_absence(under_test: AdapterUnderTest, fault: Fault) -> None:
    case, adapter = reference(), under_test.adapter
    ticket = await adapter.open_ticket(draft(case))
    proxy_of(under_test).set(fault)
    with pytest.raises((Transient, Uncertain)):
        await adapter.find(case)
    with pytest.raises((Transient, Uncertain)):
        await adapter.find_entry(ticket, MessageKey(f"{case}.m1"))


@scenario(HTTP)
async def test_a_slow_answer_is_an_answer(under_test: AdapterUnderTest) -> None:
    case, proxy = reference(), proxy_of(under_test)
    proxy.latency_seconds = 0.3
    proxy.fault = Fault.LATENCY
    ticket = await under_test.adapter.open_ticket(draft(case))
    assert await under_test.adapter.find(case) == ticket


@scenario(HTTP)
async def test_a_storm_of_faults_leaves_each_entry_once_and_in_order(under_test: AdapterUnderTest) -> None:
    case, adapter = reference(), under_test.adapter
    quick = [fault for fault in AFTER_WORK if fault is not Fault.SWALLOW] + [Fault.RESET_ON_ACCEPT, Fault.BUSY_503]
    proxy_of(under_test).plan(0.4, seed=20261124, faults=quick, match=under_test.is_write)
    ticket = await deliver(under_test, lambda: adapter.open_ticket(draft(case)), lambda: adapter.find(case))
    for number in range(2, 12):
        key = MessageKey(f"{case}.m{number}")

        async def write(number: int = number) -> object:
            return await adapter.append(ticket, entry(case, number))

        async def look(key: MessageKey = key) -> object | None:
            return await adapter.find_entry(ticket, key)

        await deliver(under_test, write, look)
    assert sum(proxy_of(under_test).seen[fault] for fault in quick) > 0
    texts = [line.text for line in await under_test.backstage.thread(ticket.id)]
    assert [text.split("número ")[1].split(" ")[0] for text in texts] == [str(number) for number in range(1, 12)]
    assert await under_test.backstage.tickets_with(case) == [ticket.id]


@scenario(HTTP)
async def test_a_refused_secret_is_credentials_and_is_not_told(under_test: AdapterUnderTest) -> None:
    assert under_test.stranger is not None
    case = reference()
    for call in (
        under_test.stranger.check(),
        under_test.stranger.find(case),
        under_test.stranger.open_ticket(draft(case)),
    ):
        with pytest.raises(Credentials) as refused:
            await call
        assert "deadbeef" not in str(refused.value)
    assert await under_test.backstage.tickets_with(case) == []


@scenario(PLACES)
async def test_a_place_that_is_not_there_is_told_with_its_name(under_test: AdapterUnderTest) -> None:
    assert under_test.misplaced is not None
    with pytest.raises((Credentials, Permanent), match="Inexistente"):
        await under_test.misplaced.check()
    with pytest.raises((Credentials, Permanent), match="Inexistente"):
        await under_test.misplaced.open_ticket(draft(reference()))
