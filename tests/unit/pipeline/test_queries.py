"""Asking where a case stands: what counts as such a question, and who is told what, on both engines."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inbox_daemon.identity.casenumber import encode
from inbox_daemon.model import Attachment, Automatic, CaseNumber, Handle, Ignored, Proof, Sender, TicketState
from inbox_daemon.pipeline.case_status import MOST_ANSWERS, public_state
from inbox_daemon.pipeline.queries import Query, read
from inbox_daemon.store import conversations
from inbox_daemon.store.conversations import UNFILED
from inbox_daemon.store.database import Database
from unit.pipeline.scripted import Misreading
from unit.pipeline.town import TEXTS, Town, spoken, status

CASE = encode(1234)  # KX3X9-C
UNKNOWN = TEXTS.say("status_unknown")


@pytest.mark.parametrize(
    "text",
    [
        f"estado {CASE}",
        f"status {CASE}",
        f"ESTADO {CASE.lower()}",
        f"Estádo: {CASE}.",
        f"estado {CASE.replace('-', '')}",
        f"estado {CASE.replace('-', ' - ')}",
        f"estado {CASE.replace('-', '–')}",
        f"estado de mi caso {CASE}",
        f"¿Cuál es el estado de mi trámite {CASE}?",
        f"consulta de estado {CASE}",
        f"Buenas tardes, quisiera saber el estado del caso nº {CASE}, gracias",
        f"¿en qué estado se encuentra mi caso #{CASE}?",
        f"{CASE} estado",
    ],
)
def test_a_question_for_one_case(text: str) -> None:
    assert read(text) == Query(number=CASE)


def test_look_alikes_are_forgiven() -> None:
    with_zero = next(case for case in map(encode, range(200)) if "0" in case and "1" in case)
    assert read(f"estado {with_zero.replace('0', 'O').replace('1', 'I')}") == Query(number=with_zero)


@pytest.mark.parametrize("text", ["estado", "Estado?", "ESTADO", "estado de mi caso", "el estado de mis trámites"])
def test_a_question_for_all_cases(text: str) -> None:
    assert read(text) == Query(number=None)


@pytest.mark.parametrize("text", ["estado 4F7K-2", f"estado {CASE[:-1]}4"])
def test_a_number_that_can_be_none(text: str) -> None:
    assert read(text) == Query(number=None, wrong=True)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "hola",
        "estado civil",
        "estados unidos",
        "mal estado",
        "estado de la ruta 11",
        "estado ruta 1",
        "estado covid-19",
        "el estado provincial no me paga",
        f"estado {CASE} y quiero agregar que me robaron",
        f"mi caso {CASE} está en mal estado",
        f"caso {CASE}",
        f"estado {CASE} {encode(7)}",
        "estado " * 30,
    ],
)
def test_what_says_more_or_else_is_for_an_office(text: str) -> None:
    assert read(text) is None


@given(st.text(max_size=200))
def test_nothing_makes_it_fail(text: str) -> None:
    assert read(text) is None or isinstance(read(f"estado {text}"), Query | None)


def test_states_that_citizens_may_learn() -> None:
    public = {TicketState.OPEN, TicketState.IN_PROGRESS, TicketState.CLOSED}
    assert public_state(None, public) is TicketState.OPEN
    assert public_state(TicketState.IN_PROGRESS, public) is TicketState.IN_PROGRESS
    assert public_state(TicketState.WAITING, public) is TicketState.OPEN
    assert public_state(TicketState.DELETED, public) is TicketState.CLOSED
    assert public_state(TicketState.DELETED, {TicketState.OPEN}) is TicketState.OPEN


# ---------------------------------------------------------------- who is told what


async def _case(town: Town, by: str = "ana") -> CaseNumber:
    await town.says("Necesito un turno", by=by)
    await town.carries()
    return (await town.cases())[-1].case_number


async def test_its_citizen_is_told_and_no_office_hears_of_it(database: Database) -> None:
    town = Town(database)
    case = await _case(town)
    at = datetime.now(UTC)
    await database.run(lambda c: conversations.set_state(c, (conversations.read(c, 1)).id, TicketState.IN_PROGRESS, at))
    await town.says(f"estado {case}")
    await town.carries()
    [told] = town.told
    words = {"case": case, "state": "en trámite", "office": "Ministerio de Salud", "since": TEXTS.moment(at)}
    assert told.text == TEXTS.say("status", **words)
    assert (told.case_number, told.automatic) == (case, True)
    assert town.tickets("salud") == [["Necesito un turno"]]
    assert (await town.line()).ignored == {"status_query": 1}
    assert await town.types() == ["message", "query"]


async def test_strangers_unknown_numbers_and_wrong_ones_hear_the_same(database: Database) -> None:
    town = Town(database)
    case = await _case(town)
    nobodys = next(one for one in map(encode, range(500, 600)) if one != case)
    for number, by in ((case, "luis"), (nobodys, "luis"), (nobodys, "ana"), ("4F7K-2", "eva"), (case, "eva")):
        await town.says(f"estado {number}", by=by)
    await town.carries()
    assert [one.text for one in town.told] == [UNKNOWN] * 5
    assert [len(tickets) for tickets in map(town.tickets, ("salud", "gobierno", "cultura"))] == [1, 0, 0]


async def test_an_address_that_nobody_vouches_for_learns_nothing(database: Database) -> None:
    town = Town(database)
    forged = Sender(name="Ana", handles=(Handle(kind="email", value="ana@correo.test", proof=Proof.HINT),))
    await town.says("Necesito un turno", sender=forged)
    await town.carries()
    case = (await town.cases())[0].case_number
    await town.says(f"estado {case}", sender=forged)
    await town.says("estado", sender=forged)
    await town.carries()
    assert [one.text for one in town.told] == [UNKNOWN, UNKNOWN]


async def test_all_open_cases_the_latest_first_and_no_closed_one(database: Database) -> None:
    town = Town(database)
    for words in ("Necesito un turno", "Denuncio un bache: turno", "hola"):
        await town.says(words)
    await town.says("buen día", by="luis")
    await town.says("estado")
    await town.carries()
    mine = [one for one in await town.cases("open") if one.citizen_id == 1]
    assert [one.case_number in town.told[0].text for one in mine] == [True] * len(mine)
    luis = next(one for one in await town.cases() if one.citizen_id == 2)
    assert luis.case_number not in town.told[0].text
    for one in mine:
        await database.run(partial(conversations.set_open, conversation_id=one.id, is_open=False))
    await town.says("¿estado?")
    await town.carries()
    assert town.told[1].text == UNKNOWN


async def test_a_hidden_state_stays_hidden(database: Database) -> None:
    town = Town(database, status=status(public_states={"salud": {TicketState.OPEN}}))
    case = await _case(town)
    await database.run(lambda c: conversations.set_state(c, 1, TicketState.WAITING, datetime.now(UTC)))
    await town.says(f"estado {case}")
    await town.carries()
    assert f"Caso {case}: recibido." in town.told[0].text


async def test_repeats_and_another_reading_bring_no_second_answer(database: Database) -> None:
    town = Town(database)
    case = await _case(town)
    asked = spoken(f"estado {case}")
    await town.takes(asked, asked)
    await town.takes(asked)
    await town.reads_again()
    await town.carries()
    assert len(town.told) == 1
    line = await town.line()
    assert (line.received, line.delivered, line.ignored) == (4, 1, {"status_query": 1, "repeat": 2})


async def test_queries_are_answered_no_more_and_old_ones_stay_what_they_were(database: Database) -> None:
    town = Town(database)
    case = await _case(town)
    await town.says(f"estado {case}")
    deaf = Town(database, town, status=None)
    await deaf.reads_again()
    await deaf.carries()
    assert town.tickets("salud") == [["Necesito un turno"]]


async def test_a_query_that_another_reading_does_not_find_stays_out_of_the_books(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    town = Town(database)
    await town.says("estado")
    monkeypatch.setattr(Misreading, "events", [Ignored(reason="new_kind")])
    await town.reads_again()
    line = await town.line()
    assert (line.received, line.ignored) == (1, {"new_kind": 1})


async def test_more_than_some_an_hour_bring_silence(database: Database) -> None:
    town = Town(database)
    case = await _case(town)
    for _ in range(MOST_ANSWERS + 3):
        await town.says(f"estado {case}")
    await town.says("estado", by="luis")
    await town.carries()
    assert sorted(one.text == UNKNOWN for one in town.told) == [False] * MOST_ANSWERS + [True]
    assert (await town.line()).ignored == {"status_query": MOST_ANSWERS + 4}


async def test_machines_history_and_mute_channels_are_not_answered(database: Database) -> None:
    town = Town(database)
    case = await _case(town)
    await town.says(f"estado {case}", automatic=Automatic.SYSTEM)
    await town.says(f"estado {case}", ago=timedelta(hours=3))
    mute = Town(database, town, status=status(answerable=["otro"]))
    await mute.says(f"estado  {case}")
    await town.carries()
    assert town.told == []
    assert [words for words in town.tickets("salud")[0][1:] if case not in words] == []
    assert (await town.line()).ignored == {"status_query": 1}


async def test_a_file_or_more_words_go_to_the_office(database: Database) -> None:
    town = Town(database)
    case = await _case(town)
    file = Attachment(filename="dni.pdf", media_type="application/pdf", remote="r1")
    await town.says(f"estado {case}", attachments=(file,))
    await town.says(f"estado {case} ¿y la receta?")
    assert await town.types() == ["message"] * 3


async def test_what_a_stranger_asked_is_no_conversation_that_anything_joins(database: Database) -> None:
    town = Town(database)
    await town.says("estado", by="luis")
    await town.says("estado 4F7K-2", by="luis")
    [kept] = await town.cases()
    assert not kept.open
    assert not kept.filed
    await town.carries()
    assert [one.text for one in town.told] == [UNKNOWN, UNKNOWN]
    answer = next(iter(town.channel.ids.values()))[0]
    await town.says(f"quiero un turno, [Caso {kept.case_number}]", by="luis", in_reply_to=answer)
    await town.says("Necesito un museo", by="luis", in_reply_to=answer)
    await town.carries()
    assert [one.id for one in await town.cases(UNFILED)] == [kept.id]
    assert [len(ticket) for ticket in town.tickets("salud")] == [2]
    await town.says(f"estado {kept.case_number}", by="luis")
    await town.carries()
    assert town.told[-1].text == UNKNOWN


async def test_a_mail_without_words_asks_by_its_subject(database: Database) -> None:
    town = Town(database)
    case = await _case(town)
    await town.says("", subject=f"Estado {case}")
    await town.says("Gracias", subject=f"Re: Estado {case}")
    await town.carries()
    assert await town.types() == ["message", "query", "message"]
