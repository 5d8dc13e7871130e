"""One run of the spine: citizens write by WhatsApp and mail, the daemon carries it to a real Request Tracker."""

from __future__ import annotations

import random
import secrets
import threading
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from email.utils import format_datetime
from pathlib import Path

import aiohttp

from contract.request_tracker_backstage import RtBackstage
from inbox_daemon.model import TicketId
from real.servers.fixtures import Mailbox, Postfix
from real.servers.request_tracker import RequestTrackerServer
from support.daemon import Daemon
from support.graph_fake_citizens import PHONE_NUMBER_ID, SECRET, Traffic, citizens, sign, traffic

CITIZENS = 40
MESSAGES = 300
MAILS = 60
MAIL_PEOPLE = 20

_TOML = """
[delivery]
order_grace_seconds = 6.0
retry_first_seconds = 0.5
retry_max_seconds = 5
attempt_seconds = 30
settle_seconds = 4
parallel = 3

[channels.whatsapp-centro]
kind = "whatsapp"
phone_number_id = "{phone_number_id}"
app_secret = {{ env = "TEST_APP_SECRET" }}
verify_token = {{ env = "TEST_OTHER" }}
access_token = {{ env = "TEST_OTHER" }}

[channels.mesa-de-entradas]
kind = "email"
host = "{imap_host}"
port = {imap_port}
tls = "none"
user = "{imap_user}"
password = {{ env = "TEST_IMAP_PASSWORD" }}
poll_seconds = 5
import_since = 2020-01-01

[destinations.salud]
kind = "request_tracker"
url = "{rt_url}"
token = {{ env = "TEST_RT_TOKEN" }}
account = "{account}"
queue = "{queue}"
reference_field = "{field}"
timeout_seconds = 8

[routing]
default = "salud"
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """One mail as its sender wrote it."""

    sender: str
    text: str
    at: datetime
    content: EmailMessage = field(repr=False)


def mails(seed: int, start: datetime) -> list[Mail]:
    """60 mails of 20 people; every third answers the sender's own last one with the history quoted below."""
    chance = random.Random(seed)
    last: dict[str, tuple[str, str]] = {}
    found = []
    for n in range(MAILS):
        sender = f"vecina{n if n < MAIL_PEOPLE else chance.randrange(MAIL_PEOPLE)}.{seed}@correo.example"
        text = f"Señores: mando la nota número {n}.\n\n¿Cuándo me contestan?"
        mail = EmailMessage()
        mail["From"] = f"Vecina Inventada <{sender}>"
        mail["To"] = "mesa@centro.test"
        mail["Subject"] = f"Nota sobre el expediente {n}"
        at = start + timedelta(seconds=3 * n)
        mail["Date"] = format_datetime(at)
        mail["Message-ID"] = f"<nota-{seed}-{n}@correo.example>"
        body = text
        if sender in last and n % 3 == 0:
            before, words = last[sender]
            mail["In-Reply-To"] = before
            quoted = "\n".join(f"> {line}" for line in words.splitlines())
            body = f"{text}\n\nEl lun, 23 de nov. de 2026 a las 09:30, Mesa (<mesa@centro.test>) escribió:\n{quoted}"
        mail.set_content(body)
        last[sender] = (mail["Message-ID"], text)
        found.append(Mail(sender=sender, text=text, at=at, content=mail))
    return found


class World:
    """Servers, citizens and one daemon."""

    def __init__(
        self,
        home: Path,
        tracker: RequestTrackerServer,
        mailbox: Mailbox,
        postfix: Postfix,
        *,
        seed: int,
        tracker_url: str = "",
        messages: int = MESSAGES,
    ) -> None:
        self.tracker = tracker
        self.mailbox = mailbox
        self.postfix = postfix
        self.seed = seed
        self.chance = random.Random(seed)
        start = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=2)
        self.people = citizens(CITIZENS)
        self.traffic: Traffic = traffic(self.people, messages, seed=seed, start=start)
        self.mails = mails(seed, start)
        # References are per daemon database, so a tracker shared by several runs holds several `first` cases: each
        # run reads back only what carries its own words.
        self.daemon = Daemon(
            home,
            _TOML.format(
                phone_number_id=PHONE_NUMBER_ID,
                imap_host=mailbox.server.host,
                imap_port=mailbox.server.imap_port,
                imap_user=mailbox.user,
                rt_url=tracker_url or tracker.url,
                account=tracker.account,
                queue=tracker.queue,
                field=tracker.reference_field,
            ),
            environ={
                "TEST_APP_SECRET": SECRET,
                "TEST_OTHER": secrets.token_hex(8),
                "TEST_IMAP_PASSWORD": mailbox.server.password,
                "TEST_RT_TOKEN": tracker.token,
            },
        )

    @property
    def messages(self) -> int:
        """How many different things citizens sent."""
        return len(self.traffic.written) + len(self.mails)

    def write(self, *, pause_seconds: float = 0.0) -> None:
        """Meta delivers until each body is taken; mails go through Postfix meanwhile."""
        mailing = threading.Thread(target=self._mail, args=(pause_seconds,))
        mailing.start()
        for content in self.traffic.deliveries:
            while self.daemon.post("/hooks/whatsapp-centro", content, sign(content)) != 200:
                time.sleep(0.05)
            time.sleep(self.chance.random() * 2 * pause_seconds)
        mailing.join()

    def _mail(self, pause_seconds: float) -> None:
        for mail in self.mails:
            self.postfix.send(mail.sender, self.mailbox.user, mail.content)
            time.sleep(pause_seconds)

    async def check(self) -> None:
        """Read everything back through the tracker's API: one ticket each, everything once, in order."""
        expected = {who: [one.text for one in texts] for who, texts in self.traffic.by_citizen().items()}
        for mail in sorted(self.mails, key=lambda one: one.at):
            expected.setdefault(mail.sender, []).append(mail.text)
        wanted = sorted(expected.values())
        found = sorted(await self._threads())
        assert len(found) == len(wanted), (len(found), len(wanted))
        assert found == wanted
        books = self.daemon.books()
        assert all(line["balance"] == 0 for line in books), books
        assert sum(line["delivered"] for line in books) == self.messages
        assert sum(line["parked"] + line["pending"] for line in books) == 0

    async def _threads(self) -> list[list[str]]:
        """The words of each ticket of this daemon, in the tracker's order."""
        async with aiohttp.ClientSession() as session:
            tracker = self.tracker
            backstage = RtBackstage(session, tracker.url, tracker.agent_token, tracker.reference_field)
            rows = await backstage._all(
                "GET",
                "/tickets",
                # Beside the one that the check leaves as its proof.
                {"query": f"Queue = '{tracker.queue}' AND id > {self.after} AND Subject NOT LIKE 'Prueba de'"},
            )
            return [[words_of(line.text) for line in await backstage.thread(TicketId(str(row["id"])))] for row in rows]

    after = 0

    async def note_tickets(self) -> None:
        """Remember which tickets are older than this run."""
        async with aiohttp.ClientSession() as session:
            backstage = RtBackstage(session, self.tracker.url, self.tracker.agent_token, self.tracker.reference_field)
            rows = await backstage._all("GET", "/tickets", {"query": f"Queue = '{self.tracker.queue}'"})
            self.after = max((int(row["id"]) for row in rows), default=0)


def words_of(entry: str) -> str:
    """What the citizen wrote in an entry: without the heading above and the marker below."""
    lines = entry.replace("\r\n", "\n").strip().split("\n")
    return "\n".join(lines[1:-1]).strip()
