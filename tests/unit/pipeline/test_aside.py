"""What agents write outside of us, and what was written before we listened: kept, and nobody's new message."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import func, select

from inbox_daemon.model import (
    Attachment,
    EditEvent,
    Event,
    ExternalId,
    Handle,
    Message,
    ReactionEvent,
    RevokeEvent,
    Sender,
    TicketState,
)
from inbox_daemon.pipeline.firewall import LoopFirewall
from inbox_daemon.pipeline.routing import compile_rule
from inbox_daemon.pipeline.telling import Telling
from inbox_daemon.settings.dialogue import Loops
from inbox_daemon.store.database import Database
from inbox_daemon.store.schema import citizen, dispatch, handle, identity_event, message
from support.memory_faults import Fault
from support.pipes import INSTANCE, SALUD
from unit.pipeline.noticing import ALL, ALWAYS
from unit.pipeline.scripted import person
from unit.pipeline.town import PUBLIC, RULES, TEXTS, Town, asking, spoken

AGO = timedelta(minutes=1)


def _told(text: str, *, to: str = "ana", **more: Any) -> Message:
    """What an agent wrote to somebody on the office's phone."""
    return spoken(text, by=to, echo=True, **more)


def _old(text: str, *, by: str = "ana", days: float = 100, **more: Any) -> Message:
    return spoken(text, by=by, ago=timedelta(days=days), history=True, **more)


def _town(database: Database) -> Town:
    """Everything switched on that must stay quiet."""
    telling = Telling(settings=ALL, hours=ALWAYS, texts=TEXTS, rules={INSTANCE: RULES}, public_states=PUBLIC)
    return Town(database, telling=telling, asking=asking(), firewall=LoopFirewall(Loops(), TEXTS))


async def _count(database: Database, table: Any) -> int:
    return int(await database.read(lambda c: c.execute(select(func.count()).select_from(table)).scalar_one()))


async def _rows(database: Database, *columns: Any) -> list[tuple[Any, ...]]:
    rows = await database.read(lambda c: c.execute(select(*columns).order_by(message.c.id)).all())
    return [tuple(row) for row in rows]


async def test_it_becomes_a_note_in_the_ticket_and_nothing_else(database: Database) -> None:
    town = Town(database, firewall=LoopFirewall(Loops(), TEXTS))
    await town.says("Perdí mi turno en el hospital", ago=AGO)
    await town.takes(_told("Le dimos otro para el lunes"))
    await town.carries()
    assert town.tickets("salud") == [["Perdí mi turno en el hospital"]]
    [[note]] = town.notes("salud")
    assert note == "Respondido por WhatsApp desde el teléfono de la oficina:\nLe dimos otro para el lunes"
    assert town.told == []
    assert await _rows(database, message.c.type, message.c.direction) == [("message", "in"), ("echo", "out")]
    assert (await town.line()).ignored == {"echo": 1}


async def test_told_again_in_whatever_way_it_is_one(database: Database) -> None:
    town = Town(database)
    other = Town(database, town, node="other")
    await town.says("Perdí mi turno en el hospital", ago=AGO)
    echo = _told("Le dimos otro", id="e1", unique=True)
    polled = replace(echo, details={"origin": "poll"})
    await town.takes(echo, echo)
    await other.takes(polled)
    await town.reads_again()
    await other.carries()
    assert len(town.notes("salud")[0]) == 1
    assert await town.types() == ["message", "echo"]
    assert (await town.line()).ignored == {"echo": 1, "repeat": 2}


@pytest.mark.parametrize("fault", [Fault.LOST_ANSWER, Fault.LOST_REQUEST, Fault.REFUSED, Fault.CRASH])
async def test_whatever_happens_to_the_note_it_is_written_once(database: Database, fault: Fault) -> None:
    town = Town(database)
    await town.says("Perdí mi turno en el hospital", ago=AGO)
    await town.carries()
    town.offices["salud"].note_faults.append(fault)
    await town.takes(_told("Le dimos otro"))
    async with town.pipes.dispatching():
        await town.pipes.settled()
    assert len(town.notes("salud")[0]) == 1


async def test_two_nodes_that_hear_of_it_at_once_write_it_once(database: Database) -> None:
    one = Town(database)
    other = Town(database, one, node="other")
    await one.says("Perdí mi turno en el hospital", ago=AGO)
    for number in range(4):
        echo = _told(f"Respuesta {number}", id=f"e{number}")
        await asyncio.gather(one.takes(echo), other.takes(echo))
    await one.pipes.take_in()
    await one.carries()
    assert sorted(await one.types()) == ["echo"] * 4 + ["message"]
    assert len(one.notes("salud")[0]) == 4


async def test_a_case_whose_ticket_is_not_open_yet_has_the_note_after_it(database: Database) -> None:
    town = Town(database)
    # the echo is older than the message that opens the ticket: it must not keep that from opening it
    await town.takes(spoken("Necesito un turno"), _told("¿Para qué día?", ago=timedelta(hours=1)))
    await town.carries()
    [ticket] = town.offices["salud"].tickets
    assert [kind for kind, _, _ in ticket.entries] == ["open", "note"]


@pytest.mark.parametrize("earlier", [False, True])
async def test_without_an_open_case_it_is_kept_and_opens_none(database: Database, earlier: bool) -> None:
    town = Town(database)
    if earlier:
        await town.says("Perdí mi turno en el hospital", ago=AGO)
        await town.carries()
        town.offices["salud"].tickets[0].state = TicketState.CLOSED
        await database.run(lambda c: c.exec_driver_sql("UPDATE conversation SET state = 'closed'"))
    else:
        await town.takes(_old("Hola"))
    await town.takes(_told("¿Pudo resolverlo?"), _told("Avise cualquier cosa"))
    await town.carries()
    assert [len(notes) for notes in town.notes("salud")] == ([0] if earlier else [])
    assert len(await town.cases("unfiled")) == 1
    assert (await town.types())[-2:] == ["echo", "echo"]
    assert await _count(database, citizen) == 1


async def test_nobody_is_made_linked_or_renamed_for_it(database: Database) -> None:
    town = Town(database)
    await town.says("Perdí mi turno en el hospital", ago=AGO)
    links = await _count(database, identity_event)
    stranger = Sender(name="Otra", handles=(Handle(kind="phone", value="+5493624000777"),))
    both = Sender(name="Mal Nombre", handles=(*person().handles, *stranger.handles))
    await town.takes(_told("Hola", sender=stranger), _told("Sobre el turno", sender=both), _told("x", sender=Sender()))
    assert (await town.line()).ignored == {"echo_to_nobody": 2, "echo": 1}
    assert (await _count(database, citizen), await _count(database, handle)) == (1, 1)
    assert await _count(database, identity_event) == links
    assert await database.read(lambda c: list(c.execute(select(citizen.c.name)).scalars())) == ["Ana"]


async def test_it_goes_where_what_it_answers_went(database: Database) -> None:
    museum = compile_rule(name="cultura", destination="cultura", keywords=["museo"])
    town = Town(database, rules=[SALUD, museum])
    first = await town.says("Perdí mi turno en el hospital", ago=3 * AGO)
    await town.says("¿Hay función en el museo?", ago=2 * AGO)
    strangers = await town.says("Quiero un turno de nuevo", ago=AGO, by="benito")
    await town.takes(_told("Le dimos otro", in_reply_to=first.external_id))
    await town.says("¿Y en el museo mañana?")
    await town.takes(_told("Sí, a las 20", in_reply_to=strangers.external_id))  # of no matter: not Ana's
    await town.takes(_told("La entrada es gratis"))
    await town.carries()
    own, benitos = sorted(town.notes("salud"), key=len, reverse=True)
    assert (len(own), benitos) == (1, [])
    assert [len(notes) for notes in town.notes("cultura")] == [2]


async def test_a_ticket_that_takes_nothing_more_opens_no_other_for_it(database: Database) -> None:
    town = Town(database)
    await town.says("Perdí mi turno en el hospital", ago=AGO)
    await town.carries()
    town.offices["salud"].tickets[0].gone = True
    await town.takes(_told("Le dimos otro"))
    await town.carries()
    assert len(town.offices["salud"].tickets) == 1
    rows = await database.read(lambda c: c.execute(select(dispatch.c.kind, dispatch.c.state)).all())
    assert ("note", "waiting") not in [tuple(row) for row in rows]


async def test_its_files_are_named(database: Database) -> None:
    town = Town(database)
    await town.says("Perdí mi turno en el hospital", ago=AGO)
    one, two = (Attachment(filename=name, media_type="image/jpeg", remote=name) for name in ("a.jpg", "b.pdf"))
    await town.takes(_told("Tome", attachments=(one,)), _told("", attachments=(one, two)))
    await town.carries()
    first, second = town.notes("salud")[0]
    assert "archivo: a.jpg" in first
    assert "archivo 1: a.jpg\narchivo 2: b.pdf" in second
    assert await _rows(database, message.c.details)


async def test_changed_withdrawn_and_reacted_to(database: Database) -> None:
    town = Town(database)
    await town.says("Perdí mi turno en el hospital", ago=AGO)
    echo = _told("Venga el lunes", id="e1")
    await town.takes(echo)
    edited = replace(echo, external_id=ExternalId("e2"), text="Venga el martes")
    gone = RevokeEvent(
        external_id=ExternalId("e3"), sent_at=datetime.now(UTC), sender=Sender(), target=ExternalId("e1")
    )
    thumb = ReactionEvent(
        external_id=ExternalId("e4"), sent_at=datetime.now(UTC), sender=person(), target=ExternalId("e1"), emoji="👍"
    )
    await town.takes(
        EditEvent(external_id=ExternalId("e2"), sent_at=edited.sent_at, target=ExternalId("e1"), message=edited)
    )
    await town.takes(gone)
    await town.takes(thumb)
    await town.reads_again()
    await town.carries()
    notes = "\n".join(town.notes("salud")[0])
    assert "[Corrige un mensaje anterior. Ahora dice:]\nVenga el martes" in notes
    assert "[Eliminó un mensaje anterior" in notes
    assert town.tickets("salud") == [["Perdí mi turno en el hospital", "[Reaccionó a un mensaje: 👍]"]]
    assert (await town.line()).ignored == {"echo": 3}


async def test_it_releases_and_answers_nothing_and_is_no_loop(database: Database) -> None:
    town = _town(database)
    await town.says("Perdí mi turno en el hospital", ago=AGO)
    await town.carries()
    before = list(town.told)
    await database.run(lambda c: c.exec_driver_sql("UPDATE reply SET state = 'held'"))
    await town.takes(*(_told("Ya le respondimos por teléfono, como siempre", id=f"e{n}") for n in range(12)))
    await town.carries()
    assert town.told == before
    assert {
        state for (state,) in await database.read(lambda c: c.exec_driver_sql("SELECT state FROM reply").all())
    } <= {"held"}
    await town.says("Ya le respondimos por teléfono, como siempre")  # the same words by the citizen are taken in
    assert (await town.types())[-1] == "message"


# ---------------------------------------------------------------- history


async def test_history_is_kept_and_does_nothing(database: Database) -> None:
    town = _town(database)
    await town.takes(_old("Perdí mi turno"), _old("Hola, hay función?", by="benito"), _old("¿Sigue ahí?", days=50))
    await town.carries()
    assert all(not office.tickets for office in town.offices.values())
    assert (town.told, await town.replies()) == ([], [])
    assert await town.types() == ["history"] * 3
    assert len(await town.cases("unfiled")) == 2  # one for each of them
    assert (await town.line()).ignored == {"history": 3}
    assert await _count(database, dispatch) == 0


async def test_what_they_write_from_then_on_is_known_to_be_theirs(database: Database) -> None:
    town = Town(database)
    await town.takes(_old("Perdí mi turno"))
    await town.says("Necesito otro turno")
    await town.carries()
    assert town.tickets("salud") == [["Necesito otro turno"]]
    assert await _count(database, citizen) == 1


@pytest.mark.parametrize("together", [True, False])
@pytest.mark.parametrize("unique", [True, False])
async def test_what_comes_live_and_as_history_is_one_message_that_its_office_has(
    database: Database, unique: bool, together: bool
) -> None:
    town = Town(database)
    live = spoken("Necesito un turno", id="m1", unique=unique, ago=AGO)
    old = replace(live, history=True, details={"x": "y"} if unique else {})
    for order in ([old, live], [live, old], [old]):
        for part in [order] if together else [[one] for one in order]:
            await town.takes(*part)
    await town.reads_again()
    await town.carries()
    assert town.tickets("salud") == [["Necesito un turno"]]
    assert await town.types() == ["message"]
    assert await _count(database, message) == 1


async def test_an_echo_of_history_is_kept_and_makes_no_note_and_comes_live_once(database: Database) -> None:
    town = Town(database)
    await town.says("Necesito un turno", ago=AGO)
    echo = _told("Venga el lunes", id="e1", unique=True)
    await town.takes(replace(echo, history=True))
    await town.carries()
    assert town.notes("salud") == [[]]
    await town.takes(echo, replace(echo, history=True))
    await town.reads_again()
    await town.carries()
    assert len(town.notes("salud")[0]) == 1
    assert await town.types() == ["message", "echo"]


@pytest.mark.parametrize("marked", [True, False])
async def test_what_is_about_history_makes_no_entry(database: Database, marked: bool) -> None:
    town = Town(database)
    old = _old("Perdí mi turno", id="h1")
    await town.takes(old)
    new = spoken("Perdí dos turnos", id="h2", history=marked)
    events: list[Event] = [
        EditEvent(external_id=ExternalId("h2"), sent_at=new.sent_at, target=ExternalId("h1"), message=new),
        RevokeEvent(external_id=ExternalId("h3"), sent_at=new.sent_at, sender=person(), target=ExternalId("h1")),
        ReactionEvent(
            external_id=ExternalId("h4"), sent_at=new.sent_at, sender=person(), target=ExternalId("h1"), emoji="x"
        ),
    ]
    await town.takes(*events)
    await town.carries()
    assert await town.types() == ["history"]
    assert (await town.line()).ignored == {"history": 4}


async def test_an_edit_of_history_whose_message_never_came_makes_none_either(database: Database) -> None:
    town = Town(database)
    new = _old("Perdí dos turnos", id="h2")
    await town.takes(EditEvent(external_id=ExternalId("h2"), sent_at=new.sent_at, target=ExternalId("h1"), message=new))
    assert await town.types() == []
    assert (await town.line()).ignored == {"history": 1}


async def test_an_answer_to_history_is_a_new_matter(database: Database) -> None:
    town = Town(database)
    await town.takes(_old("Perdí mi turno", id="h1"))
    await town.says("¿Y? Sigo sin turno", in_reply_to=ExternalId("h1"))
    await town.carries()
    assert town.tickets("salud") == [["¿Y? Sigo sin turno"]]


async def test_history_of_nobody_makes_nobody(database: Database) -> None:
    town = Town(database)
    await town.takes(_old("x", sender=Sender(name="Alguien")))
    assert await _count(database, citizen) == 0
    assert (await town.line()).ignored == {"history": 1}


async def test_control_the_same_town_does_speak_to_who_writes_now(database: Database) -> None:
    town = _town(database)
    await town.says("Perdí mi turno en el hospital")
    await town.carries()
    assert town.told
