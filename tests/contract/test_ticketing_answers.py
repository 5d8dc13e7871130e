"""What every ticketing adapter tells of agents' answers: the public ones and no other word, whatever happens."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path

import pytest

from contract.ticketing_model import AdapterUnderTest, AgentFile
from contract.ticketing_needs import HINTS, LOOK_UP_BY_HTTP, MERGES, RICH, STATES, STATES_MISSING
from contract.ticketing_providers import answering
from contract.ticketing_words import draft, entry, reference, stored
from inbox_daemon.errors import Credentials, EdgeError, Gone, Permanent
from inbox_daemon.model import (
    Attachment,
    Cursor,
    EntryId,
    MessageKey,
    Reference,
    Ticket,
    TicketId,
    TicketState,
    TicketUpdate,
)
from support.fault_proxy import Fault, Match

ANSWER = "La cuadrilla pasa mañana: ¡gracias! 😀\nAtte., Mesa de Entradas"
SECRET = "Nota interna: pedir repuesto."


async def begun(under_test: AdapterUnderTest, case: Reference | None = None) -> tuple[Ticket, Cursor | None]:
    """A ticket, and a cursor from before anything that an agent did in it."""
    ticket = await under_test.adapter.open_ticket(draft(case or reference()))
    _, cursor = await under_test.adapter.updates(None)
    return ticket, cursor


def after(passing: int) -> Match:
    """Match the exchange that follows `passing` others."""
    numbers = itertools.count()
    return lambda method, target: next(numbers) == passing


async def told(under_test: AdapterUnderTest, ticket: Ticket, cursor: Cursor | None) -> list[TicketUpdate]:
    """What the two ways of learning tell of a ticket: since the cursor, and from its beginning."""
    updates, _ = await under_test.adapter.updates(cursor)
    thread = await under_test.adapter.thread(ticket.id)
    if under_test.adapter.capabilities.merges == "none":  # else what concerns the merged ones comes along
        assert all(one.ticket == ticket.id for one in thread)
    return [one for one in (*updates, *thread) if one.ticket == ticket.id]


def public(updates: Sequence[TicketUpdate]) -> set[tuple[str, str]]:
    """(entry, text) of those that may go to the citizen."""
    return {(one.entry or "", one.text) for one in updates if one.public and not one.own and not one.automatic}


async def bytes_of(under_test: AdapterUnderTest, attachment: Attachment) -> bytes:
    return b"".join([piece async for piece in under_test.adapter.fetch(attachment)])


@answering()
async def test_an_answer_is_told_again_and_again_under_one_id(under_test: AdapterUnderTest) -> None:
    ticket, cursor = await begun(under_test)
    made = await under_test.backstage.agent_answers(ticket.id, ANSWER)
    for _ in range(2):
        assert public(await told(under_test, ticket, cursor)) == {(made, ANSWER)}
    now = await under_test.adapter.entry(ticket.id, made)
    assert now is not None
    assert public([now]) == {(made, ANSWER)}
    assert now in await under_test.adapter.thread(ticket.id)
    assert now.author
    assert now.at.tzinfo is not None


@answering()
async def test_what_is_for_agents_is_never_public(under_test: AdapterUnderTest) -> None:
    ticket, cursor = await begun(under_test)
    note = await under_test.backstage.agent_notes(ticket.id, SECRET)
    answer = await under_test.backstage.agent_answers(ticket.id, ANSWER)
    assert public(await told(under_test, ticket, cursor)) == {(answer, ANSWER)}
    now = await under_test.adapter.entry(ticket.id, note)
    assert now is None or not now.public


@answering()
async def test_what_we_wrote_is_never_public(under_test: AdapterUnderTest, tmp_path: Path) -> None:
    case, adapter = reference(), under_test.adapter
    ticket, cursor = await begun(under_test, case)
    first = await adapter.find_entry(ticket, MessageKey(f"{case}.m1"))
    assert first is not None
    written = [
        first,
        await adapter.append(ticket, entry(case, 2)),
        await adapter.note(ticket, entry(case, 3, "No se pudo entregar la respuesta.")),
        await adapter.attach(ticket, entry(case, 4), stored(tmp_path, "dni.pdf", "application/pdf", b"%PDF")),
    ]
    assert public(await told(under_test, ticket, cursor)) == set()
    for one in written:
        assert one.entry is not None
        now = await adapter.entry(ticket.id, one.entry)
        assert now is None or not now.public


@answering()
async def test_an_answer_taken_back_is_not_public_any_more(under_test: AdapterUnderTest) -> None:
    ticket, cursor = await begun(under_test)
    made = await under_test.backstage.agent_answers(ticket.id, ANSWER)
    assert public(await told(under_test, ticket, cursor)) == {(made, ANSWER)}
    await under_test.backstage.take_back(ticket.id, made)
    now = await under_test.adapter.entry(ticket.id, made)
    assert now is None or not now.public
    assert public(await told(under_test, ticket, cursor)) == set()


@answering()
async def test_a_thread_tells_all_that_updates_told_and_what_was_before(under_test: AdapterUnderTest) -> None:
    ticket = await under_test.adapter.open_ticket(draft(reference()))
    before = await under_test.backstage.agent_answers(ticket.id, "Respuesta de antes.")
    _, cursor = await under_test.adapter.updates(None)
    await under_test.backstage.agent_answers(ticket.id, ANSWER)
    if under_test.closes:
        await under_test.backstage.agent_closes(ticket.id)
    updates, _ = await under_test.adapter.updates(cursor)
    thread = await under_test.adapter.thread(ticket.id)
    assert [one for one in updates if one.ticket == ticket.id and one not in thread] == []
    assert (before, "Respuesta de antes.") in public(thread)
    assert [one.at for one in thread] == sorted(one.at for one in thread)
    assert bool([one.state for one in thread if one.state and one.state.ends]) is under_test.closes


@answering()
async def test_a_deleted_ticket_has_no_public_entry(under_test: AdapterUnderTest) -> None:
    ticket, _ = await begun(under_test)
    made = await under_test.backstage.agent_answers(ticket.id, ANSWER)
    await under_test.backstage.delete(ticket.id)
    now = await under_test.adapter.entry(ticket.id, made)
    assert now is None or not now.public
    assert public(await under_test.adapter.thread(ticket.id)) == set()


@answering()
async def test_an_entry_belongs_to_its_ticket_and_nothing_else_is_found(under_test: AdapterUnderTest) -> None:
    ticket, _ = await begun(under_test)
    other, _ = await begun(under_test)
    made = await under_test.backstage.agent_answers(ticket.id, ANSWER)
    adapter = under_test.adapter
    assert await adapter.entry(other.id, made) is None, "another citizen's ticket"
    for absent in ("", "0", "999999", "-1", "²", f"{made}0000", "x/../1", "1 OR 1=1"):
        assert await adapter.entry(ticket.id, EntryId(absent)) is None, absent
        assert await adapter.entry(TicketId(f"97{absent}777" if absent.isdigit() else absent), made) is None, absent
        assert list(await adapter.thread(TicketId(f"97{absent}777" if absent.isdigit() else absent))) == [], absent


@answering(STATES)
async def test_states_are_set_and_told_as_ours(under_test: AdapterUnderTest) -> None:
    case, adapter = reference(), under_test.adapter
    ticket, cursor = await begun(under_test, case)
    for state, is_open in (
        (TicketState.CLOSED, False),
        (TicketState.SOLVED, False),
        (TicketState.REOPENED, True),
        (TicketState.IN_PROGRESS, True),
        (TicketState.CLOSED, False),
    ):
        for _ in range(2):
            await adapter.set_state(ticket, state)
        found = await adapter.find(case)
        assert found is not None
        assert found.open is is_open, state
    turns = [one for one in await adapter.thread(ticket.id) if one.state]
    assert turns
    assert all(one.own for one in turns)
    assert turns[-1].state is not None
    assert turns[-1].state.ends
    assert public(await told(under_test, ticket, cursor)) == set()


@answering(STATES, STATES_MISSING)
async def test_a_state_that_the_product_has_not_is_refused(under_test: AdapterUnderTest) -> None:
    case = reference()
    ticket, _ = await begun(under_test, case)
    with pytest.raises(Permanent):
        await under_test.adapter.set_state(ticket, TicketState.DELETED)
    found = await under_test.adapter.find(case)
    assert found == ticket
    await under_test.backstage.delete(ticket.id)
    with pytest.raises(Gone):
        await under_test.adapter.set_state(ticket, TicketState.CLOSED)


@answering(RICH)
async def test_an_html_answer_with_files_is_told_with_both(under_test: AdapterUnderTest) -> None:
    ticket, cursor = await begun(under_test)
    files = [
        AgentFile(name="plano ñ.pdf", media_type="application/pdf", content=bytes(range(256)) * 700),
        AgentFile(name="vacía.bin", media_type="application/octet-stream", content=b"\0"),
    ]
    made = await under_test.backstage.agent_answers(ticket.id, "<p>Pasa <b>mañana</b></p>", html=True, files=files)
    [(entry_id, text)] = public(await told(under_test, ticket, cursor))
    assert (entry_id, text) == (made, "<p>Pasa <b>mañana</b></p>")
    now = await under_test.adapter.entry(ticket.id, made)
    assert now is not None
    assert now.html
    assert [(one.media_type, one.size) for one in now.attachments] == [
        (file.media_type, len(file.content)) for file in files
    ]
    for attachment, file in zip(now.attachments, files, strict=True):
        assert await bytes_of(under_test, attachment) == file.content


@answering()
async def test_a_file_that_is_not_there_is_gone(under_test: AdapterUnderTest) -> None:
    for remote in ("99999999", "", "x/../1", "e1#7"):
        absent = Attachment(filename="x", media_type="x/y", remote=remote)
        with pytest.raises(Gone):
            await bytes_of(under_test, absent)


@answering(MERGES)
async def test_a_merge_tells_each_citizen_only_what_was_written_to_them(under_test: AdapterUnderTest) -> None:
    """What stood in either ticket before the merge was for one of them; what is written after it, for both."""
    adapter, agents = under_test.adapter, under_test.backstage
    (one, cursor), (two, _) = await begun(under_test), await begun(under_test)
    to_one = await agents.agent_answers(one.id, f"Para el caso {one.number}")
    to_two = await agents.agent_answers(two.id, f"Para el caso {two.number}")
    await agents.merge(one.id, two.id)
    to_both = await agents.agent_answers(two.id, "Para los dos")
    for ticket, mine, other in ((one, to_one, to_two), (two, to_two, to_one)):
        assert {entry_id for entry_id, _ in public(await told(under_test, ticket, cursor))} == {mine, to_both}
        assert await adapter.entry(ticket.id, other) is None
        for made in (mine, to_both):
            now = await adapter.entry(ticket.id, made)
            assert now is not None
            assert now.public
            assert now.ticket == ticket.id


@answering(MERGES)
async def test_a_merge_of_a_merge_is_followed(under_test: AdapterUnderTest) -> None:
    agents = under_test.backstage
    (one, cursor), (two, _), (three, _) = [await begun(under_test) for _ in range(3)]
    await agents.merge(one.id, two.id)
    middle = await agents.agent_answers(two.id, "Entre las dos uniones")
    early = await agents.agent_answers(three.id, "Antes, en el tercero")
    await agents.merge(two.id, three.id)
    last = await agents.agent_answers(three.id, "Para los tres")
    for ticket, expected in ((one, {middle, last}), (two, {middle, last}), (three, {early, last})):
        assert {made for made, _ in public(await told(under_test, ticket, cursor))} == expected, ticket.number


@answering(HINTS)
async def test_a_hint_is_believed_only_with_its_signature_and_a_replay_does_no_harm(
    under_test: AdapterUnderTest,
) -> None:
    assert under_test.hint is not None
    adapter = under_test.adapter
    ticket, _ = await begun(under_test)
    made = await under_test.backstage.agent_answers(ticket.id, ANSWER)
    request = under_test.hint(ticket.id)
    for _ in range(3):
        taken = adapter.parse_hint(request)
        assert taken is not None
        assert taken.tickets == (ticket.id,)
        assert public(await adapter.thread(taken.tickets[0])) == {(made, ANSWER)}
    [(name, value)] = [one for one in request.headers.items() if len(request.headers) == 1 or "signature" in one[0]]
    others = {header: word for header, word in request.headers.items() if header != name}
    for wrong in ({}, {name: ""}, {name: f"{value}0"}, {name: value[:-1]}, {name: "ñ"}):
        with pytest.raises(Credentials):
            adapter.parse_hint(type(request)(method="POST", query={}, headers=others | wrong, body=request.body))


@answering(LOOK_UP_BY_HTTP)
@pytest.mark.parametrize("fault", [Fault.TRUNCATE, Fault.ERROR_500, Fault.LOGIN_PAGE])
async def test_an_entry_that_cannot_be_read_is_not_taken_for_anything(
    under_test: AdapterUnderTest, fault: Fault
) -> None:
    """Fail closed: neither "gone" nor "public" is made of a broken connection, whichever request it hits."""
    ticket, _ = await begun(under_test)
    made = await under_test.backstage.agent_answers(ticket.id, ANSWER)
    assert under_test.proxy is not None
    proxy = under_test.proxy
    for number in itertools.count():
        proxy.once(fault, after(number))
        try:
            now = await under_test.adapter.entry(ticket.id, made)
        except EdgeError:
            assert proxy.seen[fault] == number + 1
        else:
            break
    assert proxy.seen[fault] == number > 0, "each request that it takes was hit once"
    assert now is not None
    assert now.public
