"""GLPI 10 and 11 (apirest.php): see README.md beside this file."""

from __future__ import annotations

from importlib import resources
from zoneinfo import ZoneInfo

from inbox_daemon.plugins import Context, TicketingAdapter, TicketingPlugin
from inbox_ticketing.glpi.adapter import CAPABILITIES, Glpi
from inbox_ticketing.glpi.legacy import Legacy
from inbox_ticketing.glpi.settings import GlpiSettings


def _build(settings: GlpiSettings, context: Context) -> TicketingAdapter:
    zone = ZoneInfo(settings.zone) if settings.zone else context.zone
    return Glpi(settings, context, Legacy(settings, context, zone))


plugin = TicketingPlugin(
    kind="glpi",
    summary="GLPI 10 and 11 over its REST API (apirest.php), with the webhooks of GLPI 11 as hints",
    settings=GlpiSettings,
    build=_build,
    capabilities=CAPABILITIES,
    sample=resources.files(__name__).joinpath("sample.toml").read_text("utf-8"),
)
