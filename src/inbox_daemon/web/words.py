"""Texts of the pages, one TOML file for each language, and how times and sizes are written in them."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from datetime import datetime
from importlib.resources import files
from typing import Any, Final
from zoneinfo import ZoneInfo

_TEXTS: Final = files("inbox_daemon.web").joinpath("texts")


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """One language, in the office's time zone; `texts` are the tables of its file."""

    texts: dict[str, Any]
    zone: ZoneInfo

    @classmethod
    def load(cls, language: str, zone: ZoneInfo) -> Words:
        """Read `texts/{language}.toml`. Raises `FileNotFoundError`."""
        return cls(texts=tomllib.loads(_TEXTS.joinpath(f"{language}.toml").read_text("utf-8")), zone=zone)

    def say(self, table: str, key: str, **values: object) -> str:
        """One text with its places filled in."""
        return str(self.texts[table][key]).format(**values)

    def clock(self, moment: datetime) -> str:
        """A moment as the office's wall clock shows it."""
        return moment.astimezone(self.zone).strftime(self.texts["time"])

    def hour(self, moment: datetime) -> str:
        """A moment of today, as short as it can be."""
        return moment.astimezone(self.zone).strftime(self.texts["hour"])

    def span(self, seconds: float) -> str:
        """A short time in words, in seconds up to two minutes."""
        unit, count = ("second", round(seconds)) if seconds < 120 else ("minute", round(seconds / 60))
        return self.say("span", f"{unit}_one" if count == 1 else unit, count=count)

    def size(self, size: int) -> str:
        """A file's size in two or three digits."""
        for unit, factor in (("mb", 1_000_000), ("kb", 1000)):
            if size >= factor:
                return self.say("thread", f"size_{unit}", size=round(size / factor))
        return self.say("thread", "size_bytes", size=size)
