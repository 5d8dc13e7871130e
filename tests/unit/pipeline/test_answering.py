"""Answers on their way to citizens, on both engines: what goes, once and in order, and what the ticket is told."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update

from inbox_daemon.model import EntryId, SendState, StatusEvent, TicketState
from inbox_daemon.pipeline.answering import Ways
from inbox_daemon.pipeline.routing import compile_rule
from inbox_daemon.plugins import SendingRules
from inbox_daemon.store import parked
from inbox_daemon.store.database import Database
from inbox_daemon.store.schema import dispatch, handle, portion, reply
from support.graph_fake_citizens import Phone, body
from support.memory_adapter import MemoryAdapter
from support.memory_channel import RULES, Fault, MemoryChannel
from support.memory_office import NewFile
from support.pipes import INSTANCE, Pipes
from unit.pipeline.cells import short_pauses

ANA = Phone(number="5493624000001", bsuid="AR.ana1", name="Ana Invento")
LUIS = Phone(number="5493624000002", bsuid="AR.luis2", name="Luis Invento")


@pytest.fixture(autouse=True)
def _quick() -> Iterator[None]:
    with short_pauses():
        yield


def _says(phone: Phone, words: str, *, ago: timedelta = timedelta(0)) -> bytes:
    return body([phone.text(words, at=datetime.now(UTC) - ago)])


class Desk:
    """A case of Ana's in a destination, its agent, and her phone."""

    def __init__(self, database: Database, channel: MemoryChannel | None = None, **more: Any) -> None:
        self.database = database
        self.adapter = MemoryAdapter()
        self.channel = channel or MemoryChannel()
        self.pipes = Pipes(database, {"gobierno": self.adapter}, channel=self.channel, **more)

    async def opens(self, *phones: Phone, ago: timedelta = timedelta(0)) -> None:
        """Each of them writes, and has a ticket; answers are carried from now on."""
        for phone in phones or (ANA,):
            await self.pipes.deliver(_says(phone, f"hola, soy {phone.name}", ago=ago))
        await self.pipes.follow()

    async def settles(self) -> None:
        """Learn what is new and carry out everything that can be."""
        await self.pipes.follow()
        await self.carries()

    async def carries(self) -> None:
        """Carry out everything that can be."""
        async with self.pipes.dispatching():
            await self.pipes.settled()

    async def hears(self, *events: StatusEvent) -> None:
        """The channel tells these."""
        for event in events:
            await self.database.run(lambda c, event=event: self.pipes.reporting.heard(c, INSTANCE, event))  # type: ignore[misc]

    def notes(self, ticket: int = 0) -> list[str]:
        """Notes in a ticket, in order."""
        return [text for kind, _, text in self.adapter.tickets[ticket].entries if kind == "note"]

    async def steps(self) -> list[tuple[str, str]]:
        """(state, reason) of the steps that go to citizens."""
        rows = await self.database.read(
            lambda c: c.execute(select(dispatch).where(dispatch.c.kind == "send").order_by(dispatch.c.id)).all()
        )
        return [(row.state, row.reason or "") for row in rows]

    async def states(self) -> list[str]:
        """Of the replies."""
        return await self.database.read(lambda c: list(c.execute(select(reply.c.state).order_by(reply.c.id)).scalars()))

    def status(self, number: int, state: SendState, **more: Any) -> StatusEvent:
        """A report about the `number`-th thing that the channel took."""
        return self.channel.status(self.channel.received[number], state, at=datetime.now(UTC), **more)


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
    await desk.pipes.deliver(_says(ANA, "otra cosa"))
    [entry] = [
        one for one in await database.read(lambda c: c.execute(select(dispatch.c.entry_id)).scalars().all()) if one
    ]
    happening = desk.adapter.office.journal[-1]
    happening.entry, happening.public, happening.own = EntryId(entry), True, False
    await desk.settles()
    assert (ours, desk.channel.texts()) == ([None], [])


async def test_answers_from_before_are_not_carried(database: Database) -> None:
    desk = Desk(database)
    await desk.pipes.deliver(_says(ANA, "hola"))
    desk.adapter.say("1", "antes de que se respondiera por aquí")
    await asyncio.sleep(0.01)
    await desk.pipes.follow()  # first contact: from now on
    updates = await desk.adapter.thread(desk.adapter.office.journal[-1].ticket)  # type: ignore[arg-type]
    assert any(one.public for one in updates)
    await database.run(lambda c: desk.pipes.followers["gobierno"]._learning.apply(c, updates))
    assert await desk.states() == []


async def test_lines_of_one_agent_within_the_grace_go_together_and_in_order(database: Database) -> None:
    desk = Desk(database, grace=timedelta(seconds=0.6))
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
    desk = Desk(database, grace=timedelta(seconds=0.3))
    await desk.opens()
    entry = desk.adapter.say("1", "me equivoqué de ticket")
    await desk.pipes.follow()
    getattr(desk.adapter, change)(entry)
    await desk.settles()
    assert (desk.channel.calls, await desk.states()) == (0, ["withdrawn"])


async def test_of_joined_lines_only_the_one_taken_back_stays(database: Database) -> None:
    desk = Desk(database, grace=timedelta(seconds=0.5))
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


async def test_tickets_merged_of_one_person_answer_once(database: Database) -> None:
    desk = Desk(database)
    await desk.opens()
    desk.adapter.turn("1", TicketState.CLOSED)
    await desk.pipes.follow()
    await desk.pipes.deliver(_says(ANA, "otra consulta"))
    assert len(desk.adapter.tickets) == 2
    desk.adapter.merge("1", into="2")
    desk.adapter.say("2", "una sola respuesta")
    await desk.settles()
    assert desk.channel.texts() == ["una sola respuesta"]


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
    await desk.pipes.deliver(_says(ANA, "¿qué me respondieron?"))
    assert desk.channel.texts() == ["caso_con_respuesta", "primera", "segunda"]
    await desk.pipes.books()


async def test_without_a_template_it_waits_in_sight_and_goes_when_they_write(database: Database) -> None:
    desk = Desk(database, MemoryChannel(hours=24))
    await desk.opens(ago=timedelta(hours=30))
    desk.adapter.say("1", "primera")
    await desk.settles()
    assert desk.channel.calls == 0
    assert [state for state, _ in await desk.steps()] == ["parked"]
    assert any("pasó el plazo" in note for note in desk.notes())
    await desk.pipes.deliver(_says(ANA, "hola de nuevo"))
    assert desk.channel.texts() == ["primera"]


async def test_a_channel_that_says_the_window_is_closed_is_believed(database: Database) -> None:
    desk = Desk(database, MemoryChannel(hours=24, template="caso_con_respuesta"))
    await desk.opens()
    desk.channel.faults.append(Fault.WINDOW)
    desk.adapter.say("1", "respuesta")
    await desk.settles()
    assert desk.channel.texts() == ["caso_con_respuesta"]
    assert await desk.states() == ["held"]


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


# ---------------------------------------------------------------- what goes wrong


@pytest.mark.parametrize("fault", [Fault.LOST_ANSWER, Fault.LOST_REQUEST, Fault.CRASH, Fault.HANG])
async def test_what_nobody_knows_waits_for_a_person(database: Database, fault: Fault) -> None:
    desk = Desk(database, attempt=timedelta(seconds=1))
    await desk.opens()
    desk.channel.faults.append(fault)
    desk.adapter.say("1", "respuesta")
    await desk.settles()
    [(state, reason)] = await desk.steps()
    assert state == "parked"
    assert reason.startswith("No se sabe si la respuesta llegó")
    assert any("No se sabe" in note for note in desk.notes())
    taken = len(desk.channel.received)
    assert taken == (fault is not Fault.LOST_REQUEST)
    await database.run(
        lambda c: parked.retry(c, f"D{c.execute(select(dispatch.c.id).where(dispatch.c.kind == 'send')).scalar_one()}")
    )
    await desk.carries()
    assert len(desk.channel.received) == taken + 1
    assert await desk.states() == ["accepted"]


async def test_rather_twice_than_never_where_configured(database: Database) -> None:
    desk = Desk(database, ways=Ways(replying=[INSTANCE], on_unknown="twice"))
    await desk.opens()
    desk.channel.faults.append(Fault.LOST_ANSWER)
    desk.adapter.say("1", "respuesta")
    await desk.settles()
    assert desk.channel.texts() == ["respuesta", "respuesta"]


@pytest.mark.parametrize("when", ["before it is looked into", "after it was parked"])
async def test_a_report_tells_what_became_of_an_unknown_send(database: Database, when: str) -> None:
    desk = Desk(database)
    await desk.opens()
    desk.channel.faults.append(Fault.LOST_ANSWER)
    text = " ".join(f"Esta es la oración número {n} de la respuesta." for n in range(8))
    desk.adapter.say("1", text)
    await desk.pipes.follow()
    if when == "after it was parked":
        await desk.carries()
    else:
        async with desk.pipes.dispatching():
            await desk.pipes.until(lambda f: bool(desk.channel.received))
            await desk.hears(desk.status(0, SendState.SENT))
            await desk.pipes.settled()
    await desk.hears(desk.status(0, SendState.DELIVERED))
    await desk.carries()
    assert " ".join(desk.channel.texts()) == text  # the first portion once, and the rest after it
    assert [state for state, _ in await desk.steps()] == ["done"]


async def test_a_refusal_for_good_is_told_and_waits_for_a_person(database: Database) -> None:
    desk = Desk(database)
    await desk.opens()
    desk.channel.faults.append(Fault.PERMANENT)
    desk.adapter.say("1", "respuesta")
    await desk.settles()
    assert await desk.states() == ["failed"]
    [note] = desk.notes()
    assert "NO llegó" in note
    assert "el número no recibe mensajes" in note
    assert [state for state, _ in await desk.steps()] == ["parked"]


async def test_refused_credentials_stop_the_channel_and_keep_its_answers(database: Database) -> None:
    desk = Desk(database)
    await desk.opens()
    desk.channel.faults.append(Fault.CREDENTIALS)
    desk.adapter.say("1", "respuesta")
    await desk.settles()
    assert desk.channel.texts() == ["respuesta"]


@pytest.mark.parametrize("fault", [Fault.DEATH_BEFORE, Fault.DEATH_AFTER])
async def test_the_process_dies_while_it_sends(database: Database, fault: Fault) -> None:
    desk = Desk(database)
    await desk.opens()
    died = asyncio.Event()
    desk.channel.kill = died.set
    desk.channel.faults.append(fault)
    desk.adapter.say("1", "respuesta")
    await desk.pipes.follow()
    answerer = desk.pipes.answerer
    assert answerer is not None
    task = asyncio.create_task(answerer.run())
    await asyncio.wait_for(died.wait(), 10)
    task.cancel()
    for running in list(answerer.running):  # no last words reach the database
        running.cancel()

    def cut(connection: Any) -> None:
        connection.execute(
            update(dispatch).where(dispatch.c.kind == "send").values(state="sending", holder="node", reason=None)
        )

    await asyncio.gather(task, *answerer.running, return_exceptions=True)
    await database.run(cut)
    again = Pipes(database, {"gobierno": desk.adapter}, channel=desk.channel, node="node")
    from inbox_daemon.store import outbox

    await database.run(lambda c: outbox.recover(c, "node", INSTANCE, timedelta(0)))
    async with again.dispatching():
        await again.settled()
    assert len(desk.channel.received) <= 1
    assert [state for state, _ in await desk.steps()] == ["parked"]  # nothing can tell whether it went


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
    await desk.pipes.deliver(_says(ANA, "denuncio un basural"))
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
