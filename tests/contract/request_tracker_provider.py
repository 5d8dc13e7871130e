"""Request Tracker for the contract suite: over the in-memory fake and over a real one."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import pytest

from contract.request_tracker_backstage import Shred, rt_backstage
from contract.ticketing_model import AdapterUnderTest, holding
from inbox_daemon.model import TicketId
from inbox_daemon.plugins import Secret, WebhookRequest
from inbox_ticketing.request_tracker import plugin
from real.servers.request_tracker import RequestTrackerServer
from support.contexts import lend_context
from support.fault_proxy import FaultProxy
from support.rt_fake_http import serve_fake_rt

HINT_SECRET = "una clave inventada"


def hint(ticket: TicketId) -> WebhookRequest:
    """What the scrip in the adapter's README posts."""
    body = json.dumps({"ticket": int(ticket)}).encode()
    signature = "sha256=" + hmac.new(HINT_SECRET.encode(), body, hashlib.sha256).hexdigest()
    return WebhookRequest(method="POST", query={}, headers={"x-inbox-signature": signature}, body=body)


def is_write(method: str, path: str) -> bool:
    """Whether a request creates a ticket or an entry (RT's searches are POSTs, too)."""
    return method == "POST" and path.rstrip("/").endswith(("/ticket", "/correspond", "/comment", "/mail-gateway"))


@asynccontextmanager
async def over_the_fake(request: pytest.FixtureRequest) -> AsyncIterator[AdapterUnderTest]:
    """A fresh fake for each scenario."""
    async with serve_fake_rt() as (port, state):
        server = RequestTrackerServer(
            url=f"http://127.0.0.1:{port}",
            mail_gate=f"http://127.0.0.1:{port}/REST/1.0/NoAuth/mail-gateway",
            queue="Atencion",
            closed_queue="Reservada",
            reference_field="InboxReference",
            loose_field="Suelto",
            account="inbox",
            token=state.users["inbox"].token,
            agent="agente",
            agent_token=state.users["agente"].token,
        )

        async def shred(number: str) -> None:
            state.shred(int(number))

        lies = {
            "the field is taken off the queue": lambda: holding(state, "queues", {"Atencion": (), "Reservada": ()}),
            "a search finds all": lambda: holding(state, "finds_everything", True),
            "a search finds nothing": lambda: holding(state, "finds_nothing", True),
        }
        async with under_test(server, shred, timeout_seconds=1.0) as made:
            yield replace(made, lies=lies)


@asynccontextmanager
async def over_the_real_one(request: pytest.FixtureRequest) -> AsyncIterator[AdapterUnderTest]:
    """The real server that all scenarios share."""
    server: RequestTrackerServer = request.getfixturevalue("request_tracker")
    async with under_test(server, server.shred, timeout_seconds=6.0) as made:
        yield made


@asynccontextmanager
async def under_test(
    server: RequestTrackerServer, shred: Shred, *, timeout_seconds: float
) -> AsyncIterator[AdapterUnderTest]:
    """Adapters behind a fault proxy, and a backstage beside it."""
    upstream = urlsplit(server.url)
    async with (
        FaultProxy(upstream.hostname or "", upstream.port or 80) as proxy,
        rt_backstage(server.url, server.agent_token, server.reference_field, shred) as backstage,
        lend_context("salud-rt") as context,
    ):

        def adapter(**changes: Any) -> Any:
            settings = {
                "url": proxy.url,
                "token": Secret(server.token),
                "account": server.account,
                "queue": server.queue,
                "reference_field": server.reference_field,
                "timeout_seconds": timeout_seconds,
                "hint_secret": Secret(HINT_SECRET),
            }
            return plugin.build(plugin.settings.model_validate(settings | changes), context)

        yield AdapterUnderTest(
            adapter=adapter(),
            backstage=backstage,
            proxy=proxy,
            is_write=is_write,
            strict=adapter(closed="new"),
            stranger=adapter(token=Secret("1-27-deadbeef")),
            misplaced=adapter(queue="Inexistente"),
            settle_seconds=0.5,
            hint=hint,
        )
