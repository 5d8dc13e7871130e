"""The agent's own words in an answer: without our markers, and without quotations of what we wrote. Pure.

GLPI's own page quotes nothing. What agents answer by mail comes in with whatever their program put below it; a
quotation that holds one of our markers is an entry that we wrote (perhaps a note) and never goes to a citizen.
"""

from __future__ import annotations

import re

from selectolax.lexbor import LexborHTMLParser, LexborNode

from inbox_ticketing.glpi import parse

_MARKER = re.compile(r"\[ref:[^\[\]\s<>]{1,200}\]")
_QUOTED = re.compile(r"^\s{0,3}>")
_ATTRIBUTION = re.compile(r"^.{1,300}\b(?:escribi[oó]|wrote)\b.{0,40}:\s*$", re.IGNORECASE | re.DOTALL)


def own_words(content: str) -> tuple[str, bool]:
    """What the agent wrote and whether it is HTML: what holds only paragraphs and line ends comes as plain text."""
    if _MARKER.search(content):
        content = _without_ours(content)
    if parse.is_plain(content):
        return _plain(parse.text_of(content)), False
    return _MARKER.sub("", content), True


def _without_ours(content: str) -> str:
    page = LexborHTMLParser(content)
    old = [node for node in page.css("blockquote, .gmail_quote") if _MARKER.search(node.text(deep=True))]
    outer = [node for node in old if not any(_is_inside(node, other) for other in old)]
    for node in outer:
        _take_out(node)
    return (page.body.inner_html or "") if outer and page.body else content


def _is_inside(node: LexborNode, other: LexborNode) -> bool:
    above = node.parent
    while above is not None:
        if above.mem_id == other.mem_id:
            return True
        above = above.parent
    return False


def _take_out(node: LexborNode) -> None:
    """Remove a quotation and the line before it that says whose words they are."""
    before = node.prev
    while before is not None and (before.tag == "br" or not (before.text(deep=True) or "").strip()):
        before = before.prev
    if before is not None and _ATTRIBUTION.match((before.text(deep=True) or "").strip()):
        before.decompose()
    node.decompose()


def _plain(text: str) -> str:
    """`text` without runs of quoted lines that hold a marker, and without every other marker."""
    kept: list[str] = []
    run: list[str] = []
    for line in [*text.split("\n"), ""]:
        if _QUOTED.match(line):
            run.append(line)
            continue
        if any(_MARKER.search(one) for one in run):
            while kept and not kept[-1].strip():
                kept.pop()
            if kept and _ATTRIBUTION.match(kept[-1]):
                kept.pop()
        else:
            kept += run
        run = []
        bare = _MARKER.sub("", line)
        if bare.strip() or bare == line:
            kept.append(bare)
    return "\n".join(kept).strip("\n")
