"""Reports that contradict each other, and those that say that the time for free answers was over; on both engines."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from inbox_daemon.model import ExternalId, RemoteId, SendState, StatusEvent
from inbox_daemon.store import parked
from inbox_daemon.store.database import Database
from inbox_daemon.store.schema import dispatch
from support.memory_channel import MemoryChannel
from unit.pipeline.cells import short_pauses
from unit.pipeline.desk import ANA, Desk, says

TWO = " ".join(f"Esta es la oración número {n} de la respuesta." for n in range(8))


@pytest.fixture(autouse=True)
def _quick() -> Iterator[None]:
    with short_pauses():
        yield


def too_late(number: int) -> StatusEvent:
    """The `number`-th thing the channel took did not arrive: only a template would have."""
    return StatusEvent(
        external_id=ExternalId(f"late{number}"),
        sent_at=datetime.now(UTC),
        target=RemoteId(f"out.{number}"),
        state=SendState.FAILED,
        error_code="131047",
        reason="pasaron más de 24 horas",
        window=True,
    )


async def _answered(database: Database, text: str = "respuesta", channel: MemoryChannel | None = None) -> Desk:
    desk = Desk(database, channel)
    await desk.opens()
    desk.adapter.say("1", text)
    await desk.settles()
    return desk


# ---------------------------------------------------------------- contradictions


@pytest.mark.parametrize("order", list(itertools.permutations([SendState.SENT, SendState.FAILED, SendState.DELIVERED])))
async def test_what_arrived_has_not_failed_in_whatever_order_it_is_told(
    database: Database, order: tuple[SendState, ...]
) -> None:
    desk = await _answered(database)
    for state in order:
        await desk.hears(desk.status(0, state))
    await desk.carries()
    assert await desk.states() == ["delivered"]
    assert [state for state, _ in await desk.steps()] == ["done"]
    assert len(desk.channel.received) == 1


async def test_a_ticket_that_was_told_of_a_failure_is_told_that_it_arrived(database: Database) -> None:
    desk = await _answered(database)
    await desk.hears(desk.status(0, SendState.FAILED, reason="el número no existe"))
    await desk.carries()
    assert [state for state, _ in await desk.steps()] == ["parked"]
    await desk.hears(desk.status(0, SendState.DELIVERED))
    await desk.carries()
    assert [state for state, _ in await desk.steps()] == ["done"]
    assert "recibida" in desk.notes()[-1]
    await desk.hears(desk.status(0, SendState.FAILED, reason="el número no existe"))
    await desk.carries()
    assert await desk.states() == ["delivered"]
    assert "recibida" in desk.notes()[-1]


# ---------------------------------------------------------------- too late, as told afterwards


async def test_what_came_too_late_waits_in_sight_and_goes_once_when_they_write(database: Database) -> None:
    desk = await _answered(database)
    for _ in range(3):
        await desk.hears(too_late(1))
        await desk.carries()
    assert len(desk.channel.received) == 1
    assert await desk.states() == ["held"]
    assert [state for state, _ in await desk.steps()] == ["parked"]
    assert any("pasó el plazo" in note for note in desk.notes())
    await desk.pipes.deliver(says(ANA, "¿hay novedades?"))
    assert desk.channel.texts() == ["respuesta", "respuesta"]
    assert [state for state, _ in await desk.steps()] == ["done"]
    await desk.hears(too_late(1))  # told once more
    await desk.carries()
    assert await desk.states() == ["accepted"]
    assert len(desk.channel.received) == 2


async def test_the_template_goes_once_and_then_the_answer(database: Database) -> None:
    desk = await _answered(database, channel=MemoryChannel(hours=24, template="caso_con_respuesta"))
    await desk.hears(too_late(1))
    await desk.carries()
    assert desk.channel.texts() == ["respuesta", "caso_con_respuesta"]
    assert [state for state, _ in await desk.steps()] == ["held"]
    await desk.pipes.deliver(says(ANA, "¿hay novedades?"))
    assert desk.channel.texts() == ["respuesta", "caso_con_respuesta", "respuesta"]
    assert await desk.states() == ["accepted"]


async def test_only_the_portion_that_came_too_late_goes_again(database: Database) -> None:
    desk = await _answered(database, TWO)
    first, second = desk.channel.texts()
    await desk.hears(desk.status(0, SendState.DELIVERED), too_late(2))
    await desk.carries()
    await desk.pipes.deliver(says(ANA, "¿y el resto?"))
    assert desk.channel.texts() == [first, second, second]
    assert await desk.states() == ["accepted"]


async def test_it_goes_at_once_where_they_wrote_before_it_was_told(database: Database) -> None:
    desk = await _answered(database)
    await desk.pipes.deliver(says(ANA, "¿hay novedades?", ago=timedelta(seconds=-2)))
    await desk.hears(too_late(1))
    await desk.carries()
    assert desk.channel.texts() == ["respuesta", "respuesta"]
    assert await desk.states() == ["accepted"]
    assert not any("pasó el plazo" in note for note in desk.notes())


async def test_it_counts_also_where_it_overtakes_the_answer_to_our_call(database: Database) -> None:
    desk = Desk(database)
    await desk.opens()
    await desk.hears(too_late(1))
    desk.adapter.say("1", "respuesta")
    await desk.settles()
    assert await desk.states() == ["held"]
    assert desk.channel.texts() == ["respuesta"]


async def test_a_person_may_send_it_again(database: Database) -> None:
    desk = await _answered(database)
    await desk.hears(too_late(1))
    await desk.carries()
    number = await database.read(
        lambda c: c.execute(select(dispatch.c.id).where(dispatch.c.kind == "send")).scalar_one()
    )
    await database.run(lambda c: parked.retry(c, f"D{number}"))
    await desk.carries()
    assert desk.channel.texts() == ["respuesta", "respuesta"]
    assert await desk.states() == ["accepted"]


async def test_one_that_arrived_after_all_is_not_sent_again(database: Database) -> None:
    desk = await _answered(database)
    await desk.hears(too_late(1))
    await desk.carries()
    await desk.hears(desk.status(0, SendState.DELIVERED))
    await desk.carries()
    await desk.pipes.deliver(says(ANA, "gracias"))
    assert desk.channel.texts() == ["respuesta"]
    assert await desk.states() == ["delivered"]
