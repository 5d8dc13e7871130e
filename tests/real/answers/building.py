"""Builds a town: the daemon's configuration, and everything that it talks to."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from pathlib import Path

import aiohttp

from contract.request_tracker_provider import HINT_SECRET
from inbox_daemon.store.casebook import StoredCaseBook
from inbox_daemon.store.database import Database
from real.answers.moods import Moods
from real.answers.offices import Book, Tracker
from real.answers.script import BOOK, FAULTY, TRACKER, WORDS
from real.answers.town import GRACE_SECONDS, Servers, Town
from real.servers.fixtures import Mailbox
from support.daemon import Daemon
from support.fault_proxy import FaultProxy
from support.graph_fake import TOKEN, GraphFake, Pace, run_graph
from support.graph_fake_citizens import PHONE_NUMBER_ID, SECRET
from support.rt_fake import RtState
from support.rt_fake_http import serve_fake_rt

TEMPLATE = "caso_con_respuesta"
_TOML = f"""
[answers]
grace_seconds = {GRACE_SECONDS}
report_seconds = 2
[loops]
max_hops = 50
quick_seconds = 0.01
per_hour = 1000
[notices]
out_of_hours = false
down_after_minutes = 600
[delivery]
order_grace_seconds = 0.5
retry_first_seconds = 0.5
retry_max_seconds = 3
attempt_seconds = 20
settle_seconds = 3
follow_seconds = FOLLOW
[channels.whatsapp-centro]
kind = "whatsapp"
phone_number_id = "{PHONE_NUMBER_ID}"
app_secret = {{ env = "TEST_APP_SECRET" }}
verify_token = {{ env = "TEST_OTHER" }}
access_token = {{ env = "TEST_ACCESS_TOKEN" }}
graph_url = "GRAPH_URL"
answer_seconds = 3
answer_template = "{TEMPLATE}"
pair_seconds = 0.3
[channels.mesa]
kind = "email"
host = "IMAP_HOST"
port = IMAP_PORT
tls = "none"
user = "MAILBOX"
password = {{ env = "TEST_IMAP_PASSWORD" }}
poll_seconds = 5
[smtp]
host = "SMTP_HOST"
port = SMTP_PORT
tls = "none"
from_address = "MAILBOX"
timeout_seconds = 10
[destinations.{BOOK}]
kind = "ticketbook"
office_name = "Obras Sanitarias"
[destinations.{TRACKER}]
kind = "request_tracker"
url = "RT_URL"
token = {{ env = "TEST_RT_TOKEN" }}
account = "inbox"
queue = "QUEUE"
reference_field = "FIELD"
hint_secret = {{ env = "TEST_HINT_SECRET" }}
timeout_seconds = 10
overlap_seconds = 5
[destinations.{FAULTY}]
kind = "request_tracker"
url = "FAULTY_URL"
token = {{ env = "TEST_FAULTY_TOKEN" }}
account = "inbox"
queue = "Atencion"
timeout_seconds = 4
overlap_seconds = 5
[routing]
default = "{BOOK}"
""" + "".join(
    f'[[routes]]\nname = "{office}-{n}"\ndestination = "{office}"\nkeywords = ["{word}"]\nmatter = "{matter}"\n'
    for office, words in WORDS.items()
    for n, (word, matter) in enumerate(zip(words, ("consulta", "tramite"), strict=True))
    if word
)


@asynccontextmanager
async def town(home: Path, servers: Servers, *, calm: bool = False, follow: float = 1) -> AsyncIterator[Town]:
    """Build it, daemon started. `calm`: Meta does not misbehave; `follow` is how often offices are polled."""
    mailbox = servers.dovecot.mailbox("mesa")
    moods = Moods(calm=calm)
    graph = GraphFake(running=True)
    graph.window = timedelta(hours=24)
    graph.fate_of, graph.trouble = moods.fate_of, moods.trouble
    if not calm:
        graph.pair, graph.throughput = Pace(0.4, burst=3), Pace(0.02, burst=10)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(run_graph(graph))
        port, rt = await stack.enter_async_context(serve_fake_rt())
        line = await stack.enter_async_context(FaultProxy("127.0.0.1", port, latency_seconds=1.0))
        http = await stack.enter_async_context(aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=60)))
        daemon = Daemon(home, _toml(servers, mailbox, graph.url, line.url, follow), environ=_environ(servers, rt))
        stack.push(daemon.__exit__)
        made = Town(
            servers=servers,
            mailbox=mailbox,
            daemon=daemon,
            graph=graph,
            moods=moods,
            http=http,
            rt=rt,
            line=line,
            agents={},
        )
        made.agents[TRACKER] = await _tracker(http, servers, daemon)
        made.agents[FAULTY] = _fake_tracker(http, port, rt)
        looking = None
        try:
            await asyncio.to_thread(daemon.start)
            book = stack.enter_context(Database(f"sqlite:///{daemon.state_dir / 'inbox.sqlite3'}"))
            url = f"http://127.0.0.1:{daemon.public_port}"
            made.agents[BOOK] = Book(http=http, url=url, book=StoredCaseBook(book), office=BOOK)
            looking = asyncio.create_task(made.look())
            await made.begin()
            yield made
        finally:
            if looking is not None:
                looking.cancel()
                await asyncio.gather(looking, return_exceptions=True)


async def _tracker(http: aiohttp.ClientSession, servers: Servers, daemon: Daemon) -> Tracker:
    rt = servers.tracker
    hints = f"http://127.0.0.1:{daemon.public_port}/hooks/{TRACKER}", HINT_SECRET
    made = Tracker(http=http, url=rt.url, queue=rt.queue, token=rt.agent_token, own=rt.token, hints=hints)
    await made.begin()
    return made


def _fake_tracker(http: aiohttp.ClientSession, port: int, rt: RtState) -> Tracker:
    own, agent = rt.users["inbox"].token, rt.users["agente"].token
    return Tracker(http=http, url=f"http://127.0.0.1:{port}", queue="Atencion", token=agent, own=own)


def _toml(servers: Servers, mailbox: Mailbox, graph: str, faulty: str, follow: float) -> str:
    values = {
        "FOLLOW": str(follow),
        "GRAPH_URL": graph,
        "IMAP_HOST": mailbox.server.host,
        "IMAP_PORT": str(mailbox.server.imap_port),
        "SMTP_HOST": servers.postfix.host,
        "SMTP_PORT": str(servers.postfix.smtp_port),
        "MAILBOX": mailbox.user,
        "RT_URL": servers.tracker.url,
        "QUEUE": servers.tracker.queue,
        "FIELD": servers.tracker.reference_field,
        "FAULTY_URL": faulty,
    }
    text = _TOML
    for name, value in values.items():
        text = text.replace(name, value)
    return text


def _environ(servers: Servers, rt: RtState) -> dict[str, str]:
    return {
        "TEST_APP_SECRET": SECRET,
        "TEST_OTHER": secrets.token_hex(8),
        "TEST_ACCESS_TOKEN": TOKEN,
        "TEST_IMAP_PASSWORD": servers.dovecot.password,
        "TEST_RT_TOKEN": servers.tracker.token,
        "TEST_HINT_SECRET": HINT_SECRET,
        "TEST_FAULTY_TOKEN": rt.users["inbox"].token,
    }
