"""A fake Zammad, adapters before it and its agents beside it, for unit tests."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from contract.zammad_backstage import ZammadBackstage, zammad_backstage
from inbox_daemon.plugins import Context, Secret
from inbox_ticketing.zammad import plugin
from support.contexts import lend_context
from support.zammad_fake import Article, Ticket, ZammadState
from support.zammad_fake_http import serve_fake_zammad


@dataclass(kw_only=True)
class Zammad:
    url: str
    state: ZammadState
    context: Context
    agents: ZammadBackstage

    def adapter(self, **changes: Any) -> Any:
        settings = {"url": self.url, "token": Secret("zt-00ff00ff"), "group": "Obras Públicas"}
        return plugin.build(plugin.settings.model_validate(settings | changes), self.context)

    def kept(self, ticket: Any) -> Ticket:
        return self.state.tickets[int(ticket.id)]

    def write(self, ticket: Any, user: int = 5, **article: Any) -> Article:
        """An article that did not come by the API's rules: Zammad's own machinery, mails, other accounts."""
        made: dict[str, Any] = {
            "id": 0,
            "ticket": int(ticket.id),
            "kind": "note",
            "sender": "Agent",
            "body": "x",
            "creator": user,
        }
        return self.state.keep(self.state.users[user], self.kept(ticket), Article(**made | article))


@asynccontextmanager
async def lend_zammad() -> AsyncIterator[Zammad]:
    """Yield a fresh one."""
    async with serve_fake_zammad() as (port, state), lend_context("obras-zammad") as context:
        url = f"http://127.0.0.1:{port}"
        async with zammad_backstage(url, "zt-0ff00ff0", "inbox_reference") as agents:
            yield Zammad(url=url, state=state, context=context, agents=agents)
