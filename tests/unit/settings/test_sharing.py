"""Whose address may be shared: that of an enabled channel of the same kind which has one of its own."""

from __future__ import annotations

from typing import Any

import pytest

from inbox_daemon import registry
from inbox_daemon.errors import SettingsErrors
from inbox_daemon.plugins import Capabilities, ChannelPlugin, PluginSettings, TicketingPlugin
from inbox_daemon.settings import load
from unit.settings.right import Write


class Own(PluginSettings):
    webhook_of: str = ""


def _never(*_: Any) -> Any:
    raise AssertionError


PLUGINS = {
    "number": ChannelPlugin(
        kind="number", summary="", settings=Own, build=_never, parse=_never, powers=("Pushed", "Sharing")
    ),
    "mailbox": ChannelPlugin(kind="mailbox", summary="", settings=Own, build=_never, parse=_never, powers=("Polled",)),
    "other": ChannelPlugin(kind="other", summary="", settings=Own, build=_never, parse=_never, powers=("Pushed",)),
}


@pytest.fixture(autouse=True)
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    office = TicketingPlugin(
        kind="book", summary="", settings=PluginSettings, build=_never, capabilities=Capabilities()
    )
    monkeypatch.setattr(registry, "channel_plugin", PLUGINS.__getitem__)
    monkeypatch.setattr(registry, "ticketing_plugin", lambda kind: office)


def _resolve(write: Write, channels: str) -> registry.Instances:
    file = write()
    file.write_text(f'{channels}\n[destinations.office]\nkind = "book"\n[routing]\ndefault = "office"\n')
    return registry.resolve(load(file))


def _number(name: str, of: str = "", more: str = "", kind: str = "number") -> str:
    return f'[channels.{name}]\nkind = "{kind}"\nwebhook_of = "{of}"\n{more}\n'


def test_numbers_of_one_app_share_an_address(write: Write) -> None:
    instances = _resolve(write, _number("a") + _number("b", "a") + _number("c", "a"))
    assert list(instances.channels) == ["a", "b", "c"]


def test_one_that_is_switched_off_may_name_one_that_is(write: Write) -> None:
    off = "enabled = false"
    assert list(_resolve(write, _number("z") + _number("a", more=off) + _number("b", "a", off)).channels) == ["z"]


@pytest.mark.parametrize(
    ("channels", "problem"),
    [
        (_number("b", "a"), '"b" .* "a", and there is no such channel'),
        (_number("b", "b"), '"b" can\'t share its own address'),
        (_number("a", kind="other") + _number("b", "a"), '"b" .* "a", which is of the kind "other"'),
        (_number("a", more="enabled = false") + _number("b", "a"), '"b" .* "a", which is not enabled'),
        (_number("a", kind="mailbox") + _number("b", "a", kind="mailbox"), '"b" .* "a", and a channel of this kind'),
        (_number("a") + _number("c", "a") + _number("b", "c"), '"b" .* "c", which shares that of "a" itself'),
        (_number("b", "c") + _number("c", "b"), '"b" .* "c", which shares that of "b" itself'),
    ],
)
def test_what_can_not_be_shared(write: Write, channels: str, problem: str) -> None:
    with pytest.raises(SettingsErrors, match=problem) as told:
        _resolve(write, channels)
    assert "channels.b.webhook_of" in str(told.value)
