"""One adapter against one system: opens a ticket, uses all that the sheet promises, and closes the ticket again.

Whatever is written says that it is a test. Nothing is deleted, and no ticket is touched but the one that it made.
"""

from __future__ import annotations

from live import reading, writing
from live.record import Record
from live.visit import Visit

STEPS = (
    ("find", writing.find),
    ("append", writing.append),
    ("note", writing.note),
    ("attach", writing.attach),
    ("repeat", writing.repeat),
    ("read back", reading.read_back),
    ("agent's answer", reading.answered),
    ("states", writing.states),
)


async def play(visit: Visit) -> Record:
    """All steps; one that fails is noted and the others go on, as far as there is a ticket."""
    if not await visit.step("check", visit.adapter.check()):
        return visit.record
    await visit.step("begin to read", reading.begin(visit))
    ticket = await writing.open_ticket(visit)
    if ticket is None:
        return visit.record
    try:
        for name, work in STEPS:
            await visit.step(name, work(visit, ticket))
    finally:
        await visit.step("clean up", writing.clean_up(visit, ticket))
    return visit.record
