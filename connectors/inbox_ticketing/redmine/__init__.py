"""Redmine (REST): see README.md beside this file."""

from __future__ import annotations

from importlib.resources import files

from inbox_daemon.plugins import TicketingPlugin
from inbox_ticketing.redmine.adapter import CAPABILITIES, Redmine
from inbox_ticketing.redmine.settings import RedmineSettings

plugin = TicketingPlugin(
    kind="redmine",
    summary="Redmine 5 or later over its REST API; Redmine 7 may also send hints",
    settings=RedmineSettings,
    build=Redmine,
    capabilities=CAPABILITIES,
    sample=files(__name__).joinpath("sample.toml").read_text("utf-8"),
)
