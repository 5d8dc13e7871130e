"""Zammad over its REST API: see README.md beside this file."""

from __future__ import annotations

from importlib.resources import files

from inbox_daemon.plugins import TicketingPlugin
from inbox_ticketing.zammad.adapter import CAPABILITIES, Zammad
from inbox_ticketing.zammad.settings import ZammadSettings

plugin = TicketingPlugin(
    kind="zammad",
    summary="Zammad over its REST API, with its signed webhook as a hint",
    settings=ZammadSettings,
    build=Zammad,
    capabilities=CAPABILITIES,
    sample=files(__name__).joinpath("sample.toml").read_text("utf-8"),
)
