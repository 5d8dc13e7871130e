"""What has to hold between keys of the configuration, beyond each key by itself. Pure but for a look at the files."""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from inbox_daemon.errors import SettingsError
from inbox_daemon.settings import dialogue_rules, mistakes
from inbox_daemon.settings.places import KeyPath
from inbox_daemon.settings.source import Source
from inbox_daemon.settings.whole import Settings

_ANY = {"0.0.0.0", "::"}  # noqa: S104 - recognized, not listened to


def check(settings: Settings, faulty: Collection[KeyPath]) -> list[SettingsError]:
    """Every broken rule; `faulty` paths are told already."""
    source = settings.source
    found = [
        *_instances(source),
        *_listeners(settings, source),
        *_delivery(settings, source),
        *_storage(settings, source),
    ]
    found += _smtp(settings, source)
    if not any(path[0] == "routing" for path in faulty):
        found += _target(source, ("routing", "default"), settings.routing.default)
    found += dialogue_rules.check(settings)
    for at, name in dialogue_rules.named_destinations(settings):
        if at[:2] == ("destinations", name):
            found.append(source.error(at, "it refers to itself", "Name another destination, or take the key out."))
        else:
            found += _target(source, at, name)
    return [*found, *_routes(settings, source)]


def warnings(settings: Settings) -> list[str]:
    """What is allowed and yet likely not meant."""
    found = [f"channels.{name} is not enabled" for name, table in settings.channels.items() if not table.enabled]
    found += [
        f"destinations.{name} is not enabled" for name, table in settings.destinations.items() if not table.enabled
    ]
    found += [
        f'route "{route.name}" has no condition: the routes after it never decide'
        for route in settings.routes[:-1]
        if not route.conditional
    ]
    if settings.database.url.startswith("postgresql") and settings.public.link_secret is None:
        found.append("public.link_secret is not set: with several nodes, each would refuse the links of the others")
    if settings.smtp and settings.smtp.tls == "none" and settings.smtp.user and not is_loopback(settings.smtp.host):
        found.append("smtp.tls is none: the password travels in clear")
    return [*found, *dialogue_rules.warnings(settings)]


def is_loopback(host: str) -> bool:
    """Whether a host name or address means this machine."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _instances(source: Source) -> Iterator[SettingsError]:
    channels, destinations = _tables(source, "channels"), _tables(source, "destinations")
    for name in channels.keys() & destinations.keys():
        yield source.error(
            ("destinations", name), "a channel has the same name", "Give one of them another name: names are stored."
        )
    for kind, found in (("channels", channels), ("destinations", destinations)):
        if not any(isinstance(table, Mapping) and table.get("enabled") is not False for table in found.values()):
            yield source.error(
                (kind,),
                f"none of the {kind} is enabled",
                f"Add a table [{kind}.NAME]; `inbox-daemon sample KIND` has one.",
            )


def _listeners(settings: Settings, source: Source) -> Iterator[SettingsError]:
    public, operations = settings.public, settings.operations
    (public_host, public_port), (host, port) = public.address, operations.address
    if port and port == public_port and (host == public_host or {host, public_host} & _ANY):
        yield source.error(
            ("operations", "listen"), "the public listener has the same port", "Give one of the two another port."
        )
    if not operations.allow_remote and not is_loopback(host):
        yield source.error(
            ("operations", "listen"),
            "health, metrics and status would be open to other machines",
            "Listen on 127.0.0.1, or set allow_remote = true where a firewall guards the port.",
        )
    if public.url is None and public_host in _ANY:
        yield source.error(
            ("public", "listen"), f"{public_host} is no address that a browser can reach", 'Add url = "https://…".'
        )
    if public.url and public.url.startswith("http:") and not is_loopback(urlsplit(public.url).hostname or ""):
        yield source.error(
            ("public", "url"),
            "links to citizens' cases would travel in clear, and Meta refuses such an address",
            'Write "https://…" (a reverse proxy in front speaks TLS).',
        )


def _delivery(settings: Settings, source: Source) -> Iterator[SettingsError]:
    delivery = settings.delivery
    if delivery.retry_first_seconds > delivery.retry_max_seconds:
        yield source.error(
            ("delivery", "retry_first_seconds"),
            "the first pause is longer than the longest",
            "Make it at most retry_max_seconds.",
        )
    if delivery.retry_max_seconds > delivery.give_up_days * 86_400:
        yield source.error(
            ("delivery", "retry_max_seconds"),
            "the longest pause is longer than give_up_days",
            "Make it shorter, or give_up_days longer.",
        )


def _storage(settings: Settings, source: Source) -> Iterator[SettingsError]:
    if settings.database.password is not None and settings.database.url.startswith("sqlite"):
        yield source.error(("database", "password"), "SQLite has no password", "Take it out.")
    if settings.daemon.state_dir.exists() and not settings.daemon.state_dir.is_dir():
        yield source.error(("daemon", "state_dir"), "this is a file", "Name a folder.")


def _smtp(settings: Settings, source: Source) -> Iterator[SettingsError]:
    smtp = settings.smtp
    if smtp and bool(smtp.user) != (smtp.password is not None):
        there, missing = ("user", "password") if smtp.user else ("password", "user")
        yield source.error(("smtp", there), f"there is no {missing} to it", f"Add {missing}, or take {there} out.")


def _routes(settings: Settings, source: Source) -> Iterator[SettingsError]:
    seen: dict[str, KeyPath] = {}
    channels = _tables(source, "channels")
    for position, route in enumerate(settings.routes):
        at = settings.route_path(position)
        yield from _target(source, (*at, "destination"), route.destination)
        if route.name in seen:
            line = source.place(seen[route.name])
            yield source.error((*at, "name"), f"the route at {line} has the same name", "Give it a name of its own.")
        seen.setdefault(route.name, at)
        for item, name in enumerate(route.instances):
            if name not in channels:
                yield source.error(
                    (*at, "instances", item), f'there is no channel "{name}"', mistakes.suggestion(name, channels)
                )


def _target(source: Source, at: KeyPath, name: str) -> Iterator[SettingsError]:
    destinations = _tables(source, "destinations")
    if name not in destinations:
        yield source.error(at, f'there is no destination "{name}"', mistakes.suggestion(name, destinations))
    elif isinstance(destinations[name], Mapping) and destinations[name].get("enabled") is False:
        yield source.error(at, f'the destination "{name}" is not enabled', "Enable it, or name another.")


def _tables(source: Source, kind: str) -> Mapping[str, Any]:
    found = source.data.get(kind)
    return found if isinstance(found, Mapping) else {}
