"""Which conversation a message joins by what it answers or quotes, on both engines."""

from __future__ import annotations

from datetime import timedelta
from functools import partial

import pytest
from sqlalchemy import update

from inbox_daemon.identity.casenumber import encode
from inbox_daemon.model import Automatic, ExternalId, Handle, Proof, Sender
from inbox_daemon.pipeline.routing import compile_rule
from inbox_daemon.store import conversations
from inbox_daemon.store.database import Database
from inbox_daemon.store.schema import portion
from support.pipes import SALUD
from unit.pipeline.town import Town

DENUNCIA = compile_rule(name="denuncias", destination="gobierno", keywords=["denuncia"], matter="denuncia")


async def _two_cases(database: Database) -> Town:
    """Ana has a case in salud, and, written in last, one in gobierno; both were answered by their agents."""
    town = Town(database, rules=[SALUD, DENUNCIA])
    await town.says("Necesito un turno")
    await town.carries()
    await database.run(lambda c: conversations.set_open(c, 1, is_open=False))
    await town.says("hola, otra cosa")
    await database.run(lambda c: conversations.set_open(c, 1, is_open=True))
    await town.carries()
    await town.pipes.follow()
    town.offices["salud"].say("1", "El martes a las 9")
    await town.follows()
    assert [one.text for one in town.told] == ["El martes a las 9"]
    return town


def _id(town: Town, number: int = 0) -> ExternalId:
    return ExternalId(town.channel.ids[town.told[number].tag][0])


async def _close(database: Database, conversation_id: int) -> None:
    await database.run(partial(conversations.set_open, conversation_id=conversation_id, is_open=False))


async def test_an_answer_to_what_we_sent_goes_where_that_came_from(database: Database) -> None:
    town = await _two_cases(database)
    await town.says("perfecto", in_reply_to=_id(town))
    await town.carries()
    assert town.tickets("salud") == [["Necesito un turno", "perfecto"]]


@pytest.mark.parametrize("form", ["<{}>", "{}"])
@pytest.mark.parametrize("kept", ["<a1@inbox.test>", "a1@inbox.test"])
async def test_mail_ids_are_the_same_with_and_without_brackets(database: Database, form: str, kept: str) -> None:
    town = await _two_cases(database)
    await database.run(lambda c: c.execute(update(portion).values(remote_id=kept)))
    unknown = ExternalId("x@elsewhere.test")
    own = ExternalId(form.format("a1@inbox.test"))
    await town.says("perfecto", in_reply_to=unknown, thread=(unknown, own))
    await town.carries()
    assert town.tickets("salud") == [["Necesito un turno", "perfecto"]]


async def test_somebody_elses_answer_joins_nothing(database: Database) -> None:
    town = await _two_cases(database)
    await town.says("perfecto", by="luis", in_reply_to=_id(town))
    await town.carries()
    assert town.tickets("salud") == [["Necesito un turno"]]
    assert town.tickets("gobierno") == [["hola, otra cosa"], ["perfecto"]]


async def test_a_quoted_number_joins_its_case(database: Database) -> None:
    town = await _two_cases(database)
    salud = (await town.cases())[0].case_number
    await town.says(f"por el caso {salud}: ¿qué llevo?")
    await town.says("¿y el carnet?", subject=f"Re: [Caso {salud}] Turno")
    await town.carries()
    assert town.tickets("salud") == [["Necesito un turno", f"por el caso {salud}: ¿qué llevo?", "¿y el carnet?"]]


async def test_strangers_and_forgers_join_nothing_and_the_office_sees_the_number(database: Database) -> None:
    town = await _two_cases(database)
    salud = (await town.cases())[0].case_number
    nobodys = encode(9999)
    forged = Sender(name="Ana", handles=(Handle(kind="session", value="ana", proof=Proof.HINT),))
    await town.says(f"caso {salud}", by="luis")
    await town.says(f"caso {nobodys}", by="eva")
    await town.says(f"caso {salud}", sender=forged)
    await town.says(f"caso {salud[:-1]}{'1' if salud[-1] != '1' else '2'}", by="leo")
    await town.carries()
    assert town.tickets("salud") == [["Necesito un turno"]]
    shown = [f"menciona el caso: {one}" for one in (salud, nobodys, salud)]
    found = [line for ticket in town.tickets("gobierno")[1:] for line in ticket[0].splitlines()[1:]]
    assert sorted(found) == sorted(shown)
    assert len(town.tickets("gobierno")) == 5


async def test_a_forger_does_not_even_join_what_they_opened_themselves(database: Database) -> None:
    museums = compile_rule(name="museos", destination="cultura", keywords=["museo"])
    town = Town(database, rules=[SALUD, museums])
    forged = Sender(name="Ana", handles=(Handle(kind="session", value="ana", proof=Proof.HINT),))
    await town.says("Necesito un turno", sender=forged)
    await town.says(f"caso {(await town.cases())[0].case_number}: ¿y el museo?", sender=forged)
    await town.carries()
    assert [len(ticket) for ticket in (*town.tickets("salud"), *town.tickets("cultura"))] == [1, 1]


async def test_a_closed_case_is_followed(database: Database) -> None:
    town = await _two_cases(database)
    salud = (await town.cases())[0].case_number
    await _close(database, 1)
    await town.says(f"caso {salud}: sigo igual")
    await town.says(f"caso {salud}: y peor")
    await town.carries()
    assert len(town.tickets("salud")) == 2
    first, second = town.tickets("salud")[1]
    assert first.startswith("Continúa el caso T1")
    assert "y peor" in second
    assert (await town.cases())[-1].follows_id == 1


async def test_a_machine_that_quotes_a_closed_case_opens_nothing(database: Database) -> None:
    town = await _two_cases(database)
    salud = (await town.cases())[0].case_number
    await _close(database, 1)
    await _close(database, 2)
    await town.says(f"Fuera de la oficina [Caso {salud}]", automatic=Automatic.AUTO_REPLY)
    assert len(await town.cases()) == 2
    assert (await town.line()).ignored == {"auto_reply": 1}


async def test_what_is_reserved_joins_no_case_that_names_its_author(database: Database) -> None:
    town = await _two_cases(database)
    salud = (await town.cases())[0].case_number
    await town.says(f"quiero hacer una denuncia contra el del caso {salud}")
    await town.says("es una denuncia", in_reply_to=_id(town))
    await town.carries()
    assert town.tickets("salud") == [["Necesito un turno"]]
    assert [one.matter for one in await town.cases()] == ["consulta", "consulta", "denuncia"]


async def test_an_answer_to_a_denuncia_stays_in_it(database: Database) -> None:
    town = Town(database, rules=[SALUD, DENUNCIA])
    first = await town.says("es una denuncia")
    await town.carries()
    number = (await town.cases())[0].case_number
    await town.says("otra denuncia más", in_reply_to=first.external_id)
    await town.says(f"mi denuncia, caso {number}, sigue")
    await town.carries()
    assert [len(ticket) for ticket in town.tickets("gobierno")] == [3]


@pytest.mark.parametrize("words", ["hola", "estado", "la otra cosa"])
async def test_whoever_writes_gets_what_was_held_for_them(database: Database, words: str) -> None:
    town = Town(database)
    town.channel.hours = 24
    await town.says("Necesito un turno", ago=timedelta(hours=30))
    await town.carries()
    await town.pipes.follow()
    town.offices["salud"].say("1", "El martes a las 9")
    await town.follows()
    assert town.told == []
    await town.says("Fuera de la oficina", automatic=Automatic.AUTO_REPLY)
    await town.says(words, by="luis")
    await town.carries()
    assert "El martes a las 9" not in [one.text for one in town.told]
    await town.says(words)
    await town.carries()
    assert "El martes a las 9" in [one.text for one in town.told]
