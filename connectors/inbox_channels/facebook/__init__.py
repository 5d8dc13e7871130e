"""A Facebook page (Messenger, comments) or its Instagram account: see README.md."""

from __future__ import annotations

from importlib.resources import files

from inbox_channels.facebook.channel import FacebookChannel
from inbox_channels.facebook.parse import parse
from inbox_channels.facebook.settings import FacebookSettings
from inbox_channels.facebook.simulate import simulate
from inbox_daemon.plugins import ChannelPlugin

plugin = ChannelPlugin(
    kind="facebook",
    summary="a Facebook page (Messenger, comments) or its Instagram account",
    settings=FacebookSettings,
    build=FacebookChannel,
    parse=parse,
    sample=files(__name__).joinpath("sample.toml").read_text("utf-8"),
    simulate=simulate,
    powers=("Pushed", "Sharing", "Polled", "Inspecting", "Fetching", "Replying"),
)
