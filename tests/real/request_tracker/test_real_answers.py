"""What a real Request Tracker writes by itself, or others write in it, and that none of it is taken for an answer."""

from __future__ import annotations

from typing import Any

import pytest

from contract.ticketing_words import draft, entry, reference
from inbox_daemon.model import Cursor, EntryId, MessageKey, Ticket, TicketState, TicketUpdate
from real.request_tracker.test_real_request_tracker import Rt
from real.request_tracker.test_real_request_tracker import request_tracker as request_tracker
from real.request_tracker.test_real_request_tracker import rt as rt

pytestmark = pytest.mark.real
ANSWER = "La cuadrilla pasa mañana."


async def begun(rt: Rt, adapter: Any, *, requestor: str = "") -> tuple[Ticket, Cursor]:
    ticket = await rt.adapter(requestor_fallback=requestor).open_ticket(draft(reference()))
    _, cursor = await adapter.updates(None)
    return ticket, cursor


async def told(adapter: Any, ticket: Ticket, cursor: Cursor) -> list[TicketUpdate]:
    """What the three ways of asking tell; they must agree."""
    updates, _ = await adapter.updates(cursor)
    mine = [one for one in updates if one.ticket == ticket.id]
    thread = await adapter.thread(ticket.id)
    assert [one for one in mine if one not in thread] == []
    for one in mine:
        assert await adapter.entry(ticket.id, one.entry) == one
    return mine


def public(updates: list[TicketUpdate]) -> list[str]:
    return [one.text for one in updates if one.public]


async def post_mail(rt: Rt, ticket: Ticket, sender: str, text: str, *, headers: str = "") -> None:
    mail = (
        f"From: {sender}\nSubject: [chaco.test #{ticket.id}] Re: Luminaria\nMessage-ID: <{reference()}@example.com>\n"
        f"Content-Type: text/plain; charset=utf-8\n{headers}\n{text}\n"
    )
    form = {"queue": rt.server.queue, "action": "correspond", "ticket": ticket.id, "message": mail}
    answer = await rt.adapter(mail_gate_url=rt.server.mail_gate)._rest.post_gate(form)
    assert answer.text.strip() == "ok"


async def test_mails_that_rt_sends_are_no_answers(rt: Rt) -> None:
    """The greeting to the requestor, the copy to an AdminCc and the copy to the requestor: each is recorded in RT."""
    adapter = rt.adapter()
    ticket, cursor = await begun(rt, adapter, requestor="vecina.del.caso@example.com")
    await rt.agents.call("PUT", f"/ticket/{ticket.id}", json={"AdminCc": ["jefa@chaco.test"]})
    await rt.agents.agent_answers(ticket.id, ANSWER)
    updates = await told(adapter, ticket, cursor)
    assert public(updates) == [ANSWER]
    thread = await adapter.thread(ticket.id)
    assert public(thread) == [ANSWER]
    assert not any("Ticket" in one.text and "automat" in one.text for one in thread)


async def test_an_answer_by_mail_is_told_without_the_history_and_our_marker(rt: Rt) -> None:
    adapter, case = rt.adapter(), reference()
    ticket = await adapter.open_ticket(draft(case))
    _, cursor = await adapter.updates(None)
    [ours] = [line.text for line in await rt.agents.thread(ticket.id)]
    quoted = "\n".join(f"> {line}" for line in ours.splitlines())
    await post_mail(
        rt, ticket, "Agente <agente@chaco.test>", f"{ANSWER}\n\nEl lun, 23 nov 2026 09:30, inbox escribió:\n{quoted}"
    )
    assert f"[ref:{case}.m1]" in quoted
    assert public(await told(adapter, ticket, cursor)) == [ANSWER]
    assert await adapter.find_entry(ticket, MessageKey(f"{case}.m1")) is not None, "the quotation is not the entry"


async def test_an_absence_note_of_an_agent_is_automatic_and_not_public(rt: Rt) -> None:
    adapter = rt.adapter()
    ticket, cursor = await begun(rt, adapter)
    await post_mail(rt, ticket, "agente@chaco.test", "Estoy de licencia", headers="X-Autoreply: yes\n")
    await post_mail(rt, ticket, "agente@chaco.test", "Vuelvo el lunes", headers="Precedence: bulk\n")
    updates = await told(adapter, ticket, cursor)
    assert public(updates) == []
    assert [one.text for one in updates if one.automatic] == ["Estoy de licencia", "Vuelvo el lunes"]


async def test_what_the_citizen_or_an_outsider_mails_is_no_answer(rt: Rt) -> None:
    adapter = rt.adapter()
    ticket, cursor = await begun(rt, adapter, requestor="citizen.by.mail@example.com")
    await post_mail(rt, ticket, "citizen.by.mail@example.com", "Sigue apagada")
    await post_mail(rt, ticket, "Agente <agente@chaco.test.example.com>", "Soy otro con ese nombre")
    updates = await told(adapter, ticket, cursor)
    assert public(updates) == []
    assert {one.text for one in updates} >= {"Sigue apagada", "Soy otro con ese nombre"}


async def test_an_agent_who_asked_for_something_is_the_citizen_of_that_ticket(rt: Rt) -> None:
    adapter = rt.adapter()
    ticket, cursor = await begun(rt, adapter, requestor="agente@chaco.test")
    await rt.agents.agent_answers(ticket.id, "Lo pedí yo: sigue apagada")
    assert public(await told(adapter, ticket, cursor)) == []


async def test_an_agent_made_a_requestor_meanwhile_is_read_again_as_one(rt: Rt) -> None:
    """Visibility flips between the listing and the moment of sending."""
    adapter = rt.adapter()
    ticket, cursor = await begun(rt, adapter)
    made = await rt.agents.agent_answers(ticket.id, ANSWER)
    assert public(await told(adapter, ticket, cursor)) == [ANSWER]
    await rt.agents.call("PUT", f"/ticket/{ticket.id}", json={"Requestor": ["agente@chaco.test"]})
    now = await adapter.entry(ticket.id, made)
    assert now is not None
    assert not now.public


async def test_changes_and_comments_are_no_answers_and_states_are_told(rt: Rt) -> None:
    adapter = rt.adapter()
    ticket, cursor = await begun(rt, adapter)
    comment = await rt.agents.agent_notes(ticket.id, "Interno")
    await rt.agents.call("PUT", f"/ticket/{ticket.id}", json={"Owner": "agente", "Subject": "Otro asunto"})
    await rt.agents.call("PUT", f"/ticket/{ticket.id}", json={"Status": "stalled"})
    await rt.agents.call("PUT", f"/ticket/{ticket.id}", json={"Status": "rejected"})
    await adapter.set_state(ticket, TicketState.REOPENED)
    updates = await told(adapter, ticket, cursor)
    assert public(updates) == []
    assert [(one.state, one.own) for one in updates] == [("waiting", False), ("closed", False), ("in_progress", True)]
    now = await adapter.entry(ticket.id, comment)
    assert now is not None
    assert (now.public, now.text) == (False, "")


async def test_every_other_transaction_of_a_ticket_is_not_public(rt: Rt) -> None:
    """Each line of RT's own history asked for as if it were an answer: creation, mails, links, owner, status."""
    adapter = rt.adapter()
    ticket, _ = await begun(rt, adapter, requestor="linea@example.com")
    other, _ = await begun(rt, adapter)
    await rt.agents.call("PUT", f"/ticket/{ticket.id}", json={"Owner": "agente", "RefersTo": [other.id]})
    answer = await rt.agents.agent_answers(ticket.id, ANSWER)
    await rt.agents.call("PUT", f"/ticket/{ticket.id}", json={"Status": "resolved"})
    rows = await rt.agents._all("GET", f"/ticket/{ticket.id}/history", {"fields": "Type"})
    assert {row["Type"] for row in rows} >= {"Create", "Correspond", "Status", "AddLink"}
    numbers = [int(row["id"]) for row in rows]
    assert len(numbers) < len(range(min(numbers), max(numbers))), (
        "records of mails are between them, hidden from agents"
    )
    for number in range(min(numbers), max(numbers) + 1):
        now = await adapter.entry(ticket.id, EntryId(str(number)))
        assert (now is not None and now.public) is (str(number) == answer), number


async def test_a_bulk_update_answers_each_ticket_in_its_own_name(rt: Rt) -> None:
    adapter = rt.adapter()
    (one, cursor), (two, _) = await begun(rt, adapter), await begun(rt, adapter)
    body = [{"id": ticket.id, "Content": ANSWER, "ContentType": "text/plain"} for ticket in (one, two)]
    await rt.agents.call("POST", "/tickets/bulk/correspond", json=body)
    entries = set()
    for ticket in (one, two):
        [answer] = [update for update in await told(adapter, ticket, cursor) if update.public]
        assert answer.text == ANSWER
        entries.add(answer.entry)
    assert len(entries) == 2


async def test_an_answer_from_before_a_merge_is_not_lost_and_goes_to_its_own_citizen_only(rt: Rt) -> None:
    """The merge comes between the answer and the next look; ours goes into one that nobody told us of."""
    adapter = rt.adapter()
    ticket, cursor = await begun(rt, adapter)
    stranger = await rt.agents.call(
        "POST",
        "/ticket",
        json={"Queue": rt.server.queue, "Subject": "De otro canal", "Content": "x", "ContentType": "text/plain"},
    )
    await rt.agents.agent_answers(stranger["id"], "Para la otra persona")
    await rt.agents.agent_answers(ticket.id, ANSWER)
    await rt.agents.merge(ticket.id, stranger["id"])
    await rt.agents.agent_answers(stranger["id"], "Para los dos")
    assert public(await told(adapter, ticket, cursor)) == [ANSWER, "Para los dos"]


async def test_another_ticket_merged_into_ours_brings_nothing_of_its_past(rt: Rt) -> None:
    adapter = rt.adapter()
    ticket, cursor = await begun(rt, adapter)
    stranger = await rt.agents.call(
        "POST",
        "/ticket",
        json={"Queue": rt.server.queue, "Subject": "De otro canal", "Content": "x", "ContentType": "text/plain"},
    )
    past = await rt.agents.agent_answers(stranger["id"], "Para la otra persona")
    await rt.agents.merge(stranger["id"], ticket.id)
    await rt.agents.agent_answers(ticket.id, ANSWER)
    assert public(await told(adapter, ticket, cursor)) == [ANSWER]
    assert await adapter.entry(ticket.id, past) is None


async def test_the_gate_entry_of_a_citizen_with_an_agents_address_is_ours(rt: Rt) -> None:
    """A forged address on some channel must not make an agent's answer of a citizen's message."""
    adapter, case = rt.adapter(mail_gate_url=rt.server.mail_gate), reference()
    ticket = await adapter.open_ticket(draft(case))
    _, cursor = await adapter.updates(None)
    written = await adapter.append(ticket, entry(case, 2, "Digo ser agente", address="agente@chaco.test"))
    updates = await told(adapter, ticket, cursor)
    assert public(updates) == []
    assert [one.own for one in updates if one.entry == written.entry] == [True]
