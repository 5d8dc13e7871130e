"""Fixtures that all tests may ask for."""

from __future__ import annotations

pytest_plugins = [
    "real.servers.fixtures",
    "real.servers.postgresql",
    "real.servers.redmine",
    "real.servers.request_tracker",
]
