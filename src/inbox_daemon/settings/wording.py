"""The texts of each language as they stand in `texts/*.toml`, and whether an office's own text can stand instead."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from string import Formatter
from types import MappingProxyType

from inbox_daemon.settings import mistakes

MAX_CHARS = 1000
"""Longest text of an office's own: a menu of WhatsApp takes 1024 characters, and what is filled in needs room."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Language:
    """One language: its texts by name, and how it writes a moment."""

    texts: Mapping[str, str]
    weekdays: tuple[str, ...]
    moment: str
    moment_with_year: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WrongText:
    """Why an office's own text under `key` can't be used, and what to do."""

    key: str
    problem: str
    remedy: str


@cache
def language(name: str) -> Language:
    """Read `texts/{name}.toml`. Raises `FileNotFoundError`."""
    texts = tomllib.loads(files("inbox_daemon.settings").joinpath("texts", f"{name}.toml").read_text("utf-8"))
    calendar = texts.pop("calendar")
    return Language(
        texts=MappingProxyType(texts),
        weekdays=tuple(calendar["weekdays"]),
        moment=calendar["moment"],
        moment_with_year=calendar["moment_with_year"],
    )


def places(text: str) -> frozenset[str]:
    """Names of the places in `text` that are filled in. Raises `ValueError` for anything else in braces."""
    found = set()
    for _, name, form, conversion in Formatter().parse(text):
        if name is None:
            continue
        if form or conversion or not name.isidentifier():
            raise ValueError(f"{{{name[:40]}}} is no name of a place")
        found.add(name)
    return frozenset(found)


def wrong_texts(name: str, own: Mapping[str, str]) -> Iterator[WrongText]:
    """What is wrong with an office's own texts, at most one mistake for each."""
    texts = language(name).texts
    for key, text in own.items():
        if key not in texts:
            yield WrongText(key=key, problem="there is no such text", remedy=mistakes.suggestion(key, texts))
        elif (wrong := _wrong(text, places(texts[key]))) is not None:
            yield WrongText(key=key, problem=wrong[0], remedy=wrong[1])


def _wrong(text: str, wanted: frozenset[str]) -> tuple[str, str] | None:
    listed = ", ".join(f"{{{name}}}" for name in sorted(wanted)) or "none"
    if not text.strip():
        return "this text is empty", "Write a text; which notices are sent is decided by the keys of [notices]."
    if len(text) > MAX_CHARS:
        return "this text is too long", f"Shorten it to {MAX_CHARS} characters."
    try:
        found = places(text)
    except ValueError:
        return "a brace in this text names no place", f"Places are: {listed}. Write a brace itself twice: {{{{ or }}}}."
    if unknown := sorted(found - wanted):
        return f"there is no place {{{unknown[0]}}} in this text", f"Places are: {listed}."
    if missing := sorted(wanted - found):
        return (
            f"the place {{{missing[0]}}} is missing in this text",
            f"Write it where it belongs; places are: {listed}.",
        )
    return None
