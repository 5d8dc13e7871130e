"""Pure: whether a message only asks where a case stands ("estado 4F7K2-8"), and which case.

What says anything more is for an office: somebody who asks for the state of a road is no query of ours.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from inbox_daemon.identity import casenumber
from inbox_daemon.model import CaseNumber
from inbox_daemon.pipeline.routing import fold

MAX_CHARS = 120


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_BEFORE = _words(
    """
    hola buen buenos buena buenas dia dias tarde tardes noche noches por favor quiero quisiera queria
    necesito saber conocer ver consultar consulto consulta averiguar pedir cual es como esta me dicen
    pueden decir el del de un una en que
    """
)
_AFTER = _words(
    """
    de del mi mis la el los las caso casos tramite tramites reclamo reclamos consulta consultas ticket
    expediente numero nro n no num actual es esta se encuentra por favor gracias muchas desde ya
    """
)
_EDGES = " \t\n.,;:!?¡¿«»\"'()[]*_#"
_MARKS = re.compile(r"[\s.,;:!?¡¿«»\"'()\[\]*_#°º]+")
_ALIKE = re.compile(r"[0-9a-z]{5,9}|[0-9a-z]{5,8} [0-9a-z]|[0-9a-z -]+-[0-9a-z -]+")
_TRIED = re.compile(r"[0-9a-z]{4,8} ?- ?[0-9a-z]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """Somebody asks where a case stands. `number` is None when they named none, or none that can be one (`wrong`)."""

    number: CaseNumber | None
    wrong: bool = False


def read(text: str) -> Query | None:
    """The query that `text` is as a whole; None when it says anything else."""
    if len(text) > MAX_CHARS:
        return None
    folded = fold(text.replace("º", " ").replace("°", " ").replace("–", "-").replace("—", "-"))
    before, found, after = _asked(folded)
    if not found or found in after or not _ends_a_word(before, after):
        return None
    rest = [part for part in (_rest(before, _BEFORE), _rest(after, _AFTER)) if part]
    if not rest:
        return Query(number=None)
    if len(rest) > 1:
        return None
    return _named(rest[0])


def _asked(folded: str) -> tuple[str, str, str]:
    """What stands before and after the word that asks, in one of the languages that our own notices have."""
    parts = (folded.partition(word) for word in ("estado", "status"))
    return next((found for found in parts if found[1]), (folded, "", ""))


def _ends_a_word(before: str, after: str) -> bool:
    return not (before[-1:].isalnum() or after[:1].isalnum())


def _rest(text: str, fillers: frozenset[str]) -> str:
    """What is left of `text` without the words that only lead to a number, or follow it."""
    words = [word for word in _MARKS.split(text.strip(_EDGES)) if word and word != "-"]
    while words and words[0] in fillers:
        words.pop(0)
    while words and words[-1] in fillers:
        words.pop()
    return " ".join(words)


def _named(rest: str) -> Query | None:
    is_number = "-" in rest or any(map(str.isdigit, rest))
    number = casenumber.parse(rest) if is_number and _ALIKE.fullmatch(rest) else None
    if number is not None:
        return Query(number=number)
    if _TRIED.fullmatch(rest) and any(map(str.isdigit, rest)):
        return Query(number=None, wrong=True)
    return None
