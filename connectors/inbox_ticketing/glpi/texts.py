"""Texts written into GLPI; pure. GLPI keeps every content as HTML."""

from __future__ import annotations

import html
import re

from inbox_daemon.model import CaseNumber, Draft, Entry, MessageKey, StoredFile

MAX_TITLE = 255
"""GLPI keeps no more characters of a title and says nothing (its answer even echoes the whole). GLPI 10 counts them
after having written `&`, `<` and `>` as five characters each."""
NO_SUBJECT = "(sin asunto)"
_ROUND = str.maketrans("[]", "()")
_FORBIDDEN = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")


def clean(text: str) -> str:
    """Text without what a database cannot keep; line ends become newlines."""
    return _FORBIDDEN.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))


def one_line(text: str) -> str:
    """`text` without line ends or runs of blanks."""
    return " ".join(clean(text).split())


def title_of(draft: Draft, *, in_title: bool) -> str:
    """Our reference (or the case number) and the subject: in front, where GLPI's cut does not reach it.

    Brackets are ours alone: a citizen who writes another case's reference into a subject must not become its double.
    """
    tag = f"[{draft.reference if in_title else case_of(draft.case_number)}] "
    room = MAX_TITLE - len(tag)
    subject = one_line(draft.subject).translate(_ROUND) or NO_SUBJECT
    while len(subject) + 4 * sum(subject.count(one) for one in "&<>") > room:
        subject = subject[:-1].rstrip()
    return tag + subject


def case_of(number: CaseNumber) -> str:
    """The case number without what ends the brackets it stands in."""
    return re.sub(r"[\[\]\s]", "", number)


def marker(key: MessageKey) -> str:
    """The last line of an entry. Its closing bracket keeps `X.m1` from being found in `X.m10`."""
    return f"[ref:{key}]"


def html_of(text: str) -> str:
    """Plain text as HTML that shows it as it is: GLPI keeps every content as HTML."""
    escaped = html.escape(text, quote=False)
    spaced = re.sub(r"(?m)(?<= ) |^ ", "&nbsp;", escaped)
    return "<p>" + spaced.replace("\n", "<br>") + "</p>"


def content_of(entry: Entry, *, preface: str = "") -> str:
    """Heading, body and marker of one entry."""
    blocks = (one_line(entry.heading), preface, clean(entry.body).strip("\n"), marker(entry.key))
    return html_of("\n\n".join(block for block in blocks if block.strip()))


def preface_of(draft: Draft) -> str:
    """The line that links a new ticket to the one that takes nothing any more."""
    return f"Continúa el caso N.º {one_line(draft.follows)}." if draft.follows else ""


def file_content(entry: Entry, file: StoredFile) -> str:
    """Text of the entry that announces one file."""
    lines = (one_line(entry.heading), f"Adjunto: {one_line(file.filename)} ({file.size} bytes)", marker(entry.key))
    return html_of("\n\n".join(line for line in lines if line))


def document_name(entry: Entry, file: StoredFile) -> str:
    """Name of the document: the marker first, so that an upload of unclear end is found again."""
    return f"{marker(entry.key)} {file_name(file)}"[:MAX_TITLE]


def file_name(file: StoredFile) -> str:
    """A name that survives multipart headers and GLPI: no path, no quotes, at most 120 characters, the ending kept."""
    name = re.sub(r'["\\/%]', "_", one_line(file.filename)).strip(". ") or "archivo"
    stem, dot, ending = name.rpartition(".")
    if not dot or len(ending) > 16:
        return name[:120]
    return f"{stem[:100]}.{ending}"


def file_type(file: StoredFile) -> str:
    """The type to upload under; GLPI looks at the bytes and the ending itself."""
    kind = file.media_type.partition(";")[0].strip().lower()
    return kind if re.fullmatch(r"[a-z0-9.+-]+/[a-z0-9.+-]+", kind) else "application/octet-stream"
