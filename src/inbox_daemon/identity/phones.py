"""Reads telephone numbers as people, switchboards and WhatsApp write them, with what the library misses for Argentina.

An Argentine number has ten national digits, area (2 to 4) plus subscriber (8 to 6), without the trunk `0` and without
the mobile marks: `9` (dialled from abroad) and `15` (dialled at home). Whether it is a mobile can't be told from the
ten digits: of 4000 drawn numbers of each of six area codes every one valid as a landline was valid as a mobile too
(phonenumbers 9.0.43, 2026-11). So a number without a mark is *ambiguous*, and keeps the form without the 9.

| written                                        | read as            | source
| ---------------------------------------------- | ------------------ | -----------------------------------------------
| `+54 9 AREA N`, `549…`, `0054 9 …`, `9 AREA N` | `+549AREAN`        | E.164; WhatsApp's wa_id is 549 + ten digits
| `0AREA 15 N`, `AREA 15 N`, `15 AREA N`         | `+549AREAN`        | national dialling plan: 15 marks a mobile
| `+54 9 AREA 15 N`, `+54 9 0AREA N`, `AREA 9 N` | `+549AREAN`        | seen; the library calls these invalid
| `03624-15-112233`                              | `+5493624112233`   | habit in Resistencia, Corrientes, Sáenz Peña:
|                                                |                    | the area keeps the first of a number's 7 digits
| `0AREA N`, `AREA N`, `+54 AREA N`              | `+54AREAN`, ambiguous | no mark: mobile or somebody else's landline
| `15 N`                                         | `+549AREAN`        | only with a default area, else invalid
| `N` (6 to 8 digits)                            | `+54AREAN`, ambiguous | only with a default area, else invalid
| `…@c.us`, `…@s.whatsapp.net`                   | `+`, digits as given | a channel's id is never rewritten nor refused
| `+52 1 …` (Mexico), `+55 AREA 8 digits`        | `+`, digits as given | WhatsApp keeps old forms that E.164 dropped
| `595 981 …` without `+`                        | `+595981…`         | only where it can't be Argentine
| `105`, `911`, `0800 …`, `0810 …`               | digits, invalid    | services, never a person (ENACOM numbering plan)
| `4123456 / 4123457`, 11 or 12 odd digits       | digits, invalid    | two numbers or a slip: guessing joins strangers
| `… int. 203`, `ext 5`, `x5`, `;ext=5`          | number, extension apart | RFC 3966 and usage
"""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field

import phonenumbers
from phonenumbers import PhoneMetadata, PhoneNumberFormat, PhoneNumberType

_LONGEST = 400
_MARKS = ("9", "15")

_DASHES = dict.fromkeys(map(ord, "‐‑‒–—―−⁃﹣-"), "-")
_LABEL = re.compile(
    r"(?:tel(?:[eé]fono)?|cel(?:ular)?|m[oó]vil|fijo|whats?app|wsp|wpp|wa|n[uú]mero|nro)\s*[.:]*\s*(?=[+(\d])"
)
_LINK = re.compile(
    r"(?:https?://)?(?:www\.)?(?:wa\.me/|(?:api|web)\.whatsapp\.com/send/?\?(?:\S*&)?phone=)(?P<number>[+\d]+)\S*"
)
_URI = re.compile(r"(?:tel|callto|sms|whatsapp):(?://)?(?P<number>[^?]*)(?:\?.*)?")
_SIP = re.compile(r"sips?:(?P<number>\+?\d+)@\S+")
_JID = re.compile(r"(?P<number>[1-9]\d{7,14})(?::\d+)?@(?:c\.us|s\.whatsapp\.net)")
_EXTENSION = re.compile(
    r"[\s,;]*(?:\b(?:interno|internos|int|extensi[oó]n|ext|anexo)|(?<=[\d\s])x|;ext=|#)[\s.:]*(?:n[o°.]+\s*)?(?P<extension>\d{1,6})$"
)
_PARAMETER = re.compile(r";(?!ext=)[a-z0-9-]+(?:=[^;]*)?")
_SEVERAL = re.compile(r"[,;|&\\]|\s[yoeu]\s")  # not the slash: people write 0362/4123456
_SHAPE = re.compile(r"[\d\s().\-/+\[\]·•]+")
_PAPERS = re.compile(
    r"\d{1,2}\.\d{3}\.\d{3}"  # DNI with its dots
    r"|(?:20|23|24|25|26|27|30|33|34)[-/ ]\d{8}[-/ ]\d"  # CUIT
    r"|\d{1,2}([-/.])\d{1,2}\1\d{4}|\d{4}-\d{2}-\d{2}"  # a date
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PhoneReading:
    """What a text says as a telephone number; `valid` is "may be the identity of a person".

    `value` is E.164 with `+` where that is known, else the bare digits. `match_key` is empty when invalid.
    """

    value: str = field(repr=False)
    match_key: str = field(repr=False)
    ambiguous: bool = False
    valid: bool = False
    extension: str = ""


def read_phone(text: str, *, default_area: str | None = None, country: str = "AR") -> PhoneReading | None:
    """Read `text` as one telephone number; None when it isn't shaped like one. Never raises."""
    if len(text) > _LONGEST:
        return None
    plain = _plain(text)
    if given := _JID.fullmatch(plain):
        return _from_channel(given["number"])
    plain, extension = _unwrap(plain)
    numbers = [part for part in _SEVERAL.split(plain) if sum(map(str.isdigit, part)) >= 6]
    if len(numbers) > 1 or plain.count("+") > 1:
        shaped = all(_SHAPE.fullmatch(part) for part in numbers)
        return _invalid(_digits(plain)) if shaped else None
    if not _SHAPE.fullmatch(plain) or _PAPERS.fullmatch(plain) or len(_digits(plain)) < 3:
        return None
    reading = _read_digits(plain, default_area, country)
    return PhoneReading(
        value=reading.value,
        match_key=reading.match_key,
        ambiguous=reading.ambiguous,
        valid=reading.valid,
        extension=extension,
    )


def phone_match_key(value: str) -> str:
    """Digits for comparing: country code and national digits, Argentine ones without the 9. Empty when not E.164."""
    if not re.fullmatch(r"\+\d{6,15}", value, re.ASCII):
        return ""
    if re.fullmatch(r"\+549\d{10}", value, re.ASCII):
        return "54" + value[4:]
    return value[1:]


def grouped(value: str) -> str:
    """The number as people read it (`+54 9 362 412-3456`); `value` unchanged where it can't be grouped."""
    if home := re.fullmatch(r"\+54(9?)(\d{10})", value, re.ASCII):
        nine, national = home.groups()
        area = area_code(national)
        if area:
            local = national[len(area) :]
            return f"+54 {'9 ' if nine else ''}{area} {local[:-4]}-{local[-4:]}"
    number = _parse(value)
    return phonenumbers.format_number(number, PhoneNumberFormat.INTERNATIONAL) if number else value


def area_code(national: str) -> str:
    """Area code of ten national digits, by the library where it knows the number, else the shortest that exists."""
    number = _parse("+54" + national)
    length = phonenumbers.length_of_geographical_area_code(number) if number else 0
    if length:
        return national[:length]
    return next((national[:n] for n in (2, 3, 4) if _is_area(national[:n])), "")


# ---------------------------------------------------------------- taking the writing apart


def _plain(text: str) -> str:
    """Compatibility forms, foreign digits, dashes and spaces made plain; invisible characters gone; lower case."""
    folded = unicodedata.normalize("NFKC", text).translate(_DASHES)
    kept = (_ascii_digit(c) for c in folded if unicodedata.category(c) not in {"Cf", "Cc", "Mn", "Me"} or c.isspace())
    return unicodedata.normalize("NFC", "".join(kept)).strip().lower()


def _ascii_digit(char: str) -> str:
    digit = unicodedata.decimal(char, None)
    return char if digit is None else str(digit)


def _digits(text: str) -> str:
    return "".join(re.findall(r"[0-9]", text))


def _unwrap(text: str) -> tuple[str, str]:
    """(number, extension) without link, scheme, label and RFC 3966 parameters."""
    for wrapper in (_LINK, _SIP, _URI):
        if inner := wrapper.fullmatch(text):
            text = inner["number"]
            break
    text = _LABEL.sub("", text, count=1) if _LABEL.match(text) else text
    text = _PARAMETER.sub("", text)
    extension = _EXTENSION.search(text)
    if extension:
        return text[: extension.start()].strip(), extension["extension"]
    return text.strip(" .,;:"), ""


def _read_digits(plain: str, default_area: str | None, country: str) -> PhoneReading:
    digits = _digits(plain)
    if len(set(digits)) == 1:  # 0000000, 1111111111: what switchboards send for "unknown"
        return _invalid(digits)
    opening = plain.lstrip("([ ")
    if opening.startswith("+") or digits.startswith("00"):
        return _abroad(digits.lstrip("0"))
    if country.upper() != "AR":
        return _typed_elsewhere(digits, country.upper())
    trunkless = digits.lstrip("0")
    if trunkless.startswith("54") and len(trunkless) >= 12:
        return _argentine(trunkless[2:], international=True) or _invalid(digits)
    home = _argentine(digits) or _local(digits, default_area)
    if home is not None:
        return home
    # Without a + only what can't be a mistyped Argentine number may be foreign: a lost digit of 362… is not Hungary.
    if len(digits) >= 11 and digits[0] in "456789":
        whole = plain.isdigit()
        abroad = _abroad(digits)
        if abroad.valid and (whole or _library_valid("+" + digits)):
            return abroad
    return _invalid(digits)


# ---------------------------------------------------------------- Argentina


def _argentine(digits: str, *, international: bool = False) -> PhoneReading | None:
    """Read what stands after the country code, or a number dialled at home, down to its ten national digits.

    Numbers that came with the country code and in due length are believed even where the library doesn't know their
    range yet; whatever had to be interpreted must be one the library knows.
    """
    if international and re.fullmatch(r"9?[123]\d{9}", digits, re.ASCII):
        return _home(digits[-10:], mobile=len(digits) == 11)
    found = {(national, bool(marks)) for national, marks in _without_marks(digits) if _known(national)}
    if len(found) != 1:
        return None
    national, mobile = found.pop()
    return _home(national, mobile=mobile)


def _without_marks(digits: str, marks: tuple[str, ...] = ()) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Every way to take the trunk 0 and at most one `9` and one `15` out of `digits` so that ten are left."""
    digits = digits.removeprefix("0")
    if len(digits) == 10:
        yield digits, marks
    if not 10 < len(digits) <= 14:
        return
    for mark in _MARKS:
        for place in (0, 2, 3, 4):
            left = digits[:place] + digits[place + len(mark) :]
            if mark not in marks and digits.startswith(mark, place) and _fits(left, place, mark):
                yield from _without_marks(left, (*marks, mark))


def _fits(left: str, place: int, mark: str) -> bool:
    """May a mark have stood at `place`: before or after the area, or (15 only) after the area and a kept digit?"""
    if place == 0:
        return True
    return _is_area(left[:place]) or (mark == "15" and place == 4 and _is_area(left[:3]))


def _local(digits: str, default_area: str | None) -> PhoneReading | None:
    """A number without area code, which means nothing unless the configuration says where we are."""
    area = (default_area or "").strip().lstrip("0")
    if not area.isdigit():
        return None
    if len(area) + len(digits) == 10 and _known(area + digits):
        return _home(area + digits, mobile=False)
    if digits.startswith("15") and len(area) + len(digits) == 12 and _known(area + digits[2:]):
        return _home(area + digits[2:], mobile=True)
    return None


def _home(national: str, *, mobile: bool) -> PhoneReading:
    value = f"+549{national}" if mobile else f"+54{national}"
    return PhoneReading(value=value, match_key="54" + national, ambiguous=not mobile, valid=True)


def _known(national: str) -> bool:
    """Does the library know these ten digits as a landline or a mobile (and not as 0800, 0600, …)?"""
    return national[0] in "123" and (_library_valid(f"+549{national}") or _library_valid(f"+54{national}"))


@functools.cache
def _area_then_15() -> re.Pattern[str]:
    """The library's own pattern for "area then 15": a list of some 300 areas of ours would age."""
    metadata = PhoneMetadata.metadata_for_region("AR")
    pattern = metadata.national_prefix_for_parsing if metadata else None
    assert pattern
    return re.compile(pattern)


def _is_area(code: str) -> bool:
    return _area_then_15().fullmatch(code + "15") is not None


# ---------------------------------------------------------------- elsewhere


def _from_channel(digits: str) -> PhoneReading:
    """WhatsApp's own id: believed as it is, whatever a library thinks of it."""
    if re.fullmatch(r"549?[123]\d{9}", digits, re.ASCII):
        return _home(digits[-10:], mobile=len(digits) == 13)
    return _verbatim(digits, valid=True)


def _abroad(digits: str) -> PhoneReading:
    """Read digits that begin with a country code."""
    if digits.startswith("54"):
        return _argentine(digits[2:], international=True) or _verbatim(digits, valid=False)
    if re.fullmatch(r"521\d{10}", digits, re.ASCII):  # WhatsApp's ids keep the Mexican 1 that E.164 dropped in 2019
        return _verbatim(digits, valid=True)
    number = _parse("+" + digits)
    if number is None:
        return _verbatim(digits, valid=False)
    if phonenumbers.is_valid_number(number):
        service = phonenumbers.number_type(number) in {PhoneNumberType.TOLL_FREE, PhoneNumberType.PREMIUM_RATE}
        return _verbatim(phonenumbers.format_number(number, PhoneNumberFormat.E164)[1:], valid=not service)
    return _verbatim(digits, valid=phonenumbers.is_possible_number(number))


def _typed_elsewhere(digits: str, country: str) -> PhoneReading:
    number = _parse(digits, country)
    if number is None or not phonenumbers.is_valid_number(number):
        return _invalid(digits)
    return _verbatim(phonenumbers.format_number(number, PhoneNumberFormat.E164)[1:], valid=True)


def _verbatim(digits: str, *, valid: bool) -> PhoneReading:
    value = "+" + digits
    return PhoneReading(value=value, match_key=phone_match_key(value) if valid else "", valid=valid)


def _invalid(digits: str) -> PhoneReading:
    return PhoneReading(value=digits, match_key="")


def _library_valid(value: str) -> bool:
    number = _parse(value)
    return number is not None and phonenumbers.is_valid_number(number)


def _parse(text: str, region: str | None = None) -> phonenumbers.PhoneNumber | None:
    try:
        return phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException:
        return None
