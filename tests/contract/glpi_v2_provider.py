"""GLPI 11 over its high-level API for the contract suite, on the in-memory fake; files go over the older API."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import Any

import pytest

from contract.glpi_backstage import GlpiBackstage
from contract.glpi_provider import HINT_SECRET, hint
from contract.ticketing_model import AdapterUnderTest, holding
from inbox_daemon.plugins import Secret
from inbox_ticketing.glpi import plugin
from support.contexts import lend_context
from support.fault_proxy import FaultProxy
from support.glpi_v2_fake_http import serve_high_level_glpi


def is_write(method: str, path: str) -> bool:
    """Whether a request creates a ticket, an entry or a file."""
    return method == "POST" and path.endswith(("/Assistance/Ticket", "/Timeline/Followup", "/Document"))


def glpi_v2(request: pytest.FixtureRequest) -> AbstractAsyncContextManager[AdapterUnderTest]:
    """A fresh GLPI 11 for each scenario."""
    return _over_the_fake()


@asynccontextmanager
async def _over_the_fake() -> AsyncIterator[AdapterUnderTest]:
    async with (
        serve_high_level_glpi() as (port, state),
        FaultProxy("127.0.0.1", port) as proxy,
        lend_context("salud-glpi") as context,
        AsyncExitStack() as opened,
    ):

        def adapter(**changes: Any) -> Any:
            settings = {
                "url": proxy.url,
                "api": "v2",
                "client_id": "cliente-1",
                "client_secret": Secret("clave-1"),
                "username": "inbox",
                "password": Secret("contra-inbox"),
                "agent_profiles": ["Technician"],
                "user_token": Secret("tok-inbox"),
                "app_token": Secret(state.glpi.app_token),
                "entity": "Salud",
                "requester": "ciudadania",
                "reference_in": "external_id",
                "timeout_seconds": 1.0,
                "hint_secret": Secret(HINT_SECRET),
            }
            made = plugin.build(plugin.settings.model_validate(settings | changes), context)
            opened.push_async_callback(made.aclose)
            return made

        yield AdapterUnderTest(
            adapter=adapter(),
            backstage=GlpiBackstage(state.glpi),
            proxy=proxy,
            is_write=is_write,
            strict=adapter(closed="new"),
            stranger=adapter(password=Secret("contra-deadbeef")),
            misplaced=adapter(entity="Inexistente"),
            settle_seconds=0.2,
            hint=hint,
            lies={
                "a filter that is ignored finds all": lambda: holding(state, "finds_everything", True),
                "a search finds nothing": lambda: holding(state, "finds_nothing", True),
            },
        )
        proxy.set(type(proxy.fault).PASS)
