"""A fake Znuny with its agents, for the tests of its adapter."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest

from contract.znuny_backstage import ZnunyBackstage
from contract.znuny_provider import SETTINGS
from inbox_daemon.plugins import Context
from inbox_ticketing.znuny import plugin
from support.contexts import lend_context
from support.znuny_fake import ZnunyState
from support.znuny_fake_http import serve_fake_znuny


@dataclass(kw_only=True)
class Desk:
    url: str
    state: ZnunyState
    context: Context
    agents: ZnunyBackstage

    def adapter(self, **changes: Any) -> Any:
        return plugin.build(plugin.settings.model_validate(SETTINGS | {"url": self.url} | changes), self.context)


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    async with serve_fake_znuny() as (port, state), lend_context("salud-znuny") as context:
        yield Desk(url=f"http://127.0.0.1:{port}", state=state, context=context, agents=ZnunyBackstage(state))
