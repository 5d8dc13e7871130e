"""Zammad for the contract suite, over the in-memory fake."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from contract.ticketing_model import AdapterUnderTest, holding
from contract.zammad_backstage import zammad_backstage
from inbox_daemon.model import TicketId
from inbox_daemon.plugins import Secret, WebhookRequest
from inbox_ticketing.zammad import plugin
from support.contexts import lend_context
from support.fault_proxy import FaultProxy
from support.zammad_fake_http import serve_fake_zammad

HINT_SECRET = "una clave inventada"


def hint(ticket: TicketId) -> WebhookRequest:
    """What a trigger with the webhook of the adapter's README posts."""
    body = json.dumps({"ticket": {"id": int(ticket), "state": "open"}, "article": None}).encode()
    signature = "sha1=" + hmac.new(HINT_SECRET.encode(), body, hashlib.sha1).hexdigest()
    return WebhookRequest(method="POST", query={}, headers={"x-hub-signature": signature}, body=body)


def is_write(method: str, path: str) -> bool:
    """Whether a request creates or changes a ticket, or creates an article (searches are POSTs, too)."""
    place = path.partition("?")[0]
    created = method == "POST" and place.endswith(("/tickets", "/ticket_articles"))
    return created or (method == "PUT" and re.search(r"/tickets/\d+$", place) is not None)


@asynccontextmanager
async def over_the_fake(request: pytest.FixtureRequest) -> AsyncIterator[AdapterUnderTest]:
    """Adapters behind a fault proxy before a fresh fake, and a backstage beside it."""
    async with (
        serve_fake_zammad() as (port, state),
        FaultProxy("127.0.0.1", port) as proxy,
        zammad_backstage(f"http://127.0.0.1:{port}", state.users[5].token, "inbox_reference") as backstage,
        lend_context("obras-zammad") as context,
    ):

        def adapter(**changes: Any) -> Any:
            settings = {
                "url": proxy.url,
                "token": Secret(state.users[3].token),
                "group": "Obras Públicas",
                "timeout_seconds": 1.0,
                "hint_secret": Secret(HINT_SECRET),
            }
            return plugin.build(plugin.settings.model_validate(settings | changes), context)

        yield AdapterUnderTest(
            adapter=adapter(),
            backstage=backstage,
            proxy=proxy,
            is_write=is_write,
            strict=adapter(closed="new"),
            stranger=adapter(token=Secret("zt-deadbeef")),
            misplaced=adapter(group="Inexistente"),
            settle_seconds=0.3,
            hint=hint,
            lies={
                "a condition that is ignored finds all": lambda: holding(state, "ignores_conditions", True),
                "a search finds nothing": lambda: holding(state, "finds_nothing", True),
                "an unknown key is dropped": lambda: holding(state, "attributes", ()),
            },
        )
