"""The texts of the pages: every language has every text, with the same places to fill in."""

from __future__ import annotations

import re
from typing import Any
from zoneinfo import ZoneInfo

from inbox_daemon.web.words import Words

ZONE = ZoneInfo("America/Argentina/Cordoba")


def shape(texts: Any) -> Any:
    if isinstance(texts, dict):
        return {key: shape(value) for key, value in texts.items()}
    parts = texts if isinstance(texts, list) else [texts]
    return sorted(place for part in parts for place in re.findall(r"\{\w*\}", part))


def test_all_languages_say_the_same_things() -> None:
    assert shape(Words.load("en", ZONE).texts) == shape(Words.load("es-AR", ZONE).texts)


def test_sizes_are_short() -> None:
    words = Words.load("es-AR", ZONE)
    assert [words.size(size) for size in (0, 999, 9_000, 1_400_000)] == ["0 bytes", "999 bytes", "9 kB", "1 MB"]
