"""An office's case page under test: one case in a real book, with what became of its answers as the test has it."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from pathlib import Path
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from inbox_daemon.model import CaseNumber, InstanceId, MessageKey, Reference
from inbox_daemon.plugins import Case, Secret
from inbox_daemon.store.casebook import StoredCaseBook
from inbox_daemon.store.database import Database
from inbox_daemon.store.migrate import migrate
from inbox_daemon.web.case import Cases
from inbox_daemon.web.links import CaseLinks
from unit.web.wire import Answer, Served, request, serving

ATTACK = "<script>alert(1)</script> {{7*7}} \"' &amp; <img src=x onerror=alert(1)>"


@dataclass(frozen=True)
class State:
    """An answer's state as a store tells it."""

    state: str
    at: datetime | None = None
    reason: str = ""
    due_at: datetime | None = None
    channel: str = "WhatsApp"


@dataclass
class States:
    """What became of answers, as the test has it."""

    known: dict[int, State] = field(default_factory=dict)
    trouble: Exception | None = None

    async def states(self, case_id: str) -> dict[int, State]:
        assert case_id.isdecimal()
        if self.trouble is not None:
            raise self.trouble
        return self.known


@dataclass
class Office:
    """A served page of one case."""

    served: Served
    book: StoredCaseBook
    links: CaseLinks
    case: Case
    answers: States

    async def answer(self, text: str = "Sí, puede.", state: State | None = None) -> int:
        """An answer that an agent wrote, and how it stands."""
        key = MessageKey(f"page.{text}")
        entry, _ = await self.book.add_entry(self.case.id, key=key, direction="agent", heading="x", body=text)
        if state is not None:
            self.answers.known[entry] = state
        return entry

    async def withdraw(self, entry: object, **headers: str) -> Answer:
        return await self.post(f"{self.path}/withdraw", {"entry": str(entry)}, **headers)

    @cached_property  # a link made in the next second is another one
    def path(self) -> str:
        return self.links.path(self.case.id)

    async def get(self, path: str, **headers: str) -> Answer:
        return await self.served.say(request("GET", path, b"", **headers))

    async def post(self, path: str, form: dict[str, str], **headers: str) -> Answer:
        headers = {"Content_Type": "application/x-www-form-urlencoded"} | headers
        return await self.served.say(request("POST", path, urlencode(form).encode(), **headers))

    async def entries(self) -> list[tuple[str, str]]:
        case = await self.book.read(self.case.id)
        assert case is not None
        return [(entry.direction, entry.body) for entry in case.entries]

    async def page(self) -> str:
        answer = await self.get(self.path)
        assert answer.status == 200
        return answer.body.decode()

    async def once(self) -> str:
        found = re.search(r'name="once" value="([^"]+)"', await self.page())
        assert found
        return found[1]


@asynccontextmanager
async def one_office(folder: Path) -> AsyncIterator[Office]:
    """Serve the page of an office with one case, of which much looks like an attack."""
    with Database(f"sqlite:///{folder / 'book.db'}") as database:
        migrate(database)
        book = StoredCaseBook(database)
        links = CaseLinks(Secret("invented"), "https://inbox.example", 30)
        names = {"fiduciaria": "Fiduciaria del Norte"}
        answers = States()
        zone = ZoneInfo("America/Argentina/Cordoba")
        cases = Cases(book, links, "Centro de Gestión", zone, offices=names, answers=answers)
        async with serving(cases=cases) as served:
            case = await book.open_case(
                office=InstanceId("fiduciaria"),
                number=CaseNumber("C-7K3M-2"),
                reference=Reference("C-7K3M-2/pruebas"),
                subject=f"Cuota {ATTACK}",
                key=MessageKey("m1"),
                heading=f"WhatsApp · {ATTACK}",
                body=f"Hola\n  ¿puedo pagar?\n{ATTACK}",
            )
            yield Office(served, book, links, case, answers)
