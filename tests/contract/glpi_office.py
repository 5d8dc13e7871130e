"""A fake GLPI with adapters in front of it, for the tests beside this file."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

from contract.glpi_backstage import GlpiBackstage
from inbox_daemon.plugins import Context, Secret
from inbox_ticketing.glpi import plugin
from support.contexts import lend_context
from support.glpi_fake import GlpiState
from support.glpi_fake_http import serve_fake_glpi


@dataclass(kw_only=True)
class Glpi:
    url: str
    state: GlpiState
    context: Context
    agents: GlpiBackstage
    opened: AsyncExitStack

    def adapter(self, **changes: Any) -> Any:
        settings = {
            "url": self.url,
            "user_token": Secret("tok-inbox"),
            "app_token": Secret(self.state.app_token),
            "entity": "Salud",
        }
        made = plugin.build(plugin.settings.model_validate(settings | changes), self.context)
        self.opened.push_async_callback(made.aclose)
        return made

    def ticket(self, number: str | int) -> dict[str, Any]:
        row = self.state.row("Ticket", int(number))
        assert row is not None
        return row


@asynccontextmanager
async def glpi_office(version: int = 10) -> AsyncIterator[Glpi]:
    """A fresh fake, and adapters that are closed at the end."""
    async with serve_fake_glpi(version) as (port, state), lend_context("salud-glpi") as context, AsyncExitStack() as up:
        url = f"http://127.0.0.1:{port}"
        yield Glpi(url=url, state=state, context=context, agents=GlpiBackstage(state), opened=up)
