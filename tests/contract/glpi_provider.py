"""GLPI for the contract suite, over the in-memory fake: a 10, and an 11 that keeps references as external ids."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import Any

import pytest

from contract.glpi_backstage import GlpiBackstage
from contract.ticketing_model import AdapterUnderTest, holding
from inbox_daemon.model import TicketId
from inbox_daemon.plugins import Secret, WebhookRequest
from inbox_ticketing.glpi import plugin
from support.contexts import lend_context
from support.fault_proxy import FaultProxy
from support.glpi_fake_http import serve_fake_glpi

HINT_SECRET = "una clave inventada"


def hint(ticket: TicketId) -> WebhookRequest:
    """What a webhook of GLPI 11 for followups posts."""
    item = {"id": 9, "itemtype": "Ticket", "items_id": int(ticket), "is_private": False, "user": {"id": 8}}
    body = json.dumps({"event": "new", "item": item}).encode()
    signature = hmac.new(HINT_SECRET.encode(), body + b"1795432000", hashlib.sha256).hexdigest()
    headers = {"x-glpi-signature": signature, "x-glpi-timestamp": "1795432000"}
    return WebhookRequest(method="POST", query={}, headers=headers, body=body)


def is_write(method: str, path: str) -> bool:
    """Whether a request creates a ticket, an entry or a file."""
    return method == "POST" and path.endswith(("/Ticket", "/ITILFollowup", "/Document"))


def glpi_10(request: pytest.FixtureRequest) -> AbstractAsyncContextManager[AdapterUnderTest]:
    """A fresh GLPI 10 for each scenario."""
    return _over_the_fake(10)


def glpi_11(request: pytest.FixtureRequest) -> AbstractAsyncContextManager[AdapterUnderTest]:
    """A fresh GLPI 11 for each scenario."""
    return _over_the_fake(11)


@asynccontextmanager
async def _over_the_fake(version: int) -> AsyncIterator[AdapterUnderTest]:
    async with (
        serve_fake_glpi(version) as (port, state),
        FaultProxy("127.0.0.1", port) as proxy,
        lend_context("salud-glpi") as context,
        AsyncExitStack() as opened,
    ):

        def adapter(**changes: Any) -> Any:
            settings = {
                "url": proxy.url,
                "user_token": Secret("tok-inbox"),
                "app_token": Secret(state.app_token),
                "entity": "Salud",
                "reference_in": "title" if version < 11 else "external_id",
                "timeout_seconds": 1.0,
                "hint_secret": Secret(HINT_SECRET),
            }
            made = plugin.build(plugin.settings.model_validate(settings | changes), context)
            opened.push_async_callback(made.aclose)
            return made

        yield AdapterUnderTest(
            adapter=adapter(),
            backstage=GlpiBackstage(state),
            proxy=proxy,
            is_write=is_write,
            strict=adapter(closed="new"),
            stranger=adapter(user_token=Secret("tok-deadbeef")),
            misplaced=adapter(entity="Inexistente"),
            settle_seconds=0.2,
            hint=hint,
            lies={
                "a criterion that is ignored finds all": lambda: holding(state, "finds_everything", True),
                "a search finds nothing": lambda: holding(state, "finds_nothing", True),
            },
        )
        proxy.set(type(proxy.fault).PASS)
