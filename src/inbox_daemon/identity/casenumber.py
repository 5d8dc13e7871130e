"""Case numbers that people can read out and copy without mistakes: `4F7K2-8`.

Twenty-nine symbols: the ten digits and the letters that look like none of them (not I, L, O, S, Z), without V, which
Spanish speakers say like B, and U, which is written like V. Twenty-nine is prime, so a check symbol weighted by place
catches every single wrong symbol and every transposition of two. Five symbols hold 20 511 149 cases; the numbers
after those have six, then seven.

The order of cases is mixed by a fixed bijection: neighbours don't look alike, so a slip of the pen doesn't land in
the neighbour's case, and nobody reads off how many cases there are. It is no secret and protects nothing.
"""

from __future__ import annotations

import re

from inbox_daemon.model import CaseNumber

_SYMBOLS = "0123456789ABCDEFGHJKMNPQRTWXY"
_BASE = len(_SYMBOLS)
_SHORTEST, _LONGEST = 5, 8
_LOOK_ALIKES = str.maketrans("ILOSZV", "11052B")
_DASHES = str.maketrans(dict.fromkeys("‐‑‒–—―−", "-"))

_MULTIPLIER = 0x9E3779B1  # odd and large (golden ratio · 2³²); any number that 29 doesn't divide would do
_OFFSET = 7_368_787

_LEAD = (
    r"(?:(?:\b(?:casos?|estado|tr[aá]mite|reclamo|consulta|seguimiento|ticket|n[uú]mero|nro|n)\b|\bn\.?[°º]|#)[\s.:]*)"
)
_DASHED = re.compile(
    rf"(?<![\w-])(?P<lead>{_LEAD}{{1,3}})?(?P<body>[0-9A-Z]{{5,8}})\s?-\s?(?P<check>[0-9A-Z])(?![\w-])", re.IGNORECASE
)
_UNDASHED = re.compile(
    rf"(?<![\w-]){_LEAD}{{1,3}}(?P<body>[0-9A-Z]{{5}})\s?(?P<check>[0-9A-Z])(?![\w-])", re.IGNORECASE
)
_WHOLE = re.compile(rf"{_LEAD}{{0,3}}(?P<rest>[0-9A-Z][0-9A-Z\s-]*)", re.IGNORECASE)


def encode(number: int) -> CaseNumber:
    """The case number of the `number`-th conversation (0, 1, 2 …). Raises ValueError below 0 and beyond 29⁸."""
    if number < 0:
        raise ValueError("a conversation's serial is never negative")
    length = _SHORTEST
    while number >= _BASE**length:
        number -= _BASE**length
        length += 1
    if length > _LONGEST:
        raise ValueError("more conversations than case numbers")
    digits = _mixed(number, length)
    return _written(digits)


def parse(text: str) -> CaseNumber | None:
    """The case number that `text` is as a whole, in its canonical form; None when it is none.

    Lower case, spaces, a missing dash, a leading "caso" or "#" and look-alike letters (O for 0) are forgiven; the
    check symbol then decides.
    """
    if len(text) > 80:
        return None
    whole = _WHOLE.fullmatch(text.translate(_DASHES).strip())
    return _checked(re.sub(r"[\s-]", "", whole["rest"])) if whole else None


def find_all(text: str) -> list[CaseNumber]:
    """The case numbers quoted in `text`, in order, each once.

    With the dash: anywhere, unless it could be an ordinary word or figure (`CLASE-B`, `12345-6`, `grupo-a`): those
    count only after "caso", "estado", "#" and the like. Without the dash: only after such a word, and only letters
    mixed with digits. One in 29 chance hits survives the check symbol: the finder proves nothing about the writer.
    """
    plain = text.translate(_DASHES)
    found: list[tuple[int, CaseNumber]] = []
    for match in (*_DASHED.finditer(plain), *_UNDASHED.finditer(plain)):
        written = match["body"] + match["check"]
        led = match.re is _UNDASHED or match["lead"] is not None
        if match.re is _UNDASHED and not _mixes(written):
            continue
        if not led and not (_mixes(written) or (written.isupper() and written.isalpha())):
            continue
        case = _checked(written, forgiving=led)
        if case is not None:
            found.append((match.start("body"), case))
    return list(dict.fromkeys(case for _, case in sorted(found)))


def _mixes(written: str) -> bool:
    return any(map(str.isdigit, written)) and any(map(str.isalpha, written))


def _mixed(number: int, length: int) -> list[int]:
    """`number` as base-29 digits after two rounds of "multiply, then read backwards": each step can be undone."""
    digits: list[int] = []
    for _ in range(2):
        number = (number * _MULTIPLIER + _OFFSET) % _BASE**length
        digits = []
        for _ in range(length):
            number, digit = divmod(number, _BASE)
            digits.append(digit)
        for digit in digits:
            number = number * _BASE + digit
    return digits


def _check(digits: list[int]) -> int:
    """Weights 2, 3, 4 … from the right, and 1 for the check symbol itself; the length counts too."""
    total = len(digits) + sum(weight * digit for weight, digit in enumerate(reversed(digits), start=2))
    return -total % _BASE


def _written(digits: list[int]) -> CaseNumber:
    return CaseNumber("".join(_SYMBOLS[d] for d in digits) + "-" + _SYMBOLS[_check(digits)])


def _checked(written: str, *, forgiving: bool = True) -> CaseNumber | None:
    symbols = written.upper().translate(_LOOK_ALIKES) if forgiving else written.upper()
    if not _SHORTEST < len(symbols) <= _LONGEST + 1 or not all(s in _SYMBOLS for s in symbols):
        return None
    digits = [_SYMBOLS.index(s) for s in symbols]
    return _written(digits[:-1]) if _check(digits[:-1]) == digits[-1] else None
