"""The steps that read: what we wrote, and what an agent answers."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from datetime import UTC, datetime

from inbox_daemon.model import Attachment, Ticket, TicketUpdate
from live.visit import LOOK_SECONDS, Visit
from live.writing import END

CLOCK_SECONDS = 120.0
PAGES = 50
ANSWER = "Respuesta de prueba: ñ 😀"


async def begin(visit: Visit) -> None:
    """From now on: nothing old is told."""
    told, visit.cursor = await visit.adapter.updates(None)
    visit.record.expect(not told, f"{len(told)} old entries are told from the beginning: they would be answered now")


async def new(visit: Visit, ticket: Ticket) -> list[TicketUpdate]:
    """What updates tell of the ticket since the trial began."""
    found: list[TicketUpdate] = []
    cursor = visit.cursor
    for _ in range(PAGES):
        page, following = await visit.adapter.updates(cursor)
        found += [one for one in page if one.ticket == ticket.id]
        if following == cursor or not page:
            break
        cursor = following
    return found


async def read_back(visit: Visit, ticket: Ticket) -> None:
    """Every entry of ours is told as ours, never as public, under one id, at the right time; its words if they are."""
    thread = list(await visit.adapter.thread(ticket.id))
    for name, told in (("the thread", thread), ("updates", await new(visit, ticket))):
        loud = [one.entry for one in told if one.public and not one.own]
        visit.record.expect(not loud, f"{name}: what we wrote is told as an agent's answer: {loud}")
    by_id = {one.entry: one for one in thread}
    told_at_all = {name: by_id[one.entry] for name, one in visit.written.items() if one.entry in by_id}
    visit.record.facts["our own entries are told in the thread"] = _some(len(told_at_all), len(visit.written))
    for name, update in told_at_all.items():
        visit.record.expect(update.own, f"entry {name!r} of ours is not told as ours")
        _compare_words(visit, name, update)
    _compare_clocks(visit, list(told_at_all.values()))
    await _compare_entries(visit, ticket)
    attachments = [one for update in thread for one in update.attachments]
    visit.record.facts["our own files are told in the thread"] = "yes" if attachments else "no"
    fetched = [await _bytes(visit, one) for one in attachments]
    for content in visit.contents if fetched else ():
        visit.record.expect(content in fetched, f"a file of {len(content)} bytes comes back with other ones")


def _compare_words(visit: Visit, name: str, update: TicketUpdate) -> None:
    body = visit.bodies.get(name)
    if body is None or not update.text:
        return
    here = f"text {name!r} comes back"
    plain = body.replace("\r\n", "\n").replace("\x07", "").replace("\x1b", "")
    if plain.strip() in update.text:
        visit.record.facts[here] = "whole"
    elif END in update.text:
        visit.record.facts[here] = "changed"
    else:
        visit.record.facts[here] = "cut"
        visit.record.broken.append(f"text {name!r} of {len(body)} characters comes back cut at {len(update.text)}")


def _compare_clocks(visit: Visit, updates: Sequence[TicketUpdate]) -> None:
    if not updates:
        return
    apart = max(abs((datetime.now(UTC) - one.at).total_seconds()) for one in updates)
    visit.record.seconds["age of our first entry by the far side's clock"] = apart
    spent = sum(visit.record.seconds.values())
    visit.record.expect(
        apart < CLOCK_SECONDS + spent, f"times differ by {apart:.0f} s: a clock is wrong, or times are in another zone"
    )


async def _compare_entries(visit: Visit, ticket: Ticket) -> None:
    for name, written in visit.written.items():
        if written.entry is None:
            continue
        now = await visit.adapter.entry(ticket.id, written.entry)
        safe = now is None or now.own or not now.public
        visit.record.expect(safe, f"entry {name!r} of ours would be sent on as an answer")


async def answered(visit: Visit, ticket: Ticket) -> None:
    """A public answer of an agent, by updates and by the thread, with its files."""
    unread = [name for name in visit.bodies if f"text {name!r} comes back" not in visit.record.facts]
    if unread:
        visit.record.to_see.append(
            f"in ticket {ticket.number} ({ticket.url or 'no address'}), whether these texts are whole, as the adapter "
            f"tells no words of ours: {', '.join(unread)}. Each ends with {END!r}"
        )
    if visit.answer is None:
        visit.record.to_see.append("an agent's answer: nobody gave one (ANSWER=120 waits two minutes for it)")
        return
    await visit.answer(ticket)
    begun, answers = time.monotonic(), list[TicketUpdate]()
    while not answers and time.monotonic() - begun < visit.answer_seconds:
        await asyncio.sleep(LOOK_SECONDS)
        answers = [one for one in await new(visit, ticket) if one.public and not one.own and not one.automatic]
    if not visit.record.expect(bool(answers), f"no public answer was told within {visit.answer_seconds:g} s"):
        return
    visit.record.seconds["until the answer was told"] = time.monotonic() - begun
    await _check_answer(visit, ticket, answers[-1])


async def _check_answer(visit: Visit, ticket: Ticket, answer: TicketUpdate) -> None:
    facts = visit.record.facts
    facts["an answer is HTML"] = "yes" if answer.html else "no"
    facts["an answer's words come back"] = "whole" if ANSWER in answer.text else "changed"
    facts["an answer's author is told"] = "yes" if answer.author else "no"
    in_thread = {one.entry for one in await visit.adapter.thread(ticket.id) if one.public}
    visit.record.expect(answer.entry in in_thread, "updates tell an answer that the thread does not have")
    assert answer.entry is not None
    now = await visit.adapter.entry(ticket.id, answer.entry)
    visit.record.expect(now is not None and now.public, "an answer that was told is not public when it is asked for")
    for attachment in answer.attachments:
        content = await _bytes(visit, attachment)
        whole = attachment.size in {None, len(content)}
        visit.record.expect(whole, f"a file of {attachment.size} bytes comes as {len(content)}")
    facts["files of the answer"] = str(len(answer.attachments))


async def _bytes(visit: Visit, attachment: Attachment) -> bytes:
    return b"".join([piece async for piece in visit.adapter.fetch(attachment)])


def _some(count: int, whole: int) -> str:
    return "all" if count == whole else "none" if count == 0 else "some"
