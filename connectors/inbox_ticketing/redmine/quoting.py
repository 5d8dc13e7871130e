"""The agent's own words in a note: without quotations of what we wrote, and without our markers. Pure.

Redmine's "Quote" button puts "Inbox wrote in #note-3:" and the lines with `> ` above the answer, with `[...]` in place
of a preformatted block, which is what our entries are in Textile (seen on 5.0.4, 2026-11-24). Other quotations stay.
"""

from __future__ import annotations

import re
from itertools import groupby

from inbox_ticketing._writing.quotes import MARKER, QUOTED

_SAYS_WHO = re.compile(r"^.{1,300}(?:#note-\d+|\bwrote|\bescribi[oó]).{0,40}:\s*$", re.IGNORECASE)


def own_words(notes: str) -> str:
    """What the agent wrote, as nearly as can be told."""
    text = notes.replace("\r\n", "\n").replace("\r", "\n")
    if not MARKER.search(text) and "> [...]" not in text:
        return text.strip("\n")
    kept: list[str] = []
    for quoted, group in groupby(text.split("\n"), key=lambda line: bool(QUOTED.match(line))):
        lines = list(group)
        if quoted and _is_ours(lines):
            _drop_who(kept)
        else:
            kept += [bare for line in lines if (bare := MARKER.sub("", line)).strip() or bare == line]
    return "\n".join(kept).strip("\n")


def _is_ours(lines: list[str]) -> bool:
    return any(MARKER.search(line) or line.strip("> \t") == "[...]" for line in lines)


def _drop_who(lines: list[str]) -> None:
    """Take the last "… wrote in #note-3:" off `lines`, and the empty lines around it."""
    _drop_empty(lines)
    if lines and _SAYS_WHO.match(lines[-1]):
        lines.pop()
        _drop_empty(lines)


def _drop_empty(lines: list[str]) -> None:
    while lines and not lines[-1].strip():
        lines.pop()
