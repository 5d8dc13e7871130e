"""The words of an HTML body as plain text: paragraphs, lists and links kept; style, script and hidden text dropped.

Lines that the markup itself shows to be quoted history or a signature begin with `CUT` (a control character that no
cleaned text holds), so that `split_reply` need not guess about them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from html import unescape

from selectolax.lexbor import LexborHTMLParser, LexborNode

from inbox_channels.email.parse_words import clean_text

CUT = "\x1f"
MAX_HTML_CHARS = 256 * 1024

# Bulk without words, taken out before the size limit counts: pictures as data, Outlook's style sheets, comments.
_BULK = (
    (re.compile(r"<style\b", re.IGNORECASE), re.compile(r"</style\s{0,9}>", re.IGNORECASE)),
    (re.compile(r"<script\b", re.IGNORECASE), re.compile(r"</script\s{0,9}>", re.IGNORECASE)),
    (re.compile(r"<!--"), re.compile(r"-->")),
    (re.compile(r"data:[a-z]{1,20}/[a-z0-9.+-]{1,40};base64,", re.IGNORECASE), re.compile(r"(?=[^A-Za-z0-9+/=\s])")),
)
_MAX_DEPTH = 1500
_TAG = re.compile(r"<(/?)([a-zA-Z][a-zA-Z0-9]*)")
_ANY_TAG = re.compile(r"<[^<>]{0,2000}>")
_UNCLOSED = frozenset(
    {"br", "img", "hr", "meta", "link", "input", "col", "area", "base", "wbr", "p", "li", "td", "th", "tr", "option"}
)
_NO_WORDS = frozenset({"head", "title", "style", "script", "template", "object", "svg", "math", "noscript", "select"})
_BLOCKS = frozenset(
    {"address", "article", "aside", "blockquote", "body", "center", "dd", "details", "dialog", "div", "dl", "dt"}
    | {"fieldset", "figcaption", "figure", "footer", "form", "header", "hr", "html", "li", "main", "nav", "ol"}
    | {"section", "summary", "table", "tbody", "tfoot", "thead", "tr", "ul"}
)
_PARAGRAPHS = frozenset({"p", "h1", "h2", "h3", "h4", "h5", "h6", "pre"})
_HIDDEN = re.compile(
    r"display\s*:\s*none|visibility\s*:\s*hidden|mso-hide\s*:\s*all|font-size\s*:\s*0(?![.\d]*[1-9])|"
    r"max-height\s*:\s*0(?![.\d]*[1-9])|opacity\s*:\s*0(?![.\d]*[1-9])",
    re.IGNORECASE,
)
_INDENT_ONLY = re.compile(r"border(-left)?\s*:\s*(none|0)", re.IGNORECASE)
_CITE_CLASS = re.compile(r"\b(gmail_quote|cite|protonmail_quote|tutanota_quote|zmail_extra)\b", re.IGNORECASE)
# Not Outlook's "Signature": it writes no `-- `, its plain form shows the same words, and people go on writing inside.
_SIGNATURES = re.compile(
    r"\b(gmail_signature|moz-signature|ms-outlook-mobile-signature|protonmail_signature_block-user|"
    r"AppleMailSignature|ymail_android_signature)\b"
)
_INTROS = re.compile(r"\b(gmail_attr|moz-cite-prefix|reply-intro)\b")
_FORWARD = re.compile(r"forward|reenvi|encaminhad", re.IGNORECASE)
_EMOJI = re.compile(r"[^\x00-\u1fff]{1,8}")
_WHITE = re.compile(r"[ \t\r\n\f\xa0]+")


@dataclass(frozen=True, slots=True)
class _Marks:
    """What an element says about its words: a quotation, something else to be cut off."""

    quote: bool
    cut: bool


@dataclass(slots=True)
class _Page:
    """The text being written: lines, the line begun, and what surrounds the place we are at."""

    lines: list[str] = field(default_factory=list)
    line: list[str] = field(default_factory=list)
    blank_wanted: bool = False
    quote: int = 0
    cut: int = 0
    pre: int = 0
    ordinals: list[int] = field(default_factory=list)

    def write(self, text: str) -> None:
        if self.pre:
            first, *more = text.split("\n")
            self.line.append(first)
            for piece in more:
                self.end_line(force=True)
                self.line.append(piece)
            return
        text = _WHITE.sub(" ", text)
        if not self.line or self.line[-1].endswith(" "):
            text = text.lstrip(" ")
        if text:
            self.line.append(text)

    def end_line(self, *, force: bool = False) -> None:
        text = "".join(self.line)
        text = text if text == "-- " else text.rstrip(" ")  # the mark of a signature ends in a blank
        self.line.clear()
        if not text and not force:
            return
        mark = CUT if self.quote or self.cut else ""
        prefix = mark + "> " * min(self.quote, 20)
        if self.blank_wanted and text:
            self.lines.append(prefix.rstrip(" "))
        self.blank_wanted = self.blank_wanted and not text
        self.lines.append(prefix + text if text else prefix.rstrip(" "))


def html_to_text(html: str) -> str:
    """Render an HTML body. Never raises, linear; markup beyond `MAX_HTML_CHARS` is not looked at."""
    html = trimmed(html)
    if _is_too_deep(html):
        return clean_text(unescape(_ANY_TAG.sub(" ", html)))
    text = _render(html, hide=True)
    if not text.replace(CUT, "").strip():
        text = _render(html, hide=False)
    return text


def trimmed(html: str) -> str:
    """The markup that is looked at: without bulk, at most `MAX_HTML_CHARS` long."""
    if len(html) > MAX_HTML_CHARS // 8:
        for opening, closing in _BULK:
            html = _without(html, opening, closing)
    return html[:MAX_HTML_CHARS]


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
    """Whether elements are nested so deep that the HTML parser, quadratic in it, would take seconds."""
    if html.count("<") < _MAX_DEPTH:
        return False
    depth = 0
    for match in _TAG.finditer(html):
        if match[2].lower() not in _UNCLOSED:
            depth = max(0, depth - 1) if match[1] else depth + 1
            if depth > _MAX_DEPTH:
                return True
    return False


def _render(html: str, *, hide: bool) -> str:
    root = LexborHTMLParser(clean_text(html)).root
    page = _Page()
    stack: list[tuple[LexborNode, _Marks | None]] = [(root, None)] if root is not None else []
    while stack:
        node, entered = stack.pop()
        if entered is not None:
            _leave(page, node, entered)
        elif node.is_text_node:
            page.write(node.text_content or "")
        elif node.is_element_node:
            marks = _enter(page, node, hide=hide)
            if marks is None:
                continue
            stack.append((node, marks))
            child = node.last_child
            while child is not None:
                stack.append((child, None))
                child = child.prev
    page.end_line()
    return "\n".join(page.lines)


def _enter(page: _Page, node: LexborNode, *, hide: bool) -> _Marks | None:
    """Begin an element; None when nothing of it is to be seen."""
    tag = node.tag or ""
    if tag in _NO_WORDS:
        return None
    if tag == "br":
        page.end_line(force=True)
        return None
    attributes = node.attributes
    if tag == "img":
        alt = attributes.get("alt") or ""
        if _EMOJI.fullmatch(alt):  # Gmail and Yahoo draw emoji as pictures
            page.write(alt)
        return None
    if hide and _is_hidden(attributes):
        return None
    _open_block(page, tag)
    marks = _Marks(_is_quotation(tag, node, attributes), not page.cut and _is_cut(node, attributes))
    page.quote += marks.quote
    page.cut += marks.cut
    return marks


def _open_block(page: _Page, tag: str) -> None:
    if tag in _BLOCKS or tag in _PARAGRAPHS:
        page.end_line()
    if tag in _PARAGRAPHS:
        page.blank_wanted = page.blank_wanted or bool(page.lines)
    if tag == "pre":
        page.pre += 1
    elif tag in ("ol", "ul"):
        page.ordinals.append(1 if tag == "ol" else 0)
    elif tag == "li":
        page.write(_bullet(page.ordinals))
    elif tag in ("td", "th") and page.line:
        page.write(" ")


def _leave(page: _Page, node: LexborNode, marks: _Marks) -> None:
    tag = node.tag or ""
    if tag == "a":
        _write_target(page, node, node.attributes.get("href") or "")
    if tag in _BLOCKS or tag in _PARAGRAPHS:
        page.end_line()
    if tag in _PARAGRAPHS:
        page.blank_wanted = True
    if tag == "pre":
        page.pre -= 1
    elif tag in ("ol", "ul") and page.ordinals:
        page.ordinals.pop()
    if marks.quote or marks.cut:
        page.end_line()
    page.quote -= marks.quote
    page.cut -= marks.cut


def _bullet(ordinals: list[int]) -> str:
    if not ordinals or ordinals[-1] == 0:
        return "- "
    ordinals[-1] += 1
    return f"{ordinals[-1] - 1}. "


def _write_target(page: _Page, node: LexborNode, href: str) -> None:
    """Put the address of a link behind its words, unless the words say it."""
    if not href.lower().startswith(("http://", "https://")) or len(href) > 500:
        return
    words = node.text().strip()
    bare = re.sub(r"^https?://(www\.)?|/$", "", href)
    if words and bare not in words and words not in href:
        page.write(f" ({href})")


def _is_hidden(attributes: dict[str, str | None]) -> bool:
    style = attributes.get("style")
    return "hidden" in attributes or (style is not None and _HIDDEN.search(style) is not None)


def _is_quotation(tag: str, node: LexborNode, attributes: dict[str, str | None]) -> bool:
    """Whether a blockquote cites an earlier mail; one that only indents is the writer's own."""
    if tag != "blockquote":
        return False
    style = attributes.get("style") or ""
    if attributes.get("type") == "cite" or "cite" in attributes:
        return True
    if _INDENT_ONLY.search(style) and "solid" not in style:
        return False
    if _CITE_CLASS.search(attributes.get("class") or "") or "border-left" in style:
        return True
    parent = node.parent
    for _ in range(3):
        if parent is None:
            break
        if _CITE_CLASS.search(parent.attributes.get("class") or ""):
            return True
        parent = parent.parent
    return False


def _is_cut(node: LexborNode, attributes: dict[str, str | None]) -> bool:
    """Whether an element is a signature or the line that introduces a quotation, by its class or id."""
    names = f"{attributes.get('class') or ''} {attributes.get('id') or ''}"
    if len(names) < 4:
        return False
    if _SIGNATURES.search(names):
        return True
    return _INTROS.search(names) is not None and _FORWARD.search(node.text()) is None
