"""What every installed channel plug-in keeps to; a new one is under test as soon as it has an entry point."""

from __future__ import annotations

import pickle
import re
import socket
import tomllib
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, fields, is_dataclass
from datetime import UTC, datetime, timedelta
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, NoReturn, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import inbox_channels
from inbox_daemon import registry
from inbox_daemon.errors import Credentials, Permanent
from inbox_daemon.model import Envelope, Event, Ignored, InstanceId, Malformed, Message
from inbox_daemon.plugins import (
    Channel,
    ChannelPlugin,
    Fetching,
    Inspecting,
    PluginSettings,
    Polled,
    Pushed,
    Replying,
    Sharing,
    SimulatedMessage,
    Watching,
    WebhookRequest,
)
from support.contexts import lend_context

POWERS: dict[str, type] = {
    "Pushed": Pushed,
    "Polled": Polled,
    "Watching": Watching,
    "Fetching": Fetching,
    "Replying": Replying,
    "Sharing": Sharing,
    "Inspecting": Inspecting,
}
FOLDER = Path(inbox_channels.__path__[0])
SHARED = {"_graph"}
NO_INPUT = ("expected.json", "settings.json", "README.md")
NAMELESS = {"facebook"}
"""Kinds whose deliveries tell an id and no name."""
KINDS = sorted(point.name for point in entry_points(group=registry.CHANNELS))
NOW = datetime(2026, 11, 23, 12, 30, tzinfo=UTC)
FRAME = """
[public]
url = "https://mensajes.gobierno.test"

[destinations.gobierno]
kind = "ticketbook"
office_name = "Ministerio de Gobierno"

[routing]
default = "gobierno"
"""
QUIET = settings(deadline=None, max_examples=60)

every_kind = pytest.mark.parametrize("kind", KINDS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Instance:
    """One instance as its own sample configures it."""

    plugin: ChannelPlugin[Any]
    settings: PluginSettings


def plugin_of(kind: str) -> ChannelPlugin[Any]:
    return registry.channel_plugin(kind)


def bare(kind: str) -> PluginSettings:
    """What `explain` parses with: no configuration at all."""
    made: PluginSettings = plugin_of(kind).settings.model_construct()
    return made


def recorded(kind: str, *, polled: bool = True) -> list[bytes]:
    """Every raw input of the plug-in's testcases; not `polled`: without those whose folder says that it is polled."""
    inputs = [path for path in (FOLDER / kind / "testcases").rglob("*") if path.is_file()]
    inputs = [path for path in inputs if polled or not path.parent.name.startswith("polled")]
    return [path.read_bytes() for path in sorted(inputs) if path.name not in NO_INPUT]


def envelope(body: bytes) -> Envelope:
    return Envelope(instance=InstanceId("under-test"), body=body, received_at=NOW)


def configured(kind: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Instance:
    """The sample through the daemon's own reading of configuration, with every secret handed over."""
    sample = plugin_of(kind).sample
    for name in re.findall(r'credential = "([^"]+)"', sample):
        (folder / name).write_text(f"invented-{name}\n", "utf-8")
        (folder / name).chmod(0o600)
    (folder / "inbox.toml").write_text(FRAME + sample, "utf-8")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(folder))
    _, instances = registry.configure(folder / "inbox.toml")
    (instance,) = instances.channels.values()
    return Instance(plugin=instance.plugin, settings=instance.settings)


@asynccontextmanager
async def built(kind: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Channel]:
    instance = configured(kind, folder, monkeypatch)
    async with lend_context() as context:
        channel = instance.plugin.build(instance.settings, context)
        yield channel
        await channel.aclose()


# ---------------------------------------------------------------- what belongs to a plug-in


def test_every_folder_is_an_entry_point_and_every_entry_point_a_folder() -> None:
    folders = {path.name for path in FOLDER.iterdir() if path.is_dir() and path.name != "__pycache__"}
    assert folders - SHARED == set(KINDS)
    assert folders >= SHARED
    assert KINDS


@every_kind
def test_a_plugin_is_its_folders_and_says_what_it_is(kind: str) -> None:
    plugin = plugin_of(kind)
    (point,) = entry_points(group=registry.CHANNELS, name=kind)
    assert (plugin.kind, point.value) == (kind, f"inbox_channels.{kind}:plugin")
    assert plugin.summary
    assert len(plugin.summary) <= 100
    assert plugin.summary == plugin.summary.strip().splitlines()[0]
    assert issubclass(plugin.settings, PluginSettings)


@every_kind
def test_its_files_are_there_and_name_every_key(kind: str) -> None:
    readme = (FOLDER / kind / "README.md").read_text("utf-8")
    sample = (FOLDER / kind / "sample.toml").read_text("utf-8")
    assert plugin_of(kind).sample == sample
    keys = plugin_of(kind).settings.model_fields.keys()
    assert [key for key in keys if f"| `{key}` |" not in readme] == []
    assert [key for key in keys if not re.search(rf"^(# )?{key} = ", sample, re.MULTILINE)] == []
    assert len(recorded(kind)) >= 5


@every_kind
def test_the_sample_is_one_table_that_the_daemon_reads(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sample = tomllib.loads(plugin_of(kind).sample)
    assert list(sample) == ["channels"]
    ((_, table),) = sample["channels"].items()
    assert table["kind"] == kind
    instance = configured(kind, tmp_path, monkeypatch)
    assert "invented-" not in repr(instance.settings)
    assert "invented-" not in instance.settings.model_dump_json()


@every_kind
def test_keys_that_the_sample_shows_as_left_out_are_right_as_shown(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each by itself: some only fit together with others, but none may be unknown or of a wrong form."""
    plugin = plugin_of(kind)
    usual = configured(kind, tmp_path, monkeypatch).settings
    for line in re.findall(r"^# (\w+ = .+)$", plugin.sample, re.MULTILINE):
        ((key, value),) = tomllib.loads(line).items()
        assert key in plugin.settings.model_fields, line
        default = plugin.settings.model_fields[key].get_default()
        if isinstance(default, tuple | bool | int | float | str) and default not in ("", ()):
            assert (tuple(value) if isinstance(value, list) else value) == default == getattr(usual, key), line


# ---------------------------------------------------------------- parsing


@every_kind
def test_recorded_inputs_are_read_without_configuration_and_alike_each_time(kind: str) -> None:
    plugin, own = plugin_of(kind), bare(kind)
    before = pickle.dumps(own)
    made = 0
    for body in recorded(kind):
        first, second = (outcome(plugin, body, own) for _ in range(2))
        assert first == second
        made += sum(isinstance(event, Message) for event in first or ())
    assert made
    assert pickle.dumps(own) == before


@every_kind
def test_parse_settings_and_events_travel_to_a_worker(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plugin = plugin_of(kind)
    for own in (bare(kind), configured(kind, tmp_path, monkeypatch).settings):
        parse, same = pickle.loads(pickle.dumps((plugin.parse, own)))
        assert parse is plugin.parse
        for body in recorded(kind)[:10]:
            events = outcome(plugin, body, same)
            assert pickle.loads(pickle.dumps(events)) == events


@every_kind
@QUIET
@given(body=st.binary(max_size=400))
def test_any_bytes_are_events_or_permanent(kind: str, body: bytes) -> None:
    outcome(plugin_of(kind), body, bare(kind))


@every_kind
@QUIET
@given(data=st.data())
def test_recorded_inputs_with_damage_are_events_or_permanent(kind: str, data: st.DataObject) -> None:
    body = data.draw(st.sampled_from(recorded(kind)))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(body)))
        gone = data.draw(st.integers(0, 40))
        body = body[:at] + data.draw(st.binary(max_size=20)) + body[at + gone :]
    outcome(plugin_of(kind), body, bare(kind))


def outcome(plugin: ChannelPlugin[Any], body: bytes, own: PluginSettings) -> Sequence[Event] | None:
    """The events, each of them fit for a database; None where the whole envelope is refused with a reason."""
    try:
        events = plugin.parse(envelope(body), own)
    except Permanent:
        return None
    assert events, "an envelope that says nothing is Ignored, not nothing"
    for event in events:
        assert isinstance(event, get_args(Event))
        assert [text for text in _texts(event) if "\x00" in text] == []
        for text in _texts(event):
            text.encode()
        assert all(moment.tzinfo is not None for moment in _moments(event))
    return list(events)


def _texts(value: object) -> Iterator[str]:
    return (found for found in _leaves(value) if isinstance(found, str))


def _moments(value: object) -> Iterator[datetime]:
    return (found for found in _leaves(value) if isinstance(found, datetime))


def _leaves(value: object) -> Iterator[object]:
    if is_dataclass(value) and not isinstance(value, type):
        value = [getattr(value, field.name) for field in fields(value)]
    elif isinstance(value, dict):
        value = [part for pair in value.items() for part in pair]
    if isinstance(value, list | tuple):
        for inner in value:
            yield from _leaves(inner)
    else:
        yield value


# ---------------------------------------------------------------- life and powers


@every_kind
async def test_what_is_declared_is_what_is_built(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with built(kind, tmp_path, monkeypatch) as channel:
        has = {name for name, protocol in POWERS.items() if isinstance(channel, protocol)}
    assert set(plugin_of(kind).powers) == has
    assert has & {"Pushed", "Polled"}


@every_kind
async def test_building_connects_to_nobody_and_letting_go_is_safe_twice(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def reached(*_: object, **__: object) -> NoReturn:
        raise AssertionError("a plug-in connects in check() and later, never in build()")

    instance = configured(kind, tmp_path, monkeypatch)
    monkeypatch.setattr(socket, "getaddrinfo", reached)
    monkeypatch.setattr(socket.socket, "connect", reached)
    async with lend_context() as context:
        channel = instance.plugin.build(instance.settings, context)
        await channel.aclose()
        await channel.aclose()
    assert "invented-" not in repr(channel)


@every_kind
async def test_nobody_gets_in_unsigned(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with built(kind, tmp_path, monkeypatch) as channel:
        if not isinstance(channel, Pushed):
            assert isinstance(channel, Polled)
            assert channel.poll_seconds > 0
            return
        assert list(channel.keep_headers) == [name.lower() for name in channel.keep_headers]
        for body in (b"", b"{}", *recorded(kind)[:3]):
            request = WebhookRequest(method="POST", query={}, headers={"content-type": "application/json"}, body=body)
            with pytest.raises(Credentials):
                channel.authenticate(request)
        answer = channel.handshake(WebhookRequest(method="GET", query={}, headers={}, body=b""))
        assert answer is None or answer.status >= 400


@every_kind
async def test_what_holds_something_for_an_instance_concerns_it(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    instance = configured(kind, tmp_path, monkeypatch)
    async with lend_context() as context:
        channel = instance.plugin.build(instance.settings, context)
        assert isinstance(channel, Sharing) or not hasattr(instance.settings, "webhook_of")
        for body in recorded(kind, polled=False):
            events = outcome(instance.plugin, body, instance.settings) or ()
            nothing = all(isinstance(event, Ignored | Malformed) for event in events)
            assert nothing or not isinstance(channel, Sharing) or channel.concerns(body)
        await channel.aclose()


@every_kind
async def test_what_is_simulated_comes_in_whole(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    instance = configured(kind, tmp_path, monkeypatch)
    if instance.plugin.simulate is None:
        assert "Pushed" not in instance.plugin.powers, "who is pushed to can be simulated"
        return
    made = SimulatedMessage(sender="5493624000001", name="Ñata Báez", text="¿Hola?\n🙂", id="prueba-1", at=NOW)
    request = instance.plugin.simulate(instance.settings, made)
    assert instance.plugin.simulate(instance.settings, made) == request
    async with lend_context() as context:
        channel = instance.plugin.build(instance.settings, context)
        if isinstance(channel, Pushed):
            assert channel.handshake(request) is None
            channel.authenticate(request)
            with pytest.raises(Credentials):
                channel.authenticate(
                    WebhookRequest(method="POST", query={}, headers=request.headers, body=request.body + b" ")
                )
        await channel.aclose()
    (message,) = instance.plugin.parse(envelope(request.body), instance.settings)
    assert isinstance(message, Message)
    assert message.text == made.text
    assert message.sender.name == (None if kind in NAMELESS else made.name)
    assert "prueba-1" in message.external_id
    assert abs(message.sent_at - NOW) < timedelta(seconds=1)
    assert message.sender.handles
