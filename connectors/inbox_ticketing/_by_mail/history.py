"""What of a mail the agent wrote now, without what their program repeated below and between; pure.

Cut too much and an agent is asked again; cut too little and a citizen reads what colleagues wrote to each other below a
mail that was passed on inside the office. So everything goes from the first sign of an earlier mail on.
"""

from __future__ import annotations

import re
from html import escape

from selectolax.lexbor import LexborHTMLParser, LexborNode

_QUOTED = re.compile(r"^\s{0,3}>")
_WROTE = re.compile(r"\b(?:escribi[oó]|wrote|escreveu)\b.{0,80}:\s*$", re.IGNORECASE | re.DOTALL)
_ON_A_DAY = re.compile(r"^\s*(?:El|On|Em)\s", re.IGNORECASE)
_ORIGINAL = re.compile(
    r"^\s*[-_]{2,}\s*(?:mensaje original|original message|mensaje reenviado|forwarded message|mensagem original)\b",
    re.IGNORECASE,
)
_RULE = re.compile(r"^\s*_{10,}\s*$")
_FROM = re.compile(r"^\s*\*?(?:De|From)\s?:\*?\s+\S", re.IGNORECASE)
_SENT = re.compile(r"^\s*\*?(?:Enviado(?: el)?|Sent|Fecha|Date|Para|To|Asunto|Subject)\s?:\*?\s+\S", re.IGNORECASE)
_OURS = re.compile(r"Responda por encima de esta línea|\[ref:[^\[\]\s<>]{1,200}\]")
_HISTORY = (
    "blockquote, .gmail_quote, .gmail_attr, .yahoo_quoted, .moz-cite-prefix, .protonmail_quote, #appendonsend, "
    "#divRplyFwdMsg, #mail-editor-reference-message-container, #OLK_SRC_BODY_SECTION"
)
_EVERYTHING_AFTER = {"appendonsend", "divRplyFwdMsg", "mail-editor-reference-message-container"}
"""Outlook puts the earlier mail beside these marks, not into them."""


def own_words(text: str) -> str:
    """The agent's lines of a plain text. Empty where there is none of their own."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    lines = lines[: _history_begins(lines)]
    while lines and not lines[-1].strip():
        lines.pop()
    kept: list[str] = []
    for number, line in enumerate(lines):
        if not _QUOTED.match(line):
            kept.append(line)
        elif not number or not _QUOTED.match(lines[number - 1]):
            kept = _without_attribution(kept)
    return "\n".join(_without_attribution(kept)).strip("\n")


def _history_begins(lines: list[str]) -> int:
    for number, line in enumerate(lines):
        if _QUOTED.match(line):
            continue
        below = lines[number + 1 : number + 6]
        head = _FROM.match(line) and any(_SENT.match(one) for one in below)
        rule = _RULE.match(line) and any(_FROM.match(one) for one in below)
        if head or rule or _ORIGINAL.match(line) or _OURS.search(line):
            return number
    return len(lines)


def _without_attribution(lines: list[str]) -> list[str]:
    """`lines` without a last "El lunes … escribió:", which programs break into up to three lines."""
    end = len(lines)
    while end and not lines[end - 1].strip():
        end -= 1
    for start in range(end - 1, max(end - 4, -1), -1):
        if not lines[start].strip():
            break
        if _ON_A_DAY.match(lines[start]) and _WROTE.search("\n".join(lines[start:end])):
            return lines[:start]
    return lines[: end - 1] if end and _WROTE.search(lines[end - 1]) else lines


def own_html(text: str) -> str:
    """The agent's part of an HTML mail; the text itself where nothing of an earlier one is in it."""
    page = LexborHTMLParser(text)
    body = page.body
    if body is None:
        return ""
    before = body.html
    for node in body.css(_HISTORY):
        if node.attributes.get("id") in _EVERYTHING_AFTER:
            _cut_after(node, body)
    while (old := body.css_first(_HISTORY)) is not None:
        old.decompose()
    if (ours := _first_of_ours(body)) is not None:
        _cut_after(ours, body)
        ours.decompose()
    if _OURS.search(body.text(deep=True) or ""):  # between elements: better the bare words than ours among them
        return "<br>".join(escape(line) for line in own_words(body.text(deep=True, separator="\n")).split("\n"))
    if body.html == before and "<body" not in text.lower():
        return text.strip()
    return (body.inner_html or "").strip()


def _first_of_ours(body: LexborNode) -> LexborNode | None:
    """The first piece of text in which a line of ours begins."""
    for node in body.traverse(include_text=True):
        if node.tag == "-text" and _OURS.search(node.text(deep=False) or ""):
            return node
    return None


def _cut_after(node: LexborNode, body: LexborNode) -> None:
    """Remove whatever stands behind `node` in the page."""
    here: LexborNode | None = node
    while here is not None and here.mem_id != body.mem_id:
        while (following := here.next) is not None:
            following.decompose()
        here = here.parent
