"""What Znuny has left half done, and checks that meet more or less than they wrote."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from contract.ticketing_words import draft, entry, reference, stored
from inbox_daemon.errors import Credentials, Permanent, Uncertain
from inbox_daemon.model import MessageKey, Reference
from inbox_ticketing.znuny.reading import Carrying
from unit.znuny.conftest import Desk


async def test_a_ticket_without_its_first_article_was_not_opened_and_is_gone_on_with(desk: Desk) -> None:
    adapter, one = desk.adapter(), replace(draft(reference()), follows="2026-0007")
    desk.state.breaks_articles = True
    with pytest.raises(Uncertain):
        await adapter.open_ticket(one)
    for _ in range(3):
        assert await adapter.find(one.reference) is None, "the citizen's words are not in it"
        with pytest.raises(Uncertain):
            await adapter.open_ticket(one)
    desk.state.breaks_articles = False
    heir = desk.adapter()
    assert await heir.find(one.reference) is None
    opened = await heir.open_ticket(one)
    assert await heir.find(one.reference) == opened
    [ticket] = desk.state.tickets.values()
    [article] = desk.state.articles_of(ticket.id)
    assert (article.subject, article.sender, article.fields) == (
        ticket.title,
        "customer",
        {"InboxMessage": one.first.key},
    )
    assert "2026-0007" in article.body
    assert await heir.open_ticket(draft(reference())) != opened


@pytest.mark.parametrize(("state", "left"), [("closed successful", ["open"]), ("removed", ["removed", "new"])])
async def test_an_empty_ticket_that_an_agent_found_first_is_reopened_or_left(
    desk: Desk, state: str, left: list[str]
) -> None:
    adapter, one = desk.adapter(), draft(reference())
    desk.state.breaks_articles = True
    with pytest.raises(Uncertain):
        await adapter.open_ticket(one)
    desk.state.breaks_articles = False
    assert await adapter.find(one.reference) is None
    desk.state.set_state(1, state, 9)
    opened = await adapter.open_ticket(one)
    assert [ticket.state for ticket in desk.state.tickets.values()] == left
    assert await adapter.find(one.reference) == opened
    assert opened.open


async def test_an_empty_ticket_that_another_node_has_filled_is_not_filled_twice(desk: Desk) -> None:
    adapter, other, one = desk.adapter(), desk.adapter(), draft(reference())
    desk.state.breaks_articles = True
    with pytest.raises(Uncertain):
        await adapter.open_ticket(one)
    desk.state.breaks_articles = False
    for node in (adapter, other):
        assert await node.find(one.reference) is None
    opened = await other.open_ticket(one)
    assert await adapter.open_ticket(one) == opened
    assert len(desk.state.articles) == 1


async def test_a_file_that_did_not_get_in_is_written_again(desk: Desk, tmp_path: Path) -> None:
    adapter, case = desk.adapter(), reference()
    ticket = await adapter.open_ticket(draft(case))
    file, key = stored(tmp_path, "plano.pdf", "application/pdf", b"%PDF"), MessageKey(f"{case}.m2")
    desk.state.breaks_files = True
    with pytest.raises(Uncertain):
        await adapter.attach(ticket, entry(case, 2), file)
    desk.state.breaks_files = False
    assert await adapter.find_entry(ticket, key) is None
    written = await adapter.attach(ticket, entry(case, 2), file)
    found = await adapter.find_entry(ticket, key)
    assert found is not None
    assert found.entry == written.entry


async def test_an_empty_ticket_that_was_merged_is_filled_where_it_went_on(desk: Desk) -> None:
    adapter, one = desk.adapter(), draft(reference())
    other = await adapter.open_ticket(draft(reference()))
    desk.state.breaks_articles = True
    with pytest.raises(Uncertain):
        await adapter.open_ticket(one)
    desk.state.breaks_articles = False
    assert await adapter.find(one.reference) is None
    desk.state.merge(2, int(other.id), 9)
    assert await adapter.open_ticket(one) == other
    assert await adapter.find_entry(other, one.first.key) is not None


async def test_a_check_whose_look_up_is_refused_does_not_pass(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    adapter = desk.adapter()
    await adapter.check()

    async def refused(*_: object) -> None:
        raise Permanent("the request is refused")

    monkeypatch.setattr(adapter._reader, "carrying", refused)
    with pytest.raises(Permanent, match="is refused"):
        await adapter.check()


async def test_of_two_proofs_that_two_nodes_wrote_at_once_one_is_checked_and_both_are_closed(desk: Desk) -> None:
    adapter = desk.adapter()
    made = draft(Reference("PRUEBA-salud-znuny"))
    proof = replace(made, first=replace(made.first, key=MessageKey(f"{made.reference}.n1")))
    for _ in range(2):
        await adapter.open_ticket(proof)
    with pytest.raises(Permanent, match="Merge them") as several:
        await adapter.find(made.reference)
    assert several.value.told
    await adapter.check()
    assert [one.state for one in desk.state.tickets.values()] == ["closed successful"] * 2
    with pytest.raises(Credentials, match="message_field"):
        await desk.adapter(message_field="Otro").check()


async def test_checks_that_do_not_find_what_they_wrote_do_not_pile_up_tickets(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever waits for a remedy checks again and again."""
    adapter = desk.adapter()

    async def nothing(*_: object) -> Carrying:
        return Carrying(rows={}, empty=())

    with monkeypatch.context() as blind:
        blind.setattr(adapter._reader, "carrying", nothing)
        for _ in range(3):
            with pytest.raises(Credentials, match="is not found again"):
                await adapter.check()
    [left] = desk.state.tickets.values()
    assert left.state == "closed successful"
    await adapter.check()
    assert len(desk.state.tickets) == 1
