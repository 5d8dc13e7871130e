"""Zammad over its REST API: see README.md beside this file."""

from __future__ import annotations

from importlib.resources import files

from inbox_daemon.plugins import Context, TicketingAdapter, TicketingPlugin
from inbox_ticketing.zammad.adapter import CAPABILITIES, Zammad
from inbox_ticketing.zammad.settings import ZammadSettings


def _build(settings: ZammadSettings, context: Context) -> TicketingAdapter:
    return Zammad(settings, context)


plugin = TicketingPlugin(
    kind="zammad",
    summary="Zammad over its REST API, with its signed webhook as a hint",
    settings=ZammadSettings,
    build=_build,
    capabilities=CAPABILITIES,
    sample=files(__name__).joinpath("sample.toml").read_text("utf-8"),
)
