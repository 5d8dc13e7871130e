"""Pure: which destination a message goes to, by ordered rules; the first that fits decides."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

MAX_SEARCHED_CHARS = 4000
"""How much of a text is searched by a rule: bounds what a costly pattern can do to a long mail."""


RESERVED_MATTERS = frozenset({"denuncia"})
"""Matters whose author the destination does not learn by default; they never share a ticket with another matter."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rule; every condition given must hold. `keywords` are whole words or phrases, without accents and case."""

    name: str
    destination: str
    channels: frozenset[str] = frozenset()
    instances: frozenset[str] = frozenset()
    keywords: tuple[str, ...] = ()
    pattern: re.Pattern[str] | None = None
    matter: str = "consulta"


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """Where a message goes. `explicit` is False when only the default was left."""

    destination: str
    matter: str
    rule: str
    explicit: bool


def fold(text: str) -> str:
    """Text for comparison: no accents, no case, single spaces. `ñ` becomes `n`: people leave it out on phones."""
    bare = "".join(c for c in unicodedata.normalize("NFKD", text.casefold()) if not unicodedata.combining(c))
    return " ".join(bare.split())


def compile_rule(
    *,
    name: str,
    destination: str,
    channels: Sequence[str] = (),
    instances: Sequence[str] = (),
    keywords: Sequence[str] = (),
    pattern: str = "",
    matter: str = "consulta",
) -> Rule:
    """A rule as configured. Raises `re.error` for a pattern that is none."""
    return Rule(
        name=name,
        destination=destination,
        channels=frozenset(channels),
        instances=frozenset(instances),
        keywords=tuple(keywords),
        pattern=re.compile(pattern, re.IGNORECASE) if pattern else None,
        matter=matter,
    )


def rule_fits(rule: Rule, *, channel: str, instance: str, text: str, folded: str) -> bool:
    """Whether every condition of `rule` holds; `folded` is `fold(text)`."""
    if rule.channels and channel not in rule.channels:
        return False
    if rule.instances and instance not in rule.instances:
        return False
    if rule.keywords and not any(_has_words(folded, fold(word)) for word in rule.keywords):
        return False
    return rule.pattern is None or rule.pattern.search(text) is not None


def _has_words(folded: str, words: str) -> bool:
    return re.search(rf"(?<!\w){re.escape(words)}(?!\w)", folded) is not None


def route(rules: Sequence[Rule], default: str, *, channel: str, instance: str, text: str) -> Route:
    """The route of a message whose subject and text are joined in `text`."""
    searched = text[:MAX_SEARCHED_CHARS]
    folded = fold(searched)
    for rule in rules:
        if rule_fits(rule, channel=channel, instance=instance, text=searched, folded=folded):
            return Route(destination=rule.destination, matter=rule.matter, rule=rule.name, explicit=True)
    return Route(destination=default, matter="consulta", rule="default", explicit=False)
