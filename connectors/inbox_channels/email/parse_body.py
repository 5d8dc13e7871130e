"""Which leaves of a mail are its words and which are attachments; the words as one text."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from inbox_channels.email.parse_html import MAX_HTML_CHARS, html_to_text, trimmed
from inbox_channels.email.parse_kinds import STATUS_TYPES
from inbox_channels.email.parse_mime import Part
from inbox_channels.email.parse_words import clean_text, decode

MAX_TEXT_CHARS = 256 * 1024

_STUB = re.compile(
    r"(no (?:soporta|admite|puede (?:ver|mostrar)|permite|support)|"
    r"does ?n.t support|not support|unable to (?:view|display)|"
    r"cannot (?:view|display)|HTML[- ]?(?:compatible|capable|enabled|format)|formato HTML|versi[óo]n HTML|"
    r"(?:ver|view|leer|read) (?:este|this|el|the) (?:correo|mensaje|message|e-?mail).{0,40}(?:navegador|browser|html))",
    re.IGNORECASE,
)
_OTHER_FORMS = ("text/x-amp-html", "text/watch-html", "text/enriched", "text/richtext")
"""The same words once more, for programs that few have."""


@dataclass(slots=True)
class Words:
    """The text of a mail (`CUT` marks from HTML still in it) and the leaves that are left to attach."""

    text: str = ""
    files: list[Part] = field(default_factory=list)
    inline: set[str] = field(default_factory=set)
    """Paths of files that are pictures inside the HTML."""
    shortened: bool = False
    """Whether some of the words were too many; the leaf they came from is among the files."""


@dataclass(slots=True)
class _Candidates:
    """What one place of the mail offers as words; several parts of a form follow each other (Apple Mail)."""

    plain: list[Part] = field(default_factory=list)
    html: list[Part] = field(default_factory=list)

    def offer(self, part: Part) -> None:
        (self.html if part.media_type == "text/html" else self.plain).append(part)


def read_words(root: Part) -> Words:
    """Sort the leaves of a mail into words and files, and read the words."""
    words = Words()
    places: list[_Candidates] = []
    _walk(root, words, places, parent="")
    if not places:  # no body by the rules: a text part that was sent as a file is the body after all
        text_file = next(filter(_may_be_body, words.files), None)
        if text_file is not None:
            words.files.remove(text_file)
            places.append(_place(text_file))
    texts = [_read_place(place, words) for place in places]
    words.text = _joined(texts)
    return words


def _joined(texts: list[str]) -> str:
    return "\n\n".join(text.strip("\n") for text in texts if text.strip())


def _place(part: Part) -> _Candidates:
    place = _Candidates()
    place.offer(part)
    return place


def _may_be_body(leaf: Part) -> bool:
    """Whether a text that was sent as a file may be the body of a mail that has no other."""
    is_text = leaf.media_type in ("text/plain", "text/html") and not leaf.overflow
    return is_text and (leaf.disposition.value != "attachment" or not leaf.filename)


def _walk(part: Part, words: Words, places: list[_Candidates], *, parent: str) -> None:
    if part.children is None:
        _sort_leaf(part, words, places, parent=parent)
        return
    if part.media_type == "multipart/alternative":
        place = _Candidates()
        for child in part.children:
            for leaf in child.leaves():
                if _is_body(leaf):
                    place.offer(leaf)
                elif leaf.media_type not in _OTHER_FORMS:
                    _add_file(leaf, words, parent=child.media_type)
        if place.plain or place.html:
            places.append(place)
        return
    for child in part.children:
        _walk(child, words, places, parent=part.media_type)


def _is_body(leaf: Part) -> bool:
    return (
        leaf.media_type in ("text/plain", "text/html")
        and leaf.disposition.value != "attachment"
        and not leaf.filename
        and not leaf.overflow
    )


def _sort_leaf(leaf: Part, words: Words, places: list[_Candidates], *, parent: str) -> None:
    if _is_body(leaf):
        places.append(_place(leaf))
    elif not (leaf.media_type in STATUS_TYPES and parent == "multipart/report"):
        _add_file(leaf, words, parent=parent)


def _add_file(leaf: Part, words: Words, *, parent: str) -> None:
    """Attach a leaf. A telephone sends photos as "inline" too: only those that belong to an HTML body count as such."""
    words.files.append(leaf)
    of_body = parent == "multipart/related" and "content-id" in leaf.headers
    if of_body and leaf.media_type.startswith("image/") and leaf.disposition.value != "attachment":
        words.inline.add(leaf.path)


# ---------------------------------------------------------------- reading


def _read_place(place: _Candidates, words: Words) -> str:
    plain = _joined([_read_plain(part, words) for part in place.plain])
    if not place.html:
        return plain
    if len(plain) > 600 and not _STUB.search(plain[:600]):
        return plain
    html = _joined([_read_html(part, words) for part in place.html])
    return html if _is_stub(plain, html) else plain


def _is_stub(plain: str, html: str) -> bool:
    """Whether the plain form says less than the HTML form: empty, "your program shows no HTML", or a fragment."""
    said, shown = len(plain.split()), len(html.split())
    if said == 0 or (_STUB.search(plain) and shown > said // 2):
        return True
    return shown > 2 * said + 20


def _read_plain(part: Part, words: Words) -> str:
    text = clean_text(decode(part.content, part.type_params.get("charset")))
    if part.type_params.get("format", "").lower() == "flowed":
        text = unflow(text, delsp=part.type_params.get("delsp", "").lower() == "yes")
    if _looks_like_html(text):
        return html_to_text(text)
    if len(text) > MAX_TEXT_CHARS:
        text = text[:MAX_TEXT_CHARS]
        _keep_whole(part, words)
    return text


def _looks_like_html(text: str) -> bool:
    """Whether a "plain" text is an HTML document by mistake."""
    head = text[:400].lstrip().lower()
    return head.startswith(("<!doctype html", "<html")) or (head.startswith("<div") and "</div>" in text.lower())


def _read_html(part: Part, words: Words) -> str:
    data = part.content
    label = part.type_params.get("charset") or _charset_in(data)
    html = decode(data, label)
    if len(html) > MAX_HTML_CHARS and len(trimmed(html)) >= MAX_HTML_CHARS:
        _keep_whole(part, words)
    return html_to_text(html)


def _charset_in(data: bytes) -> str | None:
    match = re.search(rb"""<meta[^>]{1,200}charset\s*=\s*["']?([A-Za-z0-9_-]{2,30})""", data[:4096], re.IGNORECASE)
    return match[1].decode("ascii") if match else None


def _keep_whole(part: Part, words: Words) -> None:
    words.shortened = True
    words.files.append(part)


def unflow(text: str, *, delsp: bool) -> str:
    """Join the soft line breaks of format=flowed (RFC 3676), within one depth of quotation each."""
    out: list[str] = []
    open_depth = -1  # depth of the paragraph whose last line asked to be continued
    for line in text.split("\n"):
        depth = len(line) - len(line.lstrip(">"))
        content = line[depth:].removeprefix(" ")
        is_signature = content == "-- "
        if open_depth == depth and not is_signature:
            out[-1] += content
        else:
            out.append(">" * depth + (" " if depth else "") + content)
        flows = content.endswith(" ") and not is_signature
        open_depth = depth if flows else -1
        if flows and delsp:
            out[-1] = out[-1][:-1]
    return "\n".join(out)
