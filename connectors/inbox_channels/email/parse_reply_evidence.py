"""A line in the form that patterns expect, and what a mail program writes that people rarely do: moments, addresses."""

from __future__ import annotations

import re
import unicodedata

_ODD_SPACES = re.compile("[\xa0\u2000-\u200a\u202f\u205f\u3000\t]")
_INVISIBLE = re.compile("[\u200b-\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff]")

MONTHS = (
    "ene|enero|feb|febrero|mar|marzo|abr|abril|may|mayo|jun|junio|jul|julio|ago|agosto|sept?|set|septiembre|setiembre|"
    "oct|octubre|nov|noviembre|dic|diciembre|jan|january|february|march|apr|april|june|july|aug|august|september|"
    "october|november|dec|december|janeiro|fev|fevereiro|março|maio|junho|julho|setembro|out|outubro|novembro|dez|"
    "dezembro"
)
TIME = re.compile(r"\b\d{1,2}[:.]\d{2}(?::\d{2})?\b|\b\d{1,2}h\d{2}\b|\b\d{1,2} ?(?:hs|a\. ?m\.|p\. ?m\.|[AaPp][Mm])\b")
DATE = re.compile(
    r"\b\d{1,4}[/.-]\d{1,2}[/.-]\d{2,4}\b|"
    rf"\b\d{{1,2}}(?:st|nd|rd|th|º|°)?\.?(?: de)?[ -](?:{MONTHS})\b|\b(?:{MONTHS})\.? \d{{1,2}}\b",
    re.IGNORECASE,
)
YEAR = re.compile(r"\b(?:19|20)\d\d\b")
ADDRESS = re.compile(r"[^\s<>()\[\],;:]@[^\s<>()\[\],;:]")
BRACKETED = re.compile(r"[<\[][^<>\[\]\s]+@[^<>\[\]\s]+[>\]]")


def plain(line: str) -> str:
    """A line in the form the patterns expect: composed letters, ordinary spaces, nothing invisible, trimmed."""
    if line.isascii():
        return line.replace("\t", " ").strip()
    return unicodedata.normalize("NFC", _INVISIBLE.sub("", _ODD_SPACES.sub(" ", line))).strip()
