"""The contract with connectors. With `model` and `errors` this is all of the core that a plug-in sees.

A plug-in is one object named by an entry point (`inbox_daemon.channels` or `inbox_daemon.ticketing`): a
`ChannelPlugin` or a `TicketingPlugin`. It holds a settings model, a pure parser and a `build` function. The law of
its life: `build` validates and never connects; `check` connects and changes nothing; `aclose` never fails.
"""

from __future__ import annotations

from inbox_daemon.plugins.calling import Answer, Caller, no_json, raise_if_failing, unclear
from inbox_daemon.plugins.casebook import Case, CaseBook, CaseEntry
from inbox_daemon.plugins.channel import (
    Channel,
    ChannelPlugin,
    Fetching,
    FileRule,
    Inspecting,
    Page,
    Polled,
    Pushed,
    Replying,
    SendingRules,
    Sharing,
    SimulatedMessage,
    Watching,
    WebhookAnswer,
    WebhookRequest,
)
from inbox_daemon.plugins.context import Context, Mail
from inbox_daemon.plugins.cursors import cursor_at, moment_of
from inbox_daemon.plugins.files import read_stored
from inbox_daemon.plugins.hints import is_signed
from inbox_daemon.plugins.probing import put_away
from inbox_daemon.plugins.settings import BaseUrl, PluginSettings, Secret, WebAddress, ZoneName
from inbox_daemon.plugins.ticketing import Capabilities, Notifying, Proving, TicketingAdapter, TicketingPlugin

__all__ = [
    "Answer",
    "BaseUrl",
    "Caller",
    "Capabilities",
    "Case",
    "CaseBook",
    "CaseEntry",
    "Channel",
    "ChannelPlugin",
    "Context",
    "Fetching",
    "FileRule",
    "Inspecting",
    "Mail",
    "Notifying",
    "Page",
    "PluginSettings",
    "Polled",
    "Proving",
    "Pushed",
    "Replying",
    "Secret",
    "SendingRules",
    "Sharing",
    "SimulatedMessage",
    "TicketingAdapter",
    "TicketingPlugin",
    "Watching",
    "WebAddress",
    "WebhookAnswer",
    "WebhookRequest",
    "ZoneName",
    "cursor_at",
    "is_signed",
    "moment_of",
    "no_json",
    "put_away",
    "raise_if_failing",
    "read_stored",
    "unclear",
]
