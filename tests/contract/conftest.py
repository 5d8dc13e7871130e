"""Fixtures of the contract suites."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from contract.ticketing_model import AdapterUnderTest, Provider
from real.servers.request_tracker import request_tracker as request_tracker


@pytest.fixture
async def under_test(request: pytest.FixtureRequest) -> AsyncIterator[AdapterUnderTest]:
    """The adapter of the provider that `scenario` parametrizes with."""
    provider: Provider = request.param
    async with provider.open(request) as made:
        yield replace(made, closes=provider.closes)
