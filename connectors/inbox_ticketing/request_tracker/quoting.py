"""The agent's own words in an answer: without our markers, and without what was quoted from the citizen. Pure.

Agents quote in two ways: RT's "Reply" link puts the old entry above the answer, mail programs put it below. A quotation
that holds one of our markers is an entry that we wrote, perhaps a note, perhaps another citizen's message in a merged
ticket, and goes in any case. Other quotations go only from the end of a mail: an answer between the lines stays whole.
"""

from __future__ import annotations

import re

from inbox_ticketing._writing.quotes import ATTRIBUTION, MARKER, QUOTED, without_quotations

_ON_A_DAY = re.compile(r"^\s*(?:El|On)\s", re.IGNORECASE)
_ORIGINAL = re.compile(
    r"^\s*-{2,}\s*(?:mensaje original|original message|mensaje reenviado|forwarded message)\b", re.IGNORECASE
)
_FROM = re.compile(r"^\s*\*?(?:De|From):\*?\s+\S", re.IGNORECASE)
_SENT = re.compile(r"^\s*\*?(?:Enviado(?: el)?|Sent|Fecha|Date):\*?\s+\S", re.IGNORECASE)


def own_words(text: str, *, html: bool, by_mail: bool) -> str:
    """What the agent wrote, as nearly as can be told. A text without markers from RT's own page comes back as it is."""
    if html:
        if not by_mail and not MARKER.search(text):
            return text
        return MARKER.sub("", without_quotations(text, of_others=by_mail))
    if not by_mail and not MARKER.search(text):
        return text
    lines = _without_ours(text.replace("\r\n", "\n").split("\n"))
    if by_mail:
        cut = _without_history(lines)
        lines = cut if any(line.strip() for line in cut) else lines  # all below a header: then it is no history
    return "\n".join(lines).strip("\n")


def _without_ours(lines: list[str]) -> list[str]:
    """`lines` without quotations of entries that we wrote, and without every other marker."""
    kept: list[str] = []
    for run in _runs(lines):
        ours = any(MARKER.search(line) for line in run)
        if ours and QUOTED.match(run[0]):
            kept = _without_attribution(kept)
        elif ours:
            kept += [bare for line in run if (bare := MARKER.sub("", line)).strip() or not MARKER.search(line)]
        else:
            kept += run
    return kept


def _runs(lines: list[str]) -> list[list[str]]:
    """Neighbouring lines that are all quoted, or all not; empty lines between quoted ones belong to them."""
    runs: list[list[str]] = []
    empty: list[str] = []
    for line in lines:
        if not line.strip():
            empty.append(line)
            continue
        if runs and bool(QUOTED.match(runs[-1][0])) == bool(QUOTED.match(line)):
            runs[-1] += [*empty, line]
        else:
            runs += [empty, [line]] if empty else [[line]]
        empty = []
    return [*runs, empty] if empty else runs


def _without_attribution(lines: list[str]) -> list[str]:
    """`lines` without a last "El lunes … escribió:", which mail programs break into up to three lines."""
    end = len(lines)
    while end and not lines[end - 1].strip():
        end -= 1
    found = None
    for start in range(end - 1, max(end - 4, -1), -1):
        if not lines[start].strip():
            break
        if ATTRIBUTION.match("\n".join(lines[start:end])) and (found is None or _ON_A_DAY.match(lines[start])):
            found = start
    return lines if found is None else lines[:found]


def _without_history(lines: list[str]) -> list[str]:
    """`lines` up to where a mail program began to repeat what was answered."""
    for number, line in enumerate(lines):
        below = lines[number + 1 : number + 5]
        if _ORIGINAL.match(line) or (_FROM.match(line) and any(_SENT.match(one) for one in below)):
            return lines[:number]
    runs = _runs(lines)
    while runs and not any(line.strip() for line in runs[-1]):
        runs.pop()
    if runs and QUOTED.match(runs[-1][0]):
        return _without_attribution([line for run in runs[:-1] for line in run])
    return lines
