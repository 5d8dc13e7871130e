"""A case that its office hands on, on both engines: its history, its number, and nobody's words in the wrong place."""

from __future__ import annotations

import asyncio
import hashlib
import threading
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update

from inbox_daemon.model import Attachment, EditEvent, ExternalId, ReactionEvent, TicketState
from inbox_daemon.pipeline import filing
from inbox_daemon.pipeline.files import path_of
from inbox_daemon.pipeline.referring import Referring, refer
from inbox_daemon.pipeline.routing import compile_rule
from inbox_daemon.store import conversations, outbox, transfers
from inbox_daemon.store.conversations import REFERRED
from inbox_daemon.store.database import Database
from inbox_daemon.store.schema import attachment, dispatch
from support.memory_adapter import Fault
from unit.pipeline.scripted import person
from unit.pipeline.town import Town, spoken

FROM_SALUD = "Caso derivado por salud. Conserva el número {case}. Sigue lo conversado hasta ahora."


async def _case(database: Database, *words: str, **more: Any) -> Town:
    """Ana's case in salud, which refers to cultura."""
    town = Town(database, refer_to={"salud": "cultura"}, **more)
    for number, one in enumerate(words or ("Necesito un turno", "¿cuándo?")):
        await town.says(one, ago=timedelta(seconds=100 - number))
    await town.carries()
    await town.follows()
    return town


async def _refused(town: Town, office: str = "salud", ticket: str = "1") -> None:
    """The office says that it is not competent."""
    town.offices[office].turn(ticket, TicketState.NOT_COMPETENT)
    await town.follows()


async def _number(town: Town) -> str:
    return (await town.cases())[0].case_number


async def test_the_case_goes_on_elsewhere_with_its_history_and_its_number(database: Database) -> None:
    town = await _case(database)
    before = await town.line()
    number = await _number(town)
    await _refused(town)
    first = f"{FROM_SALUD.format(case=number)}\n\nNecesito un turno"
    assert town.tickets("cultura") == [[first, "¿cuándo?"]]
    assert town.notes("salud") == [["Caso derivado a cultura, que lo continúa con el mismo número."]]
    [case] = await town.cases("open")
    assert (case.case_number, case.destination, case.matter) == (number, "cultura", "consulta")
    assert (await town.line()).delivered == before.delivered == 2
    await town.says("¿y los museos?", by="ana")
    await town.carries()
    assert town.tickets("cultura") == [[first, "¿cuándo?", "¿y los museos?"]]
    assert town.tickets("salud") == [["Necesito un turno", "¿cuándo?"]]
    assert len({kept.reference for office in town.offices.values() for kept in office.tickets}) == 2


async def test_the_next_office_reads_what_was_answered_already(database: Database) -> None:
    town = await _case(database)
    town.offices["salud"].say("1", "Eso lo ve Cultura.")
    town.offices["salud"].say("1", "nota interna sobre Ana", public=False)
    await town.follows()
    await _refused(town)
    [[first, *_]] = town.tickets("cultura")
    assert "Lo que ya se le respondió:\n" in first
    assert "· salud: Eso lo ve Cultura." in first
    assert "nota interna" not in first


async def test_only_the_office_that_has_the_case_is_heard(database: Database) -> None:
    town = await _case(database)
    town.offices["salud"].say("1", "Lo derivamos a Cultura")
    await _refused(town)
    assert [one.text for one in town.told] == ["Lo derivamos a Cultura"]
    town.offices["salud"].say("1", "esto ya no le llega")
    town.offices["salud"].turn("1", TicketState.CLOSED)
    town.offices["cultura"].say("1", "Venga el lunes")
    await town.follows()
    await town.follows()
    assert [one.text for one in town.told] == ["Lo derivamos a Cultura", "Venga el lunes"]
    assert await town.replies() == ["answer", "answer"]
    assert not any("NO llegó" in note for note in town.notes("salud")[0])
    assert [one.case_number for one in await town.cases("open")] == [await _number(town)]
    answer = ExternalId(town.channel.ids[town.told[0].tag][0])
    await town.says("gracias", in_reply_to=answer)
    await town.says(f"estado {await _number(town)}")
    await town.carries()
    assert town.tickets("cultura")[0][-1] == "gracias"
    assert "Instituto de Cultura" in town.told[-1].text


async def test_the_citizen_learns_that_it_was_referred(database: Database) -> None:
    town = await _case(database)
    town.offices["cultura"].down = True
    town.offices["salud"].turn("1", TicketState.NOT_COMPETENT)
    await town.pipes.followers["salud"].follow()
    query = f"estado {await _number(town)}"
    await town.says(query)
    async with town.pipes.dispatching():
        while not town.told:
            await asyncio.sleep(0.02)
    assert "derivado a otra oficina" in town.told[0].text


async def test_corrections_reactions_and_files_go_along(database: Database, tmp_path: Path) -> None:
    town = await _case(database, "Necesito un turno", folder=tmp_path)
    content = b"one page"
    digest = hashlib.sha256(content).hexdigest()
    path = path_of(tmp_path, digest)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    file = Attachment(filename="orden.pdf", media_type="application/pdf", remote="r1")
    said = spoken("la orden", attachments=(file, file), id="m9")
    edit = EditEvent(
        external_id=ExternalId("e9"),
        sent_at=said.sent_at + timedelta(milliseconds=1),
        target=said.external_id,
        message=spoken("la orden médica", id="e9"),
    )
    reaction = ReactionEvent(
        external_id=ExternalId("s9"),
        sent_at=edit.sent_at + timedelta(milliseconds=1),
        target=said.external_id,
        emoji="🙏",
        sender=person(),
    )
    await town.takes(said, edit, reaction)
    stored = {"state": "stored", "size": len(content), "sha256": digest}
    failed = {"state": "failed", "reason": "ya no está"}
    await database.run(lambda c: c.execute(update(attachment).where(attachment.c.id == 1).values(**stored)))
    await database.run(lambda c: c.execute(update(attachment).where(attachment.c.id == 2).values(**failed)))
    await town.carries()
    await _refused(town)
    kinds = {
        name: sorted(kind for kind, _, _ in town.offices[name].tickets[0].entries) for name in ("salud", "cultura")
    }
    assert kinds["cultura"] == ["append", "append", "append", "attach", "note", "open"]
    texts = [text for text in town.tickets("cultura")[0] if "Archivo" not in text]
    assert texts[1:] == [
        "la orden",
        "[Corrige un mensaje anterior. Ahora dice:]\nla orden médica",
        "[Reaccionó a un mensaje: 🙏]",
    ]


async def test_a_denuncia_stays_reserved(database: Database) -> None:
    rule = compile_rule(name="d", destination="salud", keywords=["denuncia"], matter="denuncia")
    town = await _case(database, "es una denuncia", rules=[rule])
    seen: list[str] = []
    open_ticket = town.offices["cultura"].open_ticket

    async def watch(draft: Any) -> Any:
        seen.extend([draft.first.heading, draft.first.author_name, draft.follows])
        return await open_ticket(draft)

    town.offices["cultura"].open_ticket = watch  # type: ignore[method-assign]
    await _refused(town)
    assert "Identidad reservada" in seen[0]
    assert "Ana" not in "".join(seen)
    assert seen[1:] == ["", ""]


async def test_never_back_to_an_office_that_refused_it(database: Database) -> None:
    town = await _case(database)
    await _refused(town)
    await _refused(town, "cultura")
    number = await _number(town)
    assert [len(town.tickets(name)) for name in ("salud", "cultura", "gobierno")] == [1, 1, 1]
    assert len(town.tickets("gobierno")[0]) == 2
    assert town.tickets("gobierno")[0][0].startswith("Caso derivado por cultura.")
    assert len({kept.reference for office in town.offices.values() for kept in office.tickets}) == 3
    await _refused(town, "gobierno")
    [case, *left] = await town.cases()
    assert (case.destination, case.open, case.case_number) == ("gobierno", False, number)
    assert [one.filed for one in left] == [False, False]
    for to in ("salud", "cultura", "gobierno"):
        assert not await database.run(partial(refer, conversation=case, to=to))
    assert [len(town.tickets(name)) for name in ("salud", "cultura", "gobierno")] == [1, 1, 1]


async def test_other_turns_refer_nothing(database: Database) -> None:
    town = await _case(database)
    case = (await town.cases())[0]
    turned = Referring(default="gobierno", refer_to={}).turned
    for state in set(TicketState) - {TicketState.NOT_COMPETENT}:
        await database.run(partial(turned, conversation=case, state=state))
    assert len(await town.cases()) == 1


async def test_a_case_without_a_ticket_has_nobody_to_refer_it(database: Database) -> None:
    town = Town(database)
    await town.says("Necesito un turno")
    case = (await town.cases())[0]
    assert not await database.run(partial(refer, conversation=case, to="cultura"))


@pytest.mark.parametrize(
    ("fault", "there"),
    [(Fault.LOST_ANSWER, True), (Fault.LOST_REQUEST, False), (Fault.HANG, True), (Fault.PERMANENT, False)],
)
async def test_what_was_on_its_way_is_told_to_both_and_lost_to_none(
    database: Database, fault: Fault, there: bool
) -> None:
    town = await _case(database, "Necesito un turno", attempt=timedelta(seconds=0.5))
    town.offices["salud"].faults.append(fault)
    await town.says("¿cuándo?")
    async with town.pipes.dispatching():
        while town.offices["salud"].faults:
            await asyncio.sleep(0.01)
        town.offices["salud"].down = True
    await database.run(partial(refer, conversation=(await town.cases())[0], to="cultura"))
    await town.pipes.books()
    town.offices["salud"].down = False
    await town.carries()
    assert [len(ticket) for ticket in town.tickets("cultura")] == [2]
    assert town.tickets("cultura")[0][1] == "¿cuándo?"
    found = town.tickets("salud")[0].count("¿cuándo?")
    assert found == 1 if there else found <= 1
    assert [len(town.tickets(name)) for name in ("salud", "cultura", "gobierno")] == [1, 1, 0]
    assert (await town.line()).delivered == 2


async def test_what_never_reached_the_first_office_goes_only_to_the_next(database: Database) -> None:
    town = await _case(database, "Necesito un turno")
    await town.says("¿cuándo?")
    await database.run(partial(refer, conversation=(await town.cases())[0], to="cultura"))
    await town.carries()
    assert town.tickets("salud") == [["Necesito un turno"]]
    assert [ticket[-1] for ticket in town.tickets("cultura")] == ["¿cuándo?"]
    keys = [key for _, key, _ in town.offices["cultura"].tickets[0].entries]
    assert [key.endswith("x2") for key in keys] == [True, False]


async def test_a_step_claimed_just_before_writes_into_no_foreign_ticket(database: Database) -> None:
    town = await _case(database, "Necesito un turno")
    await town.says("¿cuándo?")
    lease = timedelta(seconds=0.2)
    [step] = await database.run(lambda c: outbox.claim(c, "salud", "node", lease, 5))
    await database.run(partial(refer, conversation=(await town.cases())[0], to="cultura"))
    assert not await database.run(lambda c: outbox.plan_kind(c, step, "append", lease))
    await asyncio.sleep(0.3)
    await town.carries()
    assert [len(town.tickets(name)) for name in ("salud", "cultura", "gobierno")] == [1, 1, 0]
    assert town.tickets("cultura")[0][1:] == ["¿cuándo?"]
    assert town.tickets("salud")[0].count("¿cuándo?") == 1


async def test_a_late_worker_does_not_move_the_case_back(database: Database) -> None:
    town = await _case(database, "Necesito un turno")
    before = (await town.cases())[0]
    assert before.ticket is not None
    ticket = before.ticket
    await database.run(partial(refer, conversation=before, to="cultura"))
    await database.run(lambda c: conversations.set_ticket(c, before.id, ticket, destination="salud"))
    assert (await town.cases())[0].ticket is None
    await town.carries()
    assert [len(town.tickets(name)) for name in ("salud", "cultura")] == [1, 1]


async def test_a_former_ticket_that_takes_nothing_more_is_let_be(database: Database) -> None:
    town = await _case(database, "Necesito un turno")
    town.offices["salud"].turn("1", TicketState.NOT_COMPETENT)
    town.offices["salud"].tickets[0].gone = True
    await town.follows()
    assert town.tickets("cultura")[0][0].endswith("Necesito un turno")
    rows = await database.read(
        lambda c: c.execute(select(dispatch.c.state).where(dispatch.c.kind == "referred")).scalars().all()
    )
    assert list(rows) == ["discarded"]
    assert len(await town.cases()) == 2


async def test_a_conversation_that_followed_a_closed_ticket_takes_all_of_its_own_along(database: Database) -> None:
    town = await _case(database, "Necesito un turno")
    town.offices["salud"].tickets[0].gone = True
    await town.says("¿cuándo?")
    await town.carries()
    assert [len(ticket) for ticket in town.tickets("salud")] == [1, 1]
    await town.follows()
    await _refused(town, ticket="2")
    assert [len(ticket) for ticket in town.tickets("cultura")] == [1]
    assert town.tickets("cultura")[0][0].endswith("¿cuándo?")
    first = (await town.cases())[0]
    following = await database.read(lambda c: conversations.successor(c, first.id))
    assert following is not None
    assert (following.destination, following.filed) == ("cultura", True)


async def test_a_message_that_is_being_filed_goes_along(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """It was read that the case is with the first office; before its step is written, the case is handed on."""
    town = await _case(database, "Necesito un turno")
    case = (await town.cases())[0]
    reached, go_on = threading.Event(), threading.Event()
    right = filing.Filing._enter

    def enter(*args: Any) -> None:
        reached.set()
        go_on.wait(10)
        right(*args)

    monkeypatch.setattr(filing.Filing, "_enter", enter)
    with Database(database.url) as second:
        writes = asyncio.create_task(town.says("¿cuándo?"))
        await asyncio.to_thread(reached.wait, 10)
        referral = asyncio.create_task(second.run(partial(refer, conversation=case, to="cultura")))
        await asyncio.sleep(0.3)
        assert not referral.done()
        go_on.set()
        await writes
        assert await referral
    await town.carries()
    assert town.tickets("salud") == [["Necesito un turno"]]
    assert [ticket[1:] for ticket in town.tickets("cultura")] == [["¿cuándo?"]]


async def test_what_is_left_behind_is_no_case(database: Database) -> None:
    town = await _case(database, "Necesito un turno")
    await _refused(town)
    [left] = await town.cases(REFERRED)
    assert (left.destination, left.filed, left.open) == ("salud", False, False)
    case = (await town.cases())[0]
    assert await database.read(lambda c: transfers.refused_by(c, case)) == ["salud"]
    number = left.case_number
    await town.says(f"estado {number}")
    await town.says(f"caso {number}", by="luis")
    await town.carries()
    assert "No encontramos" in town.told[-1].text
    await town.reads_again()
