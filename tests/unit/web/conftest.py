"""Fixtures of the tests of pages."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from structlog.testing import LogCapture

from unit.web.desk import Office, one_office


@pytest.fixture
def log() -> Iterator[list[Any]]:
    """The lines logged so far."""
    capture = LogCapture()
    before = structlog.get_config()
    structlog.configure(processors=[capture])
    yield capture.entries
    structlog.configure(**before)


@pytest.fixture
async def office(tmp_path: Path, log: list[Any]) -> AsyncIterator[Office]:
    """A served page of one case."""
    async with one_office(tmp_path) as served:
        yield served
