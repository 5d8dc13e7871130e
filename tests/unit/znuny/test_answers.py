"""What is told of agents' answers, where Znuny and OTOBO have ways of their own; played on the in-memory fake."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from contract.ticketing_model import AgentFile
from contract.ticketing_words import draft, entry, reference
from inbox_daemon.errors import Gone, Permanent
from inbox_daemon.model import Cursor
from inbox_ticketing.znuny import watch
from unit.znuny.conftest import Desk


@pytest.mark.parametrize(
    ("changes", "public"),
    [
        ({}, True),
        ({"kind": "Forward"}, False),
        ({"kind": "PhoneCallAgent"}, False),
        ({"kind": "SomethingNew"}, False),
        ({"visible": False}, False),
        ({"sender": "system"}, False),
        ({"sender": "customer"}, False),
        ({"sender": ""}, False),
        ({"by": 7}, False),
        ({"fields": {"InboxMessage": "X.m1"}}, False),
        ({"body": "   "}, False),
    ],
)
async def test_public_is_a_visible_answer_by_an_agent_and_nothing_else(
    desk: Desk, changes: dict[str, Any], public: bool
) -> None:
    adapter = desk.adapter()
    ticket = await adapter.open_ticket(draft(reference()))
    shape: dict[str, Any] = {
        "by": 9,
        "sender": "agent",
        "visible": True,
        "body": "Pasa mañana",
        "kind": "SendAnswer",
    } | changes
    made = desk.state.write(int(ticket.id), **shape)
    now = await adapter.entry(ticket.id, str(made.id))
    assert now is not None
    assert now.public is public
    assert [one.public for one in await adapter.thread(ticket.id) if one.entry == str(made.id)] == [public]


async def test_an_answer_made_visible_later_is_told_later(desk: Desk) -> None:
    adapter = desk.adapter()
    ticket = await adapter.open_ticket(draft(reference()))
    made = await desk.agents.agent_notes(ticket.id, "Pasa mañana")
    desk.state.later(600)
    _, cursor = await adapter.updates(None)
    desk.state.later(600)
    desk.state.hide(int(made), 9, visible=True)
    desk.state.touch(int(ticket.id))
    found, _ = await adapter.updates(cursor)
    assert [one.text for one in found if one.public] == ["Pasa mañana"]


async def test_the_merge_note_that_customers_see_is_told_to_nobody(desk: Desk) -> None:
    adapter = desk.adapter()
    one, two = [await adapter.open_ticket(draft(reference())) for _ in range(2)]
    _, cursor = await adapter.updates(None)
    await desk.agents.merge(one.id, two.id)
    found, _ = await adapter.updates(cursor)
    threads = [*await adapter.thread(one.id), *await adapter.thread(two.id)]
    assert [told for told in (*found, *threads) if "Merged" in told.text] == []


async def test_a_merge_into_a_ticket_of_others_is_followed_and_watched(desk: Desk) -> None:
    adapter, case = desk.adapter(), reference()
    ours = await adapter.open_ticket(draft(case))
    theirs = desk.state.open(title="x", queue="Atencion", state="open", customer="x@y.test", fields={}, by=9)
    to_others = desk.state.write(theirs.id, by=9, sender="agent", visible=True, body="Para otro", kind="SendAnswer")
    await desk.agents.merge(ours.id, str(theirs.id))  # type: ignore[arg-type]
    _, cursor = await adapter.updates(None)
    desk.state.later(600)
    made = desk.state.write(theirs.id, by=9, sender="agent", visible=True, body="Para los dos", kind="SendAnswer")
    found, _ = await adapter.updates(cursor)
    assert [(one.ticket, one.entry) for one in found if one.public] == [(ours.id, str(made.id))]
    assert await adapter.entry(ours.id, str(to_others.id)) is None
    assert (await adapter.find(case)).id == str(theirs.id)


async def test_more_changes_than_one_look_takes_are_told_by_the_next(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "PAGE", 2)
    adapter = desk.adapter(overlap_seconds=1)
    tickets = [await adapter.open_ticket(draft(reference())) for _ in range(5)]
    desk.state.later(600)
    _, cursor = await adapter.updates(None)
    for ticket in tickets:
        desk.state.later(60)
        await desk.agents.agent_answers(ticket.id, f"Para {ticket.number}")
    seen: set[str] = set()
    for _ in range(6):
        found, cursor = await adapter.updates(cursor)
        seen |= {one.text for one in found if one.public}
    assert seen == {f"Para {ticket.number}" for ticket in tickets}


async def test_many_changes_in_one_moment_do_not_hold_up_the_next_look(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "PAGE", 2)
    adapter = desk.adapter()
    _, cursor = await adapter.updates(None)
    tickets = [await adapter.open_ticket(draft(reference())) for _ in range(5)]
    for ticket in tickets:
        await desk.agents.agent_answers(ticket.id, f"Para {ticket.number}")
    found, _ = await adapter.updates(cursor)
    assert {one.text for one in found if one.public} == {f"Para {ticket.number}" for ticket in tickets}


async def test_a_cursor_that_is_none_is_refused(desk: Desk) -> None:
    for broken in ("", "{}", "x", '{"since": 5}'):
        with pytest.raises(Permanent):
            await desk.adapter().updates(Cursor(broken))


# ---------------------------------------------------------------- files


async def test_files_of_answers_come_byte_for_byte_also_after_a_merge(desk: Desk) -> None:
    adapter = desk.adapter()
    one, two = [await adapter.open_ticket(draft(reference())) for _ in range(2)]
    files = [
        AgentFile(name="plano ñ.pdf", media_type="application/pdf", content=bytes(range(256)) * 3000),
        AgentFile(name="b.bin", media_type="application/octet-stream", content=b"\0"),
    ]
    made = await desk.agents.agent_answers(one.id, "Va el plano", files=files)
    await desk.agents.agent_answers(one.id, "Otra", files=[replace(files[1], content=b"z")])
    now = await adapter.entry(one.id, made)
    assert now is not None
    assert now.public
    assert [(file.filename, file.size) for file in now.attachments] == [("plano ñ.pdf", 768_000), ("b.bin", 1)]
    for _ in range(2):
        for file, given in zip(now.attachments, files, strict=True):
            assert b"".join([piece async for piece in adapter.fetch(file)]) == given.content
        if desk.state.tickets[int(one.id)].state != "merged":
            await desk.agents.merge(one.id, two.id)
    absent = replace(now.attachments[0], remote=f"{one.id}-{made}-9")
    with pytest.raises(Gone):
        _ = [piece async for piece in adapter.fetch(absent)]


async def test_a_file_beside_too_many_others_is_refused_and_told(desk: Desk) -> None:
    adapter = desk.adapter(max_download_bytes=1000)
    ticket = await adapter.open_ticket(draft(reference()))
    big = AgentFile(name="a.bin", media_type="application/octet-stream", content=b"x" * 2_000_000)
    made = await desk.agents.agent_answers(ticket.id, "Va", files=[big])
    now = await adapter.entry(ticket.id, made)
    with pytest.raises(Permanent) as refused:
        _ = [piece async for piece in adapter.fetch(now.attachments[0])]
    assert refused.value.told


async def test_one_ticket_out_of_sight_hides_no_other(desk: Desk) -> None:
    adapter = desk.adapter()
    _, cursor = await adapter.updates(None)
    tickets = [await adapter.open_ticket(draft(reference())) for _ in range(25)]
    for ticket in tickets:
        await desk.agents.agent_answers(ticket.id, f"Para {ticket.number}")
    desk.state.tickets[int(tickets[3].id)].queue = "Reservada"
    found, _ = await adapter.updates(cursor)
    assert len({one.text for one in found if one.public}) == 24
    assert await adapter.thread(tickets[3].id) == ()
    numbers = [one.id for one in tickets]
    rows = await adapter._reader.rows(numbers)
    assert [row.id for row in rows] == [*numbers[:3], *numbers[4:]]
    with pytest.raises(Gone):
        await adapter.append(tickets[3], entry(reference(), 2))


async def test_a_merge_is_looked_up_once(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    adapter = desk.adapter()
    one, two = [await adapter.open_ticket(draft(reference())) for _ in range(2)]
    await desk.agents.merge(one.id, two.id)
    desk.state.later(600)
    _, cursor = await adapter.updates(None)
    await adapter.updates(cursor)
    asked: list[str] = []
    read = adapter._client.read

    async def counted(operation: str, *args: Any, **options: Any) -> Any:
        asked.append(operation)
        return await read(operation, *args, **options)

    monkeypatch.setattr(adapter._client, "read", counted)
    desk.state.later(600)
    assert (await adapter.updates(cursor))[0] == []
    assert asked == ["TicketSearch"] * 3
