"""Pure: one answer cut into portions that the channel takes, where a reader would pause."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import accumulate

import regex

from inbox_daemon.model import StoredFile
from inbox_daemon.plugins import SendingRules

_GAP = re.compile(r"\s+")
_GRAPHEME = regex.compile(r"\X")
_ADDRESS = re.compile(r"(?:https?://|www\.)\S+|[^\s@]{1,64}@\S+", re.IGNORECASE)
_STOP = re.compile(r"(?P<word>[^\s.!?…]*)(?P<stop>[.!?…]+)[\"'”’»)\]*_~`]*$")
_BEFORE_STOP_CHARS = 60
_OPENING = "\"'“‘«([*_~`-–—•"
_ORDINAL = re.compile(r"(?:^|\n)[ \t]{0,8}[0-9]{1,3}\.$")
_ABBREVIATION = re.compile(
    r"sra?|srta|sres|dra?|dres|lic|ing|arq|prof|cra?|abog|esc|gral|cnel|tte|cap|sgto|com|av(?:da)?|bvd?|pje|uds?|vds?|"
    r"arts?|incs?|n[úu]m|nros?|n|p[áa]gs?|vol|ed|exp|expte|res|dto|dec|ord|tel|cel|int|dpto|depto|of|esq|aprox|ej|"
    r"hs|hrs|min|seg|kg|cf|vs|mrs?|ms|st|no|jr"
)
"""Words whose full stop ends no sentence; what may well end one (etc., uu.) is not among them."""
_WITHOUT_CAPTION = ("audio/", "image/webp")
"""Kinds of file beside which no channel shows a text (WhatsApp: audio and stickers have no caption, Cloud API v24)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Portion:
    """What goes to the citizen in one call."""

    text: str = field(default="", repr=False)
    files: tuple[StoredFile, ...] = ()


def cut(
    text: str, files: Sequence[StoredFile], rules: SendingRules, link: Callable[[StoredFile], str]
) -> list[Portion]:
    """Portions of one answer inside `rules`, in order: nothing of it is lost but white space at the cuts.

    `link` makes the line that stands in the text for a file that the channel doesn't take. Texts go before files. A
    character outside the basic plane (an emoji) counts as two: no channel's own count is higher.
    """
    taken = [file for file in files if _is_taken(file, rules)]
    links = "\n".join(link(file) for file in files if not _is_taken(file, rules))
    pieces = _split("\n\n".join(part for part in (text.strip(), links) if part), rules)
    if rules.together or _is_caption(pieces, taken, rules):
        *first, last = pieces or [""]
        portions = [*(Portion(text=piece) for piece in first), Portion(text=last, files=tuple(taken))]
    else:
        portions = [Portion(text=piece) for piece in pieces] + [Portion(files=(file,)) for file in taken]
    return [portion for portion in portions if portion.text or portion.files]


def join(texts: Sequence[str]) -> str:
    """An agent's consecutive lines as one text; a blank line beside those that have paragraphs of their own."""
    joined = ""
    for text in filter(None, (text.strip() for text in texts)):
        if joined:
            joined += "\n\n" if "\n" in text or "\n\n" in joined else "\n"
        joined += text
    return joined


def _is_taken(file: StoredFile, rules: SendingRules) -> bool:
    media_type = file.media_type.partition(";")[0].strip().lower()
    return any(rule.takes(media_type, file.size) for rule in rules.files)


def _is_caption(pieces: Sequence[str], files: Sequence[StoredFile], rules: SendingRules) -> bool:
    """Whether the text goes along with the only file."""
    return (
        len(pieces) == 1
        and len(files) == 1
        and _units(pieces[0]) <= rules.max_caption_chars
        and not files[0].media_type.strip().lower().startswith(_WITHOUT_CAPTION)
    )


def _units(text: str) -> int:
    """Length in UTF-16 units."""
    return sum(map(_unit, text))


def _unit(char: str) -> int:
    return 2 if char > "\uffff" else 1


def _bytes(char: str) -> int:
    """Length of one character in UTF-8: an accented letter counts two, an emoji four, half a surrogate pair three."""
    return 1 if char < "\x80" else 2 if char < "\u0800" else 3 if char < "\U00010000" else 4


def _split(text: str, rules: SendingRules) -> list[str]:
    """The text in pieces inside all limits, in one piece where there is none."""
    text = text.strip()
    limits = ((rules.max_chars, _unit), (rules.max_bytes, _bytes))
    scales = [_Scale(text, limit, length) for limit, length in limits if limit is not None]
    if all(scale.fits(0) for scale in scales):
        return [text] if text else []
    places = _Places(text)
    pieces, start = [], 0
    while not all(scale.fits(start) for scale in scales):
        end, following = places.cut(start, min(scales, key=lambda scale: scale.reach(start)))
        pieces.append(text[start:end].strip())
        start = following
    return [piece for piece in (*pieces, text[start:].strip()) if piece]


class _Scale:
    """A text measured in one way, and how much of it a piece may hold. Places are indices into the text."""

    def __init__(self, text: str, limit: int, length: Callable[[str], int]) -> None:
        self._limit = limit
        self._offsets = [0, *accumulate(map(length, text))]

    def fits(self, start: int) -> bool:
        """Whether all that is left from `start` on is one piece."""
        return self._offsets[-1] - self._offsets[start] <= self._limit

    def reach(self, start: int) -> int:
        """Where a piece from `start` on must end at the latest."""
        return self._place(self._offsets[start] + self._limit)

    def good(self, start: int, part: float = 1) -> int:
        """Where a piece from `start` on should end, so that what is left is no crumb; or that `part` of the way."""
        begin = self._offsets[start]
        most = min(self._limit, self._offsets[-1] - begin - self._limit // 4)
        return self._place(begin + int(most * part))

    def _place(self, offset: int) -> int:
        return bisect_right(self._offsets, offset) - 1


class _Cuts:
    """Gaps of one grade at which a text may be cut, found by where they begin."""

    def __init__(self, gaps: Iterable[tuple[int, int]]) -> None:
        self._gaps = list(gaps)
        self._ends = [end for end, _ in self._gaps]

    def latest(self, after: int, until: int) -> tuple[int, int] | None:
        """The last gap that begins behind the place `after` and not behind `until`."""
        found = bisect_right(self._ends, until) - 1
        return self._gaps[found] if found >= 0 and self._ends[found] > after else None


class _Places:
    """Where a text may be cut, from the best places to the worst."""

    def __init__(self, text: str) -> None:
        clusters = {found.start() for found in _GRAPHEME.finditer(text)}
        gaps = [found.span() for found in _GAP.finditer(text) if found.end() in clusters]
        inside = {place for found in _ADDRESS.finditer(text) for place in range(found.start() + 1, found.end())}
        self._paragraphs = _Cuts(gap for gap in gaps if text.count("\n", *gap) > 1)
        self._sentences = _Cuts(gap for gap in gaps if "\n" in text[slice(*gap)] or _ends_sentence(text, *gap))
        self._words = _Cuts(gaps)
        self._characters = _Cuts((place, place) for place in sorted(clusters - inside))
        self._anywhere = _Cuts((place, place) for place in sorted(clusters))

    def cut(self, start: int, scale: _Scale) -> tuple[int, int]:
        """Where the piece that begins at `start` ends, and where the next begins; more is left than `scale` takes.

        `scale` is the one whose limit is reached first: what fits by it fits by all.
        """
        most, reach = scale.good(start), scale.reach(start)
        return (
            self._paragraphs.latest(scale.good(start, 1 / 4), most)
            or self._sentences.latest(scale.good(start, 1 / 2), most)
            or self._words.latest(start, most)
            or self._words.latest(start, reach)
            or self._characters.latest(start, most)
            or self._anywhere.latest(start, reach)
            or self._by_force(start, reach)
        )

    def _by_force(self, start: int, reach: int) -> tuple[int, int]:
        """Inside one character: a letter under a thousand accents."""
        place = max(start + 1, reach)
        return place, place


def _ends_sentence(text: str, start: int, end: int) -> bool:
    """Whether the gap from `start` to `end` stands behind a sentence."""
    found = _STOP.search(text, max(0, start - _BEFORE_STOP_CHARS), start)
    if found is None:
        return False
    following = text[end : end + 3].lstrip(_OPENING)[:1]
    if following.islower():
        return False
    if found["stop"] != ".":
        return True
    word = found["word"].lstrip(_OPENING).lower()
    is_initial = len(word) == 1 and word.isalpha()
    is_ordinal = word.isdecimal() and _ORDINAL.search(text, max(0, start - _BEFORE_STOP_CHARS), start) is not None
    return not (is_initial or is_ordinal or _ABBREVIATION.fullmatch(word))
