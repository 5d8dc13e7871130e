"""Fixtures that all tests may ask for."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest_plugins = [
    "real.servers.fixtures",
    "real.servers.postgresql",
    "real.servers.redmine",
    "real.servers.request_tracker",
]


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--conformance=PAGE`: see `contract/conformance.py`."""
    parser.addoption("--conformance", type=Path, metavar="PAGE", help="write what the ticketing suite found there")


def pytest_configure(config: pytest.Config) -> None:
    """Record what the ticketing suite finds, where asked to."""
    page = config.getoption("--conformance")
    if page is not None:
        from contract.conformance import Recorder

        config.pluginmanager.register(Recorder(page=page))
