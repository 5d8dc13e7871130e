"""The agent's own words in an answer: without our markers, and without what was quoted from the citizen. Pure.

Agents quote in two ways: RT's "Reply" link puts the old entry above the answer, mail programs put it below. A quotation
that holds one of our markers is an entry that we wrote, perhaps a note, perhaps another citizen's message in a merged
ticket, and goes in any case. Other quotations go only from the end of a mail: an answer between the lines stays whole.
"""

from __future__ import annotations

import re

from selectolax.lexbor import LexborHTMLParser, LexborNode

_MARKER = re.compile(r"\[ref:[^\[\]\s<>]{1,200}\]")
_QUOTED = re.compile(r"^\s{0,3}>")
_ATTRIBUTION = re.compile(r"^.{1,300}\b(?:escribi[oó]|wrote)\b.{0,40}:\s*$", re.IGNORECASE | re.DOTALL)
_ON_A_DAY = re.compile(r"^\s*(?:El|On)\s", re.IGNORECASE)
_ORIGINAL = re.compile(
    r"^\s*-{2,}\s*(?:mensaje original|original message|mensaje reenviado|forwarded message)\b", re.IGNORECASE
)
_FROM = re.compile(r"^\s*\*?(?:De|From):\*?\s+\S", re.IGNORECASE)
_SENT = re.compile(r"^\s*\*?(?:Enviado(?: el)?|Sent|Fecha|Date):\*?\s+\S", re.IGNORECASE)


def own_words(text: str, *, html: bool, by_mail: bool) -> str:
    """What the agent wrote, as nearly as can be told. A text without markers from RT's own page comes back as it is."""
    if html:
        return _own_html(text, by_mail=by_mail)
    if not by_mail and not _MARKER.search(text):
        return text
    lines = _without_ours(text.replace("\r\n", "\n").split("\n"))
    if by_mail:
        cut = _without_history(lines)
        lines = cut if any(line.strip() for line in cut) else lines  # all below a header: then it is no history
    return "\n".join(lines).strip("\n")


# ---------------------------------------------------------------- plain text


def _without_ours(lines: list[str]) -> list[str]:
    """`lines` without quotations of entries that we wrote, and without every other marker."""
    kept: list[str] = []
    for run in _runs(lines):
        ours = any(_MARKER.search(line) for line in run)
        if ours and _QUOTED.match(run[0]):
            kept = _without_attribution(kept)
        elif ours:
            kept += [bare for line in run if (bare := _MARKER.sub("", line)).strip() or not _MARKER.search(line)]
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
        if runs and bool(_QUOTED.match(runs[-1][0])) == bool(_QUOTED.match(line)):
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
        if _ATTRIBUTION.match("\n".join(lines[start:end])) and (found is None or _ON_A_DAY.match(lines[start])):
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
    if runs and _QUOTED.match(runs[-1][0]):
        return _without_attribution([line for run in runs[:-1] for line in run])
    return lines


# ---------------------------------------------------------------- HTML


def _own_html(text: str, *, by_mail: bool) -> str:
    if not by_mail and not _MARKER.search(text):
        return text
    page = LexborHTMLParser(text)
    gone: list[LexborNode] = []
    for node in page.css("blockquote, .gmail_quote"):
        if _is_old(node, by_mail=by_mail) and not _is_inside(node, gone):
            gone.append(node)
    for node in gone:
        _take_out(node)
    kept = (page.body.inner_html or "") if gone and page.body else text
    return _MARKER.sub("", kept)


def _is_old(node: LexborNode, *, by_mail: bool) -> bool:
    return by_mail or bool(_MARKER.search(node.text(deep=True)))


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
    if before is not None and _ATTRIBUTION.match((before.text(deep=True) or "").strip()):
        before.decompose()
    node.decompose()
