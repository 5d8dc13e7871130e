"""Pure: what a citizen's answer to the menu of offices means: a line of it, several, or none.

Understood are the line that was tapped, its number ("la 2", "opción dos"), its title, its keywords, and words of its
title, accents, case and a slip of the finger aside. Words that fit two lines decide nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum

from inbox_daemon.model import Choice
from inbox_daemon.pipeline.routing import MAX_SEARCHED_CHARS, fold

SHORTEST_WITH_SLIP = 5
SHORTEST_TITLE_WORD = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """A line of the menu."""

    title: str
    destination: str
    matter: str = "consulta"
    description: str = ""
    keywords: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        """Comes back with a tap; it stays the same when lines are added or put in another order."""
        return f"menu:{fold(self.title)}"

    @property
    def choice(self) -> Choice:
        """The line as a channel shows it."""
        return Choice(id=self.id, title=self.title, description=self.description)


@dataclass(frozen=True, slots=True, kw_only=True)
class Understood:
    """The line that was meant. `bare`: the answer says nothing else, so no office has to read it."""

    option: Option
    bare: bool


class Ambiguous(Enum):
    """The answer fits more than one line."""

    AMBIGUOUS = "ambiguous"


_NUMBERS = {
    word: number
    for number, words in enumerate(
        [
            "uno primero primera primer",
            "dos segundo segunda",
            "tres tercero tercera tercer",
            "cuatro cuarto cuarta",
            "cinco quinto quinta",
            "seis sexto sexta",
            "siete septimo septima",
            "ocho octavo octava",
            "nueve noveno novena",
            "diez decimo decima",
        ],
        start=1,
    )
    for word in words.split()
}


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_AROUND = _words(
    """
    hola buen buenos buena buenas dia dias tarde tardes noche noches la el lo los las opcion numero nro
    n es seria quiero quisiera elijo prefiero elegi con de del para por favor gracias muchas si a al en
    sobre tema mi y o
    """
)
_NEARBY = _words(
    """
    es era de para en la el por
    """
)
_LED = re.compile(
    r"(?:(?P<word>opcion|numero|nro)\s+|(?:la|el)\s+)?(?P<number>[0-9]{1,2}|[a-z]+)\s*(?P<end>[).,:;-])?(?=\s|$)"
)
_WORDS = re.compile(r"[^\W_]+")


def understand(text: str, choice_id: str, options: Sequence[Option]) -> Understood | Ambiguous | None:
    """What an answer means; `choice_id` is that of the line that was tapped, empty where none was."""
    folded = fold(text[:MAX_SEARCHED_CHARS].replace("º", " ").replace("°", " "))
    words = _WORDS.findall(folded)
    tapped = next((one for one in options if choice_id and one.id == choice_id), None)
    if tapped is not None:
        said = {"", fold(tapped.title), fold(tapped.description)}
        return Understood(option=tapped, bare=folded in said)
    return _by_title(folded, options) or _by_number(folded, words, options) or _by_words(words, options)


def _by_title(folded: str, options: Sequence[Option]) -> Understood | None:
    """A whole title comes before all else: "Mesa 2" is no number."""
    bare = " ".join(_WORDS.findall(folded))
    found = next((one for one in options if bare and " ".join(_WORDS.findall(fold(one.title))) == bare), None)
    return None if found is None else Understood(option=found, bare=True)


def _by_number(folded: str, words: Sequence[str], options: Sequence[Option]) -> Understood | Ambiguous | None:
    said = [word for word in words if word not in _AROUND]
    numbers = {_number(word) for word in said}
    if said and None not in numbers:
        return _numbered(numbers, options, bare=True)
    led = _LED.match(folded)
    if led is None or not (led["word"] or led["end"]):
        return None
    number = _number(led["number"])
    return None if number is None else _numbered({number}, options, bare=False)


def _number(word: str) -> int | None:
    return int(word) if word.isdecimal() and len(word) <= 2 else _NUMBERS.get(word)


def _numbered(numbers: Iterable[int | None], options: Sequence[Option], *, bare: bool) -> Understood | Ambiguous | None:
    found = [options[number - 1] for number in numbers if number and number <= len(options)]
    if len(found) > 1:
        return Ambiguous.AMBIGUOUS
    return Understood(option=found[0], bare=bare) if found else None


def _by_words(words: Sequence[str], options: Sequence[Option]) -> Understood | Ambiguous | None:
    """Words of titles and keywords; what was mistyped counts only where nothing was typed right."""
    meant = [word for position, word in enumerate(words) if not _denied(words, position)]
    for slips in (False, True):
        found = [one for one in options if any(_meets(one, words, meant, slips=slips))]
        found = [one for one in found if _covers(one, found, words)] or found
        if len(found) > 1:
            return Ambiguous.AMBIGUOUS
        if found:
            return Understood(option=found[0], bare=all(_adds_nothing(word, found[0]) for word in words))
    return None


def _covers(one: Option, found: Sequence[Option], words: Sequence[str]) -> bool:
    """Whether a line's whole title was said, and the others are met only by words of it."""
    title = _WORDS.findall(fold(one.title))
    if not _has_phrase(words, title):
        return False
    rest = [word for word in words if word not in title]
    return not any(any(_meets(other, rest, rest, slips=False)) for other in found if other is not one)


def _denied(words: Sequence[str], position: int) -> bool:
    """Whether "no" stands before a word: "no es salud"."""
    before = list(words[max(0, position - 2) : position])
    return before[-1:] == ["no"] or (before[:1] == ["no"] and before[-1] in _NEARBY)


def _meets(one: Option, words: Sequence[str], meant: Sequence[str], *, slips: bool) -> Iterator[bool]:
    for keyword in one.keywords:
        phrase = _WORDS.findall(fold(keyword))
        if len(phrase) == 1:
            yield any(_same(word, phrase[0], slips=slips) for word in meant)
        else:
            yield _has_phrase(words, phrase)
    for own in _title_words(one):
        yield any(_same(word, own, slips=slips) for word in meant)


def _title_words(one: Option) -> list[str]:
    return [word for word in _WORDS.findall(fold(one.title)) if len(word) >= SHORTEST_TITLE_WORD]


def _has_phrase(words: Sequence[str], phrase: Sequence[str]) -> bool:
    size = len(phrase)
    return bool(size) and any(list(words[i : i + size]) == list(phrase) for i in range(len(words) - size + 1))


def _adds_nothing(word: str, one: Option) -> bool:
    own = [*_WORDS.findall(fold(one.title)), *(w for keyword in one.keywords for w in _WORDS.findall(fold(keyword)))]
    return word in _AROUND or any(_same(word, other, slips=True) for other in own)


def _same(word: str, other: str, *, slips: bool) -> bool:
    if word == other:
        return True
    return slips and min(len(word), len(other)) >= SHORTEST_WITH_SLIP - 1 and _one_slip(word, other)


def _one_slip(one: str, other: str) -> bool:
    """Whether a single letter is wrong, missing, too many, or swapped with its neighbour, in words long enough."""
    if max(len(one), len(other)) < SHORTEST_WITH_SLIP or abs(len(one) - len(other)) > 1:
        return False
    start = next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
    a, b = one[start:], other[start:]
    return a[1:] == b[1:] or a[1:] == b or a == b[1:] or (a[:2] == b[:2][::-1] and a[2:] == b[2:])
