"""A ministry that is fed by mail, and one with an osTicket, through the whole process: told once, answered once."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from contract.mail_provider import mail_office
from e2e.world import ANA, VERIFY_TOKEN, deliver, meta, now
from support.daemon import Daemon, eventually
from support.graph_fake import TOKEN
from support.graph_fake_citizens import PHONE_NUMBER_ID, SECRET
from support.mail_office_fake import ADDRESS, AUTHSERV, OFFICE
from support.osticket_fake import OsTicket, osticket_fake
from support.smtp_sink import HANG_UP

_TOML = """
[delivery]
order_grace_seconds = 0
retry_first_seconds = 0.05
retry_max_seconds = 0.2
settle_seconds = 0.2
follow_seconds = 1
[smtp]
host = "127.0.0.1"
port = {smtp}
tls = "none"
from_address = "sistema@ciudad.example"
[channels.whatsapp-centro]
kind = "whatsapp"
phone_number_id = "{number}"
app_secret = {{ env = "TEST_APP_SECRET" }}
verify_token = {{ env = "TEST_VERIFY_TOKEN" }}
access_token = {{ env = "TEST_ACCESS_TOKEN" }}
graph_url = "{graph}"
media_hosts = ["media.meta.test"]
[destinations.obras]
{kind}
to = "{to}"
address = "{address}"
agents = ["@obras.example"]
authserv_id = "{authserv}"
host = "127.0.0.1"
port = {imap}
tls = "none"
user = "{address}"
password = {{ env = "TEST_IMAP_PASSWORD" }}
grace_seconds = 0
[routing]
default = "obras"
"""
KINDS = {
    "mail": 'kind = "mail"',
    "swallowing": 'kind = "mail"\nswallows_repeats = true',
    "osticket": 'kind = "osticket"\nkey = {{ env = "TEST_KEY" }}\nurl = "http://127.0.0.1:{api}"',
}


class Servers:
    """The fakes in a thread of their own, since the tests themselves only wait."""

    def __init__(self, system: OsTicket, loop: asyncio.AbstractEventLoop) -> None:
        self.system = system
        self.office = system.office
        self.loop = loop

    def answers(self, token: str, text: str, **headers: str) -> None:
        """An agent answers the last mail of a case."""
        mail = self.office.answer(token, **headers)
        mail.set_content(text)
        self.loop.call_soon_threadsafe(self.office.post, mail)


@contextmanager
def servers(*, swallows_repeats: bool) -> Iterator[Servers]:
    made: list[Servers] = []
    ready, stop = threading.Event(), asyncio.Event()

    async def serve() -> None:
        async with mail_office(swallows_repeats=swallows_repeats) as office, osticket_fake(office) as system:
            made.append(Servers(system, asyncio.get_running_loop()))
            ready.set()
            await stop.wait()

    thread = threading.Thread(target=asyncio.run, args=(serve(),), name="office")
    thread.start()
    try:
        assert ready.wait(10)
        yield made[0]
    finally:
        made[0].loop.call_soon_threadsafe(stop.set)
        thread.join(10)


def configured(home: Path, kind: str, far: Servers, graph: str) -> Daemon:
    toml = _TOML.format(
        smtp=far.office.port,
        number=PHONE_NUMBER_ID,
        graph=graph,
        kind=KINDS[kind].format(api=far.system.port),
        to=OFFICE,
        address=ADDRESS,
        authserv=AUTHSERV,
        imap=far.office.mailbox.port,
    )
    environ = {
        "TEST_APP_SECRET": SECRET,
        "TEST_VERIFY_TOKEN": VERIFY_TOKEN,
        "TEST_ACCESS_TOKEN": TOKEN,
        "TEST_IMAP_PASSWORD": far.office.mailbox.password,
        "TEST_KEY": far.system.key,
    }
    return Daemon(home, toml, environ=environ)


def token_of(far: Servers) -> str:
    return str(far.office.arrived[0]["Message-ID"]).strip("<").partition(".")[0]


@pytest.mark.parametrize("kind", ["mail", "osticket"])
def test_a_conversation_to_and_fro(tmp_path: Path, kind: str) -> None:
    with (
        servers(swallows_repeats=False) as far,
        meta() as graph,
        configured(tmp_path, kind, far, graph.url) as daemon,
    ):

        def heard(words: str) -> list[str]:
            return [one.text for one in graph.inbox(ANA) if words in (one.text or "")]

        assert deliver(daemon, ANA.text("La luminaria de la plaza está apagada", at=now())) == 200
        eventually(lambda: len(far.office.arrived) == 1)
        assert deliver(daemon, ANA.text("¿Hay novedades?", at=now())) == 200
        eventually(lambda: len(far.office.arrived) == 2)
        first, second = far.office.arrived
        assert first["Message-ID"] in second["References"]
        token = token_of(far)
        time.sleep(1.1)  # a mail server's clock counts seconds, and what is older than the first look is not answered
        far.answers(token, "Nota para Pedro.", to="pedro@obras.example", Cc=str(first["Reply-To"]))
        far.answers(token, "Soy Laura, de verdad.", proof="")
        far.answers(token, "La cuadrilla pasa mañana.\n\n> La luminaria\n")
        eventually(lambda: heard("cuadrilla pasa"), seconds=20)
        time.sleep(1.5)
        assert len(heard("cuadrilla pasa")) == 1
        assert not heard("Pedro")
        assert not heard("de verdad")
        assert not heard("> La luminaria")


@pytest.mark.parametrize("kind", ["mail", "swallowing"])
def test_an_unclear_end_waits_for_a_person_unless_repeats_are_swallowed(tmp_path: Path, kind: str) -> None:
    swallows = kind == "swallowing"
    with (
        servers(swallows_repeats=swallows) as far,
        meta() as graph,
        configured(tmp_path, kind, far, graph.url) as daemon,
    ):
        far.office.answers["END"] = HANG_UP
        assert deliver(daemon, ANA.text("La luminaria de la plaza está apagada", at=now())) == 200
        eventually(lambda: len(far.office.raw) >= 1)
        far.office.answers.clear()
        if swallows:
            eventually(lambda: len(far.office.raw) >= 2, seconds=20)
        else:
            eventually(lambda: "possible double" in daemon.log.read_text("utf-8"), seconds=20)
            time.sleep(1)
            assert len(far.office.raw) == 1
        assert len(far.office.arrived) == 1
