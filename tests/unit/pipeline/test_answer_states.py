"""What becomes of answers, and what their tickets are told, on both engines."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from inbox_daemon.model import SendState, StatusEvent, TicketState
from inbox_daemon.pipeline.detours import Ways
from inbox_daemon.pipeline.routing import compile_rule
from inbox_daemon.plugins import SendingRules
from inbox_daemon.store.database import Database
from inbox_daemon.store.schema import portion
from support.memory_channel import RULES, Fault, MemoryChannel
from support.pipes import INSTANCE
from unit.pipeline.cells import short_pauses
from unit.pipeline.desk import ANA, LUIS, Desk, says


@pytest.fixture(autouse=True)
def _quick() -> Iterator[None]:
    with short_pauses():
        yield


# ---------------------------------------------------------------- what becomes of it


async def test_reports_are_told_forwards_only(database: Database) -> None:
    desk = Desk(database)
    await desk.opens()
    desk.adapter.say("1", "respuesta")
    await desk.settles()
    await desk.hears(
        desk.status(0, SendState.READ), desk.status(0, SendState.DELIVERED), desk.status(0, SendState.SENT)
    )
    await desk.carries()
    assert [note.split()[1] for note in desk.notes()] == ["aceptada", "leída"]
    assert await desk.states() == ["read"]


async def test_an_answer_stands_as_far_as_its_slowest_portion(database: Database) -> None:
    desk = Desk(database)
    await desk.opens()
    desk.adapter.say("1", " ".join(f"Esta es la oración número {n} de la respuesta." for n in range(8)))
    await desk.settles()
    assert len(desk.channel.received) == 2
    await desk.hears(desk.status(0, SendState.READ))
    assert await desk.states() == ["accepted"]
    await desk.hears(desk.status(1, SendState.DELIVERED))
    assert await desk.states() == ["delivered"]


async def test_a_state_that_skips_the_one_to_be_told_is_told_in_its_place(database: Database) -> None:
    desk = Desk(database)
    await desk.opens()
    await desk.hears(
        StatusEvent(
            external_id="out.1:sent",  # type: ignore[arg-type]
            sent_at=datetime.now(UTC),
            target="out.1",  # type: ignore[arg-type]
            state=SendState.SENT,
        )
    )
    desk.adapter.say("1", "respuesta")
    await desk.settles()
    assert [note.split()[1] for note in desk.notes()] == ["enviada"]
    await desk.hears(desk.status(0, SendState.SENT))
    await desk.carries()
    assert len(desk.notes()) == 1


async def test_a_report_that_overtakes_the_answer_to_our_call_counts(database: Database) -> None:
    desk = Desk(database)
    await desk.opens()
    await desk.hears(
        StatusEvent(
            external_id="out.1:delivered",  # type: ignore[arg-type]
            sent_at=datetime.now(UTC),
            target="out.1",  # type: ignore[arg-type]
            state=SendState.DELIVERED,
        )
    )
    desk.adapter.say("1", "respuesta")
    await desk.settles()
    assert await desk.states() == ["delivered"]


@pytest.mark.parametrize("reopens", [False, True])
async def test_a_failure_reported_later_is_told_with_what_follows(database: Database, reopens: bool) -> None:
    desk = Desk(database)
    if reopens:
        desk.pipes.reporting._reopens = frozenset({"gobierno"})
    await desk.opens()
    desk.adapter.say("1", "respuesta")
    await desk.settles()
    desk.adapter.turn("1", TicketState.SOLVED)
    await desk.settles()
    await desk.hears(desk.status(0, SendState.FAILED, error_code="131026", reason="el número no existe"))
    await desk.carries()
    assert await desk.states() == ["failed"]
    assert "el número no existe" in desk.notes()[-1]
    assert desk.adapter.tickets[0].open is reopens


async def test_one_note_where_a_report_comes_while_the_note_is_begun(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = Desk(database)
    await desk.opens()
    pipes: Any = desk.pipes
    carrier = pipes.dispatchers["gobierno"]._carrier
    carry = carrier.carry

    async def overtaken(step: Any, begin: Any) -> None:
        if step.kind == "note":
            await desk.hears(desk.status(0, SendState.READ))
        await carry(step, begin)

    monkeypatch.setattr(carrier, "carry", overtaken)
    desk.adapter.say("1", "respuesta")
    await desk.settles()
    assert [note.split()[1] for note in desk.notes()] == ["leída"]


async def test_a_ticket_that_believes_an_answer_stopped_is_told_that_it_went(database: Database) -> None:
    desk = Desk(database)
    await desk.opens()
    desk.channel.faults.append(Fault.LOST_ANSWER)
    desk.adapter.say("1", "respuesta")
    await desk.settles()
    await desk.hears(desk.status(0, SendState.SENT))  # an ordinary state that is not worth a note by itself
    await desk.carries()
    assert [note.split()[1] for note in desk.notes()] == ["se", "enviada"]


async def test_a_failure_reported_in_the_moment_in_which_the_answer_is_done_is_not_lost(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = Desk(database)
    await desk.opens()
    pipes: Any = desk.pipes
    carrier = pipes.answerer._carrier
    read = carrier._read

    async def overtaken(step: Any) -> Any:
        found = await read(step)
        if desk.channel.received:
            await desk.hears(desk.status(0, SendState.FAILED, error_code="131026", reason="el número no existe"))
        return found

    monkeypatch.setattr(carrier, "_read", overtaken)
    desk.adapter.say("1", "respuesta")
    await desk.settles()
    assert await desk.states() == ["failed"]
    assert "el número no existe" in desk.notes()[-1]


async def test_a_report_that_comes_while_the_unknown_is_parked_counts(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = Desk(database)
    await desk.opens()
    pipes: Any = desk.pipes
    carrier = pipes.answerer._carrier
    read = carrier._read

    async def overtaken(step: Any) -> Any:
        found = await read(step)
        if found.portions("trying"):
            await desk.hears(desk.status(0, SendState.DELIVERED))
        return found

    monkeypatch.setattr(carrier, "_read", overtaken)
    desk.channel.faults.append(Fault.LOST_ANSWER)
    desk.adapter.say("1", "respuesta")
    await desk.settles()
    assert await desk.states() == ["delivered"]
    assert [state for state, _ in await desk.steps()] == ["done"]


async def test_nothing_is_sent_twice_when_everything_is_told_again(database: Database) -> None:
    desk = Desk(database)
    await desk.opens(ANA, LUIS)
    for n in range(5):
        desk.adapter.say("1", f"Ana {n}")
        desk.adapter.say("2", f"Luis {n}")
        await desk.settles()
    updates = [one for ticket in ("1", "2") for one in await desk.adapter.thread(ticket)]  # type: ignore[arg-type]
    await database.run(lambda c: desk.pipes.followers["gobierno"]._learning.apply(c, updates))
    await desk.carries()
    by: Callable[[str], list[str]] = lambda to: [one.text for one in desk.channel.received if one.to.value == to]  # noqa: E731
    assert by("+5493624000001") == [f"Ana {n}" for n in range(5)]
    assert by("+5493624000002") == [f"Luis {n}" for n in range(5)]


async def test_a_pause_between_two_messages_to_one_person(database: Database) -> None:
    rules = SendingRules(max_chars=RULES.max_chars, pair_seconds=0.4)
    desk = Desk(database, MemoryChannel(rules))
    await desk.opens()
    desk.adapter.say("1", " ".join(f"Esta es la oración número {n} de la respuesta." for n in range(8)))
    await desk.settles()
    tried = await database.read(lambda c: list(c.execute(select(portion.c.tried_at).order_by(portion.c.id)).scalars()))
    tried = [one for one in tried if one is not None]
    assert len(tried) == 2
    assert tried[1] - tried[0] >= timedelta(seconds=0.4)


async def test_who_denounced_is_not_named_where_their_answer_stands(database: Database) -> None:
    denuncias = compile_rule(name="d", destination="gobierno", keywords=["denuncio"], matter="denuncia")
    desk = Desk(
        database,
        MemoryChannel(hours=24),
        rules=[denuncias],
        ways=Ways(replying=[INSTANCE], call_task=True),
    )
    await desk.pipes.deliver(says(ANA, "denuncio un basural"))
    await desk.pipes.follow()
    desk.adapter.say("1", "recibimos su denuncia")
    await desk.settles()
    desk.channel.hours = 0  # the window is over: the office would be asked to phone
    desk.adapter.say("1", "ya fue limpiado")
    await desk.settles()
    told = "\n".join(text for _, _, text in desk.adapter.tickets[0].entries)
    assert "Identidad reservada" in told
    assert not any(part in told.replace("-", "").replace(" ", "") for part in ("4000001", "3624000001"))
    assert [state for state, _ in await desk.steps()] == ["done", "parked"]
