"""A receiver of signed webhooks for the contract suite."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import pytest

from contract.ticketing_model import AdapterUnderTest, AgentFile, Line, holding
from inbox_daemon.model import EntryId, Reference, TicketId
from inbox_daemon.plugins import Secret, WebhookRequest
from inbox_ticketing.webhook import plugin
from support.contexts import lend_context
from support.fault_proxy import FaultProxy
from support.webhook_fake import Breach, Kept, Office
from support.webhook_fake_http import serve_receiver, sign

SECRET = "whsec_" + "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OLD_SECRET = "whsec_" + "C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
WRONG_SECRET = "whsec_" + "deadbeef" * 4
KINDS = {"note.added": "note"} | dict.fromkeys(("ticket.opened", "entry.added", "file.added", "answer.added"), "public")


def hint(ticket: TicketId) -> WebhookRequest:
    """What the receiver posts when an agent wrote."""
    body = json.dumps({"type": "answer.added", "data": {"ticket": ticket}}).encode()
    timestamp = str(int(time.time()))
    headers = {"webhook-id": f"msg_{ticket}", "webhook-timestamp": timestamp}
    signature = sign(SECRET, headers["webhook-id"], timestamp, body)
    return WebhookRequest(method="POST", query={}, headers=headers | {"webhook-signature": signature}, body=body)


@dataclass(frozen=True)
class _Agents:
    office: Office

    async def thread(self, ticket: TicketId) -> Sequence[Line]:
        case = self.office.living(ticket)
        return [
            Line(kind=KINDS[one.kind], text=one.text, author=one.name)
            for one in self.office.lines
            if one.ticket == case.id and one.kind in KINDS
        ]

    async def files(self, ticket: TicketId) -> Mapping[str, bytes]:
        kept = [self.office.files[number] for one in self.office.lines if one.ticket == ticket for number in one.files]
        return {file.name: file.content for file in kept}

    async def tickets_with(self, reference: Reference) -> Sequence[TicketId]:
        cases = self.office.cases.values()
        return [TicketId(one.id) for one in cases if reference in one.references and one.state != "deleted"]

    async def agent_answers(
        self, ticket: TicketId, text: str, *, html: bool = False, files: Sequence[AgentFile] = ()
    ) -> EntryId:
        kept = [self.office.keep_file(Kept(one.name, one.media_type, one.content)) for one in files]
        return self._say(ticket, "answer.added", text=text, html=html, visibility="public", files=kept)

    async def agent_notes(self, ticket: TicketId, text: str) -> EntryId:
        return self._say(ticket, "note.added", text=text)

    def _say(self, ticket: TicketId, kind: str, **rest: Any) -> EntryId:
        return EntryId(self.office.write(self.office.living(ticket).id, kind, role="agent", name="Luis", **rest).id)

    async def take_back(self, ticket: TicketId, entry: EntryId) -> None:
        next(one for one in self.office.lines if one.id == entry).visibility = "withdrawn"

    async def agent_closes(self, ticket: TicketId) -> None:
        case = self.office.living(ticket)
        case.state = "closed"
        self.office.write(case.id, "state.changed", role="agent", name="Luis", state="closed")

    async def delete(self, ticket: TicketId) -> None:
        self.office.living(ticket).state = "deleted"

    async def merge(self, ticket: TicketId, into: TicketId) -> None:
        self.office.merge(ticket, into)


@asynccontextmanager
async def to_a_receiver(request: pytest.FixtureRequest) -> AsyncIterator[AdapterUnderTest]:
    """A fresh receiver for each scenario, behind a fault proxy."""
    async with serve_receiver(SECRET) as (url, office):
        upstream = urlsplit(url)
        async with (
            FaultProxy(upstream.hostname or "", upstream.port or 0) as proxy,
            lend_context("obras-webhook") as context,
        ):

            def adapter(**changes: Any) -> Any:
                settings = {
                    "url": f"{proxy.url}/inbox/events",
                    "read_url": f"{proxy.url}/inbox/lookup",
                    "secrets": [Secret(SECRET), Secret(OLD_SECRET)],
                    "queue": "Reclamos",
                    "timeout_seconds": 1.0,
                }
                return plugin.build(plugin.settings.model_validate(settings | changes), context)

            yield AdapterUnderTest(
                adapter=adapter(),
                backstage=_Agents(office),
                proxy=proxy,
                is_write=lambda method, path: method == "POST",
                strict=adapter(closed="new"),
                stranger=adapter(secrets=[Secret(WRONG_SECRET)]),
                misplaced=adapter(queue="Inexistente"),
                hint=hint,
                lies={
                    one.value: partial(holding, office, "breaches", {one})
                    for one in (Breach.FINDS_EVERYTHING, Breach.FINDS_NOTHING)
                },
            )
