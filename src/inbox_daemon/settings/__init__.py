"""The configuration: one TOML file, overlaid by `INBOX_…__…` variables; errors name file, line, key and remedy."""

from __future__ import annotations

from inbox_daemon.settings.credentials import link_secret
from inbox_daemon.settings.reading import Findings, examine, load
from inbox_daemon.settings.rules import warnings
from inbox_daemon.settings.source import Source, dotted
from inbox_daemon.settings.tables import ChannelTable, DestinationTable, Route, Smtp
from inbox_daemon.settings.whole import Settings

__all__ = [
    "ChannelTable",
    "DestinationTable",
    "Findings",
    "Route",
    "Settings",
    "Smtp",
    "Source",
    "dotted",
    "examine",
    "link_secret",
    "load",
    "warnings",
]
