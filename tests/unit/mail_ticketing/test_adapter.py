"""The mail adapter when servers fail, lie or are made anew; over fakes on real sockets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from contract.mail_provider import MailBackstage, mail_office, mailer_for, settings_for
from contract.ticketing_words import draft, entry, reference, stored
from inbox_daemon.errors import Credentials, EdgeError, Gone, Permanent, SettingsError, Transient, Uncertain
from inbox_daemon.model import MessageKey, Ticket
from inbox_daemon.plugins import Secret
from inbox_ticketing._by_mail import parse
from inbox_ticketing._by_mail.cases import Cases
from inbox_ticketing.mail import plugin
from support.contexts import lend_context
from support.imap_fake import BYE, CUT, EVERYTHING, HANG, NO, NOTHING, Folder
from support.mail_office_fake import MailOffice
from support.smtp_sink import HANG_UP, SAY_NOTHING


@dataclass
class World:
    office: MailOffice
    make: Callable[..., Cases]
    mail: Cases

    @property
    def agents(self) -> MailBackstage:
        return MailBackstage(self.office)

    @property
    def book(self) -> Folder:
        return self.office.mailbox.folders["inbox-daemon"]

    @property
    def inbox(self) -> Folder:
        return self.office.mailbox.folders["INBOX"]


@asynccontextmanager
async def opened() -> AsyncIterator[World]:
    async with mail_office() as office, lend_context("obras-mail", mail=mailer_for(office)) as context:
        made: list[Cases] = []

        def make(**changes: Any) -> Cases:
            adapter = plugin.build(settings_for(office, **changes), context)
            assert isinstance(adapter, Cases)
            made.append(adapter)
            return adapter

        yield World(office, make, make())
        for adapter in made:
            await adapter.aclose()
            await adapter.aclose()


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with opened() as made:
        yield made


async def begun(world: World) -> Ticket:
    return await world.mail.open_ticket(draft(reference()))


# ---------------------------------------------------------------- what became of a mail


@pytest.mark.parametrize("word", [HANG_UP, SAY_NOTHING])
async def test_no_last_word_is_unclear_and_the_next_try_bears_the_same_id(world: World, word: str) -> None:
    case = reference()
    world.office.answers["END"] = word
    with pytest.raises(Uncertain):
        await world.mail.open_ticket(draft(case))
    assert await world.mail.find(case) is None, "what may have left is not told as sent"
    assert await world.mail.find_entry(Ticket(id=_token(world), number="x"), MessageKey(f"{case}.m1")) is None
    world.office.answers.clear()
    ticket = await world.mail.open_ticket(draft(case))
    assert await world.mail.find(case) == ticket
    first, second = world.office.arrived
    assert first["Message-ID"] == second["Message-ID"]
    assert len(world.book.mails) == 1


@pytest.mark.parametrize(
    ("verb", "answer", "error"),
    [
        ("END", "451 later", Transient),
        ("END", "554 no", Permanent),
        ("RCPT", "550 no such", Permanent),
        ("RCPT", "450 greylisted", Transient),
        ("MAIL", "553 not yours", Credentials),
        ("DATA", HANG_UP, EdgeError),
    ],
)
async def test_what_was_refused_leaves_no_trace(world: World, verb: str, answer: str, error: type[EdgeError]) -> None:
    case = reference()
    world.office.answers[verb] = answer
    with pytest.raises(error):
        await world.mail.open_ticket(draft(case))
    if error is not EdgeError:
        assert world.book.mails == []
    assert await world.mail.find(case) is None


@pytest.mark.parametrize("fault", [CUT, NO, BYE, HANG])
async def test_without_the_book_nothing_is_mailed(world: World, fault: str) -> None:
    adapter = world.mail if fault != HANG else world.make(timeout_seconds=0.3)
    world.office.mailbox.folders["inbox-daemon"] = Folder()
    world.office.mailbox.faults["APPEND"] = fault
    with pytest.raises(Transient):
        await adapter.open_ticket(draft(reference()))
    assert world.office.arrived == []


async def test_a_mark_that_could_not_be_taken_off_does_not_undo_the_mail(world: World) -> None:
    world.office.mailbox.faults["STORE"] = NO
    ticket = await begun(world)
    assert len(world.office.arrived) == 1
    assert await world.mail.append(ticket, entry(reference(), 2))


# ---------------------------------------------------------------- threads


async def test_the_systems_tag_and_id_are_taken_up(world: World) -> None:
    ticket = await begun(world)
    mail = world.office.answer(
        ticket.id, subject="[GLPI #0000123] Re: [Caso X] Luminaria", Auto_Submitted="auto-replied"
    )
    mail.set_content("Recibimos su pedido.")
    world.office.post(mail)
    await world.mail.append(ticket, entry(reference(), 2))
    last = world.office.arrived[-1]
    assert last["Subject"] == "Re: [GLPI #0000123] Re: [Caso X] Luminaria"
    assert last["In-Reply-To"] == mail["Message-ID"]
    assert last["References"].split()[0] == world.office.arrived[0]["Message-ID"]
    assert world.office.senders[-1] == f"casos+{ticket.id}@ciudad.example"


async def test_a_strangers_subject_is_not_taken_up(world: World) -> None:
    ticket = await begun(world)
    mail = world.office.answer(ticket.id, sender="x@evil.example", subject="Comprá ya")
    mail.set_content("Hola")
    world.office.post(mail)
    await world.mail.append(ticket, entry(reference(), 2))
    assert world.office.arrived[-1]["Subject"].startswith("Re: [Caso ")


async def test_nothing_says_that_a_program_wrote_it(world: World, tmp_path: Path) -> None:
    case = reference()
    ticket = await world.mail.open_ticket(draft(case))
    await world.mail.note(ticket, entry(case, 2))
    await world.mail.attach(ticket, entry(case, 3), stored(tmp_path, "a.pdf", "application/pdf", b"%PDF"))
    for mail in world.office.arrived:
        for name in ("Auto-Submitted", "Precedence", "List-Id", "X-Loop", "X-Auto-Response-Suppress"):
            assert name not in mail
    assert all(sender.startswith("casos+") for sender in world.office.senders)


async def test_a_case_that_the_book_lost_takes_nothing(world: World) -> None:
    ticket = await begun(world)
    world.book.mails.clear()
    for absent in (ticket, Ticket(id=_id("x/../1"), number="1"), Ticket(id=_id("z" * 16), number="1")):
        with pytest.raises(Gone):
            await world.mail.append(absent, entry(reference(), 2))


# ---------------------------------------------------------------- answers


async def test_answers_survive_a_mailbox_that_was_made_anew(world: World) -> None:
    ticket = await begun(world)
    _, cursor = await world.mail.updates(None)
    made = await world.agents.agent_answers(ticket.id, "Mañana.")
    world.inbox.validity += 1
    found, after = await world.mail.updates(cursor)
    assert made in {one.entry for one in found if one.public}
    again, _ = await world.mail.updates(after)
    assert list(again) == []


async def test_many_answers_come_in_pages_and_none_is_left_out(world: World) -> None:
    ticket = await begun(world)
    _, cursor = await world.mail.updates(None)
    made = [await world.agents.agent_answers(ticket.id, f"Respuesta {number}.") for number in range(90)]
    found = []
    for _ in range(4):
        page, cursor = await world.mail.updates(cursor)
        assert len(page) <= 80
        found += [one.entry for one in page if one.public]
    assert found == made


async def test_poison_holds_up_no_neighbour(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    ticket = await begun(world)
    _, cursor = await world.mail.updates(None)
    to = f"casos+{ticket.id}@ciudad.example".encode()
    world.inbox.put(b"To: " + to + b"\r\nContent-Type: multipart/mixed; boundary=\r\n\r\n\xff\0")
    world.inbox.put(b"\xff\xfe\r\n\r\n")
    world.inbox.put(b"To: " + to + b"\r\n\r\n" + b"x" * 5000)
    read = parse.read
    monkeypatch.setattr(parse, "read", lambda raw, policy: 1 / 0 if b"veneno" in raw else read(raw, policy))
    world.inbox.put(b"To: " + to + b"\r\n\r\nveneno")
    made = await world.agents.agent_answers(ticket.id, "Mañana.")
    mail = world.make(max_answer_bytes=4000)
    found, _ = await mail.updates(cursor)
    assert [one.entry for one in found if one.public] == [made]


@pytest.mark.parametrize("command", ["SELECT", "SEARCH", "FETCH"])
@pytest.mark.parametrize("fault", [NO, BYE])
async def test_a_broken_connection_is_no_answer_taken_back(world: World, command: str, fault: str) -> None:
    ticket = await begun(world)
    made = await world.agents.agent_answers(ticket.id, "Mañana.")
    fresh = world.make()
    world.office.mailbox.faults[command] = fault
    with pytest.raises(Transient):
        await fresh.entry(ticket.id, made)
    now = await fresh.entry(ticket.id, made)
    assert now is not None
    assert now.public


async def test_a_server_that_hangs_holds_up_nobody_else_and_closing_does_not_wait_for_it(world: World) -> None:
    slow = world.make(timeout_seconds=20)
    world.office.mailbox.faults["SELECT"] = HANG
    hanging = [asyncio.create_task(slow.find(reference())) for _ in range(20)]
    await asyncio.sleep(0.2)
    async with asyncio.timeout(2):
        await asyncio.to_thread(lambda: None)
        await world.mail.find(reference())
        await slow.aclose()
        for ended in await asyncio.gather(*hanging, return_exceptions=True):
            assert isinstance(ended, Transient)
    with pytest.raises(Transient):
        await slow.find(reference())


async def test_a_connection_that_died_while_idle_is_made_anew(world: World) -> None:
    ticket = await begun(world)
    world.office.mailbox.faults["SELECT"] = CUT
    assert await world.mail.find_entry(ticket, MessageKey("nada")) is None


# ---------------------------------------------------------------- the check


async def test_the_check_leaves_nothing_and_tells_the_office_nothing(world: World) -> None:
    await world.mail.prove()
    assert world.office.arrived == []
    assert world.inbox.mails == []
    assert world.book.mails == []


@pytest.mark.parametrize("lie", [NOTHING, EVERYTHING])
async def test_a_search_that_lies_is_found_out(world: World, lie: str) -> None:
    await begun(world)
    world.office.mailbox.faults["SEARCH"] = lie
    with pytest.raises(Credentials, match="SEARCH HEADER"):
        await world.mail.check()


async def test_a_server_without_addresses_of_cases_is_told_with_a_remedy(world: World) -> None:
    world.office.delivers_plus = False
    with pytest.raises(Transient, match="recipient_delimiter"):
        await world.make(probe_seconds=0.4).prove()
    await world.make(plus=False).prove()
    await world.make(probe_seconds=0).prove()
    await world.mail.check()  # no case waits for the way back


async def test_a_wrong_password_is_told_without_it(world: World) -> None:
    with pytest.raises(Credentials, match="AUTHENTICATIONFAILED") as refused:
        await world.make(password=Secret("deadbeef")).check()
    assert "deadbeef" not in str(refused.value)
    assert "casos@" not in str(refused.value)


async def test_a_folder_that_is_not_there_is_told_with_those_that_are(world: World) -> None:
    with pytest.raises(Credentials, match=r"Inexistente.*INBOX"):
        await world.make(folder="Inexistente").check()


async def test_servers_that_are_not_there_are_transient(world: World) -> None:
    closed = world.make(port=1)
    for call in (closed.check(), closed.updates(None), closed.open_ticket(draft(reference()))):
        with pytest.raises(Transient):
            await call


async def test_without_a_mail_server_it_does_not_start(world: World) -> None:
    async with lend_context("obras-mail") as context:
        with pytest.raises(SettingsError, match="smtp"):
            plugin.build(settings_for(world.office), context)


@pytest.mark.parametrize(
    "changes",
    [
        {"authserv_id": ""},
        {"agents": []},
        {"agents": ["casos@ciudad.example"]},
        {"to": "casos@ciudad.example"},
        {"address": "casos+x@ciudad.example"},
        {"agents": ["obras.example"]},
        {"book_folder": "INBOX"},
    ],
)
async def test_settings_that_would_loop_or_believe_everybody_are_refused(world: World, changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r".+"):
        settings_for(world.office, **changes)


def _token(world: World) -> Any:
    return str(world.office.arrived[-1]["Message-ID"]).strip("<").partition(".")[0]


def _id(text: str) -> Any:
    return text
