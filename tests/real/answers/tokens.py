"""Marks in texts, by which what arrives somewhere is known for what it is: one for each thing said, never again."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

Kind = Literal["answer", "file", "note", "own", "automatic", "withdrawn", "shared", "citizen"]

LETTERS: dict[str, Kind] = {
    "a": "answer",
    "f": "file",
    "n": "note",
    "o": "own",
    "x": "automatic",
    "w": "withdrawn",
    "s": "shared",
    "c": "citizen",
}
"""`file` is one that goes with an answer; `own` an entry by our account; `withdrawn` an answer that its agent took back
in time; `shared` one in a ticket that was merged of two persons'; `citizen` what a citizen wrote."""
_LETTER_OF = {kind: letter for letter, kind in LETTERS.items()}
_TOKEN = re.compile(r"tk([afnoxwsc])(\d{4})v(\d{2})v(\d{3})q")
NEVER_OUTSIDE = frozenset({"note", "own", "automatic", "withdrawn", "shared"})


@dataclass(frozen=True, slots=True, order=True)
class Token:
    """`serial` counts what is said in a case, `part` the sentences of one answer."""

    case: int
    serial: int
    part: int
    kind: Kind

    def __str__(self) -> str:
        return f"tk{_LETTER_OF[self.kind]}{self.case:04d}v{self.serial:02d}v{self.part:03d}q"

    @property
    def said(self) -> tuple[int, int]:
        """The thing said that it is a part of."""
        return self.case, self.serial


def tokens_in(text: str) -> list[Token]:
    """All tokens of a text, in order."""
    return [
        Token(case=int(case), serial=int(serial), part=int(part), kind=LETTERS[letter])
        for letter, case, serial, part in _TOKEN.findall(text)
    ]
