"""What the adapters that work by mail make of failing mail servers and mailboxes.

A mail can't be asked for: where its fate is unknown it is `Uncertain` and never found, so that the core flags a
possible double; only a system that swallows repeats is sent it again.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from contract.ticketing_model import AdapterUnderTest
from contract.ticketing_needs import BY_SMTP, MAIL
from contract.ticketing_providers import scenario
from contract.ticketing_words import draft, entry, reference, stored
from inbox_daemon.errors import Credentials, EdgeError, Permanent, Transient, Uncertain
from inbox_daemon.model import Cursor, EntryId, MessageKey, Reference, Ticket
from support.imap_fake import BYE, CUT, HALF, HANG, NO
from support.mail_office_fake import MailOffice
from support.smtp_sink import CUT_INSIDE, HANG_UP, SAY_NOTHING

OPERATIONS = ("open", "append", "note", "attach")
Write = Callable[[], Awaitable[object]]


def office_of(under_test: AdapterUnderTest) -> MailOffice:
    assert under_test.office is not None
    return under_test.office


async def begun(under_test: AdapterUnderTest, what: str, folder: Path) -> tuple[Write, Reference, int]:
    """A write that is about to happen, of which case, and how many mails of the case the office has before it."""
    case, adapter = reference(), under_test.adapter
    if what == "open":
        return lambda: adapter.open_ticket(draft(case)), case, 0
    ticket = await adapter.open_ticket(draft(case))
    file = stored(folder, "ñ.pdf", "application/pdf", b"%PDF-1.7" + b"\xff" * 70_000)
    writes: dict[str, Write] = {
        "append": lambda: adapter.append(ticket, entry(case, 2)),
        "note": lambda: adapter.note(ticket, entry(case, 2)),
        "attach": lambda: adapter.attach(ticket, entry(case, 2), file),
    }
    return writes[what], case, 1


async def known(under_test: AdapterUnderTest, case: Reference, what: str) -> object | None:
    """What the adapter says of the write."""
    found = await under_test.adapter.find(case)
    if what == "open" or found is None:
        return found
    return await under_test.adapter.find_entry(found, MessageKey(f"{case}.m2"))


def arrived(under_test: AdapterUnderTest) -> int:
    return len(office_of(under_test).arrived)


# ---------------------------------------------------------------- the mail server


NOT_TAKEN = [
    ("HELLO", HANG_UP, Transient),
    ("HELLO", SAY_NOTHING, Transient),
    ("HELLO", "421 too busy", Transient),
    ("HELLO", "554 no service here", Transient),
    ("MAIL", "451 not now", Transient),
    ("MAIL", "553 not yours", Credentials),
    ("MAIL", HANG_UP, Transient),
    ("RCPT", "450 greylisted", Transient),
    ("RCPT", "550 no such user", Permanent),
    ("RCPT", SAY_NOTHING, Transient),
    ("DATA", "451 disk full", Transient),
    ("DATA", "554 no", Permanent),
    ("END", "451 try again", Transient),
    ("END", "554 looks like spam", Permanent),
]


@scenario(BY_SMTP)
@pytest.mark.parametrize("what", OPERATIONS)
@pytest.mark.parametrize(("verb", "answer", "error"), NOT_TAKEN)
async def test_a_mail_that_was_not_taken_is_surely_nothing_done(
    under_test: AdapterUnderTest, verb: str, answer: str, error: type[EdgeError], what: str, tmp_path: Path
) -> None:
    """Before the content, or refused after it: the server said no, or never saw it."""
    write, case, before = await begun(under_test, what, tmp_path)
    office_of(under_test).answers[verb] = answer
    with pytest.raises(error) as raised:
        await write()
    assert not isinstance(raised.value, Uncertain)
    assert arrived(under_test) == before
    assert await known(under_test, case, what) is None
    office_of(under_test).answers.clear()
    await write()
    assert arrived(under_test) == before + 1
    assert await known(under_test, case, what) is not None


@scenario(BY_SMTP)
async def test_a_mail_server_that_is_not_there_is_surely_nothing_done(
    under_test: AdapterUnderTest, tmp_path: Path
) -> None:
    write, case, before = await begun(under_test, "append", tmp_path)
    async with office_of(under_test).away():
        with pytest.raises(Transient):
            await write()
        with pytest.raises(Transient):
            await under_test.adapter.check()
    assert arrived(under_test) == before
    await write()
    assert arrived(under_test) == before + 1
    assert await known(under_test, case, "append") is not None


@scenario(BY_SMTP)
@pytest.mark.parametrize("what", OPERATIONS)
@pytest.mark.parametrize("answer", [HANG_UP, SAY_NOTHING, CUT_INSIDE])
async def test_a_mail_without_a_last_word_is_unclear_and_never_told_as_sent(
    under_test: AdapterUnderTest, answer: str, what: str, tmp_path: Path
) -> None:
    """Cut off behind the content, silent there, or cut off within it: from here they look alike."""
    write, case, before = await begun(under_test, what, tmp_path)
    office_of(under_test).answers["END"] = answer
    with pytest.raises(Uncertain):
        await write()
    done = answer != CUT_INSIDE
    assert arrived(under_test) == before + done
    assert await known(under_test, case, what) is None, "the core flags a possible double"
    office_of(under_test).answers.clear()
    await write()
    repeated = done and under_test.adapter.capabilities.idempotency == "none"
    assert arrived(under_test) == before + 1 + repeated, "a person, or a system that swallows repeats, may send again"
    assert await known(under_test, case, what) is not None


@scenario(BY_SMTP)
async def test_a_slow_mail_server_is_waited_for(under_test: AdapterUnderTest) -> None:
    case = reference()
    office_of(under_test).delay_seconds = 0.3
    ticket = await under_test.adapter.open_ticket(draft(case))
    assert await under_test.adapter.find(case) == ticket
    assert arrived(under_test) == 1


@scenario(BY_SMTP)
async def test_a_storm_of_mail_faults_sends_nothing_twice_unless_it_is_swallowed(under_test: AdapterUnderTest) -> None:
    """As the outbox does it: what is unclear and can't be looked up stays with a person, but for harmless repeats."""
    case, adapter, dice = reference(), under_test.adapter, random.Random(20261124)
    blind = adapter.capabilities.idempotency == "none"
    ticket = await adapter.open_ticket(draft(case))
    faults = [("HELLO", HANG_UP), ("MAIL", "451 later"), ("RCPT", HANG_UP), ("END", HANG_UP), ("END", "451 later")]
    flagged = set()
    for number in range(2, 22):
        for _ in range(8):
            office_of(under_test).answers = dict([dice.choice(faults)]) if dice.random() < 0.5 else {}
            try:
                await adapter.append(ticket, entry(case, number))
                break
            except Transient:
                continue
            except Uncertain:
                if blind:
                    flagged.add(number)
                    break
    texts = [line.text for line in await under_test.backstage.thread(ticket.id)]
    got = [int(text.split("número ")[1].split(" ")[0]) for text in texts]
    assert got == list(range(1, 22)), "each once and in order"
    assert bool(flagged) is blind


# ---------------------------------------------------------------- the mailbox


@scenario(MAIL)
@pytest.mark.parametrize("fault", [CUT, NO, BYE, HANG])
@pytest.mark.parametrize("command", ["LOGIN", "SELECT", "SEARCH", "FETCH", "APPEND", "STORE"])
async def test_a_mailbox_that_fails_at_any_command_loses_and_doubles_nothing(
    under_test: AdapterUnderTest, command: str, fault: str, tmp_path: Path
) -> None:
    """The book is written before a mail leaves and marked afterwards: neither end may cost or double one."""
    write, case, before = await begun(under_test, "append", tmp_path)
    faults = office_of(under_test).mailbox.faults
    faults[command] = fault
    if command == "LOGIN":
        faults["SELECT"] = CUT  # else it is logged in already
    try:
        await write()
    except (Transient, Credentials):
        assert arrived(under_test) == before
        await write()
    assert not faults, "it was met"
    assert arrived(under_test) == before + 1
    if command != "STORE":  # the mark that the mail left is what was lost then: it stays in doubt, and is not told
        assert await known(under_test, case, "append") is not None


@scenario(MAIL)
@pytest.mark.parametrize("fault", [CUT, NO, BYE, HANG, HALF])
@pytest.mark.parametrize("command", ["SEARCH", "FETCH"])
async def test_a_mailbox_that_fails_is_never_an_absence(under_test: AdapterUnderTest, command: str, fault: str) -> None:
    case, adapter = reference(), under_test.adapter
    ticket = await adapter.open_ticket(draft(case))
    made = await under_test.backstage.agent_answers(ticket.id, "La cuadrilla pasa mañana.")
    faults = office_of(under_test).mailbox.faults
    looks: tuple[Write, ...] = (
        lambda: adapter.find(case),
        lambda: adapter.find_entry(ticket, MessageKey(f"{case}.m1")),
        lambda: adapter.entry(ticket.id, made),
        lambda: adapter.thread(ticket.id),
    )
    for look in looks:
        faults[command] = fault
        with pytest.raises(Transient):
            await look()
        assert not faults, "the fault was met"
        assert await look()


@scenario(MAIL)
async def test_a_refused_log_in_is_credentials_and_is_not_told(under_test: AdapterUnderTest) -> None:
    assert under_test.stranger is not None
    for call in (under_test.stranger.find(reference()), under_test.stranger.updates(None)):
        with pytest.raises(Credentials) as refused:
            await call
        assert "deadbeef" not in str(refused.value)


async def read_on(under_test: AdapterUnderTest, cursor: Cursor | None, ticket: Ticket) -> list[EntryId | None]:
    """Public entries of the ticket, in the order told, until there is nothing new."""
    told: list[EntryId | None] = []
    for _ in range(40):
        page, after = await under_test.adapter.updates(cursor)
        told += [one.entry for one in page if one.ticket == ticket.id and one.public]
        if after == cursor:
            return told
        cursor = after
    raise AssertionError("it never ends")


@scenario(MAIL)
@pytest.mark.parametrize("fault", [CUT, HALF, BYE, HANG])
async def test_half_a_mailbox_is_read_again_and_loses_no_answer(under_test: AdapterUnderTest, fault: str) -> None:
    """The connection ends in the middle of the list: what was read of it is not taken for all, and the cursor stays."""
    ticket = await under_test.adapter.open_ticket(draft(reference()))
    _, cursor = await under_test.adapter.updates(None)
    made = [await under_test.backstage.agent_answers(ticket.id, f"Respuesta {number}") for number in range(5)]
    office_of(under_test).mailbox.faults["FETCH"] = fault
    with pytest.raises(Transient):
        await under_test.adapter.updates(cursor)
    assert await read_on(under_test, cursor, ticket) == made


@scenario(MAIL)
@pytest.mark.parametrize("folder", ["INBOX", "inbox-daemon"])
async def test_a_folder_that_was_made_anew_loses_no_answer_and_no_case(
    under_test: AdapterUnderTest, folder: str
) -> None:
    """A restored mailbox: UIDVALIDITY is another one, and UIDs begin anew."""
    case, adapter = reference(), under_test.adapter
    ticket = await adapter.open_ticket(draft(case))
    first = await under_test.backstage.agent_answers(ticket.id, "Antes de la mudanza")
    _, cursor = await adapter.updates(None)
    office_of(under_test).mailbox.folders[folder].made_anew()
    second = await under_test.backstage.agent_answers(ticket.id, "Después de la mudanza")
    told = await read_on(under_test, cursor, ticket)
    assert second in told
    assert set(told) <= {first, second}, "again is harmless, under the same id"
    assert await adapter.find(case) == ticket
    for made in (first, second):
        now = await adapter.entry(ticket.id, made)
        assert now is not None
        assert now.public
    await adapter.append(ticket, entry(case, 2))
    assert await adapter.find_entry(ticket, MessageKey(f"{case}.m2")) is not None
