"""Tells what validation found in words: place, key, problem and remedy, and never a value."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from inbox_daemon.errors import SettingsError
from inbox_daemon.settings import credentials, tables
from inbox_daemon.settings.places import KeyPath
from inbox_daemon.settings.source import Source, dotted

_REMEDIES = {
    "int": "Write a whole number without quotes.",
    "float": "Write a number without quotes.",
    "finite": "Write an ordinary number.",
    "bool": "Write true or false, without quotes.",
    "string_type": 'Write a text in "quotes".',
    "string_sub": 'Write a text in "quotes".',
    "string_too_short": "Write a value, or take the key out.",
    "tuple": 'Write a list, for example ["one", "two"].',
    "list": 'Write a list, for example ["one", "two"].',
    "set": 'Write a list, for example ["one", "two"].',
    "path": 'Write a path in "quotes".',
    "url": 'Write an address, for example "https://server.example".',
    "date": "Write a date, for example 2026-11-24.",
    "model": "Write a table: [{key}].",
    "dict": "Write a table: [{key}].",
}
_CORE_KEYS: dict[str | int, frozenset[str]] = {
    "channels": tables.ChannelTable.CORE_KEYS,
    "destinations": tables.DestinationTable.CORE_KEYS,
}
_LIMITS = {
    "greater_than": ("gt", "more than"),
    "greater_than_equal": ("ge", "at least"),
    "less_than": ("lt", "less than"),
    "less_than_equal": ("le", "at most"),
}


def tell(
    error: ValidationError,
    model: type[BaseModel],
    data: Mapping[str, Any],
    source: Source,
    under: KeyPath = (),
) -> list[tuple[KeyPath, SettingsError]]:
    """Every mistake of one validation of `data`, a table that stands at `under`; with its path inside `data`."""
    told: dict[KeyPath, SettingsError] = {}
    for detail in error.errors(include_url=False, include_input=False):
        path = _within(data, detail, model)
        told.setdefault(path, _one(detail, path, model, source, under))
    return list(told.items())


def suggestion(word: str, known: Iterable[str]) -> str:
    """`Did you mean "x"?`, or the list of what there is."""
    names = sorted(known)
    near = difflib.get_close_matches(word, names, n=1, cutoff=0.6)
    if near:
        return f'Did you mean "{near[0]}"?'
    return f"Known are: {', '.join(names)}." if names else "There is none."


def _within(data: Any, detail: ErrorDetails, model: type[BaseModel]) -> KeyPath:
    """The part of an error's location that is a path of the data: pydantic adds names of types and validators."""
    path: KeyPath = ()
    for step in detail["loc"]:
        inside = isinstance(data, Mapping) and step in data
        item = isinstance(data, list) and isinstance(step, int) and step < len(data)
        if not inside and not item:
            return (*path, step) if step in _known_keys(model, path) else path  # missing, or a default at fault
        path, data = (*path, step), data[step]
    return path


def _one(detail: ErrorDetails, path: KeyPath, model: type[BaseModel], source: Source, under: KeyPath) -> SettingsError:
    kind, context = detail["type"], detail.get("ctx", {})
    place = (*under, *path)
    if kind == "settings":
        return source.error(place, context["problem"], _sentence(context["remedy"]))
    if kind == "missing":
        if _model(model, path) is not None:
            return source.error(place, "this table is missing", f"Add [{dotted(place)}]; config/inbox.toml has one.")
        return source.error(place, "this key is missing", f"Add a line {path[-1]} = …")
    if kind == "extra_forbidden":
        known = {*_known_keys(model, path[:-1]), *(_CORE_KEYS.get(under[0], ()) if len(path) == 1 and under else ())}
        problem = "there is no such key" if len(place) > 1 else "there is no such table"
        return source.error(place, problem, suggestion(str(path[-1]), known))
    if detail["loc"] and detail["loc"][-1] == "[key]" and "pattern" in context:
        return source.error(place, "this name can't be used", "Use small letters, digits and -, at most 63 characters.")
    if kind in _LIMITS:
        key, words = _LIMITS[kind]
        return source.error(place, "this number is out of range", f"Write {words} {context[key]}.")
    if kind in {"literal_error", "enum"}:
        return source.error(
            place, "this value is not one of those allowed", "Write " + str(context["expected"]).replace("'", '"') + "."
        )
    if kind == "string_pattern_mismatch":
        return source.error(
            place, "this text has not the expected form", f"Write a text of the form {context['pattern']}"
        )
    if kind == "value_error":  # a plug-in's own check: its words
        return source.error(place, detail["msg"].removeprefix("Value error, "), _example(under, source))
    problem = detail["msg"][:1].lower() + detail["msg"][1:]
    return source.error(place, problem, _remedy(kind, place, under, source))


def _remedy(kind: str, place: KeyPath, under: KeyPath, source: Source) -> str:
    for prefix, remedy in _REMEDIES.items():
        if kind.startswith(prefix):
            return remedy.replace("{key}", ".".join(str(step) for step in place))
    return _example(under, source)


def _example(under: KeyPath, source: Source) -> str:
    if not under:
        return "Correct it as in config/inbox.toml."
    kind = source.data[str(under[0])][str(under[1])]["kind"]
    return f"Correct it; `inbox-daemon sample {kind}` explains every key."


def _known_keys(model: type[BaseModel], path: KeyPath) -> list[str]:
    found = _model(model, path)
    return [field.alias or name for name, field in found.model_fields.items()] if found else []


def _model(model: type[BaseModel], path: KeyPath) -> type[BaseModel] | None:
    """The model of the table at `path`; None where a plain value stands."""
    annotation: Any = model
    for step in path:
        annotation = credentials.member(annotation, step)
    annotation = credentials.bare(annotation)
    return annotation if isinstance(annotation, type) and issubclass(annotation, BaseModel) else None


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "?", ")")) else ".")
