"""Agents at work in their own tools: a Request Tracker by REST2 and its mail gate, the book on the case's page."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.utils import make_msgid
from typing import Any, Protocol

import aiohttp

from inbox_daemon.model import MessageKey
from inbox_daemon.store.casebook import StoredCaseBook

PATIENCE_SECONDS = 40.0

File = tuple[str, str, bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Where:
    """A ticket: its id, and where an agent's browser finds it."""

    ticket: str
    path: str = ""


class Agents(Protocol):
    """What the people of an office do."""

    async def answers(self, where: Where, text: str, *, html: bool = False, file: File | None = None) -> str:
        """Answer the citizen; returns what the answer is taken back by."""

    async def notes(self, where: Where, text: str) -> None:
        """Write for colleagues only."""

    async def writes_as_us(self, where: Where, text: str) -> None:
        """Something in the office writes with the daemon's own account."""

    async def replies_automatically(self, where: Where, text: str) -> None:
        """An agent's mailbox says that nobody is there."""

    async def takes_back(self, where: Where, answer: str) -> None:
        """See to it that an answer is none."""

    async def set_open(self, where: Where, *, is_open: bool) -> None:
        """Close or reopen."""

    async def deletes(self, where: Where) -> None:
        """The whole ticket."""

    async def merges(self, where: Where, into: Where) -> None:
        """Two tickets become one."""

    async def internal(self) -> list[str]:
        """Texts of all notes that the daemon wrote, in all tickets, in order."""

    async def everything(self) -> list[str]:
        """All texts and files in all tickets."""


@dataclass(slots=True, kw_only=True)
class Tracker:
    """Agents of a Request Tracker. `own` is the token of the daemon's account.

    With `hints` (where, and the key) a scrip tells the daemon of each change; what it misses, polling finds.
    """

    http: aiohttp.ClientSession
    url: str
    queue: str
    token: str = field(repr=False)
    own: str = field(repr=False)
    hints: tuple[str, str] | None = field(default=None, repr=False)
    first_part: int = 0

    async def begin(self) -> None:
        """What is there by now is of other runs."""
        self.first_part = max((int(part["id"]) for part in await self._parts()), default=0)

    async def answers(self, where: Where, text: str, *, html: bool = False, file: File | None = None) -> str:
        """See `Agents`."""
        return await self._write(where, "correspond", text, html=html, file=file)

    async def notes(self, where: Where, text: str) -> None:
        """See `Agents`."""
        await self._write(where, "comment", text)

    async def notes_with(self, where: Where, text: str, file: File) -> None:
        """A file for colleagues only."""
        await self._write(where, "comment", text, file=file)

    async def writes_as_us(self, where: Where, text: str) -> None:
        """See `Agents`."""
        await self._write(where, "correspond", text, token=self.own)

    async def replies_automatically(self, where: Where, text: str) -> None:
        """See `Agents`."""
        mail = EmailMessage()
        mail["From"], mail["Subject"] = "agente@chaco.test", "Fuera de la oficina"
        mail["Message-ID"] = make_msgid(domain="chaco.test")
        mail["Auto-Submitted"] = "auto-replied"
        mail.set_content(text)
        form = {"queue": self.queue, "action": "correspond", "ticket": where.ticket, "message": mail.as_string()}
        status, _, said = await self._ask("POST", "/REST/1.0/NoAuth/mail-gateway", data=form)
        assert said.startswith("ok"), (status, said)

    async def takes_back(self, where: Where, answer: str) -> None:
        """See `Agents`."""
        raise AssertionError("whoever answered in RT by mistake deletes the ticket")

    async def set_open(self, where: Where, *, is_open: bool) -> None:
        """See `Agents`."""
        await self.call("PUT", f"/ticket/{where.ticket}", json={"Status": "open" if is_open else "resolved"})

    async def deletes(self, where: Where) -> None:
        """See `Agents`."""
        await self.call("PUT", f"/ticket/{where.ticket}", json={"Status": "deleted"})

    async def merges(self, where: Where, into: Where) -> None:
        """See `Agents`."""
        await self.call("PUT", f"/ticket/{where.ticket}", json={"MergeInto": into.ticket})

    async def internal(self) -> list[str]:
        """See `Agents`; which part belongs to a comment shows in its transaction."""
        kinds = {
            str(row["id"]) for row in await self._all("/transactions", [{"field": "Type", "value": "Comment"}], "Type")
        }
        return [
            str(part["Content"])
            for part in await self._parts()
            if str(part["TransactionId"]) in kinds and not part["Filename"] and part["Creator"]["id"] == "inbox"
        ]

    async def everything(self) -> list[str]:
        """See `Agents`."""
        return [f"{part['Filename']} {part['Content']}" for part in await self._parts()]

    async def call(self, method: str, path: str, *, token: str = "", **options: Any) -> Any:
        """One request, which must succeed; its answer."""
        headers = {"Authorization": f"token {token or self.token}"}
        status, location, said = await self._ask(method, f"/REST/2.0{path}", headers=headers, **options)
        assert status < 300, (path, said)
        return {"location": location, "said": json.loads(said)}

    async def _ask(self, method: str, path: str, **options: Any) -> tuple[int, str, str]:
        """(status, Location, text) of one request; again only where there was no connection: nothing was sent."""
        for left in reversed(range(5)):
            try:
                async with self.http.request(method, self.url + path, **options) as answer:
                    return answer.status, answer.headers.get("Location", ""), await answer.text()
            except aiohttp.ClientConnectorError:
                if not left:
                    raise
                await asyncio.sleep(0.5)
        raise AssertionError("unreachable")

    async def _write(
        self, where: Where, verb: str, text: str, *, html: bool = False, file: File | None = None, token: str = ""
    ) -> str:
        body: dict[str, Any] = {"Content": text, "ContentType": "text/html" if html else "text/plain"}
        if file is not None:
            name, media_type, content = file
            coded = base64.b64encode(content).decode()
            body["Attachments"] = [{"FileName": name, "FileType": media_type, "FileContent": coded}]
        made = await self.call("POST", f"/ticket/{where.ticket}/{verb}", token=token, json=body)
        await self._hint(where)
        return str(made["location"].rsplit("/", 1)[1])

    async def _hint(self, where: Where) -> None:
        if self.hints is None:
            return
        url, key = self.hints
        body = json.dumps({"ticket": int(where.ticket)}).encode()
        signature = "sha256=" + hmac.new(key.encode(), body, hashlib.sha256).hexdigest()
        try:
            async with self.http.post(url, data=body, headers={"X-Inbox-Signature": signature}) as answer:
                assert answer.status in (200, 503), answer.status
        except aiohttp.ClientError:
            return

    async def _parts(self) -> list[dict[str, Any]]:
        newer = [{"field": "id", "operator": ">", "value": str(self.first_part)}]
        return await self._all("/attachments", newer, "TransactionId,Content,Filename,Creator")

    async def _all(self, path: str, filters: list[dict[str, str]], fields: str) -> list[dict[str, Any]]:
        """Every row, by id; an empty page after the fifth is the end (pages are cut before rights are checked)."""
        rows: list[dict[str, Any]] = []
        page = 0
        while True:
            page += 1
            params = {"fields": fields, "orderby": "id", "per_page": "100", "page": str(page)}
            got = (await self.call("POST", path, json=filters, params=params))["said"]["items"]
            if not got and page > 5:
                return rows
            rows += got


@dataclass(slots=True, kw_only=True)
class Book:
    """Agents without a ticketing system: they answer on the case's page, of a daemon that may be dead just now."""

    http: aiohttp.ClientSession
    url: str
    book: StoredCaseBook
    office: str

    async def answers(self, where: Where, text: str, *, html: bool = False, file: File | None = None) -> str:
        """See `Agents`. The form is sent until it is taken."""
        assert not html
        assert file is None
        await self._submit(f"{where.path}/answer", {"text": text, "once": secrets.token_urlsafe(12)})
        return text

    async def notes(self, where: Where, text: str) -> None:
        """See `Agents`."""
        await self._add(where, "note", text)

    async def writes_as_us(self, where: Where, text: str) -> None:
        """See `Agents`."""
        await self._add(where, "citizen", text)

    async def replies_automatically(self, where: Where, text: str) -> None:
        """See `Agents`."""
        raise AssertionError("nobody's mailbox writes into the book")

    async def takes_back(self, where: Where, answer: str) -> None:
        """See `Agents`."""
        case = await self.book.read(where.ticket)
        assert case is not None
        [entry] = [entry for entry in case.entries if entry.body == answer]
        assert await self.book.withdraw(where.ticket, entry.id)

    async def set_open(self, where: Where, *, is_open: bool) -> None:
        """See `Agents`."""
        await self._submit(f"{where.path}/{'reopen' if is_open else 'close'}", {})

    async def deletes(self, where: Where) -> None:
        """See `Agents`."""
        raise AssertionError("cases of the book are not deleted")

    async def merges(self, where: Where, into: Where) -> None:
        """See `Agents`."""
        raise AssertionError("cases of the book are not merged")

    async def internal(self) -> list[str]:
        """See `Agents`."""
        found: list[str] = []
        last = 0
        while changes := await self.book.changes(self.office, last, 500):  # type: ignore[arg-type]
            found += [f"{entry.heading}\n{entry.body}" for _, entry in changes if entry.direction == "note"]
            last = changes[-1][1].id
        return found

    async def everything(self) -> list[str]:
        """See `Agents`."""
        changes = await self.book.changes(self.office, 0, 100_000)  # type: ignore[arg-type]
        return [f"{entry.heading} {entry.body}" for _, entry in changes]

    async def _add(self, where: Where, direction: str, text: str) -> None:
        key = MessageKey(f"prueba.{secrets.token_hex(8)}")
        await self.book.add_entry(where.ticket, key=key, direction=direction, heading="La oficina", body=text)

    async def _submit(self, path: str, fields: Mapping[str, str]) -> None:
        said: object = "nothing"
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:
                try:
                    headers = {"Sec-Fetch-Site": "same-origin"}
                    async with self.http.post(
                        self.url + path, data=dict(fields), headers=headers, allow_redirects=False
                    ) as answer:
                        if answer.status == 303:
                            return
                        said = answer.status
                        assert answer.status >= 500, (path.split("/")[-1], said)
                except aiohttp.ClientError as error:
                    said = type(error).__name__
                await asyncio.sleep(0.1)
