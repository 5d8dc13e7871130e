"""Pure: pieces of one line with their emphasis, written the way a channel writes it."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Flag, auto
from itertools import groupby


class Style(Flag):
    """How words are emphasized."""

    PLAIN = 0
    BOLD = auto()
    ITALIC = auto()
    STRIKE = auto()
    MONO = auto()


@dataclass(frozen=True, slots=True)
class Run:
    """Words of one style."""

    text: str
    style: Style = Style.PLAIN


_MARKS = ((Style.BOLD, "*"), (Style.ITALIC, "_"), (Style.STRIKE, "~"), (Style.MONO, "```"))
_FOOTNOTE = re.compile(r"(?<=[(\[])\*{1,3}(?=[)\]])")

Writer = Callable[[Sequence[Run]], str]


def write_text(runs: Sequence[Run]) -> str:
    """One line without any emphasis."""
    return "".join(run.text for run in runs)


def write_whatsapp(runs: Sequence[Run]) -> str:
    """One line in WhatsApp's form: `*bold*`, `_italic_`, `~strike~`, and three backticks around fixed width.

    A mark counts there only between a word and what is no letter (faq.whatsapp.com/539178204879377, read 2026-11);
    where it would stand as a bare sign, or end at a sign of the writer's own, it is left out.
    """
    return _marked(runs, 0, "", "")


def harmless_whatsapp(text: str) -> str:
    """The writer's own text for WhatsApp: what was typed as emphasis stays; the asterisk of a footnote is none."""
    return _FOOTNOTE.sub(lambda found: "∗" * len(found[0]), text)


def _marked(runs: Sequence[Run], level: int, before: str, after: str) -> str:
    """`runs` with the marks from `level` on; `before` and `after` are what stands around them."""
    if level == len(_MARKS):
        return harmless_whatsapp(write_text(runs))
    style, mark = _MARKS[level]
    groups = [(styled, list(group)) for styled, group in groupby(runs, key=lambda run: style in run.style)]
    plain = [before, *(write_text(group) for _, group in groups), after]
    out = []
    for position, (styled, group) in enumerate(groups):
        around = plain[position], plain[position + 2]
        inner = _marked(group, level + 1, *around)
        out.append(_wrapped(inner, mark, *around) if styled else inner)
    return "".join(out)


def _wrapped(text: str, mark: str, before: str, after: str) -> str:
    words = text.strip()
    lead, _, trail = text.partition(words) if words else (text, "", "")
    if not words or mark in words or not any(char.isalnum() for char in words):
        return text
    if (not lead and before[-1:].isalnum()) or (not trail and after[:1].isalnum()):
        return text
    return f"{lead}{mark}{words}{mark}{trail}"
