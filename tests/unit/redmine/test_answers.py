"""What of a Redmine issue is told, and to whom it may go; played on the in-memory fake."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from contract.ticketing_model import AgentFile
from contract.ticketing_words import draft, reference
from inbox_daemon.errors import Credentials, Gone, Permanent, Transient
from inbox_daemon.model import Attachment, TicketId, TicketState
from inbox_daemon.plugins import Secret
from support.redmine_office import Redmine


async def public(redmine: Redmine, ticket: TicketId, **changes: Any) -> list[str]:
    return [one.text for one in await redmine.adapter(**changes).thread(ticket) if one.public]


async def test_only_members_answer_and_only_those_of_the_named_roles(redmine: Redmine) -> None:
    ticket = await redmine.adapter().open_ticket(draft(reference()))
    await redmine.agents.agent_answers(ticket.id, "Va mañana")
    assert await public(redmine, ticket.id) == ["Va mañana"]
    assert await public(redmine, ticket.id, agent_roles=("AGENTE",)) == ["Va mañana"]
    assert await public(redmine, ticket.id, agent_roles=("Mirador",)) == []
    issue = redmine.state.issues[int(ticket.id)]
    issue.journals[-1].user = redmine.state.users["vecina"]
    assert await public(redmine, ticket.id) == []


async def test_what_ends_in_our_marker_is_ours_whoever_wrote_it(redmine: Redmine) -> None:
    ticket = await redmine.adapter().open_ticket(draft(reference()))
    await redmine.agents.agent_answers(ticket.id, "copiado\n[ref:4F7K2-8.m9]")
    [told] = await redmine.adapter().thread(ticket.id)
    assert told.own
    assert not told.public


async def test_a_file_goes_with_its_note_and_not_alone(redmine: Redmine) -> None:
    adapter = redmine.adapter()
    ticket = await adapter.open_ticket(draft(reference()))
    file = AgentFile(name="plano ñ.pdf", media_type="application/pdf", content=bytes(range(256)) * 900)
    await redmine.agents.agent_answers(ticket.id, "Adjunto el plano", files=[file])
    await redmine.agents.agent_answers(ticket.id, "", files=[file])
    [with_words, alone] = await adapter.thread(ticket.id)
    assert (with_words.public, alone.public) == (True, False)
    [attachment] = with_words.attachments
    assert (attachment.filename, attachment.size) == (file.name, len(file.content))
    assert b"".join([piece async for piece in adapter.fetch(attachment)]) == file.content
    redmine.state.issues[int(ticket.id)].files.clear()
    assert (await adapter.thread(ticket.id))[0].attachments == ()
    with pytest.raises(Gone):
        _ = [piece async for piece in adapter.fetch(replace(attachment))]
    with pytest.raises(Gone):
        _ = [piece async for piece in adapter.fetch(Attachment(filename="", media_type="", remote="-1"))]


async def test_an_answer_that_closes_tells_both(redmine: Redmine) -> None:
    adapter = redmine.adapter()
    ticket = await adapter.open_ticket(draft(reference()))
    await redmine.agents.change(ticket.id, {"notes": "Resuelto", "status_id": 3})
    [told] = await adapter.thread(ticket.id)
    assert (told.text, told.public, told.state) == ("Resuelto", True, TicketState.SOLVED)


async def test_a_duplicate_is_told_as_one(redmine: Redmine) -> None:
    adapter = redmine.adapter()
    one, two = [await adapter.open_ticket(draft(reference())) for _ in range(2)]
    redmine.state.issues[int(one.id)].duplicates = int(two.id)
    await redmine.agents.agent_closes(one.id)
    assert [update.state for update in await adapter.thread(one.id)] == [TicketState.DUPLICATE]


async def test_a_hundred_changed_issues_are_read_page_by_page(redmine: Redmine) -> None:
    adapter = redmine.adapter()
    _, cursor = await adapter.updates(None)
    user = redmine.state.users["inbox"]
    for number in range(205):
        given = {"project_id": 1, "subject": "x", "custom_fields": [{"id": 1, "value": f"N{number}"}]}
        issue = redmine.state.create(user, given)
        redmine.state.change(redmine.state.users["agente"], issue, {"notes": f"respuesta {number}"})
    found, after = await adapter.updates(cursor)
    assert sorted({int(one.ticket) for one in found}) == list(range(1, 206))
    assert len(found) == 205
    assert after != cursor


async def test_a_list_that_is_shorter_than_it_says_is_not_believed(redmine: Redmine) -> None:
    adapter = redmine.adapter()
    await adapter.open_ticket(draft(reference()))
    _, cursor = await adapter.updates(None)
    redmine.state.total_added = 3
    with pytest.raises(Transient):
        await adapter.updates(cursor)


async def test_with_a_wrong_key_the_cursor_stays(redmine: Redmine) -> None:
    _, cursor = await redmine.adapter().updates(None)
    with pytest.raises(Credentials):
        await redmine.adapter(key=Secret("otra")).updates(cursor)


async def test_a_cursor_that_is_none_is_told(redmine: Redmine) -> None:
    for cursor in ("", "{}", "[]", '{"since": 3}', '{"since": "ayer"}'):
        with pytest.raises(Permanent):
            await redmine.adapter().updates(cursor)
