"""A ministry with a real Redmine, through the whole process: killed while messages pour in, and answering."""

from __future__ import annotations

import asyncio
import random
import threading
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

import pytest

from contract.redmine_backstage import RedmineBackstage, redmine_backstage
from contract.ticketing_model import AgentFile, Line
from e2e.world import ANA, HOOK, VERIFY_TOKEN, cases, deliver, meta, now
from inbox_daemon.model import TicketId
from real.servers.redmine import RedmineServer
from support.daemon import Daemon, eventually
from support.graph_fake import TOKEN
from support.graph_fake_citizens import PHONE_NUMBER_ID, SECRET, Phone, citizens, sign, traffic

pytestmark = pytest.mark.real
KILLS = 5
MESSAGES = 24
PHOTO = b"\xff\xd8\xff\xe0" + b"\0" * 3000
_TOML = """
[delivery]
order_grace_seconds = 0
retry_first_seconds = 0.05
retry_max_seconds = 0.2
settle_seconds = 2
follow_seconds = 0.5
[channels.whatsapp-centro]
kind = "whatsapp"
phone_number_id = "{number}"
app_secret = {{ env = "TEST_APP_SECRET" }}
verify_token = {{ env = "TEST_VERIFY_TOKEN" }}
access_token = {{ env = "TEST_ACCESS_TOKEN" }}
graph_url = "{graph}"
media_hosts = ["media.meta.test"]
[destinations.obras]
kind = "redmine"
url = "{server.url}"
key = {{ env = "TEST_REDMINE_KEY" }}
account = "{server.account}"
project = "{server.project}"
tracker = "{server.tracker}"
reference_field = {server.reference_field}
grace_seconds = 0
[routing]
default = "obras"
"""
T = TypeVar("T")


def configured(home: Path, server: RedmineServer, *, graph: str = "http://127.0.0.1:9") -> Daemon:
    environ = {"TEST_APP_SECRET": SECRET, "TEST_VERIFY_TOKEN": VERIFY_TOKEN, "TEST_ACCESS_TOKEN": TOKEN}
    toml = _TOML.format(number=PHONE_NUMBER_ID, graph=graph, server=server)
    return Daemon(home, toml, environ=environ | {"TEST_REDMINE_KEY": server.key})


def by_agent(server: RedmineServer, work: Callable[[RedmineBackstage], Awaitable[T]]) -> T:
    """Something that an agent does or sees."""

    async def done() -> T:
        async with redmine_backstage(server.url, server.agent_key, server.reference_field) as agents:
            return await work(agents)

    return asyncio.run(done())


def thread(server: RedmineServer, ticket: TicketId) -> Sequence[Line]:
    return by_agent(server, lambda agents: agents.thread(ticket))


def tickets(daemon: Daemon, phone: Phone) -> list[TicketId]:
    return [TicketId(path.rsplit("/", 1)[1]) for path in cases(daemon, phone)]


def words(line: Line) -> str:
    """What the citizen wrote, between the heading and the marker."""
    return line.text.split("\n\n", 1)[1].rsplit("\n\n", 1)[0]


def test_kills_lose_and_double_nothing(tmp_path: Path, redmine: RedmineServer) -> None:
    chance = random.Random(20261124)
    people = citizens(4)
    told = traffic(people, MESSAGES, seed=7, start=now() - timedelta(hours=1), disorder=0)
    daemon = configured(tmp_path, redmine)
    daemon.start()

    def write() -> None:
        for content in told.deliveries:
            while daemon.post(HOOK, content, sign(content)) != 200:
                time.sleep(0.02)
            time.sleep(chance.uniform(0, 0.5))

    writing = threading.Thread(target=write)
    writing.start()
    for _ in range(KILLS):
        time.sleep(chance.uniform(0.2, 1.0))
        daemon.kill()
        daemon.start(wait=chance.random() < 0.5)
    daemon.wait_ready()
    writing.join(60)
    daemon.settled(seconds=90, messages=MESSAGES)
    for phone in people:
        [ticket] = tickets(daemon, phone)
        lines = [line for line in thread(redmine, ticket) if line.kind == "public"]
        assert [words(line) for line in lines] == [one.text for one in told.by_citizen()[phone.key]], phone.key
    assert daemon.starts == KILLS + 1
    assert daemon.stop() == 0
    assert "Traceback" not in daemon.log.read_text("utf-8")


def test_a_photo_goes_in_and_an_answer_with_its_file_comes_out(tmp_path: Path, redmine: RedmineServer) -> None:
    plan = AgentFile(name="plano.pdf", media_type="application/pdf", content=b"%PDF-1.7\n" + bytes(range(256)) * 20)
    with meta() as graph, configured(tmp_path, redmine, graph=graph.url) as daemon:
        assert deliver(daemon, ANA.text("El pozo de la plaza *sigue* ahí {{toc}}", at=now())) == 200
        part = graph.add_file(PHOTO, "image/jpeg") | {"caption": "El pozo"}
        assert deliver(daemon, ANA.media("image", part, at=now())) == 200
        [ticket] = eventually(lambda: tickets(daemon, ANA), seconds=20)
        files = eventually(lambda: by_agent(redmine, lambda agents: agents.files(ticket)), seconds=20, every=0.5)
        assert list(files.values()) == [PHOTO]
        assert "El pozo de la plaza *sigue* ahí {{toc}}" in thread(redmine, ticket)[0].text

        async def answer(agents: RedmineBackstage) -> None:
            await agents.agent_notes(ticket, "Pedir repuesto.")
            await agents.agent_answers(ticket, "Pasa mañana: ¡gracias! 😀", files=[plan])

        by_agent(redmine, answer)
        eventually(lambda: any("Pasa mañana" in one.text for one in graph.inbox(ANA)), seconds=30)
        [sent] = eventually(lambda: [one for one in graph.inbox(ANA) if one.content], seconds=20)
        assert (sent.filename, sent.content) == (plan.name, plan.content)
        time.sleep(2)
        texts = [one.text for one in graph.inbox(ANA)]
        assert len([text for text in texts if "Pasa mañana: ¡gracias! 😀" in text]) == 1
        assert not any("repuesto" in text for text in texts)
