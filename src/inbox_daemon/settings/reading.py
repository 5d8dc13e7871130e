"""Makes `Settings` of a file and the environment, or a list of everything that is wrong with them."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_settings import EnvSettingsSource
from pydantic_settings import SettingsError as UnreadableVariable

from inbox_daemon.errors import SettingsError, SettingsErrors
from inbox_daemon.settings import credentials, mistakes, rules
from inbox_daemon.settings.places import KeyPath
from inbox_daemon.settings.source import INSTANCE_TABLES, PREFIX, Source, dotted, place_order, read
from inbox_daemon.settings.whole import Settings

_PLACEHOLDERS: dict[str, Any] = {"routing": {"default": "?"}}  # lets the search for mistakes go on


@dataclass(slots=True)
class Findings:
    """What one reading came to: settings as good as can be made, fit for a start only when `errors` is empty."""

    settings: Settings
    errors: list[SettingsError] = field(default_factory=list)


def load(path: Path | None = None, *, secrets: Collection[str] | None = None) -> Settings:
    """Read, overlay, resolve secrets and validate. Raises `SettingsErrors` with everything found.

    `path` comes from --config; None means $INBOX_CONFIG or /etc/inbox-daemon/inbox.toml. `secrets` are the keys of
    those of the core's secrets that are used (None: all): a command in a plain shell has no credentials of the
    service's, and one that it does not use is no reason to refuse it. Such a secret is empty then.
    """
    findings = examine(path, secrets=secrets)
    if findings.errors:
        raise SettingsErrors(findings.errors)
    return findings.settings


def examine(path: Path | None = None, *, secrets: Collection[str] | None = None) -> Findings:
    """Like `load`, but goes on behind mistakes. Raises `SettingsErrors` only when there is nothing to go on with."""
    source, errors = _overlaid(read(path))
    told: dict[KeyPath, SettingsError] = {}

    def report(at: KeyPath, problem: str, remedy: str) -> None:
        if secrets is None or dotted(at) in secrets:
            told.setdefault(at, source.error(at, problem, remedy))

    data = credentials.resolve(source.data, Settings, source, (), report)
    faulty: set[KeyPath] = set(told)
    settings = _validate(data, source, told, faulty)
    known = {dotted(path) for path in told}
    errors += [*told.values(), *(error for error in rules.check(settings, faulty) if error.key not in known)]
    return Findings(settings, sorted(errors, key=place_order))


def _validate(
    data: dict[str, Any], source: Source, told: dict[KeyPath, SettingsError], faulty: set[KeyPath]
) -> Settings:
    """Validate `data`, cutting out what is wrong until the rest holds."""
    kept = list(range(len(data["routes"]))) if isinstance(data.get("routes"), list) else []
    while True:
        try:
            settings = Settings(**data)
        except ValidationError as error:
            found = mistakes.tell(error, Settings, data, source)
        else:
            settings._source = source  # noqa: SLF001 - private to this package - its own, set by this module only
            settings._route_numbers = tuple(kept)  # noqa: SLF001
            return settings
        bad_routes = set()
        for path, mistake in found:
            at = path
            if path[0] == "routes" and len(path) > 1 and isinstance(path[1], int):
                bad_routes.add(path[1])
                at = ("routes", kept[path[1]], *path[2:])
            else:
                _cut(data, path)
            told.setdefault(at, source.error(at, mistake.problem, mistake.remedy))
            faulty.add(at)
        if bad_routes:
            data["routes"] = [route for index, route in enumerate(data["routes"]) if index not in bad_routes]
            kept = [index for position, index in enumerate(kept) if position not in bad_routes]


def _cut(data: dict[str, Any], path: KeyPath) -> None:
    """Take out the top table, or the instance, that `path` lies in."""
    top = str(path[0])
    if top in INSTANCE_TABLES and len(path) > 1 and isinstance(data.get(top), dict):
        data[top].pop(path[1], None)
        return
    data.pop(top, None)
    if top in _PLACEHOLDERS:
        data[top] = _PLACEHOLDERS[top]


def _overlaid(source: Source) -> tuple[Source, list[SettingsError]]:
    """The reading with environment variables laid over it, and mistakes in these."""
    variables: dict[KeyPath, str] = {}
    errors = []
    for name in sorted(os.environ):
        if not name.upper().startswith(PREFIX):
            continue
        path = tuple(name[len(PREFIX) :].lower().split("__"))
        if path[0] in Settings.model_fields:
            variables[_instance_path(path)] = name
        elif len(path) > 1:
            problem, remedy = "there is no such table", mistakes.suggestion(path[0], Settings.model_fields)
            place = f"environment variable {name}"
            errors.append(SettingsError(problem, key=".".join(path), place=place, remedy=remedy))
    try:
        above = EnvSettingsSource(Settings)()
    except UnreadableVariable:
        problem = "an environment variable INBOX_… that has to hold JSON holds something else"
        remedy = "Write lists and tables as JSON, or put them into the file."
        raise SettingsErrors([SettingsError(problem, key="INBOX_…", place="environment", remedy=remedy)]) from None
    for table in INSTANCE_TABLES:
        if isinstance(above.get(table), dict):
            above[table] = {str(name).replace("_", "-"): value for name, value in above[table].items()}
    return replace(source, data=_laid_over(source.data, above), variables=variables), errors


def _instance_path(path: tuple[str, ...]) -> KeyPath:
    """Variables can't have a dash in their names, instances no underline: one stands for the other."""
    if path[0] in INSTANCE_TABLES and len(path) > 1:
        return (path[0], path[1].replace("_", "-"), *path[2:])
    return path


def _laid_over(below: Any, above: Any) -> Any:
    if isinstance(below, Mapping) and isinstance(above, Mapping):
        return {**below, **{key: _laid_over(below.get(key), value) for key, value in above.items()}}
    return above
