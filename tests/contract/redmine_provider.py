"""Redmine for the contract suite: over the in-memory fake and over a real one."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import pytest

from contract.redmine_backstage import redmine_backstage
from contract.ticketing_model import AdapterUnderTest, holding
from inbox_daemon.model import TicketId
from inbox_daemon.plugins import Secret, WebhookRequest
from inbox_ticketing.redmine import plugin
from real.servers.redmine import RedmineServer
from support.contexts import lend_context
from support.fault_proxy import FaultProxy
from support.redmine_fake import serve_fake_redmine

HINT_SECRET = "una clave inventada"


def hint(ticket: TicketId) -> WebhookRequest:
    """What a webhook of Redmine 7 posts (read in its code, as no real one was at hand)."""
    data = {"issue": {"id": int(ticket)}, "journal": {"id": 1, "notes": "no se le cree"}}
    body = json.dumps({"type": "issue.updated", "timestamp": "2026-11-24T12:00:00Z", "data": data}).encode()
    signature = "sha256=" + hmac.new(HINT_SECRET.encode(), body, hashlib.sha256).hexdigest()
    return WebhookRequest(method="POST", query={}, headers={"x-redmine-signature-256": signature}, body=body)


def is_write(method: str, path: str) -> bool:
    """Whether a request creates an issue or an entry; an upload alone is neither."""
    return method == "POST" and re.match(r"/issues(/\d+)?\.json$", path) is not None


@asynccontextmanager
async def over_the_fake_redmine(request: pytest.FixtureRequest) -> AsyncIterator[AdapterUnderTest]:
    """A fresh fake for each scenario."""
    async with serve_fake_redmine() as (url, state):
        server = RedmineServer(
            url=url,
            project="atencion",
            closed_project="reservada",
            tracker="Support",
            reference_field=1,
            loose_field=2,
            account="inbox",
            key=state.users["inbox"].key,
            agent_key=state.users["agente"].key,
            stranger_key=state.users["vecina"].key,
        )
        lies = {
            "a filter that is ignored finds all": lambda: holding(state, "filterable", set()),
            "a search finds nothing": lambda: holding(state, "finds_nothing", True),
        }
        async with under_test(server, timeout_seconds=1.0) as made:
            yield replace(made, lies=lies)


@asynccontextmanager
async def over_a_real_redmine(request: pytest.FixtureRequest) -> AsyncIterator[AdapterUnderTest]:
    """The real server that all scenarios share."""
    server: RedmineServer = request.getfixturevalue("redmine")
    # Redmine waits up to 10 s for SQLite's lock (redmine-start.sh): who gives up sooner calls a busy machine a fault.
    async with under_test(server, timeout_seconds=12.0) as made:
        yield made


def settings_for(server: RedmineServer, url: str, **changes: Any) -> Any:
    """Settings of an adapter that works with what the server was seeded with."""
    settings = {
        "url": url,
        "key": Secret(server.key),
        "account": server.account,
        "project": server.project,
        "tracker": server.tracker,
        "reference_field": server.reference_field,
        "hint_secret": Secret(HINT_SECRET),
    }
    return plugin.settings.model_validate(settings | changes)


@asynccontextmanager
async def under_test(server: RedmineServer, *, timeout_seconds: float) -> AsyncIterator[AdapterUnderTest]:
    """Adapters behind a fault proxy, and a backstage beside it."""
    upstream = urlsplit(server.url)
    async with (
        FaultProxy(upstream.hostname or "", upstream.port or 80) as proxy,
        redmine_backstage(server.url, server.agent_key, server.reference_field) as backstage,
        lend_context("obras-redmine") as context,
    ):

        def adapter(**changes: Any) -> Any:
            settings = settings_for(server, proxy.url, timeout_seconds=timeout_seconds, **changes)
            return plugin.build(settings, context)

        yield AdapterUnderTest(
            adapter=adapter(),
            backstage=backstage,
            proxy=proxy,
            is_write=is_write,
            strict=adapter(closed="new"),
            stranger=adapter(key=Secret("deadbeef" * 5)),
            misplaced=adapter(project="Inexistente"),
            settle_seconds=0.5,
            hint=hint,
        )
