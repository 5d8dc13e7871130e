"""The steps that write: a ticket, texts, a note, files, a repeat, states, and the end."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime

from inbox_daemon.errors import Gone, Permanent
from inbox_daemon.model import CaseNumber, Draft, Reference, StoredFile, Ticket, TicketState
from live.visit import Visit

SUBJECT = "Prueba de inbox-daemon: se cierra sola"
END = "— fin del texto —"
TEXTS = {
    "emoji": "Ñandú, «comillas», —raya— 👩‍👩‍👧‍👦 🇦🇷 😀 عربى e\u0301",
    "markup": "*negrita* _cursiva_ h1. título <b>etiqueta</b> &amp; {{x}} # número\n# lista\n> cita\n-- \nfirma",
    "lines": "uno\n\n  dos con sangría\n\ttres",
    "control": "antes\x07\x1bdespués\r\nCRLF",
}
LONG_CHARS = 20_000
ROOM_CHARS = 600
"""What adapters put around a text: heading, marks."""
FILE = "prueba ñ 😀.txt"
CONTENT = "ñandú\r\ncon acentos y 😀\n".encode()


async def open_ticket(visit: Visit) -> Ticket | None:
    """The ticket, if it came to be."""
    body = "Esto es una prueba: no hay que hacer nada. Se cierra sola."
    draft = Draft(
        reference=visit.case,
        case_number=CaseNumber(visit.case),
        subject=SUBJECT,
        first=visit.entry("first", f"{body}\n{END}"),
        channel="whatsapp",
    )
    made: list[Ticket] = []

    async def work() -> None:
        made.append(await visit.adapter.open_ticket(draft))

    if not await visit.step("open", work()):
        return None
    [ticket] = made
    visit.record.expect(ticket.open, "a ticket that was just opened is told as closed")
    visit.record.expect(bool(ticket.number), "the ticket has no number that can be quoted")
    visit.record.facts["the number is the id"] = "yes" if ticket.number == ticket.id else "no"
    visit.record.facts["the ticket has an address for people"] = "yes" if ticket.url else "no"
    return ticket


async def find(visit: Visit, ticket: Ticket) -> None:
    """By exactly its reference, and by nothing like it."""
    found = await visit.look("the ticket", visit.sheet.find, lambda: visit.adapter.find(visit.case))
    if found is not None:
        visit.record.expect(found.id == ticket.id, f"ticket {ticket.id} was opened, and {found.id} is found for it")
        visit.record.expect(found.number == ticket.number, f"number {ticket.number} is found as {found.number}")
    for other in (visit.case[:-1], f"{visit.case}0", "%", "' OR id > 0 OR '"):
        wrong = await visit.adapter.find(Reference(other))
        if not visit.record.expect(wrong is None, f"the look-up of {other!r}, which no ticket has, finds one"):
            return
    first = await visit.look(
        "the first entry", visit.sheet.find_entry, lambda: visit.adapter.find_entry(ticket, visit.key("first"))
    )
    if first is not None:
        visit.written["first"] = first


async def append(visit: Visit, ticket: Ticket) -> None:
    """Texts of several kinds, each found by its key; a long one last, as its end is what is cut off."""
    texts = {name: f"{text}\n{END}" for name, text in TEXTS.items()}
    most = visit.sheet.max_body_chars or (500_000 if visit.limits else LONG_CHARS)
    size = (most if visit.limits else min(most, LONG_CHARS)) - ROOM_CHARS
    texts["long"] = ("palabra corta\n" * (size // 14 + 1))[: size - len(END) - 1] + f"\n{END}"
    for name, text in texts.items():
        visit.written[name] = await visit.adapter.append(ticket, visit.entry(name, text))
        visit.bodies[name] = text
    for name in texts:
        await _found_again(visit, ticket, name)
    ids = [one.entry for one in visit.written.values() if one.entry]
    visit.record.expect(len(set(ids)) == len(ids), "two entries have one id")
    visit.record.facts["entries have ids"] = "yes" if len(ids) == len(visit.written) else "no"
    absent = await visit.adapter.find_entry(ticket, visit.key("emoj"))
    visit.record.expect(absent is None, "an entry is found under a key that none has")


async def note(visit: Visit, ticket: Ticket) -> None:
    """One that only agents may see."""
    if visit.sheet.note:
        visit.written["note"] = await visit.adapter.note(ticket, visit.entry("note", f"Nota interna de prueba. {END}"))
        await _found_again(visit, ticket, "note")


async def attach(visit: Visit, ticket: Ticket) -> None:
    """A small file; with `limits` one as large as may be. One that is too large is refused before it is sent."""
    if visit.sheet.attach == "none":
        return
    contents = {"file": CONTENT}
    limit = visit.sheet.max_attachment_bytes
    if visit.limits and limit is not None:
        contents["large file"] = b"x" * limit
    for name, content in contents.items():
        key = name.replace(" ", "-")
        visit.written[key] = await visit.adapter.attach(ticket, visit.entry(key, ""), _stored(visit, content))
        visit.contents.append(content)
        await _found_again(visit, ticket, key)
    if limit is not None:
        too_large = replace(_stored(visit, b"x"), size=limit + 1)
        try:
            await visit.adapter.attach(ticket, visit.entry("too-large", ""), too_large)
        except Permanent:
            return
        visit.record.broken.append(f"a file above the sheet's {limit} bytes is not refused")


def _stored(visit: Visit, content: bytes) -> StoredFile:
    path = visit.folder / hashlib.sha256(content).hexdigest()
    path.write_bytes(content)
    return StoredFile(filename=FILE, media_type="text/plain", size=len(content), sha256=path.name, path=str(path))


async def _found_again(visit: Visit, ticket: Ticket, name: str) -> None:
    written = visit.written[name]
    found = await visit.look(
        f"entry {name!r}", visit.sheet.find_entry, lambda: visit.adapter.find_entry(ticket, visit.key(name))
    )
    if found is None:
        return
    visit.record.expect(found.entry == written.entry, f"entry {name!r} was {written.entry}, and is {found.entry} now")
    visit.record.expect(found.ticket.id == ticket.id, f"entry {name!r} is found in ticket {found.ticket.id}")


async def repeat(visit: Visit, ticket: Ticket) -> None:
    """Where the sheet says that repeats are harmless, they are."""
    if visit.sheet.idempotency == "none" or "emoji" not in visit.written:
        return
    again = await visit.adapter.append(ticket, visit.entry("emoji", visit.bodies["emoji"]))
    before = visit.written["emoji"].entry
    visit.record.expect(
        again.entry == before,
        f"the sheet says idempotency {visit.sheet.idempotency}, and a repeat of entry {before} became {again.entry}",
    )


async def states(visit: Visit, ticket: Ticket) -> None:
    """Closed, closed again, and what a citizen's next message does to it."""
    if not visit.sheet.states:
        return
    await visit.adapter.set_state(ticket, TicketState.CLOSED)
    await visit.adapter.set_state(ticket, TicketState.CLOSED)
    if visit.sheet.find != "none":
        found = await visit.adapter.find(visit.case)
        visit.record.expect(
            found is not None and not found.open, "a ticket that was closed is told as open, or as gone"
        )
    try:
        after = await visit.adapter.append(ticket, visit.entry("after", f"Después del cierre. {END}"))
    except Gone as gone:
        visit.record.facts["a closed ticket"] = f"takes nothing ({gone.reason})"
        visit.record.expect(gone.reason == "closed", f"a closed ticket is told as {gone.reason}")
        return
    visit.written["after"] = after
    visit.record.facts["a closed ticket"] = "is opened again" if after.reopened else "takes entries and stays closed"
    promised = visit.sheet.reopen != "never"
    visit.record.expect(after.reopened or not promised, f"the sheet says reopen {visit.sheet.reopen}: it was not")


async def clean_up(visit: Visit, ticket: Ticket) -> None:
    """A last word, and closed for good where there is a state for that."""
    said = visit.entry("last", f"Fue una prueba de inbox-daemon ({datetime.now(UTC):%d/%m/%Y}): no hay que hacer nada.")
    write = visit.adapter.note if visit.sheet.note else visit.adapter.append
    with suppress(Gone):  # closed for good, it takes not even this
        await write(ticket, said)
    if visit.sheet.states:
        await visit.adapter.set_state(ticket, TicketState.CLOSED)
    else:
        visit.record.to_see.append(f"ticket {ticket.number} can't be closed from here: close it, it was a test")
