"""Redmine (REST): see README.md beside this file."""

from __future__ import annotations

from importlib.resources import files

from inbox_daemon.plugins import Context, TicketingAdapter, TicketingPlugin
from inbox_ticketing.redmine.adapter import CAPABILITIES, Redmine
from inbox_ticketing.redmine.settings import RedmineSettings


def _build(settings: RedmineSettings, context: Context) -> TicketingAdapter:
    return Redmine(settings, context)


plugin = TicketingPlugin(
    kind="redmine",
    summary="Redmine 5 or later over its REST API; Redmine 7 may also send hints",
    settings=RedmineSettings,
    build=_build,
    capabilities=CAPABILITIES,
    sample=files(__name__).joinpath("sample.toml").read_text("utf-8"),
)
