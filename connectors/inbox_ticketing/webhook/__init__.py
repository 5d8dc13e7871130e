"""Any system behind a signed webhook (Standard Webhooks), both ways: see README.md beside this file."""

from __future__ import annotations

from importlib.resources import files

from inbox_daemon.plugins import TicketingPlugin
from inbox_ticketing.webhook.adapter import CAPABILITIES, Webhook
from inbox_ticketing.webhook.settings import WebhookSettings

plugin = TicketingPlugin(
    kind="webhook",
    summary="Any system behind signed webhooks (Standard Webhooks), with look-ups where it answers citizens",
    settings=WebhookSettings,
    build=Webhook,
    capabilities=CAPABILITIES,
    sample=files(__name__).joinpath("sample.toml").read_text("utf-8"),
)
