"""Delivers as the outbox does: `Transient` is tried again, `Uncertain` waits and looks before it tries again."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from typing import TypeVar

from contract.ticketing_model import AdapterUnderTest
from contract.ticketing_words import draft, entry
from inbox_daemon.errors import Transient, Uncertain
from inbox_daemon.model import MessageKey, Reference, Ticket
from support.fault_proxy import Fault, FaultProxy

T = TypeVar("T")
TRIES = 5


def proxy_of(under_test: AdapterUnderTest) -> FaultProxy:
    assert under_test.proxy is not None
    return under_test.proxy


async def deliver(
    under_test: AdapterUnderTest, write: Callable[[], Awaitable[T]], look: Callable[[], Awaitable[T | None]]
) -> T:
    for _ in range(TRIES):
        try:
            return await write()
        except Transient:
            continue
        except Uncertain:
            await asyncio.sleep(under_test.settle_seconds)
            if (found := await look()) is not None:
                return found
    raise AssertionError(f"not delivered in {TRIES} tries")


def nth(proxy: FaultProxy, fault: Fault, number: int) -> None:
    """Hit the request that comes after `number` others."""
    passed = itertools.count()
    proxy.once(fault, lambda method, path: next(passed) == number)


async def deliver_ticket(under_test: AdapterUnderTest, case: Reference) -> Ticket:
    adapter = under_test.adapter
    return await deliver(under_test, lambda: adapter.open_ticket(draft(case)), lambda: adapter.find(case))


async def deliver_entry(under_test: AdapterUnderTest, ticket: Ticket, case: Reference) -> None:
    adapter, key = under_test.adapter, MessageKey(f"{case}.m2")
    await deliver(under_test, lambda: adapter.append(ticket, entry(case, 2)), lambda: adapter.find_entry(ticket, key))
