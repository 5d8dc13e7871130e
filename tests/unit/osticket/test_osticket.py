"""osTicket's answers (`testcases/`, as observed on 1.18), and what becomes of a mail when its API fails."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from pydantic import ValidationError

from contract.mail_provider import mail_office, mailer_for
from contract.osticket_provider import OsTicketBackstage, osticket_settings
from contract.ticketing_words import draft, entry, reference, stored
from inbox_daemon.errors import Credentials, EdgeError, Permanent, Transient, Uncertain
from inbox_daemon.plugins import Secret
from inbox_ticketing import osticket as package
from inbox_ticketing._by_mail.cases import Cases
from inbox_ticketing._by_mail.compose import WHOLE_NAME
from inbox_ticketing.osticket import parse, plugin
from inbox_ticketing.osticket.settings import DEFAULT_FILE_TYPES, OsTicketSettings
from support.contexts import lend_context
from support.fault_proxy import AFTER_WORK, Fault, FaultProxy
from support.mail_office_fake import ADDRESS, AUTHSERV, OFFICE
from support.osticket_fake import OsTicket, osticket_fake

CASES = Path(package.__file__).parent / "testcases"
SETTINGS = {
    "url": "http://127.0.0.1:1",
    "key": Secret("inventada"),
    "to": OFFICE,
    "address": ADDRESS,
    "agents": ["@obras.example"],
    "authserv_id": AUTHSERV,
    "host": "127.0.0.1",
    "user": ADDRESS,
    "password": Secret("inventada"),
}
MEANT = {
    "created-201": "taken",
    "no-subject-500": "refused",
    "no-mx-500": "not_now",
    "unknown-500": "unclear",
    "wrong-key-401": "not_allowed",
    "broken-json-400": "refused",
    "wrong-url-400": "refused",
    "denied-403": "refused",
    "login-page-200": "unclear",
}


@dataclass
class World:
    adapter: Cases
    system: OsTicket
    proxy: FaultProxy

    @property
    def agents(self) -> OsTicketBackstage:
        return OsTicketBackstage(self.system.office, self.system)


@asynccontextmanager
async def opened(**changes: Any) -> AsyncIterator[World]:
    async with (
        mail_office() as office,
        osticket_fake(office) as system,
        FaultProxy("127.0.0.1", system.port) as proxy,
        lend_context("obras-osticket", mail=mailer_for(office)) as context,
    ):
        adapter = plugin.build(osticket_settings(system, url=proxy.url, **changes), context)
        assert isinstance(adapter, Cases)
        yield World(adapter, system, proxy)
        await adapter.aclose()
        await adapter.aclose()


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with opened() as made:
        yield made


@pytest.mark.parametrize("name", MEANT)
def test_what_an_answer_proves(name: str) -> None:
    status = int(name.rpartition("-")[2])
    assert parse.outcome(status, (CASES / f"{name}.txt").read_text("utf-8")) == MEANT[name]


def test_every_recorded_answer_is_judged() -> None:
    assert {path.stem for path in CASES.iterdir()} == set(MEANT)


@pytest.mark.parametrize("text", ["", "no", "<b>1</b>", "1 2", "x" * 50, "Ticket created: 4"])
def test_what_is_no_number_is_none(text: str) -> None:
    assert parse.number_of(text) == ""
    assert parse.outcome(201, text) == "unclear"


def test_a_reason_is_told_without_addresses_and_pages() -> None:
    assert parse.reason("Issue Summary\n is required") == "Issue Summary is required"
    assert "ana@" not in parse.reason("ana@x.example is banned")
    assert "<" not in parse.reason("<html>")


# ---------------------------------------------------------------- one ticket, whatever fails


@pytest.mark.parametrize("fault", AFTER_WORK)
async def test_one_ticket_stands_after_a_fault(world: World, fault: Fault) -> None:
    case = reference()
    world.proxy.once(fault)
    with pytest.raises(Uncertain):
        await world.adapter.open_ticket(draft(case))
    ticket = await world.adapter.open_ticket(draft(case))
    assert [kept.number for kept in world.system.tickets] == [ticket.number]
    assert len(await world.agents.thread(ticket.id)) == 1
    world.proxy.once(fault)
    with pytest.raises(Uncertain):
        await world.adapter.append(ticket, entry(case, 2))
    await world.adapter.append(ticket, entry(case, 2))
    assert len(await world.agents.thread(ticket.id)) == 2
    assert len(world.system.tickets) == 1


async def test_a_refused_connection_is_surely_nothing_done(world: World) -> None:
    world.proxy.fault = Fault.REFUSE
    with pytest.raises(Transient):
        await world.adapter.open_ticket(draft(reference()))
    with pytest.raises(Transient):
        await world.adapter.check()
    assert world.system.office.mailbox.folders["inbox-daemon"].mails == []


@pytest.mark.parametrize(
    ("status", "text", "error"),
    [
        (500, "Unable to create new ticket :20\nIssue Summary is a required field", Permanent),
        (500, "Unable to create new ticket :user\nIncomplete client information", Transient),
        (500, "Unable to create new ticket: unknown error", Uncertain),
        (500, "<html>oops</html>", Uncertain),
        (502, "", Uncertain),
        (403, "Ticket denied", Permanent),
        (413, "too large", Permanent),
        (429, "slow down", Transient),
        (404, "<html>", Credentials),
        (302, "", Credentials),
        (200, "<html>login</html>", Uncertain),
        (201, "", Uncertain),
    ],
)
async def test_each_answer_has_its_consequence(world: World, status: int, text: str, error: type[EdgeError]) -> None:
    world.system.says = web.Response(status=status, text=text, content_type="text/html")
    with pytest.raises(error) as raised:
        await world.adapter.open_ticket(draft(reference()))
    assert type(raised.value) is error
    assert world.system.tickets == []


async def test_a_wrong_key_is_told_without_it() -> None:
    async with opened(key=Secret("deadbeef")) as world:
        for call in (world.adapter.check(), world.adapter.open_ticket(draft(reference()))):
            with pytest.raises(Credentials, match="API key") as refused:
                await call
            assert "deadbeef" not in str(refused.value)


async def test_the_check_makes_no_ticket_and_sees_a_login_page(world: World) -> None:
    await world.adapter.prove()
    assert world.system.tickets == []
    assert world.system.office.arrived == []
    world.proxy.once(Fault.LOGIN_PAGE)
    with pytest.raises(Transient, match="login page"):
        await world.adapter.check()


# ---------------------------------------------------------------- what osTicket does with a mail


async def test_a_closed_ticket_that_does_not_reopen_becomes_another_and_its_number_is_told(world: World) -> None:
    case = reference()
    ticket = await world.adapter.open_ticket(draft(case))
    world.system.reopens = False
    world.system.tickets[0].open = False
    written = await world.adapter.append(ticket, entry(case, 2))
    assert written.ticket.number == world.system.tickets[1].number != ticket.number
    assert written.ticket.id == ticket.id
    found = await world.adapter.find(case)
    assert found is not None
    assert found.number == written.ticket.number
    assert (await world.adapter.append(ticket, entry(case, 3))).ticket.number == written.ticket.number


async def test_characters_that_osticket_drops_stand_in_a_file(world: World) -> None:
    ticket = await world.adapter.open_ticket(draft(reference(), body="Un pozo 🕳 en la calle"))
    [mail] = world.system.office.of(ticket.id)
    assert "🕳" not in world.system.bodies[str(mail["Message-ID"])]
    [whole] = mail.iter_attachments()
    assert whole.get_filename() == WHOLE_NAME
    assert "Un pozo 🕳 en la calle" in whole.get_content()
    assert list(world.system.files[str(mail["Message-ID"])]) == [WHOLE_NAME]
    assert "Un pozo 🕳 en la calle" in (await world.agents.thread(ticket.id))[0].text
    plain = await world.adapter.open_ticket(draft(reference(), body="Un pozo en la calle: «ñ», 3 €"))
    assert list(world.system.office.of(plain.id)[0].iter_attachments()) == []


KEPT = {
    "foto.JPG": True,
    "nota.pdf": True,
    "audio.ogg": False,
    "pdf": False,
    "a.exe": False,
    "": False,
    "vídeo.mp4": False,
}


@pytest.mark.parametrize(("name", "kept"), KEPT.items())
async def test_as_installed_nothing_is_lost_in_silence(world: World, tmp_path: Path, name: str, kept: bool) -> None:
    """What the adapter calls written stands in osTicket; what osTicket would drop is refused, so that a link goes."""
    case = reference()
    ticket = await world.adapter.open_ticket(draft(case))
    file = stored(tmp_path, name, "application/octet-stream", b"datos")
    if kept:
        await world.adapter.attach(ticket, entry(case, 2), file)
    else:
        with pytest.raises(Permanent) as refused:
            await world.adapter.attach(ticket, entry(case, 2), file)
        assert refused.value.told
    assert await world.agents.files(ticket.id) == ({name: b"datos"} if kept else {})


async def test_what_osticket_drops_against_its_settings_is_seen_to_be_missing(tmp_path: Path) -> None:
    """The backstage reads what osTicket kept, not what we mailed: else no scenario about files could fail."""
    case = reference()
    async with opened(file_types=["*"]) as world:
        ticket = await world.adapter.open_ticket(draft(case, body="Un pozo 🕳"))
        await world.adapter.attach(ticket, entry(case, 2), stored(tmp_path, "a.ogg", "audio/ogg", b"OggS"))
        assert await world.agents.files(ticket.id) == {}
        world.system.file_types = frozenset({"pdf"})
        other = await world.adapter.open_ticket(draft(reference(), body="Un pozo 🕳"))
        assert "🕳" not in (await world.agents.thread(other.id))[0].text


@pytest.mark.parametrize("types", [(), ("pdf",), ("txt", ".pdf"), ("txt", "")])
def test_file_types_without_texts_or_with_dots_are_refused(types: tuple[str, ...]) -> None:
    assert OsTicketSettings.model_validate(SETTINGS).file_types == DEFAULT_FILE_TYPES
    with pytest.raises(ValidationError, match="file_types"):
        plugin.settings.model_validate(SETTINGS | {"file_types": types})


async def test_a_file_that_osticket_would_drop_is_refused_before(tmp_path: Path) -> None:
    case = reference()
    async with opened(file_types=["pdf", "JPG", "txt"]) as world:
        ticket = await world.adapter.open_ticket(draft(case))
        with pytest.raises(Permanent) as refused:
            await world.adapter.attach(ticket, entry(case, 2), stored(tmp_path, "a.exe", "application/x", b"MZ"))
        assert refused.value.told
        assert world.system.office.mailbox.folders["inbox-daemon"].mails[1:] == []
        await world.adapter.attach(ticket, entry(case, 3), stored(tmp_path, "a.JPG", "image/jpeg", b"\xff\xd8"))
        assert await world.agents.files(ticket.id) == {"a.JPG": b"\xff\xd8"}


async def test_without_a_mail_server_it_works_and_leaves_the_probe_out() -> None:
    async with mail_office() as office, osticket_fake(office) as system, lend_context("obras") as context:
        adapter = plugin.build(osticket_settings(system), context)
        await adapter.check()
        assert (await adapter.open_ticket(draft(reference()))).number == system.tickets[0].number
        await adapter.aclose()
