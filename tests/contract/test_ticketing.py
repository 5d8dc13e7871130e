"""What every ticketing adapter does when nothing fails; `ticketing_providers` says how to add one."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from contract.ticketing_model import AdapterUnderTest
from contract.ticketing_needs import (
    CLOSING,
    FILE_LIMIT,
    FILES,
    KEYS,
    MERGES,
    NO_KEYS,
    NOTES,
    POLLED,
    REOPENING,
    STATES,
)
from contract.ticketing_providers import scenario
from contract.ticketing_words import draft, entry, reference, stored
from inbox_daemon.errors import Gone, Permanent
from inbox_daemon.model import MessageKey, Reference, Ticket, TicketState

CANNOT_BE_KEPT = "\x00\x07\x1b\x0b\ufffe\ud800"


async def public_texts(under_test: AdapterUnderTest, ticket: Ticket) -> list[str]:
    lines = await under_test.backstage.thread(ticket.id)
    return [line.text for line in lines if line.kind == "public"]


@scenario()
async def test_check_passes_again_and_again(under_test: AdapterUnderTest) -> None:
    await under_test.adapter.check()
    await under_test.adapter.check()


@scenario()
async def test_an_opened_ticket_is_found_by_its_reference(under_test: AdapterUnderTest) -> None:
    case = reference()
    opened = await under_test.adapter.open_ticket(draft(case))
    found = await under_test.adapter.find(case)
    assert found == opened
    assert opened.open
    assert opened.number
    first = await under_test.adapter.find_entry(opened, MessageKey(f"{case}.m1"))
    assert first is not None
    assert first.ticket == opened
    [text] = await public_texts(under_test, opened)
    assert text.startswith("WhatsApp · Ana Gómez")
    assert f"Mensaje número 1 del caso {case}" in text


@scenario()
async def test_an_unknown_reference_is_not_found(under_test: AdapterUnderTest) -> None:
    case = reference()
    await under_test.adapter.open_ticket(draft(case))
    for other in (
        reference(),
        Reference(case[:-1]),
        Reference(f"{case}0"),
        Reference("' OR id > 0 OR '"),
        Reference("%"),
    ):
        assert await under_test.adapter.find(other) is None, other


@scenario(NO_KEYS)
async def test_a_double_is_noticed(under_test: AdapterUnderTest) -> None:
    case = reference()
    await under_test.adapter.open_ticket(draft(case))
    await under_test.adapter.open_ticket(draft(case))
    with pytest.raises(Permanent, match=case):
        await under_test.adapter.find(case)


@scenario(KEYS)
async def test_opening_twice_is_opening_once(under_test: AdapterUnderTest) -> None:
    case = reference()
    opened = await under_test.adapter.open_ticket(draft(case))
    assert await under_test.adapter.open_ticket(draft(case)) == opened
    assert len(await public_texts(under_test, opened)) == 1


@scenario()
async def test_entries_land_once_in_order_and_are_found_by_exactly_their_key(under_test: AdapterUnderTest) -> None:
    case = reference()
    ticket = await under_test.adapter.open_ticket(draft(case))
    written = {}
    for number in (10, 2, 11):
        written[number] = await under_test.adapter.append(ticket, entry(case, number))
    texts = await public_texts(under_test, ticket)
    assert [f"número {number} del" in text for number, text in zip((1, 10, 2, 11), texts, strict=True)] == [True] * 4
    for number in (10, 2, 11):
        found = await under_test.adapter.find_entry(ticket, MessageKey(f"{case}.m{number}"))
        assert found is not None
        assert found.entry == written[number].entry
    first = await under_test.adapter.find_entry(ticket, MessageKey(f"{case}.m1"))
    assert first is not None
    assert first.entry not in {one.entry for one in written.values()}
    for absent in (f"{case}.m", f"{case}.m100", f"{case}.m3", f"{case}.m1%", f"{case}_m2", f"{case.lower()}.m2"):
        assert await under_test.adapter.find_entry(ticket, MessageKey(absent)) is None, absent


@scenario()
async def test_a_key_quoted_by_others_is_not_the_entry(under_test: AdapterUnderTest) -> None:
    case = reference()
    ticket = await under_test.adapter.open_ticket(draft(case))
    [text] = await public_texts(under_test, ticket)
    quoted = text.replace(f"{case}.m1", f"{case}.m5")
    await under_test.adapter.append(ticket, entry(case, 2, f"Copio lo que me llegó:\n{quoted}\nSaludos"))
    await under_test.backstage.agent_answers(ticket.id, f"> {quoted}\n\nYa fue resuelto.\n\n{quoted}")
    assert await under_test.adapter.find_entry(ticket, MessageKey(f"{case}.m5")) is None


@scenario(NOTES)
async def test_a_note_is_internal(under_test: AdapterUnderTest) -> None:
    case = reference()
    ticket = await under_test.adapter.open_ticket(draft(case))
    written = await under_test.adapter.note(ticket, entry(case, 2, "No se pudo entregar la respuesta."))
    found = await under_test.adapter.find_entry(ticket, MessageKey(f"{case}.m2"))
    assert found is not None
    assert found.entry == written.entry
    [note] = [line for line in await under_test.backstage.thread(ticket.id) if "No se pudo" in line.text]
    assert note.kind == "note"


NAMED = {
    "añ😀 acción.pdf": ("application/pdf", b"%PDF-1.7\n" + bytes(range(256)) * 40),
    "latín.txt": ("text/plain", "ñandú\r\ncon acentos\n".encode("latin-1")),
    "página.html": ("text/html; charset=utf-8", "<p>á</p>".encode()),
    "foto": ("image/jpeg", b"\xff\xd8\xff\xe0" + b"\0" * 5000),
    "sin tipo.bin": ("", b"x"),
}


@scenario(FILES)
@pytest.mark.parametrize("name", NAMED)
async def test_a_file_is_read_back_byte_for_byte(under_test: AdapterUnderTest, tmp_path: Path, name: str) -> None:
    case = reference()
    ticket = await under_test.adapter.open_ticket(draft(case))
    media_type, content = NAMED[name]
    written = await under_test.adapter.attach(ticket, entry(case, 2), stored(tmp_path, name, media_type, content))
    assert await under_test.backstage.files(ticket.id) == {name: content}
    found = await under_test.adapter.find_entry(ticket, MessageKey(f"{case}.m2"))
    assert found is not None
    assert found.entry == written.entry


@scenario(FILES)
@pytest.mark.parametrize("name", ['../../etc/"pass"\r\nX: y.txt', "", "a" * 300 + ".pdf", "..", "100%\x00.pdf"])
async def test_a_hostile_file_name_does_no_harm(under_test: AdapterUnderTest, tmp_path: Path, name: str) -> None:
    case = reference()
    ticket = await under_test.adapter.open_ticket(draft(case))
    await under_test.adapter.attach(ticket, entry(case, 2), stored(tmp_path, name, "application/pdf", b"%PDF"))
    [(kept, content)] = (await under_test.backstage.files(ticket.id)).items()
    assert content == b"%PDF"
    assert "/" not in kept
    assert "\n" not in kept


@scenario(FILE_LIMIT)
async def test_a_file_that_is_too_big_is_refused_with_both_sizes(under_test: AdapterUnderTest, tmp_path: Path) -> None:
    case = reference()
    ticket = await under_test.adapter.open_ticket(draft(case))
    limit = under_test.adapter.capabilities.max_attachment_bytes
    assert limit is not None
    file = replace(stored(tmp_path, "video.mp4", "video/mp4", b"x"), size=limit + 1)
    with pytest.raises(Permanent, match=f"{limit + 1}.*{limit}"):
        await under_test.adapter.attach(ticket, entry(case, 2), file)
    assert await under_test.backstage.files(ticket.id) == {}


BODIES = {
    "unicode": "Ñandú, «comillas», —raya— 👩‍👩‍👧‍👦 🇦🇷 عربى e\u0301",
    "quotes": "'; DROP TABLE tickets; -- \\' \\n {{x}} <script>alert(1)</script> & %s %",
    "lines": "uno\n\n  dos con sangría\n\ttres\n",
    "one line": "x" * 20_000,
    "long": "palabra corta\n" * 8_000,
}


@scenario()
@pytest.mark.parametrize("name", BODIES)
async def test_words_arrive_whole(under_test: AdapterUnderTest, name: str) -> None:
    case = reference()
    ticket = await under_test.adapter.open_ticket(draft(case, body=BODIES[name]))
    await under_test.adapter.append(ticket, entry(case, 2, BODIES[name]))
    for text in await public_texts(under_test, ticket):
        assert BODIES[name].strip("\n") in text
    assert await under_test.adapter.find_entry(ticket, MessageKey(f"{case}.m1")) is not None
    assert await under_test.adapter.find_entry(ticket, MessageKey(f"{case}.m2")) is not None


@scenario()
async def test_characters_that_no_database_keeps_hide_nothing(under_test: AdapterUnderTest) -> None:
    case = reference()
    ticket = await under_test.adapter.open_ticket(
        draft(case, subject=f"a{CANNOT_BE_KEPT}b", body=f"c{CANNOT_BE_KEPT}d\r\ne\rf")
    )
    await under_test.adapter.append(ticket, entry(case, 2, f"{CANNOT_BE_KEPT}g"))
    first, second = await public_texts(under_test, ticket)
    assert "cd\ne\nf" in first
    assert "g" in second
    for number in (1, 2):
        assert await under_test.adapter.find_entry(ticket, MessageKey(f"{case}.m{number}")) is not None


@scenario()
@pytest.mark.parametrize("subject", ["", "\n", "uno\r\nX-Otro: dos", "ü" * 300, "😀" * 90])
async def test_any_subject_opens_a_ticket(under_test: AdapterUnderTest, subject: str) -> None:
    case = reference()
    opened = await under_test.adapter.open_ticket(draft(case, subject=subject))
    assert await under_test.adapter.find(case) == opened


@scenario()
async def test_many_writers_at_once_lose_nothing(under_test: AdapterUnderTest) -> None:
    case = reference()
    ticket = await under_test.adapter.open_ticket(draft(case))
    gate = asyncio.Semaphore(under_test.adapter.capabilities.parallel)

    async def write(number: int) -> None:
        async with gate:
            await under_test.adapter.append(ticket, entry(case, number))

    await asyncio.gather(*(write(number) for number in range(2, 10)))
    texts = await public_texts(under_test, ticket)
    assert sorted(text.split("número ")[1].split(" ")[0] for text in texts) == [str(number) for number in range(1, 10)]


@scenario(STATES)
async def test_a_closed_ticket_says_so_and_closing_twice_is_fine(under_test: AdapterUnderTest) -> None:
    case = reference()
    ticket = await under_test.adapter.open_ticket(draft(case))
    await under_test.adapter.set_state(ticket, TicketState.CLOSED)
    await under_test.adapter.set_state(ticket, TicketState.CLOSED)
    found = await under_test.adapter.find(case)
    assert found is not None
    assert not found.open


@scenario(CLOSING, REOPENING)
async def test_a_citizen_reopens_a_closed_ticket(under_test: AdapterUnderTest) -> None:
    case = reference()
    ticket = await under_test.adapter.open_ticket(draft(case))
    await under_test.backstage.agent_closes(ticket.id)
    written = await under_test.adapter.append(ticket, entry(case, 2))
    assert written.reopened
    assert written.ticket.open
    found = await under_test.adapter.find(case)
    assert found is not None
    assert found.open
    assert not (await under_test.adapter.append(ticket, entry(case, 3))).reopened


@scenario(CLOSING, NOTES)
async def test_a_note_leaves_a_closed_ticket_closed(under_test: AdapterUnderTest) -> None:
    case = reference()
    ticket = await under_test.adapter.open_ticket(draft(case))
    await under_test.backstage.agent_closes(ticket.id)
    await under_test.adapter.note(ticket, entry(case, 2))
    found = await under_test.adapter.find(case)
    assert found is not None
    assert not found.open


@scenario(CLOSING)
async def test_a_closed_ticket_takes_nothing_where_configured_so(under_test: AdapterUnderTest) -> None:
    case = reference()
    ticket = await under_test.adapter.open_ticket(draft(case))
    await under_test.backstage.agent_closes(ticket.id)
    strict = under_test.strict or (under_test.adapter if under_test.adapter.capabilities.reopen == "never" else None)
    if strict is None:
        assert (await under_test.adapter.append(ticket, entry(case, 2))).reopened
        return
    with pytest.raises(Gone) as gone:
        await strict.append(ticket, entry(case, 2))
    assert gone.value.reason == "closed"
    assert len(await public_texts(under_test, ticket)) == 1
    following = reference()
    newer = await strict.open_ticket(replace(draft(following), follows=ticket.number))
    [text] = await public_texts(under_test, newer)
    assert ticket.number in text


@scenario()
async def test_a_deleted_ticket_takes_nothing(under_test: AdapterUnderTest) -> None:
    case = reference()
    ticket = await under_test.adapter.open_ticket(draft(case))
    await under_test.backstage.delete(ticket.id)
    with pytest.raises(Gone) as gone:
        await under_test.adapter.append(ticket, entry(case, 2))
    assert gone.value.reason == "deleted"
    assert await under_test.adapter.find(case) is None


@scenario(MERGES)
async def test_a_merge_is_followed(under_test: AdapterUnderTest) -> None:
    case, other = reference(), reference()
    merged = await under_test.adapter.open_ticket(draft(case))
    target = await under_test.adapter.open_ticket(draft(other))
    await under_test.adapter.append(merged, entry(case, 2))
    await under_test.backstage.merge(merged.id, target.id)
    assert await under_test.adapter.find(case) == target
    assert await under_test.adapter.find(other) == target
    written = await under_test.adapter.append(merged, entry(case, 3))
    assert written.ticket == target
    for number in (1, 2, 3):
        for ticket in (merged, target):
            found = await under_test.adapter.find_entry(ticket, MessageKey(f"{case}.m{number}"))
            assert found is not None, number
            assert found.ticket == target
    third = reference()
    last = await under_test.adapter.open_ticket(draft(third))
    await under_test.backstage.merge(target.id, last.id)
    assert await under_test.adapter.find(case) == last
    assert (await under_test.adapter.append(merged, entry(case, 4))).ticket == last


@scenario(POLLED)
async def test_updates_tell_public_from_internal_and_ours_from_theirs(under_test: AdapterUnderTest) -> None:
    case = reference()
    adapter, agents = under_test.adapter, under_test.backstage
    ticket = await adapter.open_ticket(draft(case))
    await agents.agent_answers(ticket.id, "Respuesta de antes.")
    nothing, cursor = await adapter.updates(None)
    assert list(nothing) == []
    await adapter.append(ticket, entry(case, 2))
    await agents.agent_answers(ticket.id, "La cuadrilla pasa mañana: ¡gracias! 😀\nAtte., Mesa de Entradas")
    await agents.agent_notes(ticket.id, "Nota interna: pedir repuesto.")
    if under_test.closes:
        await agents.agent_closes(ticket.id)
    found, after = await adapter.updates(cursor)
    assert after is not None
    mine = [update for update in found if update.ticket == ticket.id]
    answers = [update for update in mine if update.public]
    assert "La cuadrilla pasa mañana: ¡gracias! 😀\nAtte., Mesa de Entradas" in answers[-1].text
    assert not any(update.own for update in answers)
    assert all(update.entry for update in answers)
    own = await adapter.find_entry(ticket, MessageKey(f"{case}.m2"))
    assert own is not None
    assert [update.own for update in mine if update.entry == own.entry] == [True]
    assert not any("interna" in update.text for update in answers)
    assert not any("luminaria" in update.text for update in answers)
    if under_test.closes:
        assert [update.state for update in mine if update.state][-1] in {"solved", "closed"}
    assert [update.at for update in mine] == sorted(update.at for update in mine)
    again, _ = await adapter.updates(cursor)
    assert [one.entry for one in again if one.ticket == ticket.id] == [one.entry for one in mine]
