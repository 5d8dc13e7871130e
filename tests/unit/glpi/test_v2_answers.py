"""Answers, merges, closed tickets and files over GLPI's high-level API."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from contract.glpi_v2_office import GlpiEleven, glpi_eleven
from contract.ticketing_words import draft, entry, reference, stored
from inbox_daemon.errors import Gone, Permanent, Transient
from inbox_daemon.model import Attachment, MessageKey, TicketId, TicketState
from support.glpi_fake import AGENT, CITIZEN, INBOX


@pytest.fixture
async def glpi() -> AsyncIterator[GlpiEleven]:
    async with glpi_eleven() as made:
        yield made


# ---------------------------------------------------------------- reading


@pytest.mark.parametrize("limit", [7, 1000])
async def test_long_threads_and_many_tickets_are_read_to_the_end(
    glpi: GlpiEleven, limit: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """GLPI cuts a timeline off without a word; the limit is lowered on both sides to see the next portion asked for."""
    glpi.state.timeline_limit = limit
    monkeypatch.setattr("inbox_ticketing.glpi.v2.speaking.TIMELINE", limit)
    adapter, case = glpi.adapter(), reference()
    ticket = await adapter.open_ticket(draft(case))
    _, cursor = await adapter.updates(None)
    for number in range(115):
        await glpi.agents.agent_answers(ticket.id, f"Respuesta {number}")
        row = glpi.glpi.add("Ticket", {"name": "Otro", "content": "x", "externalid": f"X-{number}"}, AGENT)
        assert row
    assert [one.text for one in await adapter.thread(ticket.id) if one.public][-1] == "Respuesta 114"
    updates, _ = await adapter.updates(cursor)
    assert len({one.entry for one in updates if one.ticket == ticket.id and one.public}) == 115


async def test_a_solution_is_an_answer_until_it_is_refused(glpi: GlpiEleven) -> None:
    adapter = glpi.adapter()
    ticket = await adapter.open_ticket(draft(reference()))
    solution = glpi.glpi.solve(int(ticket.id), "<p>Se cambió la lámpara.</p>", AGENT)
    thread = await adapter.thread(ticket.id)
    [told] = [one for one in thread if one.public]
    assert (told.text, told.author, told.entry) == ("Se cambió la lámpara.", "Rosa Agente", f"S{solution['id']}")
    assert [(one.state, one.own) for one in thread if one.state] == [(TicketState.SOLVED, False)]
    solution["status"] = 4
    now = await adapter.entry(ticket.id, told.entry)
    assert now is not None
    assert not now.public


async def test_only_people_with_an_agents_profile_who_do_not_ask_answer(glpi: GlpiEleven) -> None:
    adapter = glpi.adapter()
    ticket = await adapter.open_ticket(draft(reference()))
    for author in (CITIZEN, INBOX, 0, 99):
        given = {"itemtype": "Ticket", "items_id": int(ticket.id), "content": "<p>x</p>", "users_id": author}
        assert glpi.glpi.add("ITILFollowup", given, author)
    made = await glpi.agents.agent_answers(ticket.id, "Soy la agente")
    assert [one.entry for one in await adapter.thread(ticket.id) if one.public] == [made]
    glpi.state.denies = {"UserAuthorization"}
    assert [one.entry for one in await adapter.thread(ticket.id) if one.public] == []
    glpi.state.denies = set()
    glpi.glpi.insert("Ticket_User", tickets_id=int(ticket.id), users_id=AGENT, type=1)
    assert [one for one in await adapter.thread(ticket.id) if one.public] == []


async def test_states_are_told_as_the_one_a_ticket_is_in(glpi: GlpiEleven) -> None:
    adapter = glpi.adapter()
    ticket = await adapter.open_ticket(draft(reference()))
    assert [one for one in await adapter.thread(ticket.id) if one.state] == []
    for status, state in ((4, "waiting"), (6, "closed"), (2, "in_progress")):
        glpi.glpi.set_status(glpi.ticket(ticket.id), status, AGENT)
        [told] = [one for one in await adapter.thread(ticket.id) if one.state]
        assert (told.state, told.own) == (state, False)
    await adapter.set_state(ticket, TicketState.CLOSED)
    [told] = [one for one in await adapter.thread(ticket.id) if one.state]
    assert (told.state, told.own) == ("closed", True)
    assert [one.entry for one in await adapter.thread(ticket.id)] == [told.entry]


@pytest.mark.parametrize("with_followups", [False, True])
async def test_what_glpi_copies_in_a_merge_is_nobodys_answer(glpi: GlpiEleven, with_followups: bool) -> None:
    adapter, case = glpi.adapter(), reference()
    one, two = await adapter.open_ticket(draft(case)), await adapter.open_ticket(draft(reference()))
    before = await glpi.agents.agent_answers(one.id, "Para el primero")
    await adapter.append(one, entry(case, 2))
    _, cursor = await adapter.updates(None)
    glpi.glpi.merge(int(one.id), int(two.id), AGENT, with_followups=with_followups)
    after = await glpi.agents.agent_answers(two.id, "Para los dos")
    updates, _ = await adapter.updates(cursor)
    assert {(u.ticket, u.entry) for u in updates if u.public} == {(one.id, before), (one.id, after), (two.id, after)}
    for number in (1, 2):
        assert await adapter.find_entry(two, MessageKey(f"{case}.m{number}")) is not None


async def test_a_link_as_son_and_the_bin_alone_are_no_merge(glpi: GlpiEleven) -> None:
    adapter = glpi.adapter()
    one, two = await adapter.open_ticket(draft(reference())), await adapter.open_ticket(draft(reference()))
    glpi.glpi.insert("Ticket_Ticket", tickets_id_1=int(one.id), tickets_id_2=int(two.id), link=3)
    glpi.glpi.bin(int(one.id))
    with pytest.raises(Gone):
        await adapter.append(one, entry(reference(), 2))


async def test_a_ticket_that_is_not_there_is_gone(glpi: GlpiEleven) -> None:
    adapter = glpi.adapter()
    ticket = await adapter.open_ticket(draft(reference()))
    glpi.glpi.table("Ticket").clear()
    with pytest.raises(Gone):
        await adapter.append(ticket, entry(reference(), 2))
    assert list(await adapter.thread(TicketId("7"))) == []


# ---------------------------------------------------------------- closed tickets


async def test_where_a_closed_ticket_takes_nothing_another_is_to_be_opened(glpi: GlpiEleven) -> None:
    adapter, case = glpi.adapter(), reference()
    ticket = await adapter.open_ticket(draft(case))
    await glpi.agents.agent_closes(ticket.id)
    glpi.glpi.closed_takes = False
    with pytest.raises(Gone) as gone:
        await adapter.append(ticket, entry(case, 2))
    assert gone.value.reason == "closed"
    with pytest.raises(Permanent):
        await adapter.note(ticket, entry(case, 2))


@pytest.mark.parametrize("status", [4, 5, 6])
async def test_a_ticket_that_this_api_cannot_be_asked_to_reopen_is_reopened(glpi: GlpiEleven, status: int) -> None:
    adapter, case = glpi.adapter(), reference()
    ticket = await adapter.open_ticket(draft(case))
    glpi.glpi.set_status(glpi.ticket(ticket.id), status, AGENT)
    written = await adapter.append(ticket, entry(case, 2))
    assert written.reopened is (status != 4)
    assert written.ticket.open
    assert glpi.ticket(ticket.id)["status"] == 2


# ---------------------------------------------------------------- files


async def test_without_the_older_apis_token_a_file_is_refused_so_that_it_goes_as_a_link(
    glpi: GlpiEleven, tmp_path: Path
) -> None:
    adapter, case = glpi.adapter(), reference()
    assert (adapter.capabilities.attach, glpi.with_files().capabilities.attach) == ("none", "two_step")
    ticket = await adapter.open_ticket(draft(case))
    with pytest.raises(Permanent, match="user_token") as refused:
        await adapter.attach(ticket, entry(case, 2), stored(tmp_path, "a.pdf", "application/pdf", b"%PDF"))
    assert refused.value.told
    assert len(await glpi.agents.thread(ticket.id)) == 1


async def test_a_file_that_came_broken_is_an_error_after_the_last_piece(glpi: GlpiEleven) -> None:
    adapter = glpi.adapter()
    document = glpi.glpi.keep_file({}, "a.pdf", "application/pdf", b"%PDF-1.7", AGENT)
    assert document
    glpi.glpi.contents[document["sha1sum"]] = b"%PDF-1."
    file = Attachment(filename="a.pdf", media_type="application/pdf", remote=str(document["id"]))
    with pytest.raises(Transient, match="did not come"):
        assert [piece async for piece in adapter.fetch(file)]
    document["is_deleted"] = 1
    with pytest.raises(Gone):
        assert [piece async for piece in adapter.fetch(file)]
