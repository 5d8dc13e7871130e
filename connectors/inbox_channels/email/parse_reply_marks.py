"""The lines by which mail programs introduce history ("El … escribió:"), on one to five lines.

Each function looks at cleaned-up lines (`plain`) and answers only with evidence, because citizens write sentences
that look alike ("El lunes 3 mi vecino escribió: …").
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from inbox_channels.email.parse_reply_evidence import ADDRESS, BRACKETED, DATE, MONTHS, TIME, YEAR

MAX_INTRODUCTION_LINES = 5
_MAX_INTRODUCTION_CHARS = 450

_VERB_END = re.compile(
    r"(?:^|[\s>)\]*\"”»,:])(?:escribi(?:ó|o|Ã³|\ufffd|\?)|ha escrito|wrote|writes|escreveu|a écrit|ha scritto|schrieb)"
    r"(?: lo siguiente)?[\s*_]*[:：]?[\s*_-]*$",
    re.IGNORECASE,
)
_HINT = re.compile(r"escri|escre|wrote|writes|écrit|schrieb|cita|quoting|zitat|scritt|:$|>>>$", re.IGNORECASE)
_STARTS = re.compile(
    r"[*_\"“\-\s]*(?:El|En|A las?|A la\(s\)|Con fecha|Hoy|Ayer|On|At|Em|No dia|Le|Am|Il|"
    r"lun|mar|mi[ée]|jue|vie|s[áa]b|dom|Mon|Tue|Wed|Thu|Fri|Sat|Sun|\d{1,4})\b",
    re.IGNORECASE,
)
_NAMED_ADDRESS = re.compile(r"^[^.!?¿¡:]{0,90}<[^<>\s]+@[^<>\s]+>[^.!?]{0,20}$")
# How somebody tells what another one wrote: "… y me escribió:", "mi vecino escribió:".
_TOLD = re.compile(
    r"\b(?:me|nos|le|les|te|lo|que|quien|mi|su|nuestr[oa]|un|una|ella|él|ellos|y|he|she|they|my|who|that|and|"
    r"ele|ela|meu|minha)(?: \S+){0,4}$",
    re.IGNORECASE,
)
_WHO = re.compile(r"[,>)]|\d{1,2}[:.]\d{2}(?::\d{2})?(?: ?hs)?")
_AFTER_TIME = re.compile(r"^(?:[ap]\. ?m\.|[ap]m|hs|ART|UTC|GMT\S*|[-+]\d{1,4})[.,]?\s*", re.IGNORECASE)
_ARTICLE = re.compile(r"(?:el|la|los|las|un|una|mi|su|the|my|a|an|o|os|as|meu|minha)\b", re.IGNORECASE)
_OLD_GMAIL = re.compile(r"^\d{4}-\d\d-\d\d \d{1,2}:\d\d .{1,200}<[^<>\s]+@[^<>\s]+ ?>:$")
# FairEmail ("3 ago. 2026 10:15:22 X <x@y>:"), myMail ("lunes, 3 agosto 2026, 10:15 -0300 de X <x@y>:"), Tutanota
# ("3 ago 2026, 10:15 por x@y:").
_STAMPED = re.compile(
    rf"^(?:\w{{3,9}}\.?,? )?(?:\d{{1,4}}[/.-]\d{{1,2}}[/.-]\d{{1,4}}|\d{{1,2}}(?: de)? (?:{MONTHS})|"
    rf"(?:{MONTHS})\.? \d{{1,2}})"
    r"\b.{0,30}\d{1,2}:\d\d.{1,120}\b[^<>\s]+@[^<>\s]+ ?>?:$",
    re.IGNORECASE,
)
# Notes and old Thunderbird: "X escribió el 03/08/2026 10:15:22:".
_VERB_FIRST = re.compile(
    r"^(?P<who>[^:!?]{2,160}?) (?:escribió|escribio|wrote|escreveu)(?: el| on| em)? (?P<when>.{6,60}):$", re.IGNORECASE
)
# GroupWise: ">>> X <x@y> 03/08/2026 10:15 >>>", and what it quotes is not marked.
_GROUPWISE = re.compile(r"^>>> ?[^>\s][^>]{1,160}(?:<[^<>\s]+@[^<>\s]+> ?)?[^<>]{6,40} >>>$")
_QUOTING = re.compile(r"^(?:Citando a|Mensaje citado por|Quoting|Zitat von|Citando) .{2,120}[:：]$", re.IGNORECASE)
_DASHED = re.compile(
    r"^-{3,} ?(?:(?:On|El|En|Em) .{10,300}(?:wrote|escribió|escreveu)|"
    r"[^-]{2,100} (?:wrote|escribió|escreveu):) ?-{3,}$",
    re.IGNORECASE,
)
_ADDRESS_END = re.compile(r"^>\)?,?\s?(?:escribió|escribio|wrote|escreveu)?:$", re.IGNORECASE)
# Yahoo's app for Android puts the quoted words behind the introduction, on the same line.
_RUN_ON = re.compile(
    r"^(?:El|On|Em) .{6,120}\d{1,2}[:.]\d{2}.{1,200}@[^\s<>]+> (?:escribió|wrote|escreveu): {2,}\S", re.IGNORECASE
)


def introduction(lines: Sequence[str], start: int, *, quoted_after: bool = False) -> int | None:
    """The index behind an introduction that begins at `start`, on one to five lines; None when there is none.

    `quoted_after` lowers the evidence: what follows is marked with `>` anyway.
    """
    first = lines[start]
    if not first or len(first) > _MAX_INTRODUCTION_CHARS:
        return None
    if not any(_HINT.search(line[-_MAX_INTRODUCTION_CHARS:]) for line in lines[start : start + MAX_INTRODUCTION_LINES]):
        return None
    if any(pattern.match(first) for pattern in (_OLD_GMAIL, _QUOTING, _DASHED, _RUN_ON)) or is_groupwise(first):
        return start + 1
    joined = ""
    for end in range(start, min(start + MAX_INTRODUCTION_LINES, len(lines))):
        line = lines[end]
        if not line:
            return None
        joined = f"{joined} {line}".strip()
        if len(joined) > _MAX_INTRODUCTION_CHARS:
            return None
        match = _VERB_END.search(joined)
        if match is not None:
            believed = _believable(joined, match.start(), end - start + 1, quoted_after=quoted_after)
            return end + 1 if believed else None
        if _OLD_GMAIL.match(joined) or _DASHED.match(joined) or (quoted_after and _speaks_of_mail(joined)):
            return end + 1
        if _verb_first(joined, quoted_after=quoted_after):
            return end + 1
    return None


def _speaks_of_mail(joined: str) -> bool:
    """Whether a line above marked ones names an address and a moment, in whatever language."""
    if _STAMPED.match(joined):
        return True
    if not joined.endswith(":") or len(joined) > 250 or BRACKETED.search(joined) is None:
        return False
    return TIME.search(joined) is not None and bool(DATE.search(joined) or YEAR.search(joined))


def _verb_first(joined: str, *, quoted_after: bool) -> bool:
    match = _VERB_FIRST.match(joined)
    if match is None or DATE.search(match["when"]) is None or TIME.search(match["when"]) is None:
        return False
    return ADDRESS.search(match["who"]) is not None or (quoted_after and _TOLD.search(match["who"]) is None)


def is_groupwise(line: str) -> bool:
    """Whether GroupWise introduces unmarked history by a line, though it begins with `>`."""
    return _GROUPWISE.match(line) is not None and DATE.search(line) is not None and TIME.search(line) is not None


def is_address_end(line: str) -> bool:
    """Whether a line that begins with `>` is the end of an introduction wrapped inside an address."""
    return _ADDRESS_END.match(line) is not None


def _believable(joined: str, verb: int, count: int, *, quoted_after: bool) -> bool:
    before = joined[: verb + 1].strip()
    ends_with_colon = joined.rstrip(" *_-").endswith((":", "：")) or joined.endswith("-")
    if not ends_with_colon and not quoted_after:
        return False
    if _TOLD.search(_WHO.split(before)[-1]) is not None:
        return False
    address = ADDRESS.search(before) is not None
    dated = DATE.search(before) is not None
    timed = TIME.search(before) is not None
    if address and _NAMED_ADDRESS.match(before) and count <= 2:
        return True
    if _STARTS.match(joined) is None:
        return quoted_after and count == 1 and len(joined) < 100
    if address and (dated or timed or YEAR.search(before)):
        return True
    if dated and (timed or YEAR.search(before)) and _is_name(before):
        return True
    return quoted_after and (dated or timed or address)


def _is_name(before: str) -> bool:
    """Whether a name stands between the date and the verb, and no subject of a sentence ("el intendente")."""
    name = _AFTER_TIME.sub("", _WHO.split(YEAR.split(before)[-1])[-1].strip(" \"'“”*"))
    return name[:1].isupper() and _ARTICLE.match(name) is None
