"""A Redmine in memory, with adapters for it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from contract.redmine_backstage import redmine_backstage
from support.contexts import lend_context
from support.redmine_fake import serve_fake_redmine
from support.redmine_office import Redmine


@pytest.fixture
async def redmine() -> AsyncIterator[Redmine]:
    async with (
        serve_fake_redmine() as (url, state),
        lend_context("obras-redmine") as context,
        redmine_backstage(url, state.users["agente"].key, 1) as agents,
    ):
        yield Redmine(url=url, state=state, context=context, agents=agents)
