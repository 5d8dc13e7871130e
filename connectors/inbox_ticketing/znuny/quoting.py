"""An agent's own words in an answer: without what the product quoted from entries that we wrote. Pure.

Answers are plain text here (see README), in which the reply template puts the citizen's article below, each line
behind `>`, under one line that says who wrote it. A quotation with one of our markers in it goes, with that line; a
quotation without one was typed or pasted by the agent, and stays.
"""

from __future__ import annotations

import re

from inbox_ticketing._writing.quotes import MARKER, QUOTED

_ATTRIBUTION = re.compile(r"^.{1,300}(?:escribi[oó]|wrote|schrieb)\b.{0,40}:\s*$", re.IGNORECASE)


def own_words(text: str) -> str:
    """`text` without our entries. One that holds no marker of ours comes back as it is."""
    if not MARKER.search(text):
        return text
    kept: list[str] = []
    for quoted, lines in _runs(text.splitlines()):
        if not any(MARKER.search(line) for line in lines):
            kept += lines
        elif quoted:
            kept = _without_attribution(kept)
        else:
            kept += [MARKER.sub("", line) for line in lines if MARKER.sub("", line).strip() or not MARKER.search(line)]
    return "\n".join(kept).strip("\n")


def _runs(lines: list[str]) -> list[tuple[bool, list[str]]]:
    """Neighbouring lines that are all quoted, or all not; an empty line goes with the one before it."""
    runs: list[tuple[bool, list[str]]] = []
    for line in lines:
        quoted = bool(QUOTED.match(line))
        if runs and (runs[-1][0] == quoted or not line.strip()):
            runs[-1][1].append(line)
        else:
            runs.append((quoted, [line]))
    return runs


def _without_attribution(lines: list[str]) -> list[str]:
    end = len(lines)
    while end and not lines[end - 1].strip():
        end -= 1
    return lines[: end - 1] if end and _ATTRIBUTION.match(lines[end - 1]) else lines
