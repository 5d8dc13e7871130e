"""Texts written into GLPI; pure. GLPI keeps every content as HTML."""

from __future__ import annotations

import html
import re

from inbox_daemon.model import CaseNumber, Draft, Entry, StoredFile
from inbox_ticketing._writing import texts as words

MAX_TITLE = 255
"""GLPI keeps no more characters of a title and says nothing (its answer even echoes the whole). GLPI 10 counts them
after having written `&`, `<` and `>` as five characters each."""
_ROUND = str.maketrans("[]", "()")


def title_of(draft: Draft, *, in_title: bool) -> str:
    """Our reference (or the case number) and the subject: in front, where GLPI's cut does not reach it.

    Brackets are ours alone: a citizen who writes another case's reference into a subject must not become its double.
    """
    tag = f"[{draft.reference if in_title else case_of(draft.case_number)}] "
    room = MAX_TITLE - len(tag)
    subject = words.one_line(draft.subject).translate(_ROUND) or words.NO_SUBJECT
    while len(subject) + 4 * sum(subject.count(one) for one in "&<>") > room:
        subject = subject[:-1].rstrip()
    return tag + subject


def case_of(number: CaseNumber) -> str:
    """The case number without what ends the brackets it stands in."""
    return re.sub(r"[\[\]\s]", "", number)


def html_of(text: str) -> str:
    """Plain text as HTML that shows it as it is: GLPI keeps every content as HTML."""
    escaped = html.escape(text, quote=False)
    spaced = re.sub(r"(?m)(?<= ) |^ ", "&nbsp;", escaped)
    return "<p>" + spaced.replace("\n", "<br>") + "</p>"


def content_of(entry: Entry, *, preface: str = "") -> str:
    """Heading, body and marker of one entry."""
    return html_of(words.text_of(entry, preface=preface))


def file_content(entry: Entry, file: StoredFile) -> str:
    """Text of the entry that announces one file."""
    return html_of(words.file_text(entry, file))


def document_name(entry: Entry, file: StoredFile) -> str:
    """Name of the document: the marker first, so that an upload of unclear end is found again."""
    return f"{words.marker(entry.key)} {file_name(file)}"[:MAX_TITLE]


def file_name(file: StoredFile) -> str:
    """A name that survives multipart headers and GLPI."""
    return words.file_name(file.filename, '"\\/%', limit=120)
