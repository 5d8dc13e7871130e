"""WhatsApp on Meta's Cloud API: see README.md."""

from __future__ import annotations

from importlib.resources import files

from inbox_channels.whatsapp.channel import WhatsAppChannel
from inbox_channels.whatsapp.parse import parse
from inbox_channels.whatsapp.settings import WhatsAppSettings
from inbox_channels.whatsapp.simulate import simulate
from inbox_daemon.plugins import ChannelPlugin

plugin = ChannelPlugin(
    kind="whatsapp",
    summary="WhatsApp numbers on Meta's Cloud API: messages, files, states, answers",
    settings=WhatsAppSettings,
    build=WhatsAppChannel,
    parse=parse,
    sample=files(__name__).joinpath("sample.toml").read_text("utf-8"),
    simulate=simulate,
    powers=("Pushed", "Sharing", "Inspecting", "Fetching", "Replying"),
)
