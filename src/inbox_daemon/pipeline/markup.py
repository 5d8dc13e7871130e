"""Pure: an agent's answer, HTML or plain, in the form that a channel shows. Work is linear in what is given."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from html import unescape
from typing import Literal

from inbox_daemon.pipeline.emphasis import Writer, harmless_whatsapp, write_text, write_whatsapp
from inbox_daemon.pipeline.page import render
from inbox_daemon.pipeline.trailing import Line, without_trailing

MAX_HTML_CHARS = 1_000_000
"""Markup that is looked at, after pictures inside it and style sheets were taken out."""

_LINE_BREAKS = re.compile("\r\n?|[\x0b\x0c\x85\u2028\u2029]")
# C0 and C1, surrogates, marks of byte order, what turns the writing round and what nobody sees. Joiners stay: emoji.
_UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ufffe\uffff"
    "\ud800-\udfff]"
)
_BLANKS = re.compile(r"\n(?:[ \t]*\n){3,}")
_MUCH = 100_000
# Bulk without words, taken out before the limit counts.
_BULK = (
    (re.compile(r"<style\b", re.IGNORECASE), re.compile(r"</style\s{0,9}>", re.IGNORECASE)),
    (re.compile(r"<script\b", re.IGNORECASE), re.compile(r"</script\s{0,9}>", re.IGNORECASE)),
    (re.compile(r"<!--"), re.compile(r"-->")),
    (re.compile(r"data:[a-z]{1,20}/[a-z0-9.+-]{1,40};base64,", re.IGNORECASE), re.compile(r"(?=[^A-Za-z0-9+/=\s])")),
)
# The parser is quadratic in depth, and ten thousand levels are seconds (lexbor 3, measured 2026-11).
_MAX_DEPTH = 1000
_TAG = re.compile(r"<(/?)([a-zA-Z][a-zA-Z0-9]*)")
_LINE_TAG = re.compile(r"<(?:br|/?(?:p|div|li|tr|h[1-6]|blockquote))\b[^<>]{0,2000}>", re.IGNORECASE)
_ANY_TAG = re.compile(r"<[^<>]{0,2000}>")
_UNCLOSED = frozenset(
    {"br", "img", "hr", "meta", "link", "input", "col", "area", "base", "wbr", "p", "li", "td", "th", "tr", "option"}
)
_WRITERS: dict[str, Writer] = {"text": write_text, "whatsapp": write_whatsapp}


def to_channel(text: str, *, html: bool, markup: Literal["text", "whatsapp"]) -> str:
    """The answer without markup, or with WhatsApp's; without earlier mail and signature below it. Never raises.

    Empty only where there was nothing to read. Plain text stays as it was typed, apart from characters that no
    reader sees and more than two blank lines.
    """
    if not html:
        lines = [Line(line) for line in _clean(text).split("\n")]
        return _finished(lines, harmless_whatsapp if markup == "whatsapp" else str)
    page = _clean(text if len(text) <= _MUCH else _without_bulk(text))[:MAX_HTML_CHARS]
    if _is_too_deep(page):
        bare = _clean(unescape(_ANY_TAG.sub(" ", _LINE_TAG.sub("\n", _without_bulk(page)))))
        return _finished([Line(" ".join(line.split())) for line in bare.split("\n")], str)
    lines = render(page, _WRITERS[markup], signatures=False)
    if all(line.blank for line in lines):
        lines = render(page, _WRITERS[markup], signatures=True)
    return _finished(lines, _clean)


def _finished(lines: Sequence[Line], change: Callable[[str], str]) -> str:
    kept = "\n".join(line.text.rstrip(" \t") for line in without_trailing(lines))
    return _BLANKS.sub("\n\n\n", change(kept)).strip("\n").rstrip()


def _clean(text: str) -> str:
    return _UNSEEN.sub("", _LINE_BREAKS.sub("\n", text))


def _without_bulk(html: str) -> str:
    for opening, closing in _BULK:
        html = _without(html, opening, closing)
    return html


def _without(html: str, opening: re.Pattern[str], closing: re.Pattern[str]) -> str:
    """The markup without what stands between `opening` and `closing`, in linear time."""
    kept, position = [], 0
    while (begin := opening.search(html, position)) is not None:
        end = closing.search(html, begin.end())
        if end is None:
            break
        kept.append(html[position : begin.start()])
        position = end.end()
    kept.append(html[position:])
    return "".join(kept)


def _is_too_deep(html: str) -> bool:
    if html.count("<") < _MAX_DEPTH:
        return False
    depth = 0
    for found in _TAG.finditer(html):
        if found[2].lower() not in _UNCLOSED:
            depth = max(0, depth - 1) if found[1] else depth + 1
            if depth > _MAX_DEPTH:
                return True
    return False
