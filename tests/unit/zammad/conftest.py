"""A Zammad for each test."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from support.zammad_bench import Zammad, lend_zammad


@pytest.fixture
async def zammad() -> AsyncIterator[Zammad]:
    async with lend_zammad() as made:
        yield made
