"""The agent's own words in an answer: without our markers, and without quotations of what we wrote. Pure.

GLPI's own page quotes nothing. What agents answer by mail comes in with whatever their program put below it; a
quotation that holds one of our markers is an entry that we wrote (perhaps a note) and never goes to a citizen.
"""

from __future__ import annotations

from inbox_ticketing._writing.quotes import ATTRIBUTION, MARKER, QUOTED, without_quotations
from inbox_ticketing.glpi import parse


def own_words(content: str) -> tuple[str, bool]:
    """What the agent wrote and whether it is HTML: what holds only paragraphs and line ends comes as plain text."""
    if MARKER.search(content):
        content = without_quotations(content)
    if parse.is_plain(content):
        return _plain(parse.text_of(content)), False
    return MARKER.sub("", content), True


def _plain(text: str) -> str:
    """`text` without runs of quoted lines that hold a marker, and without every other marker."""
    kept: list[str] = []
    run: list[str] = []
    for line in [*text.split("\n"), ""]:
        if QUOTED.match(line):
            run.append(line)
            continue
        if any(MARKER.search(one) for one in run):
            while kept and not kept[-1].strip():
                kept.pop()
            if kept and ATTRIBUTION.match(kept[-1]):
                kept.pop()
        else:
            kept += run
        run = []
        bare = MARKER.sub("", line)
        if bare.strip() or bare == line:
            kept.append(bare)
    return "\n".join(kept).strip("\n")
