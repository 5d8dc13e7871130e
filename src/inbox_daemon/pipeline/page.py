"""Pure: the words of an HTML text as lines: paragraphs, lists, tables and links kept, what is not seen dropped."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote

from selectolax.lexbor import LexborHTMLParser, LexborNode

from inbox_daemon.pipeline.emphasis import Run, Style, Writer
from inbox_daemon.pipeline.trailing import Line

_NO_WORDS = frozenset(
    {"head", "title", "style", "script", "template", "object", "svg", "math", "noscript", "select", "textarea"}
    | {"iframe", "audio", "video", "canvas", "button", "input"}
)
_BLOCKS = frozenset(
    {"address", "article", "aside", "blockquote", "body", "center", "dd", "details", "dialog", "div", "dl", "dt"}
    | {"fieldset", "figcaption", "figure", "footer", "form", "header", "hr", "html", "li", "main", "nav", "ol"}
    | {"section", "summary", "table", "tbody", "tfoot", "thead", "tr", "ul"}
)
_HEADINGS = frozenset({"h1", "h2", "h3", "h4", "h5", "h6"})
_PARAGRAPHS = _HEADINGS | {"p", "pre"}
_STYLES = {
    **dict.fromkeys(("b", "strong", *_HEADINGS), Style.BOLD),
    **dict.fromkeys(("i", "em", "cite", "var"), Style.ITALIC),
    **dict.fromkeys(("s", "del", "strike"), Style.STRIKE),
    **dict.fromkeys(("code", "tt", "kbd", "samp", "pre"), Style.MONO),
}
_BOLD = re.compile(r"font-weight\s*:\s*(bold|[6-9]00)", re.IGNORECASE)
_HIDDEN = re.compile(
    r"display\s*:\s*none|visibility\s*:\s*hidden|mso-hide\s*:\s*all|font-size\s*:\s*0(?![.\d]*[1-9])|"
    r"max-height\s*:\s*0(?![.\d]*[1-9])|opacity\s*:\s*0(?![.\d]*[1-9])",
    re.IGNORECASE,
)
_CITED = re.compile(r"\b(gmail_quote|cite|protonmail_quote|tutanota_quote|zmail_extra)\b", re.IGNORECASE)
_SIGNATURE = re.compile(
    r"\b(gmail_signature|moz-signature|ms-outlook-mobile-signature|protonmail_signature_block-user|"
    r"AppleMailSignature|ymail_android_signature)\b"
)
_EMOJI = re.compile(r"[^\x00-\u1fff]{1,8}")
_WHITE = re.compile(r"[ \t\r\n\f\xa0]+")
_MAX_ADDRESS_CHARS = 2000


@dataclass(slots=True)
class _Opened:
    """What an element changed, so that its end can change it back; and where its words begin."""

    style: Style
    cited: bool
    flat: bool
    line: int
    run: int


@dataclass(slots=True)
class _Page:
    """The lines being written, and what surrounds the place we are at."""

    writer: Writer
    signatures: bool
    lines: list[Line] = field(default_factory=list)
    runs: list[Run] = field(default_factory=list)
    style: Style = Style.PLAIN
    prefix: str = ""
    blank: int | None = None
    """How deep in quotations a blank line is wanted before what follows."""
    quote: int = 0
    cited: int = 0
    flat: int = 0
    pre: int = 0
    ordinals: list[int] = field(default_factory=list)

    def write(self, text: str) -> None:
        if self.pre and not self.flat:
            first, *more = text.split("\n")
            self._add(first)
            for piece in more:
                self.end_line(force=True)
                self._add(piece)
            return
        text = _WHITE.sub(" ", text)
        if not self.runs or self.runs[-1].text.endswith(" "):
            text = text.lstrip(" ")
        self._add(text)

    def _add(self, text: str) -> None:
        if text:
            self.runs.append(Run(text, self.style))

    def end_line(self, *, force: bool = False) -> None:
        if self.flat:
            self.write(" ")
            return
        text = self.writer(self.runs)
        self.runs.clear()
        text = text.rstrip(" ")
        if not text and not force:
            return
        cited = self.cited > 0
        marks = "> " * min(self.quote, 3)
        if text and self.blank is not None:
            self.lines.append(Line("> " * min(self.blank, 3), cited))
        if text:
            self.blank = None
        self.lines.append(Line((marks + self.prefix + text).rstrip(" "), cited))
        self.prefix = ""

    def want_blank(self) -> None:
        """A blank line before what follows, if anything does; items of lists stay together."""
        if self.lines and not self.prefix and not self.ordinals and not self.flat:
            self.blank = self.quote if self.blank is None else min(self.blank, self.quote)


def render(html: str, writer: Writer, *, signatures: bool) -> list[Line]:
    """The lines of an HTML text, each line's emphasis written by `writer`. Without `signatures` those marked drop."""
    root = LexborHTMLParser(html).root
    page = _Page(writer=writer, signatures=signatures)
    stack: list[tuple[LexborNode, _Opened | None]] = [(root, None)] if root is not None else []
    while stack:
        node, opened = stack.pop()
        if opened is not None:
            _leave(page, node, opened)
        elif node.is_text_node:
            page.write(node.text_content or "")
        elif node.is_element_node and (entered := _enter(page, node)) is not None:
            stack.append((node, entered))
            child = node.last_child
            while child is not None:
                stack.append((child, None))
                child = child.prev
    page.flat = 0
    page.end_line()
    return page.lines


def _enter(page: _Page, node: LexborNode) -> _Opened | None:
    """Begin an element; None when nothing of it is to be seen, or it has no inside."""
    tag, attributes = node.tag or "", node.attributes
    if tag in _NO_WORDS or _is_hidden(attributes) or (not page.signatures and _is_signature(attributes)):
        return None
    if tag == "br":
        page.end_line(force=True)
        return None
    if tag == "img":
        alt = attributes.get("alt") or ""
        if _EMOJI.fullmatch(alt):  # mail programs draw emoji as pictures
            page.write(alt)
        return None
    if tag in _BLOCKS or tag in _PARAGRAPHS:
        page.end_line()
    if tag in _PARAGRAPHS or tag == "blockquote":
        page.want_blank()
    _open_list(page, tag)
    opened = _Opened(page.style, _is_cited(tag, attributes), tag == "tr" and _is_row(node), len(page.lines), 0)
    if tag in ("td", "th") and page.flat and page.runs:
        page.write(" | ")
    opened.run = len(page.runs)
    page.style |= _style(tag, attributes)
    page.quote += tag == "blockquote"
    page.cited += opened.cited
    page.flat += opened.flat
    page.pre += tag == "pre"
    return opened


def _leave(page: _Page, node: LexborNode, opened: _Opened) -> None:
    tag = node.tag or ""
    if tag == "a":
        begin = opened.run if opened.line == len(page.lines) else 0
        words = "".join(run.text for run in page.runs[begin:]).strip()
        page.write(_target(words, node.attributes.get("href") or ""))
    page.flat -= opened.flat
    if tag in _BLOCKS or tag in _PARAGRAPHS:
        page.end_line()
    page.style = opened.style
    page.quote -= tag == "blockquote"
    page.cited -= opened.cited
    page.pre -= tag == "pre"
    if tag in ("ol", "ul") and page.ordinals:
        page.ordinals.pop()
        page.prefix = ""
    if tag in _PARAGRAPHS or tag in ("ol", "ul", "blockquote", "hr", "table"):
        page.want_blank()


def _open_list(page: _Page, tag: str) -> None:
    if tag in ("ol", "ul"):
        if not page.flat:
            page.ordinals.append(1 if tag == "ol" else 0)
    elif tag == "li" and not page.flat:
        indent = "  " * min(max(len(page.ordinals) - 1, 0), 4)
        page.prefix = indent + "- "
        if page.ordinals and page.ordinals[-1]:
            page.prefix = f"{indent}{page.ordinals[-1]}. "
            page.ordinals[-1] += 1


def _style(tag: str, attributes: Mapping[str, str | None]) -> Style:
    style = _STYLES.get(tag, Style.PLAIN)
    return style | Style.BOLD if _BOLD.search(attributes.get("style") or "") else style


def _is_row(node: LexborNode) -> bool:
    """Whether a table's row is one of several cells with words, and not a page laid out by a table."""
    cells, child = 0, node.first_child
    while child is not None and cells < 2:
        cells += child.tag in ("td", "th")
        child = child.next
    return cells > 1 and node.css_first("table") is None


def _is_hidden(attributes: Mapping[str, str | None]) -> bool:
    return "hidden" in attributes or _HIDDEN.search(attributes.get("style") or "") is not None


def _is_signature(attributes: Mapping[str, str | None]) -> bool:
    names = f"{attributes.get('class') or ''} {attributes.get('id') or ''}"
    return attributes.get("data-signature") == "true" or _SIGNATURE.search(names) is not None


def _is_cited(tag: str, attributes: Mapping[str, str | None]) -> bool:
    """Whether an element is an earlier mail, and not something that the agent quotes or wrote in between."""
    if tag != "blockquote":
        return False
    return (
        attributes.get("type") == "cite" or "cite" in attributes or bool(_CITED.search(attributes.get("class") or ""))
    )


def _target(words: str, href: str) -> str:
    """What to write behind the words of a link so that its target is known; nothing where the words say it."""
    kind, _, rest = href.strip().partition(":")
    kind = kind.lower()
    if len(href) > _MAX_ADDRESS_CHARS or not rest:
        return ""
    if kind in ("http", "https"):
        target = _WHITE.sub("%20", href.strip())
        said = _bare(words) == _bare(target)
    elif kind in ("mailto", "tel"):
        target = unquote(rest.partition("?")[0]).strip()
        said = _dense(target) in _dense(words)
    else:
        return ""
    if said or not target:
        return ""
    return f" {target}" if words.endswith(":") else f": {target}" if words else target


def _bare(address: str) -> str:
    return re.sub(r"^https?://(www\.)?|^www\.|/$", "", address.strip().lower())


def _dense(text: str) -> str:
    return re.sub(r"[\s()-]", "", text).lower()
