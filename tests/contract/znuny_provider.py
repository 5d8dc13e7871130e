"""Znuny and OTOBO for the contract suite, over the in-memory fake."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from contract.ticketing_model import AdapterUnderTest, holding
from contract.znuny_backstage import ZnunyBackstage
from inbox_daemon.model import TicketId
from inbox_daemon.plugins import Secret, WebhookRequest
from inbox_ticketing.znuny import plugin
from support.contexts import lend_context
from support.fault_proxy import FaultProxy
from support.znuny_fake_http import serve_fake_znuny

HINT_SECRET = "una clave inventada"
SETTINGS: dict[str, Any] = {
    "account": "inbox",
    "password": Secret("una clave inventada"),
    "queue": "Atencion",
    "customer_fallback": "sin-correo@salud.test",
    "time_zone": "America/Argentina/Cordoba",
    "hint_secret": Secret(HINT_SECRET),
    "timeout_seconds": 1.0,
}


def hint(ticket: TicketId) -> WebhookRequest:
    """What the invoker of `InboxHintZnuny.yml` or `InboxHintOTOBO.yml` posts."""
    body = json.dumps({"TicketID": ticket, "ArticleID": "3", "Event": "ArticleCreate"}).encode()
    word = base64.b64encode(f"inbox:{HINT_SECRET}".encode()).decode()
    return WebhookRequest(method="POST", query={}, headers={"authorization": f"Basic {word}"}, body=body)


def is_write(method: str, path: str) -> bool:
    """Whether a request creates a ticket or an entry: everything is a POST."""
    return path.endswith(("/TicketCreate", "/TicketUpdate"))


@asynccontextmanager
async def over_the_fake(request: pytest.FixtureRequest) -> AsyncIterator[AdapterUnderTest]:
    """A fresh fake for each scenario."""
    async with (
        serve_fake_znuny() as (port, state),
        FaultProxy("127.0.0.1", port) as proxy,
        lend_context("salud-znuny") as context,
    ):

        def adapter(**changes: Any) -> Any:
            return plugin.build(plugin.settings.model_validate(SETTINGS | {"url": proxy.url} | changes), context)

        yield AdapterUnderTest(
            adapter=adapter(),
            backstage=ZnunyBackstage(state),
            proxy=proxy,
            is_write=is_write,
            strict=adapter(closed="new"),
            stranger=adapter(password=Secret("deadbeef")),
            misplaced=adapter(queue="Inexistente"),
            settle_seconds=0.1,
            hint=hint,
            lies={
                "a filter that is ignored finds all": lambda: holding(state, "ticket_fields", set()),
                "a search finds nothing": lambda: holding(state, "finds_nothing", True),
            },
        )
