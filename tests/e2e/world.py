"""What the tests of the whole process share: an office with a WhatsApp number, citizens, case pages, Meta's side."""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

from selectolax.lexbor import LexborHTMLParser

from support.daemon import Answer, Daemon, eventually
from support.graph_fake import TOKEN, GraphFake, run_graph
from support.graph_fake_citizens import PHONE_NUMBER_ID, SECRET, Phone, Update, body, sign

HOOK = "/hooks/whatsapp-centro"
VERIFY_TOKEN = "invented-verify-token"
SECRETS = (SECRET, TOKEN, VERIFY_TOKEN)
ANA = Phone(number="5493624000901", bsuid="AR.9001", name="Ana Quebracho")
BENITO = Phone(number="5493624000902", bsuid="AR.9002", name="Benito Algarrobo")

_TOML = """
[delivery]
order_grace_seconds = 0
retry_first_seconds = 0.05
retry_max_seconds = 0.1
attempt_seconds = 20
settle_seconds = 0.2
follow_seconds = {follow}
[attachments]
max_bytes = 200_000
[channels.whatsapp-centro]
kind = "whatsapp"
phone_number_id = "{number}"
app_secret = {{ env = "TEST_APP_SECRET" }}
verify_token = {{ env = "TEST_VERIFY_TOKEN" }}
access_token = {{ env = "TEST_ACCESS_TOKEN" }}
graph_url = "{graph}"
media_hosts = ["media.meta.test"]
[destinations.salud]
kind = "ticketbook"
office_name = "Ministerio de Salud"
{salud}
[destinations.seguridad]
kind = "ticketbook"
office_name = "Ministerio de Seguridad"
[routing]
default = "salud"
[[routes]]
name = "denuncias"
destination = "seguridad"
keywords = ["denuncia"]
matter = "denuncia"
"""


def office(
    home: Path,
    *,
    graph: str = "http://127.0.0.1:9",
    follow: float = 60,
    salud: str = "",
    daemon_toml: str = "stop_seconds = 10\n",
    state: Path | None = None,
) -> Daemon:
    """A daemon with one WhatsApp number and two offices that keep their cases in its book; not started yet."""
    toml = _TOML.format(number=PHONE_NUMBER_ID, graph=graph, follow=follow, salud=salud)
    environ = {"TEST_APP_SECRET": SECRET, "TEST_VERIFY_TOKEN": VERIFY_TOKEN, "TEST_ACCESS_TOKEN": TOKEN}
    return Daemon(home, toml, environ=environ, daemon_toml=daemon_toml, state=state)


def now() -> datetime:
    """This second; WhatsApp knows no smaller ones."""
    return datetime.now(UTC).replace(microsecond=0)


def deliver(daemon: Daemon, *updates: Update) -> int:
    """Meta posts one signed body with these updates; the status of the answer."""
    content = body(list(updates))
    return daemon.post(HOOK, content, sign(content))


def envelopes(daemon: Daemon) -> int:
    """How many envelopes stand in the database."""
    return int(daemon.sql("SELECT count(*) FROM envelope")[0][0])


class CasePage:
    """One page of a case as an agent reads it."""

    def __init__(self, answer: Answer) -> None:
        self.status = answer.status
        self.html = answer.text
        self.tree = LexborHTMLParser(self.html)

    def text(self, selector: str) -> str:
        """The words of the first such element."""
        found = self.tree.css_first(selector)
        assert found is not None, selector
        return found.text().strip()

    def entries(self) -> list[str]:
        """The text of each entry, in order, with its file's link where it has one."""
        return [
            "\n".join(part.text().strip() for part in entry.css("p.text, p.file, p.event"))
            for entry in self.tree.css("ol.thread > li")
        ]

    @property
    def badge(self) -> str:
        """Open or closed, in the page's words."""
        return self.text("h1 .badge")

    @property
    def once(self) -> str:
        """The form's token against sending twice."""
        field = self.tree.css_first("input[name=once]")
        assert field is not None
        return str(field.attributes["value"])

    def download(self, name: str) -> str:
        """Where the file called `name` can be had."""
        for link in self.tree.css("p.file a"):
            if name in link.text():
                return str(link.attributes["href"])
        raise AssertionError(f"no file {name} on the page")


def cases(daemon: Daemon, phone: Phone) -> list[str]:
    """Paths of the pages of this citizen's cases, oldest first."""
    rows = daemon.sql(
        "SELECT c.ticket_url FROM conversation c JOIN handle h ON h.citizen_id = c.citizen_id"
        " WHERE h.value IN (?, ?) AND c.ticket_url IS NOT NULL GROUP BY c.id ORDER BY c.id",
        phone.bsuid,
        f"+{phone.number}",
    )
    return [urlsplit(url).path for (url,) in rows]


def page(daemon: Daemon, path: str) -> CasePage:
    """Open the page at `path`."""
    answer = daemon.ask("GET", path)
    assert answer.status == 200, answer
    return CasePage(answer)


def case_of(daemon: Daemon, phone: Phone, *, entries: int = 1, number: int = 1) -> tuple[str, CasePage]:
    """Path and page of this citizen's `number`-th case, as soon as it holds so many entries."""

    def look() -> tuple[str, CasePage] | None:
        paths = cases(daemon, phone)
        if len(paths) < number:
            return None
        found = page(daemon, paths[number - 1])
        return (paths[number - 1], found) if len(found.entries()) >= entries else None

    path, found = eventually(look, seconds=15)
    assert len(found.entries()) == entries, found.entries()
    return path, found


def submit(daemon: Daemon, path: str, **fields: str) -> Answer:
    """Send a form of a case page as a browser would."""
    headers = {"Content-Type": "application/x-www-form-urlencoded", "Sec-Fetch-Site": "same-origin"}
    return daemon.ask("POST", path, urlencode(fields).encode(), headers)


def assert_nobody_in(text: str, *planted: str) -> None:
    """Assert that none of the words, numbers and secrets in `planted` stands in `text`, in whatever spelling."""
    digits = re.sub(r"\D", "", text)
    for word in planted:
        assert word.casefold() not in text.casefold(), word
        if word.isdigit() and len(word) >= 10:
            assert word[-8:] not in digits, word


@contextmanager
def meta(**options: Any) -> Iterator[GraphFake]:
    """A Graph API in a thread of its own, since the tests themselves only wait."""
    fake = GraphFake(**options)
    with aside(run_graph(fake)):
        yield fake


@contextmanager
def aside(serving: AbstractAsyncContextManager[Any]) -> Iterator[None]:
    """Serve in a thread with a loop of its own."""
    ready, stop = threading.Event(), asyncio.Event()
    loops: list[asyncio.AbstractEventLoop] = []

    async def serve() -> None:
        loops.append(asyncio.get_running_loop())
        async with serving:
            ready.set()
            await stop.wait()

    thread = threading.Thread(target=asyncio.run, args=(serve(),), name="graph")
    thread.start()
    try:
        assert ready.wait(10)
        yield
    finally:
        loops[0].call_soon_threadsafe(stop.set)
        thread.join(10)
