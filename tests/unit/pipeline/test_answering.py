"""Answers on their way to citizens, on both engines: what goes, once and in order, and what waits."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select, update

from inbox_daemon.model import EntryId, SendState, TicketState
from inbox_daemon.pipeline.detours import Ways
from inbox_daemon.store import parked
from inbox_daemon.store.database import Database
from inbox_daemon.store.schema import dispatch, handle
from support.graph_fake_citizens import Phone
from support.memory_channel import Fault, MemoryChannel
from support.memory_office import NewFile
from support.pipes import INSTANCE
from unit.pipeline.cells import short_pauses
from unit.pipeline.desk import ANA, LUIS, Desk, says


@pytest.fixture(autouse=True)
def _quick() -> Iterator[None]:
    with short_pauses():
        yield


# ---------------------------------------------------------------- what goes


async def test_an_answer_goes_to_who_wrote_once_and_the_ticket_is_told(database: Database) -> None:
    desk = Desk(database)
    await desk.opens()
    desk.adapter.say("1", "Buenos días, Ana.")
    for _ in range(3):  # polls overlap
        await desk.settles()
    [sent] = desk.channel.received
    assert (sent.text, sent.to.value, sent.automatic) == ("Buenos días, Ana.", "+5493624000001", False)
    assert sent.in_reply_to is not None
    [note] = desk.notes()
    assert note.startswith("Respuesta aceptada por WhatsApp")
    assert await desk.steps() == [("done", "")]
    await desk.pipes.books()


@pytest.mark.parametrize(
    "said",
    [{"public": False}, {"own": True}, {"automatic": True}, {"text": "  "}],
    ids=["internal", "own", "automatic", "empty"],
)
async def test_what_is_no_public_answer_goes_nowhere(database: Database, said: dict[str, Any]) -> None:
    desk = Desk(database)
    await desk.opens()
    desk.adapter.say("1", **{"text": "no es para el ciudadano", **said})
    await desk.settles()
    assert (desk.channel.calls, await desk.states()) == (0, [])


async def test_what_we_wrote_ourselves_never_comes_back_even_if_the_destination_calls_it_an_answer(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = Desk(database)
    await desk.opens()
    monkeypatch.setattr(desk.adapter.office, "wrote", lambda *a: None, raising=False)
    ours = await database.read(lambda c: c.execute(select(dispatch.c.entry_id)).scalars().all())
    desk.adapter.say("1", "eco")
    await desk.pipes.deliver(says(ANA, "otra cosa"))
    [entry] = [
        one for one in await database.read(lambda c: c.execute(select(dispatch.c.entry_id)).scalars().all()) if one
    ]
    happening = desk.adapter.office.journal[-1]
    happening.entry, happening.public, happening.own = EntryId(entry), True, False
    await desk.settles()
    assert (ours, desk.channel.texts()) == ([None], [])


async def test_answers_from_before_are_not_carried(database: Database) -> None:
    desk = Desk(database)
    await desk.pipes.deliver(says(ANA, "hola"))
    desk.adapter.say("1", "antes de que se respondiera por aquí")
    await asyncio.sleep(0.01)
    await desk.pipes.follow()  # first contact: from now on
    updates = await desk.adapter.thread(desk.adapter.office.journal[-1].ticket)  # type: ignore[arg-type]
    assert any(one.public for one in updates)
    await database.run(lambda c: desk.pipes.followers["gobierno"]._learning.apply(c, updates))
    assert await desk.states() == []


async def test_lines_of_one_agent_within_the_grace_go_together_and_in_order(database: Database) -> None:
    desk = Desk(database, grace=timedelta(seconds=2.5))
    await desk.opens()
    desk.adapter.say("1", "Buenos días.")
    await desk.pipes.follow()
    desk.adapter.say("1", "Su turno es el martes.")
    await desk.settles()
    assert desk.channel.texts() == ["Buenos días.\nSu turno es el martes."]
    assert await desk.states() == ["accepted", "accepted"]
    assert len(desk.notes()) == 1


@pytest.mark.parametrize("change", ["hide", "remove"])
async def test_an_agent_takes_back_within_the_grace(database: Database, change: str) -> None:
    desk = Desk(database, grace=timedelta(seconds=2.5))
    await desk.opens()
    entry = desk.adapter.say("1", "me equivoqué de ticket")
    await desk.pipes.follow()
    getattr(desk.adapter, change)(entry)
    await desk.settles()
    assert (desk.channel.calls, await desk.states()) == (0, ["withdrawn"])


async def test_of_joined_lines_only_the_one_taken_back_stays(database: Database) -> None:
    desk = Desk(database, grace=timedelta(seconds=2.5))
    await desk.opens()
    first = desk.adapter.say("1", "con el DNI de otra persona")
    desk.adapter.say("1", "Su turno es el martes.")
    await desk.pipes.follow()
    desk.adapter.hide(first)
    await desk.settles()
    assert desk.channel.texts() == ["Su turno es el martes."]
    assert await desk.states() == ["withdrawn", "accepted"]


async def test_a_destination_that_cant_be_asked_holds_its_answers_and_nobody_elses(database: Database) -> None:
    desk = Desk(database)
    await desk.opens(ANA)
    desk.adapter.say("1", "hola Ana")
    await desk.pipes.follow()
    desk.adapter.down = True
    async with desk.pipes.dispatching():
        await asyncio.sleep(0.3)
        assert desk.channel.calls == 0
        assert desk.pipes.answerer is not None
        assert desk.pipes.answerer.state.state == "up"
        desk.adapter.down = False
        await desk.pipes.settled()
    assert desk.channel.texts() == ["hola Ana"]


async def test_an_answer_that_has_begun_to_go_stays_with_its_address_when_the_citizen_writes_from_another(
    database: Database,
) -> None:
    hidden = Phone(bsuid="AR.ana1", username="ana.invento", name="Ana Invento")
    desk = Desk(database)
    await desk.opens(hidden)
    desk.channel.faults.append(Fault.LOST_ANSWER)
    desk.adapter.say("1", " ".join(f"Esta es la oración número {n} de la respuesta." for n in range(8)))
    await desk.settles()
    await desk.pipes.deliver(says(ANA, "¿me respondieron?"))  # who shows her number from now on
    await desk.hears(desk.status(0, SendState.DELIVERED))
    await desk.carries()
    assert [one.to.value for one in desk.channel.received] == ["AR.ana1", "AR.ana1"]
    assert [state for state, _ in await desk.steps()] == ["done"]


async def test_tickets_merged_of_one_person_answer_once(database: Database) -> None:
    desk = Desk(database)
    await desk.opens()
    desk.adapter.turn("1", TicketState.CLOSED)
    await desk.pipes.follow()
    await desk.pipes.deliver(says(ANA, "otra consulta"))
    assert len(desk.adapter.tickets) == 2
    desk.adapter.merge("1", into="2")
    desk.adapter.say("2", "una sola respuesta")
    await desk.settles()
    assert desk.channel.texts() == ["una sola respuesta"]


async def test_an_answer_from_before_a_merge_goes_although_it_is_learnt_after_the_citizen_wrote_again(
    database: Database,
) -> None:
    desk = Desk(database)
    desk.adapter.capabilities = replace(desk.adapter.capabilities, merges="follow")
    await desk.opens(ANA, LUIS)
    desk.adapter.say("1", "solo para Ana")
    desk.adapter.say("2", "solo para Luis")
    desk.adapter.merge("1", into="2")
    await desk.pipes.deliver(says(ANA, "¿hola?"))
    assert [kind for kind, _, _ in desk.adapter.tickets[1].entries][-1] == "append"  # hers goes on there
    await desk.settles()
    assert sorted(desk.channel.texts()) == ["solo para Ana", "solo para Luis"]  # in parallel


async def test_tickets_merged_of_two_persons_answer_nobody_until_a_person_decides(database: Database) -> None:
    desk = Desk(database)
    await desk.opens(ANA, LUIS)
    desk.adapter.merge("1", into="2")
    desk.adapter.say("2", "¿para quién es esto?")
    await desk.settles()
    assert desk.channel.calls == 0
    assert [state for state, _ in await desk.steps()] == ["parked", "parked"]
    assert all("otra persona" in reason for _, reason in await desk.steps())


# ---------------------------------------------------------------- portions and files


async def test_a_long_answer_goes_in_portions_and_goes_on_where_it_stopped(database: Database) -> None:
    desk = Desk(database)
    await desk.opens()
    desk.channel.faults.extend([None, Fault.REFUSED])
    text = " ".join(f"Esta es la oración número {n} de la respuesta." for n in range(15))
    desk.adapter.say("1", text)
    await desk.settles()
    assert " ".join(desk.channel.texts()) == text
    assert len(desk.channel.received) > 3
    assert all(len(one.text) <= 200 for one in desk.channel.received)


async def test_files_go_or_become_links(database: Database, tmp_path: Path) -> None:
    desk = Desk(database, folder=tmp_path)
    await desk.opens()
    small = NewFile(filename="turno.pdf", media_type="application/pdf", content=b"x" * 100)
    large = NewFile(filename="plano.pdf", media_type="application/pdf", content=b"y" * 5000)
    desk.adapter.say("1", "Le envío el turno.", files=[small, large])
    await desk.settles()
    texts = [one.text for one in desk.channel.received]
    assert any("https://archivos.test/plano.pdf" in text for text in texts)
    [[file]] = [one.attachments for one in desk.channel.received if one.attachments]
    assert (file.filename, Path(file.path).read_bytes()) == ("turno.pdf", b"x" * 100)


# ---------------------------------------------------------------- the window


async def test_after_the_window_a_template_goes_once_and_the_answers_when_they_write(database: Database) -> None:
    desk = Desk(database, MemoryChannel(hours=24, template="caso_con_respuesta"))
    await desk.opens(ago=timedelta(hours=30))
    desk.adapter.say("1", "primera")
    await desk.settles()
    desk.adapter.say("1", "segunda")
    await desk.settles()
    assert desk.channel.texts() == ["caso_con_respuesta"]
    assert [state for state, _ in await desk.steps()] == ["held", "held"]
    assert any("Se avisó a la persona" in note for note in desk.notes())
    await desk.pipes.deliver(says(ANA, "¿qué me respondieron?"))
    assert desk.channel.texts() == ["caso_con_respuesta", "primera", "segunda"]
    await desk.pipes.books()


async def test_what_was_held_goes_before_a_later_answer_that_was_cut_off_before_its_first_byte(
    database: Database,
) -> None:
    desk = Desk(database, MemoryChannel(hours=24, template="caso_con_respuesta"))
    await desk.opens(ago=timedelta(hours=30))
    desk.adapter.say("1", "primera")
    await desk.settles()
    desk.adapter.say("1", "segunda")
    await desk.pipes.follow()

    def die(connection: Any) -> None:
        later = dispatch.c.id == select(func.max(dispatch.c.id)).where(dispatch.c.kind == "send").scalar_subquery()
        connection.execute(update(dispatch).where(later).values(state="unknown", attempts=1, reason="restarted"))

    await database.run(die)
    await desk.pipes.deliver(says(ANA, "¿qué me respondieron?"))
    assert desk.channel.texts() == ["caso_con_respuesta", "primera", "segunda"]


async def test_the_window_closes_in_the_middle_of_an_answer_and_the_rest_goes_when_they_write(
    database: Database,
) -> None:
    desk = Desk(database, MemoryChannel(hours=24, template="caso_con_respuesta"))
    await desk.opens()
    desk.channel.faults.extend([None, Fault.WINDOW])
    text = " ".join(f"Esta es la oración número {n} de la respuesta." for n in range(8))
    desk.adapter.say("1", text)
    await desk.settles()
    assert await desk.states() == ["held"]
    await desk.pipes.deliver(says(ANA, "¿y el resto?"))
    first, told, *rest = desk.channel.texts()
    assert (told, " ".join([first, *rest])) == ("caso_con_respuesta", text)
    assert [state for state, _ in await desk.steps()] == ["done"]
    await desk.hears(desk.status(0, SendState.READ), desk.status(2, SendState.DELIVERED))
    assert await desk.states() == ["delivered"]


async def test_without_a_template_it_waits_in_sight_and_goes_when_they_write(database: Database) -> None:
    desk = Desk(database, MemoryChannel(hours=24))
    await desk.opens(ago=timedelta(hours=30))
    desk.adapter.say("1", "primera")
    await desk.settles()
    assert desk.channel.calls == 0
    assert [state for state, _ in await desk.steps()] == ["parked"]
    assert any("pasó el plazo" in note for note in desk.notes())
    await desk.pipes.deliver(says(ANA, "hola de nuevo"))
    assert desk.channel.texts() == ["primera"]


async def test_a_channel_that_says_the_window_is_closed_is_believed(database: Database) -> None:
    desk = Desk(database, MemoryChannel(hours=24, template="caso_con_respuesta"))
    await desk.opens()
    desk.channel.faults.append(Fault.WINDOW)
    desk.adapter.say("1", "respuesta")
    await desk.settles()
    assert desk.channel.texts() == ["caso_con_respuesta"]
    assert await desk.states() == ["held"]


async def test_where_the_template_is_refused_too_the_channel_s_own_reason_is_told(database: Database) -> None:
    desk = Desk(database, MemoryChannel(hours=24, template="caso_con_respuesta"))
    await desk.opens()
    desk.channel.faults.extend([Fault.WINDOW, Fault.PERMANENT])
    desk.channel.closed_told = "la persona cerró la conversación"
    desk.adapter.say("1", "respuesta")
    await desk.settles()
    assert await desk.states() == ["held"]
    assert [note for note in desk.notes() if "Motivo: la persona cerró la conversación." in note]


async def test_the_office_is_asked_to_phone_where_configured(database: Database) -> None:
    desk = Desk(database, MemoryChannel(hours=24), ways=Ways(replying=[INSTANCE], call_task=True))
    await desk.opens(ago=timedelta(hours=30))
    desk.adapter.say("1", "respuesta")
    await desk.settles()
    [note] = desk.notes()
    assert "llame al" in note
    assert "362 400-0001" in note
    assert (await desk.states(), desk.channel.calls) == (["call"], 0)


async def test_another_handle_is_used_only_when_verified_and_configured(database: Database) -> None:
    ways = Ways(replying=[INSTANCE, "mesa"], other_handles=True)
    desk = Desk(database, MemoryChannel(hours=24), ways=ways)
    await desk.opens(ago=timedelta(hours=30))
    desk.adapter.say("1", "respuesta")
    await desk.settles()
    assert [state for state, _ in await desk.steps()] == ["parked"]  # nothing is verified

    def other(connection: Any) -> None:
        from inbox_daemon.store.schema import message

        row = connection.execute(select(message)).first()
        new = dict(row._mapping)
        del new["id"]
        connection.execute(handle.update().values(verified_at=datetime.now(UTC)))
        connection.execute(
            message.insert().values(
                {**new, "instance": "mesa", "external_id": "m1", "sent_at": row.sent_at - timedelta(hours=1)}
            )
        )

    await database.run(other)
    await database.run(
        lambda c: parked.retry(c, f"D{c.execute(select(dispatch.c.id).where(dispatch.c.kind == 'send')).scalar_one()}")
    )
    async with desk.pipes.dispatching():
        await desk.pipes.until(lambda f: "mesa" in f.queues)
