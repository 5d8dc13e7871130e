"""Pure: what a mail program leaves below an answer (earlier mail, a signature) and no reader needs."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

MAX_SIGNATURE_LINES = 12

_WROTE = re.compile(r"\b(wrote|escribi[óo]|a écrit|escreveu|schrieb)\s*:\s*$", re.IGNORECASE)
_ON = re.compile(r"\s*>?\s*(on|el|le|em|am|a|en)\s+\S", re.IGNORECASE)
_ORIGINAL = re.compile(
    r"\s*[-_]{2,}\s*((original|forwarded) message|mensaje (original|reenviado)|mensagem original)\s*[-_]{2}",
    re.IGNORECASE,
)
_HEADERS = (
    re.compile(r"\*?(de|from)\s?:\*?\s", re.IGNORECASE),
    re.compile(r"\*?(enviado( el)?|sent|fecha|date)\s?:\*?\s", re.IGNORECASE),
    re.compile(r"\*?(para|to)\s?:\*?\s", re.IGNORECASE),
)
_SIGNATURE = re.compile(r"--\s?")
_INTRODUCTION_LINES = 3


@dataclass(frozen=True, slots=True)
class Line:
    """One line; `cited` where the markup itself says that it is of an earlier mail."""

    text: str
    cited: bool = False

    @property
    def blank(self) -> bool:
        """Whether there is nothing on it."""
        return not self.text.strip(" \t>")


def without_trailing(lines: Sequence[Line]) -> list[Line]:
    """The lines without earlier mail and signature at their end; all of them where nothing else is there."""
    kept = _without_signature(_without_quotation(_without_headers(lines)))
    return kept if any(not line.blank for line in kept) else list(lines)


def _without_headers(lines: Sequence[Line]) -> list[Line]:
    """Without what stands below the head of an earlier mail, as Outlook and forwarding write it."""
    for place, line in enumerate(lines):
        if _ORIGINAL.match(line.text):
            return list(lines[:place])
        if _HEADERS[0].match(line.text):
            below = [other.text for other in lines[place + 1 : place + 6]]
            if all(any(header.match(text) for text in below) for header in _HEADERS[1:]):
                return list(lines[:place])
    return list(lines)


def _without_quotation(lines: Sequence[Line]) -> list[Line]:
    """Without quoted lines at the end that somebody is said to have written, or that are marked as cited."""
    end = len(lines)
    while end and (lines[end - 1].blank or lines[end - 1].cited or lines[end - 1].text.startswith(">")):
        end -= 1
    quoted = [line for line in lines[end:] if not line.blank]
    if not quoted:
        return list(lines)
    begin = _introduction(lines[:end])
    if begin is not None:
        return list(lines[:begin])
    return list(lines[:end]) if any(line.cited for line in quoted) else list(lines)


def _introduction(lines: Sequence[Line]) -> int | None:
    """Where "On …, … wrote:" begins that `lines` end with; mail programs break it over lines."""
    if not lines or not _WROTE.search(lines[-1].text[-200:]):
        return None
    first = max(0, len(lines) - _INTRODUCTION_LINES)
    return next((place for place in range(len(lines) - 1, first - 1, -1) if _ON.match(lines[place].text)), None)


def _without_signature(lines: Sequence[Line]) -> list[Line]:
    """Without what stands below a line `-- `, if it is no longer than signatures are."""
    for place in range(len(lines) - 1, -1, -1):
        if _SIGNATURE.fullmatch(lines[place].text):
            below = sum(not line.blank for line in lines[place + 1 :])
            return list(lines[:place]) if below <= MAX_SIGNATURE_LINES else list(lines)
    return list(lines)
