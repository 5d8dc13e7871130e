"""Finds plug-ins by entry point, loads the ones needed, and validates each instance's table with their models."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any, Literal, TypeVar
from urllib.parse import urlsplit

from pydantic import ValidationError

from inbox_daemon.errors import SettingsError, SettingsErrors
from inbox_daemon.model import InstanceId
from inbox_daemon.plugins import ChannelPlugin, PluginSettings, TicketingPlugin
from inbox_daemon.settings import (
    ChannelTable,
    DestinationTable,
    Settings,
    Source,
    credentials,
    examine,
    mistakes,
)
from inbox_daemon.settings.places import KeyPath
from inbox_daemon.settings.rules import is_loopback
from inbox_daemon.settings.source import place_order

CHANNELS = "inbox_daemon.channels"
TICKETING = "inbox_daemon.ticketing"
P = TypeVar("P", ChannelPlugin[Any], TicketingPlugin[Any])


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelInstance:
    """One enabled channel, ready to be built."""

    name: InstanceId
    plugin: ChannelPlugin[Any]
    settings: PluginSettings = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class DestinationInstance:
    """One enabled destination, ready to be built. `parallel` and `on_unknown` are what holds for it in the end."""

    name: InstanceId
    plugin: TicketingPlugin[Any]
    settings: PluginSettings = field(repr=False)
    parallel: int
    on_unknown: Literal["park", "resend"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Instances:
    """All enabled instances, in the file's order."""

    channels: Mapping[InstanceId, ChannelInstance]
    destinations: Mapping[InstanceId, DestinationInstance]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kinds:
    """What is installed, by name; nothing is loaded."""

    channels: tuple[str, ...]
    ticketing: tuple[str, ...]


def installed() -> Kinds:
    """Which kinds there are."""
    return Kinds(channels=tuple(_points(CHANNELS)), ticketing=tuple(_points(TICKETING)))


def channel_plugin(kind: str) -> ChannelPlugin[Any]:
    """Load one channel plug-in. Raises `SettingsError` when it is not installed or broken."""
    return _plugin(CHANNELS, kind, ChannelPlugin)


def ticketing_plugin(kind: str) -> TicketingPlugin[Any]:
    """Load one ticketing plug-in. Raises `SettingsError` when it is not installed or broken."""
    return _plugin(TICKETING, kind, TicketingPlugin)


def resolve(settings: Settings) -> Instances:
    """Load the plug-ins that are needed and validate their tables. Raises `SettingsErrors` with everything found."""
    instances, errors = _resolve(settings)
    if errors:
        raise SettingsErrors(errors)
    return instances


def configure(path: Path | None = None) -> tuple[Settings, Instances]:
    """`load` and `resolve` in one, so that mistakes of both kinds are told together. Raises `SettingsErrors`."""
    findings = examine(path)
    instances, errors = _resolve(findings.settings)
    if findings.errors or errors:
        raise SettingsErrors(sorted([*findings.errors, *errors], key=place_order))
    return findings.settings, instances


def warnings(settings: Settings, instances: Instances) -> list[str]:
    """What is allowed and yet likely not meant, as far as it needs plug-ins to know it."""
    if not is_loopback(urlsplit(settings.public.base_url).hostname or ""):
        return []
    pushed = [name for name, channel in instances.channels.items() if "Pushed" in channel.plugin.powers]
    return [f"public.url is not set: nobody outside this machine can post to channels.{name}" for name in pushed]


def _resolve(settings: Settings) -> tuple[Instances, list[SettingsError]]:
    errors: list[SettingsError] = []
    channels: dict[InstanceId, ChannelInstance] = {}
    destinations: dict[InstanceId, DestinationInstance] = {}
    for name, table in settings.channels.items():
        if made := _channel(name, table, settings, errors):
            channels[made.name] = made
    for name, target in settings.destinations.items():
        if ready := _destination(name, target, settings, errors):
            destinations[ready.name] = ready
    errors += _shared_addresses(settings, channels)
    errors += _named_kinds(settings)
    enabled = Instances(
        channels={name: one for name, one in channels.items() if settings.channels[name].enabled},
        destinations={name: one for name, one in destinations.items() if settings.destinations[name].enabled},
    )
    return enabled, errors


def _channel(name: str, table: ChannelTable, settings: Settings, errors: list[SettingsError]) -> ChannelInstance | None:
    at: KeyPath = ("channels", name)
    try:
        plugin = channel_plugin(table.kind)
    except SettingsError as error:
        errors.append(settings.source.error((*at, "kind"), error.problem, error.remedy))
        return None
    own = _own_settings(plugin.settings, table.options, settings.source, at, errors)
    return None if own is None else ChannelInstance(name=InstanceId(name), plugin=plugin, settings=own)


def _destination(
    name: str, table: DestinationTable, settings: Settings, errors: list[SettingsError]
) -> DestinationInstance | None:
    at: KeyPath = ("destinations", name)
    try:
        plugin = ticketing_plugin(table.kind)
    except SettingsError as error:
        errors.append(settings.source.error((*at, "kind"), error.problem, error.remedy))
        return None
    own = _own_settings(plugin.settings, table.options, settings.source, at, errors)
    if own is None:
        return None
    time_out = getattr(own, "timeout_seconds", 0)
    if time_out >= settings.delivery.attempt_seconds:
        remedy = "Make it shorter, or delivery.attempt_seconds longer."
        errors.append(
            settings.source.error((*at, "timeout_seconds"), "a call may outlast delivery.attempt_seconds", remedy)
        )
    if getattr(own, "mail_to", ()) and "smtp" not in settings.source.data:
        remedy = "Add a table [smtp] with host and from_address, or take mail_to out."
        errors.append(settings.source.error((*at, "mail_to"), "no mail server is configured to send it by", remedy))
    return DestinationInstance(
        name=InstanceId(name),
        plugin=plugin,
        settings=own,
        parallel=table.parallel or min(settings.delivery.parallel, plugin.capabilities.parallel),
        on_unknown=table.on_unknown or settings.delivery.on_unknown,
    )


def _own_settings(
    model: type[PluginSettings], options: dict[str, Any], source: Source, at: KeyPath, errors: list[SettingsError]
) -> PluginSettings | None:
    """The plug-in's settings of one table, its secrets resolved first; None when something is wrong with them."""
    told: dict[KeyPath, SettingsError] = {}

    def report(path: KeyPath, problem: str, remedy: str) -> None:
        told[path] = source.error(path, problem, remedy)

    data = credentials.resolve(options, model, source, at, report)
    own = None
    try:
        own = model.model_validate(data)
    except ValidationError as error:
        for path, mistake in mistakes.tell(error, model, data, source, at):
            told.setdefault((*at, *path), mistake)
    errors += told.values()
    return None if told else own


def _shared_addresses(settings: Settings, channels: Mapping[InstanceId, ChannelInstance]) -> Iterator[SettingsError]:
    """Instances whose deliveries are to come to the address of one that can't have them."""
    for name, one in channels.items():
        host = getattr(one.settings, "webhook_of", "")
        problem = _no_host(host, one, settings, channels) if host else None
        if problem is not None:
            remedy = "Name the enabled channel of the same kind whose address is entered at the provider, or nothing."
            yield settings.source.error(("channels", name, "webhook_of"), problem, remedy)


def _no_host(
    host: str, one: ChannelInstance, settings: Settings, channels: Mapping[InstanceId, ChannelInstance]
) -> str | None:
    """Why `one` can't share the address of `host`, if it can't."""
    table = settings.channels.get(host)
    if host == one.name:
        return f'"{host}" can\'t share its own address'
    if table is None:
        return f'"{one.name}" is to share the address of "{host}", and there is no such channel'
    if table.kind != one.plugin.kind:
        return f'"{one.name}" is to share the address of "{host}", which is of the kind "{table.kind}"'
    if "Pushed" not in one.plugin.powers:
        return f'"{one.name}" is to share the address of "{host}", and a channel of this kind has none'
    if not table.enabled and settings.channels[one.name].enabled:
        return f'"{one.name}" is to share the address of "{host}", which is not enabled'
    made = channels.get(InstanceId(host))
    further = "" if made is None else getattr(made.settings, "webhook_of", "")
    if further:
        return f'"{one.name}" is to share the address of "{host}", which shares that of "{further}" itself'
    return None


def _named_kinds(settings: Settings) -> Iterator[SettingsError]:
    """Kinds of channel that a route or the menu names and that aren't installed."""
    known = installed().channels
    lists: list[tuple[KeyPath, tuple[str, ...]]] = [
        ((*settings.route_path(position), "channels"), route.channels) for position, route in enumerate(settings.routes)
    ]
    for path, kinds in [*lists, (("triage", "channels"), settings.triage.channels)]:
        for item, kind in enumerate(kinds):
            if kind not in known:
                yield settings.source.error(
                    (*path, item), f'there is no kind of channel "{kind}"', mistakes.suggestion(kind, known)
                )


def _points(group: str) -> dict[str, EntryPoint]:
    return {point.name: point for point in sorted(entry_points(group=group), key=lambda point: point.name)}


def _plugin(group: str, kind: str, expected: type[P]) -> P:
    points = [point for point in entry_points(group=group) if point.name == kind]
    if not points:
        raise SettingsError(f'no plug-in "{kind}" is installed', remedy=mistakes.suggestion(kind, _points(group)))
    origins = {point.value: _origin(point) for point in points}
    if len(origins) > 1:
        where = " and ".join(f"{value} ({origin})" for value, origin in sorted(origins.items()))
        raise SettingsError(f'several plug-ins are called "{kind}": {where}', remedy="Uninstall all but one.")
    return _loaded(points[0], expected)


def _loaded(point: EntryPoint, expected: type[P]) -> P:
    def broken(why: str) -> SettingsError:
        problem = f'the plug-in "{point.name}" ({point.value} of {_origin(point)}) is broken: {why}'
        return SettingsError(problem, remedy="Install it again, or tell whoever wrote it.")

    try:
        plugin = point.load()
    except Exception as error:
        raise broken(f"{type(error).__name__}: {error}") from error
    if not isinstance(plugin, expected):
        raise broken(f"it is not a {expected.__name__}")
    if plugin.kind != point.name:
        raise broken(f'it calls itself "{plugin.kind}"')
    reserved = (ChannelTable.CORE_KEYS | DestinationTable.CORE_KEYS) & plugin.settings.model_fields.keys()
    if reserved:
        raise broken(f"its settings use keys of the core: {', '.join(sorted(reserved))}")
    return plugin


def _origin(point: EntryPoint) -> str:
    return f"{point.dist.name} {point.dist.version}" if point.dist else "an unknown package"
