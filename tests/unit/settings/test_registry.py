"""Plug-ins by entry point: found, loaded only when needed, and named when they are broken."""

from __future__ import annotations

import sys
from importlib.metadata import EntryPoint
from types import ModuleType
from typing import Any

import pytest

from inbox_daemon import registry
from inbox_daemon.errors import SettingsError, SettingsErrors
from inbox_daemon.plugins import Capabilities, ChannelPlugin, PluginSettings, TicketingPlugin
from inbox_daemon.settings import load
from unit.settings.right import Write


class Own(PluginSettings):
    key: int = 1


class Greedy(PluginSettings):
    parallel: int = 1


def _never(*_: Any) -> Any:
    raise AssertionError


def _channel(kind: str, settings: type[PluginSettings] = Own) -> ChannelPlugin[Any]:
    return ChannelPlugin(kind=kind, summary="a test", settings=settings, build=_never, parse=_never)


@pytest.fixture
def points(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[EntryPoint]]:
    module = ModuleType("plugins_under_test")
    module.good = _channel("good")  # type: ignore[attr-defined]
    module.greedy = _channel("greedy", Greedy)  # type: ignore[attr-defined]
    module.ticketing = TicketingPlugin(  # type: ignore[attr-defined]
        kind="narrow", summary="", settings=Own, build=_never, capabilities=Capabilities(parallel=2)
    )
    module.other = object()  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module.__name__, module)
    groups: dict[str, list[EntryPoint]] = {registry.CHANNELS: [], registry.TICKETING: []}
    monkeypatch.setattr(registry, "entry_points", lambda group: groups[group])
    return groups


def _point(name: str, value: str, group: str = registry.CHANNELS) -> EntryPoint:
    return EntryPoint(name=name, value=value, group=group)


def test_kinds_are_listed_without_loading_any(points: dict[str, list[EntryPoint]]) -> None:
    points[registry.CHANNELS] += [_point("b", "no_such_module:plugin"), _point("a", "no_such_module:plugin")]
    assert registry.installed() == registry.Kinds(channels=("a", "b"), ticketing=())


def test_a_good_one_is_loaded(points: dict[str, list[EntryPoint]]) -> None:
    points[registry.CHANNELS].append(_point("good", "plugins_under_test:good"))
    assert registry.channel_plugin("good").settings is Own


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("lost", "no_such_module:plugin", "ModuleNotFoundError"),
        ("lost", "plugins_under_test:absent", "AttributeError"),
        ("other", "plugins_under_test:other", "not a ChannelPlugin"),
        ("ticketing", "plugins_under_test:ticketing", "not a ChannelPlugin"),
        ("better", "plugins_under_test:good", 'calls itself "good"'),
        ("greedy", "plugins_under_test:greedy", "parallel"),
    ],
)
def test_a_broken_one_is_named(name: str, value: str, why: str, points: dict[str, list[EntryPoint]]) -> None:
    points[registry.CHANNELS].append(_point(name, value))
    with pytest.raises(SettingsError) as caught:
        registry.channel_plugin(name)
    assert f'"{name}" ({value} of' in str(caught.value)
    assert why in str(caught.value)


def test_two_of_one_name(points: dict[str, list[EntryPoint]]) -> None:
    points[registry.CHANNELS] += [_point("good", "plugins_under_test:good"), _point("good", "elsewhere:plugin")]
    with pytest.raises(SettingsError, match="several"):
        registry.channel_plugin("good")


def test_one_that_is_not_needed_may_be_broken(points: dict[str, list[EntryPoint]], write: Write) -> None:
    points[registry.CHANNELS] += [_point("good", "plugins_under_test:good"), _point("bad", "no_such_module:plugin")]
    points[registry.TICKETING].append(_point("narrow", "plugins_under_test:ticketing", registry.TICKETING))
    file = write()
    file.write_text(
        '[channels.a]\nkind = "good"\nkey = 5\n[channels.off]\nkind = "good"\nenabled = false\n'
        '[destinations.b]\nkind = "narrow"\n[destinations.c]\nkind = "narrow"\nparallel = 7\non_unknown = "resend"\n'
        '[routing]\ndefault = "b"\n'
    )

    instances = registry.resolve(load(file))

    assert {name: one.settings for name, one in instances.channels.items()} == {"a": Own(key=5)}
    effective = [(str(one.name), one.parallel, one.on_unknown) for one in instances.destinations.values()]
    assert effective == [("b", 2, "park"), ("c", 7, "resend")]


def test_an_instance_that_is_not_enabled_is_checked_all_the_same(
    points: dict[str, list[EntryPoint]], write: Write
) -> None:
    points[registry.CHANNELS].append(_point("good", "plugins_under_test:good"))
    points[registry.TICKETING].append(_point("narrow", "plugins_under_test:ticketing", registry.TICKETING))
    file = write()
    file.write_text(
        '[channels.a]\nkind = "good"\n[channels.off]\nkind = "good"\nenabled = false\nkeey = 5\n'
        '[destinations.b]\nkind = "narrow"\n[routing]\ndefault = "b"\n'
    )
    with pytest.raises(SettingsErrors, match=r"channels\.off\.keey"):
        registry.resolve(load(file))


def test_a_pushed_channel_that_nobody_can_reach_is_warned_of(write: Write) -> None:
    file = write('url = "https://mensajes.gobierno.test"', "")
    (warning,) = registry.warnings(*registry.configure(file))
    assert "whatsapp-centro" in warning
