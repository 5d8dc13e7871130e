"""Which articles of a Zammad go to citizens, and that no other does, played on the in-memory fake."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from contract.ticketing_words import draft, entry, reference
from inbox_daemon.errors import Gone, Permanent
from inbox_daemon.model import Cursor, TicketState
from inbox_daemon.plugins import Secret
from support.zammad_bench import Zammad
from support.zammad_fake import User, now


async def public_in(adapter: Any, ticket: Any) -> list[str]:
    return [one.text for one in await adapter.thread(ticket.id) if one.public]


# ---------------------------------------------------------------- what is public


@pytest.mark.parametrize(
    ("article", "user"),
    [
        ({"internal": True}, 5),
        ({"sender": "System"}, 5),
        ({"sender": "Customer"}, 5),
        ({"origin": 3}, 5),
        ({"kind": "sms"}, 5),
        ({"kind": "whatsapp message"}, 5),
        ({"kind": "email", "to": "ana@example.com"}, 5),
        ({"kind": "email", "to": None}, 5),
        ({"kind": "algo nuevo"}, 5),
        ({"preferences": {"perform_origin": "trigger"}}, 5),
        ({"preferences": {"is-auto-response": True}}, 5),
        ({"message_id": "<inbox.X-1.m1@127.0.0.1>"}, 5),
        ({"body": " \n"}, 5),
        ({}, 1),
        ({}, 3),
    ],
)
async def test_what_is_not_beyond_doubt_an_answer_is_not_public(
    zammad: Zammad, article: dict[str, Any], user: int
) -> None:
    adapter = zammad.adapter()
    ticket = await adapter.open_ticket(draft(reference()))
    made = zammad.write(ticket, user, **article)
    assert await public_in(adapter, ticket) == []
    now_told = await adapter.entry(ticket.id, str(made.id))
    assert now_told is not None
    assert (now_told.public, now_told.text, now_told.attachments) == (False, "", ())


async def test_what_an_agent_asks_as_a_customer_is_no_answer(zammad: Zammad) -> None:
    adapter = zammad.adapter()
    ticket = await adapter.open_ticket(draft(reference()))
    await zammad.agents.agent_answers(ticket.id, "Pasa la cuadrilla")
    assert await public_in(adapter, ticket) == ["Pasa la cuadrilla"]
    zammad.kept(ticket).customer = 5
    assert await public_in(adapter, ticket) == []


async def test_a_mail_is_an_answer_only_where_it_reached_nobody(zammad: Zammad) -> None:
    adapter = zammad.adapter(answer_types=["email"], mute_domain="mudo.example")
    ticket = await adapter.open_ticket(draft(reference()))
    assert zammad.state.users[zammad.kept(ticket).customer].email.endswith("@mudo.example")
    for number, to in enumerate(
        (
            "Ana <inbox-1@mudo.example>",
            "inbox-1@mudo.example, ana@example.com",
            "x@nomudo.example",
            "x@mudo.example.org",
        )
    ):
        zammad.write(ticket, kind="email", to=to, body=f"correo {number}")
    assert await public_in(adapter, ticket) == ["correo 0"]


async def test_a_note_made_public_later_is_news(zammad: Zammad) -> None:
    adapter = zammad.adapter(overlap_seconds=1)
    ticket = await adapter.open_ticket(draft(reference()))
    note = await zammad.agents.agent_notes(ticket.id, "Pasa la cuadrilla")
    zammad.state.articles[int(note)].created -= timedelta(hours=2)
    zammad.state.articles[int(note)].updated -= timedelta(hours=2)
    _, cursor = await adapter.updates(None)
    await zammad.agents.call("PUT", f"/ticket_articles/{note}", json={"internal": False})
    found, _ = await adapter.updates(cursor)
    assert [one.text for one in found if one.public] == ["Pasa la cuadrilla"]


# ---------------------------------------------------------------- merges


async def test_the_note_that_a_merge_leaves_behind_is_never_told(zammad: Zammad) -> None:
    adapter = zammad.adapter()
    _, cursor = await adapter.updates(None)
    one, two = await adapter.open_ticket(draft(reference())), await adapter.open_ticket(draft(reference()))
    await zammad.agents.merge(one.id, two.id)
    [left] = zammad.state.thread(int(one.id))
    assert (left.body, left.internal, left.sender) == ("merged", False, "Agent")
    assert await adapter.entry(one.id, str(left.id)) is None
    found, _ = await adapter.updates(cursor)
    told = [*found, *await adapter.thread(one.id), *await adapter.thread(two.id)]
    assert [update for update in told if update.public or update.state is TicketState.DUPLICATE] == []


async def test_answers_in_a_ticket_of_others_that_took_ours_in_are_told(zammad: Zammad) -> None:
    adapter = zammad.adapter()
    ours = await adapter.open_ticket(draft(reference()))
    theirs = await zammad.agents.call("POST", "/tickets", json={"title": "x", "group": "Obras Públicas"})
    stranger = await zammad.agents.call("POST", "/tickets", json={"title": "y", "group": "Obras Públicas"})
    await zammad.agents.merge(ours.id, theirs["id"])
    _, cursor = await adapter.updates(None)
    made = await zammad.agents.agent_answers(theirs["id"], "Para todos")
    await zammad.agents.agent_answers(stranger["id"], "De otros")
    found, _ = await adapter.updates(cursor)
    assert [(one.entry, one.text) for one in found if one.public and one.ticket == ours.id] == [(made, "Para todos")]
    assert [one for one in found if one.text == "De otros"] == []


async def test_a_merge_whose_trail_is_lost_ends_the_ticket(zammad: Zammad) -> None:
    adapter, case = zammad.adapter(), reference()
    one, two = await adapter.open_ticket(draft(case)), await adapter.open_ticket(draft(reference()))
    await zammad.agents.merge(one.id, two.id)
    zammad.state.history.clear()
    with pytest.raises(Gone) as gone:
        await adapter.append(one, entry(case, 2))
    assert gone.value.reason == "merged"
    assert [article.body for article in zammad.state.thread(int(one.id))] == ["merged"]
    assert await adapter.find(case) is None
    assert list(await adapter.thread(one.id)) == []


# ---------------------------------------------------------------- looking for answers


async def test_more_changed_tickets_than_fit_one_page_are_all_seen(zammad: Zammad) -> None:
    adapter = zammad.adapter()
    _, cursor = await adapter.updates(None)
    for number in range(205):
        zammad.state.create(
            zammad.state.users[5],
            {
                "title": "x",
                "group": "Obras Públicas",
                "inbox_reference": f"R{number}",
                "article": {"body": f"Respuesta {number}", "type": "note", "sender": "Agent"},
            },
        )
    found, _ = await adapter.updates(cursor)
    assert len({one.entry for one in found if one.public}) == 205


async def test_old_tickets_are_not_read_again(zammad: Zammad) -> None:
    """Also where the condition filters nothing."""
    adapter = zammad.adapter(overlap_seconds=1)
    ticket = await adapter.open_ticket(draft(reference()))
    await zammad.agents.agent_answers(ticket.id, "De antes")
    zammad.kept(ticket).updated = now() - timedelta(days=3)
    _, cursor = await adapter.updates(None)
    found, _ = await adapter.updates(cursor)
    assert list(found) == []
    with pytest.raises(Permanent, match="cursor"):
        await adapter.updates(Cursor("{}"))


async def test_two_accounts_of_ours_would_not_answer_each_other(zammad: Zammad) -> None:
    """Another node with another account in the same Zammad: what it wrote bears our marker."""
    zammad.state.users[4] = User(id=4, login="inbox2", token="zt-2", agent=True, groups=frozenset({"Obras Públicas"}))
    adapter, second, case = zammad.adapter(), zammad.adapter(token=Secret("zt-2")), reference()
    ticket = await adapter.open_ticket(draft(case))
    note = await second.note(ticket, entry(case, 2))
    zammad.state.articles[int(note.entry)].internal = False
    assert await public_in(adapter, ticket) == []
