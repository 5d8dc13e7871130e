"""A fake GLPI 11 with adapters over its high-level API in front of it, for the unit tests."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

from contract.glpi_backstage import GlpiBackstage
from inbox_daemon.plugins import Context, Secret
from inbox_ticketing.glpi import plugin
from support.contexts import lend_context
from support.glpi_fake import GlpiState, Record
from support.glpi_v2_fake import HighLevelState
from support.glpi_v2_fake_http import serve_high_level_glpi


@dataclass(kw_only=True)
class GlpiEleven:
    url: str
    state: HighLevelState
    context: Context
    agents: GlpiBackstage
    opened: AsyncExitStack

    @property
    def glpi(self) -> GlpiState:
        return self.state.glpi

    def adapter(self, **changes: Any) -> Any:
        settings = {
            "url": self.url,
            "api": "v2",
            "client_id": "cliente-1",
            "client_secret": Secret("clave-1"),
            "username": "inbox",
            "password": Secret("contra-inbox"),
            "agent_profiles": ["Technician"],
            "entity": "Salud",
            "reference_in": "external_id",
        }
        made = plugin.build(plugin.settings.model_validate(settings | changes), self.context)
        self.opened.push_async_callback(made.aclose)
        return made

    def with_files(self, **changes: Any) -> Any:
        """An adapter that has the older API's token as well."""
        older = {"user_token": Secret("tok-inbox"), "app_token": Secret(self.glpi.app_token)}
        return self.adapter(**older, **changes)

    def ticket(self, number: str | int) -> Record:
        row = self.glpi.row("Ticket", int(number))
        assert row is not None
        return row


@asynccontextmanager
async def glpi_eleven() -> AsyncIterator[GlpiEleven]:
    """A fresh fake, and adapters that are closed at the end."""
    async with (
        serve_high_level_glpi() as (port, state),
        lend_context("salud-glpi") as context,
        AsyncExitStack() as up,
    ):
        url = f"http://127.0.0.1:{port}"
        yield GlpiEleven(url=url, state=state, context=context, agents=GlpiBackstage(state.glpi), opened=up)
