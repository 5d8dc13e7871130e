"""Answers, merges and files, as only GLPI has them, played on the in-memory fake."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from contract.glpi_office import Glpi, glpi_office
from contract.ticketing_words import draft, entry, reference, stored
from inbox_daemon.errors import Gone, Permanent, Transient, Uncertain
from inbox_daemon.model import Attachment, MessageKey, TicketId, TicketState
from support.glpi_fake import AGENT, CITIZEN, INBOX, SALUD


@pytest.fixture
async def glpi(request: pytest.FixtureRequest) -> AsyncIterator[Glpi]:
    async with glpi_office(getattr(request, "param", 10)) as made:
        yield made


# ---------------------------------------------------------------- answers


async def test_a_solution_is_an_answer_until_it_is_refused(glpi: Glpi) -> None:
    adapter = glpi.adapter()
    ticket = await adapter.open_ticket(draft(reference()))
    solution = glpi.state.solve(int(ticket.id), "<p>Se cambió la lámpara.</p>", AGENT)
    [told] = [one for one in await adapter.thread(ticket.id) if one.public]
    assert (told.text, told.author, told.entry) == ("Se cambió la lámpara.", "Rosa Agente", f"S{solution['id']}")
    assert [one.state for one in await adapter.thread(ticket.id) if one.state] == [TicketState.SOLVED]
    solution["status"] = 4
    now = await adapter.entry(ticket.id, told.entry)
    assert now is not None
    assert not now.public


async def test_only_people_of_the_central_interface_who_do_not_ask_answer(glpi: Glpi) -> None:
    adapter = glpi.adapter()
    ticket = await adapter.open_ticket(draft(reference()))
    for author in (CITIZEN, INBOX, 0, 99):
        given = {"itemtype": "Ticket", "items_id": int(ticket.id), "content": "<p>x</p>", "users_id": author}
        assert glpi.state.add("ITILFollowup", given, author)
    made = await glpi.agents.agent_answers(ticket.id, "Soy la solicitante")
    assert [one.entry for one in await adapter.thread(ticket.id) if one.public] == [made]
    glpi.state.insert("Ticket_User", tickets_id=int(ticket.id), users_id=AGENT, type=1)
    assert [one for one in await adapter.thread(ticket.id) if one.public] == []


async def test_an_answer_made_public_later_is_told_then(glpi: Glpi) -> None:
    adapter = glpi.adapter()
    ticket = await adapter.open_ticket(draft(reference()))
    made = await glpi.agents.agent_notes(ticket.id, "Borrador")
    row = glpi.state.row("ITILFollowup", int(made[1:]))
    assert row is not None
    row.update(date="2026-01-01 10:00:00", date_creation="2026-01-01 10:00:00", date_mod="2026-01-01 10:00:00")
    _, cursor = await adapter.updates(None)
    assert [one.entry for one in (await adapter.updates(cursor))[0] if one.ticket == ticket.id] == []
    glpi.state.update("ITILFollowup", row, {"is_private": 0}, AGENT)
    assert made in {one.entry for one in (await adapter.updates(cursor))[0] if one.public}


@pytest.mark.parametrize("with_followups", [False, True])
@pytest.mark.parametrize("copies_to_sons", [False, True])
async def test_what_glpi_copies_in_a_merge_is_nobodys_answer(
    glpi: Glpi, with_followups: bool, copies_to_sons: bool
) -> None:
    glpi.state.copies_to_sons = copies_to_sons
    adapter, case = glpi.adapter(), reference()
    one, two = await adapter.open_ticket(draft(case)), await adapter.open_ticket(draft(reference()))
    before = await glpi.agents.agent_answers(one.id, "Para el primero")
    await adapter.append(one, entry(case, 2))
    _, cursor = await adapter.updates(None)
    glpi.state.merge(int(one.id), int(two.id), AGENT, with_followups=with_followups)
    after = await glpi.agents.agent_answers(two.id, "Para los dos")
    updates, _ = await adapter.updates(cursor)
    assert {(u.ticket, u.entry) for u in updates if u.public} == {(one.id, before), (one.id, after), (two.id, after)}
    for number in (1, 2):
        found = await adapter.find_entry(two, MessageKey(f"{case}.m{number}"))
        assert found is not None
        assert found.ticket.id == two.id


async def test_a_merge_into_a_ticket_of_the_office_is_heard(glpi: Glpi) -> None:
    adapter = glpi.adapter()
    one = await adapter.open_ticket(draft(reference()))
    theirs = glpi.state.add("Ticket", {"name": "Interno", "content": "x", "entities_id": SALUD}, AGENT)
    assert theirs is not None
    earlier = await glpi.agents.agent_answers(TicketId(str(theirs["id"])), "De antes")
    glpi.state.merge(int(one.id), theirs["id"], AGENT, with_followups=False)
    _, cursor = await adapter.updates(None)
    made = await glpi.agents.agent_answers(TicketId(str(theirs["id"])), "Para quien escribió")
    for _ in range(2):
        updates, _ = await adapter.updates(cursor)
        assert {(u.ticket, u.entry) for u in updates if u.public} == {(one.id, made)}
    assert await adapter.entry(one.id, earlier) is None


async def test_a_binned_ticket_that_is_only_linked_was_not_merged(glpi: Glpi) -> None:
    adapter, case = glpi.adapter(), reference()
    one, two = await adapter.open_ticket(draft(case)), await adapter.open_ticket(draft(reference()))
    glpi.state.insert("Ticket_Ticket", tickets_id_1=int(one.id), tickets_id_2=int(two.id), link=3)
    glpi.state.bin(int(one.id))
    assert await adapter.find(case) is None
    with pytest.raises(Gone) as gone:
        await adapter.append(one, entry(case, 2))
    assert gone.value.reason == "deleted"


async def test_tickets_merged_in_a_ring_end_somewhere(glpi: Glpi) -> None:
    adapter, case = glpi.adapter(), reference()
    one, two = await adapter.open_ticket(draft(case)), await adapter.open_ticket(draft(reference()))
    glpi.state.merge(int(one.id), int(two.id), AGENT, with_followups=False)
    glpi.state.merge(int(two.id), int(one.id), AGENT, with_followups=False)
    assert await adapter.find(case) is None
    with pytest.raises(Gone):
        await adapter.append(one, entry(case, 2))


# ---------------------------------------------------------------- files


async def test_a_type_that_glpi_does_not_take_is_told_in_the_offices_words(glpi: Glpi, tmp_path: Path) -> None:
    glpi.state.accepted_files = "pdf|jpe?g"
    adapter, case = glpi.adapter(), reference()
    ticket = await adapter.open_ticket(draft(case))
    with pytest.raises(Permanent) as refused:
        await adapter.attach(ticket, entry(case, 2), stored(tmp_path, "voz de Ana.ogg", "audio/ogg", b"Ogg"))
    assert "no acepta" in refused.value.told
    assert "Ana" not in str(refused.value)
    assert len(await glpi.agents.thread(ticket.id)) == 1


async def test_a_file_that_php_cut_off_is_not_taken_for_kept(glpi: Glpi, tmp_path: Path) -> None:
    glpi.state.upload_limit = 10
    adapter, case = glpi.adapter(), reference()
    ticket = await adapter.open_ticket(draft(case))
    with pytest.raises(Permanent, match="without the file's bytes") as refused:
        await adapter.attach(ticket, entry(case, 2), stored(tmp_path, "a.pdf", "application/pdf", b"x" * 11))
    assert refused.value.told
    assert len(await glpi.agents.thread(ticket.id)) == 1


async def test_a_file_stands_once_though_its_announcement_failed(glpi: Glpi, tmp_path: Path) -> None:
    adapter, case = glpi.adapter(), reference()
    ticket = await adapter.open_ticket(draft(case))
    file = stored(tmp_path, "a.pdf", "application/pdf", b"%PDF")
    glpi.state.broken_writes = ["404"]
    with pytest.raises(Uncertain):
        await adapter.attach(ticket, entry(case, 2), file)
    assert await adapter.find_entry(ticket, MessageKey(f"{case}.m2")) is None
    glpi.state.table("Document_Item").clear()
    await adapter.attach(ticket, entry(case, 2), file)
    assert len(glpi.state.table("Document")) == 1
    assert await glpi.agents.files(ticket.id) == {"a.pdf": b"%PDF"}


async def test_bytes_that_are_not_those_that_glpi_keeps_are_an_error(glpi: Glpi) -> None:
    document = glpi.state.keep_file({}, "a.pdf", "application/pdf", b"%PDF", AGENT)
    assert document is not None
    glpi.state.contents[document["sha1sum"]] = b"<html>"
    attachment = Attachment(filename="a.pdf", media_type="application/pdf", remote=str(document["id"]))
    with pytest.raises(Transient, match="did not come"):
        _ = [piece async for piece in glpi.adapter().fetch(attachment)]


async def test_a_ticket_that_waits_for_the_citizen_waits_no_more(glpi: Glpi) -> None:
    adapter, case = glpi.adapter(), reference()
    ticket = await adapter.open_ticket(draft(case))
    await adapter.set_state(ticket, TicketState.WAITING)
    await adapter.note(ticket, entry(case, 2))
    assert glpi.ticket(ticket.id)["status"] == 4
    written = await adapter.append(ticket, entry(case, 3))
    assert not written.reopened
    assert glpi.ticket(ticket.id)["status"] == 1
