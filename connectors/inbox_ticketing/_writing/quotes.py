"""Our markers in what comes back, and quotations of what we wrote; pure.

A quotation that holds one of our markers is an entry that we wrote: perhaps a note, perhaps another citizen's message.
"""

from __future__ import annotations

import re

from selectolax.lexbor import LexborHTMLParser, LexborNode

MARKER = re.compile(r"\[ref:[^\[\]\s<>]{1,200}\]")
QUOTED = re.compile(r"^\s{0,3}>")
"""A line that a mail program or a page quotes."""
ATTRIBUTION = re.compile(r"^.{1,300}\b(?:escribi[oó]|wrote)\b.{0,40}:\s*$", re.IGNORECASE | re.DOTALL)
"""What stands before a quotation: "El lunes, Ana escribió:"."""


def without_quotations(html: str, *, of_others: bool = False) -> str:
    """`html` without quotations that hold a marker of ours, and the lines that say whose words they are.

    With `of_others` all quotations go. What holds none comes back as it was given.
    """
    page = LexborHTMLParser(html)
    old: list[LexborNode] = []
    for node in page.css("blockquote, .gmail_quote"):
        if (of_others or MARKER.search(node.text(deep=True))) and not _is_inside(node, old):
            old.append(node)
    for node in old:
        _take_out(node)
    return (page.body.inner_html or "") if old and page.body else html


def _is_inside(node: LexborNode, outer: list[LexborNode]) -> bool:
    known = {one.mem_id for one in outer}
    above = node.parent
    while above is not None:
        if above.mem_id in known:
            return True
        above = above.parent
    return False


def _take_out(node: LexborNode) -> None:
    """Remove a quotation and the line before it that says whose words they are."""
    before = node.prev
    while before is not None and (before.tag == "br" or not (before.text(deep=True) or "").strip()):
        before = before.prev
    if before is not None and ATTRIBUTION.match((before.text(deep=True) or "").strip()):
        before.decompose()
    node.decompose()
