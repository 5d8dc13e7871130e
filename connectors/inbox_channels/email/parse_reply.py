"""What a person wrote, kept apart from the history their mail program quoted, in Spanish, English and Portuguese.

The worst error is to lose a citizen's words, the next to leave history in. So everything here needs evidence: an
introduction ("El … escribió:") needs a date, a time or an address; a block of headers needs a time or an address;
lines with `>` need an introduction or the looks of a quotation. Nothing is thrown away: what is cut off is returned.

Decisions: a forwarded mail is content (the citizen sends it to tell us something) and stays whole. "Saludos, Juana"
and confidentiality notices stay; what follows a `-- ` line and "Enviado desde mi …" go. When nothing would be left,
everything stays.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from enum import Enum

from inbox_channels.email import parse_reply_blocks as blocks
from inbox_channels.email import parse_reply_marks as marks
from inbox_channels.email import parse_reply_signatures as signatures
from inbox_channels.email.parse_html import CUT
from inbox_channels.email.parse_reply_evidence import plain as to_plain

_BLANKS = re.compile(r"\n(?:[^\S\n]*\n){2,}")
_QUOTE_MARK = re.compile(r"^\s{0,3}>")
_DEPTH = re.compile(r"^[\s>]{1,60}")
_BARE_MARK = re.compile(r"^\s{0,3}>\s*$")
_REFORWARD = re.compile(
    r"\b(?:re ?env[ií]\w*|fwd?|forward\w*|encaminh\w*|FYI|copio|transcrib\w*|pego)\b", re.IGNORECASE
)
_MAX_SIGNATURES = 50
_MAX_POSTSCRIPT_LINES = 6
_MAX_SIGNATURE_LINES = 12
_MAX_SIGNATURE_CHARS = 700
_MAX_SEARCHED_LINES = 5_000
"""History is announced within these; a mail that is longer above it is an attack on our patience."""


class _Kind(Enum):
    """What becomes of a line."""

    WRITTEN = "written"
    CUT = "cut"
    MARKED = "marked"  # begins with `>`: history or not, to be judged


def split_reply(text: str, *, forwarded: bool = False, fresh: bool = False) -> tuple[str, str]:
    """Split the text of a mail into what was written and what was quoted (history and signature).

    `forwarded` says that the subject announces a forward ("RV:", "Fwd:"): then a block of headers begins content.
    `fresh` says that the mail answers none: then history is believed only with an address or marks (a citizen may copy
    a chat: "El 3/8/26 a las 10:15, Pedro escribió:").
    Lines that begin with `CUT` (see `parse_html`) are known to be cut. The first part is empty only for a blank text.
    """
    lines = blocks.unglued(text).split("\n")
    plain = [to_plain(line) for line in lines]
    kinds = [_first_look(line) for line in lines]
    end = _find_history(plain, kinds, forwarded=forwarded, fresh=fresh)
    _judge_marked(lines, plain, kinds, end)
    _join_broken_lines(lines, plain, kinds, end)
    _cut_signatures(lines, plain, kinds, end)
    written = _collect(lines, kinds, _Kind.WRITTEN)
    if not written:
        return _tidy(text.replace(CUT, "")), ""
    return written, _collect(lines, kinds, _Kind.CUT)


def _first_look(line: str) -> _Kind:
    if line.startswith(CUT):
        return _Kind.CUT
    is_marked = _QUOTE_MARK.match(line) is not None and not marks.is_groupwise(to_plain(line))
    return _Kind.MARKED if is_marked else _Kind.WRITTEN


def _tidy(text: str) -> str:
    return _BLANKS.sub("\n\n", "\n".join(line.rstrip() for line in text.split("\n"))).strip("\n")


def _collect(lines: Sequence[str], kinds: Sequence[_Kind], wanted: _Kind) -> str:
    """The lines of one kind, in order; a blank line stands where something between two of them was left out."""
    out: list[str] = []
    gap = False
    for line, kind in zip(lines, kinds, strict=True):
        if kind is wanted:
            if gap and out and line.strip():
                out.append("")
            gap = False
            out.append(line.removeprefix(CUT))
        else:
            gap = True
    text = _tidy("\n".join(out))
    return text if text.strip() else ""


# ---------------------------------------------------------------- history


def _find_history(plain: list[str], kinds: list[_Kind], *, forwarded: bool, fresh: bool) -> int:
    """Mark introductions and unmarked history as cut; return where a forwarded mail begins (else the line count)."""
    index, count = 0, len(plain)
    while index < min(count, _MAX_SEARCHED_LINES):
        if _begins_forward(plain, kinds, index):
            kinds[index:] = [_Kind.WRITTEN] * (count - index)
            return index
        if kinds[index] is not _Kind.WRITTEN or not plain[index]:
            index += 1
            continue
        behind, is_block = _announcement(plain, kinds, index)
        introduced = not is_block and _ends_in_colon(plain, kinds, index)
        if behind is not None and (fresh or introduced) and _may_be_told(plain, kinds, index, behind):
            behind = None
        if behind is None:
            index += 1
            continue
        if is_block and (forwarded or _tells_of_forward(plain, kinds, index)):
            kinds[index:] = [_Kind.WRITTEN] * (count - index)
            return index
        following = _next_filled(plain, behind)
        marked = following < count and kinds[following] is not _Kind.WRITTEN
        stop = behind if marked else _history_end(plain, kinds, index)
        kinds[index:stop] = [_Kind.CUT] * (stop - index)
        if marked:
            _accept_block(plain, kinds, following)
        index = max(stop, behind)
    return count


def _ends_in_colon(plain: list[str], kinds: list[_Kind], index: int) -> bool:
    """Whether the citizen announces what begins at `index` ("Copio lo que me mandaron:")."""
    above = index - 1
    while above >= 0 and not plain[above]:
        above -= 1
    return above >= 0 and kinds[above] is _Kind.WRITTEN and plain[above].endswith(":")


def _may_be_told(plain: list[str], kinds: list[_Kind], index: int, behind: int) -> bool:
    """Whether what looks like history, announced by the citizen or in a mail that answers none, may be their report."""
    following = _next_filled(plain, behind)
    if following < len(plain) and kinds[following] is not _Kind.WRITTEN:
        return False
    first = plain[index]
    return not (
        blocks.is_original_marker(first) or blocks.is_rule(first) or blocks.is_programs_block(plain[index:behind])
    )


def _history_end(plain: list[str], kinds: list[_Kind], start: int) -> int:
    """Where unmarked history that begins at `start` ends: mostly at the end.

    Before a postscript in the last paragraph; and at once (`start`) where the writer says to have answered inside.
    """
    if signatures.answers_inside(_written_above(plain, kinds, start)):
        return start
    last = len(plain) - 1
    while last > start and not plain[last]:
        last -= 1
    first = last
    while first > start and plain[first - 1]:
        first -= 1
    is_short = last - first < _MAX_POSTSCRIPT_LINES
    return first if is_short and signatures.is_postscript(plain[first], strictly=True) else len(plain)


def _written_above(plain: list[str], kinds: list[_Kind], index: int) -> str:
    return " ".join(line for line, kind in zip(plain[:index], kinds[:index], strict=True) if kind is _Kind.WRITTEN)


def _announcement(plain: list[str], kinds: list[_Kind], index: int) -> tuple[int | None, bool]:
    """(index behind the announcement of history at `index`, whether it is a block of headers)."""
    line = plain[index]
    if blocks.is_original_marker(line):
        following = _next_filled(plain, index + 1)
        block = blocks.header_block(plain, following, announced=True) if following < len(plain) else None
        return block or index + 1, block is not None
    if blocks.is_original_phrase(line):
        block = blocks.header_block(plain, index + 1, announced=True) if index + 1 < len(plain) else None
        return block, block is not None
    if blocks.is_rule(line):
        following = _next_filled(plain, index + 1)
        if following < len(plain) and following - index <= 3:
            block = blocks.header_block(plain, following, announced=line.startswith("____"))
            return block, block is not None
        return None, False
    block = blocks.header_block(plain, index)
    if block is not None:
        return block, True
    return _introduction(plain, kinds, index), False


def _introduction(plain: list[str], kinds: list[_Kind], index: int) -> int | None:
    behind = marks.introduction(plain, index)
    if behind is None:
        behind = marks.introduction(plain, index, quoted_after=True)
        if behind is not None:
            following = _next_filled(plain, behind)
            if following >= len(plain) or kinds[following] is _Kind.WRITTEN:
                return None
    if behind is None:
        return None
    last = behind - 1 if behind - 1 > index and marks.is_address_end(plain[behind - 1]) else behind
    return None if any(kind is not _Kind.WRITTEN for kind in kinds[index:last]) else behind


def _begins_forward(plain: list[str], kinds: list[_Kind], index: int) -> bool:
    """Whether a forwarded mail is announced at `index`; Apple's program marks it all with `>`, like history."""
    if kinds[index] is _Kind.WRITTEN:
        return blocks.is_forward_marker(plain[index])
    line = _QUOTE_MARK.sub("", plain[index].removeprefix(CUT)).strip()
    if not blocks.is_forward_marker(line):
        return False
    above = index - 1
    while above >= 0 and not _QUOTE_MARK.sub("", plain[above].removeprefix(CUT)).strip():
        above -= 1
    return above < 0 or kinds[above] is _Kind.WRITTEN


def _next_filled(plain: Sequence[str], index: int) -> int:
    while index < len(plain) and not plain[index]:
        index += 1
    return index


def _tells_of_forward(plain: list[str], kinds: list[_Kind], index: int) -> bool:
    """Whether the few words above a block of headers say that what follows is passed on."""
    above = _written_above(plain, kinds, index)
    return len(above) < 200 and _REFORWARD.search(above) is not None


def _accept_block(plain: list[str], kinds: list[_Kind], index: int) -> None:
    """Take the marked lines at `index` as history."""
    while index < len(plain) and (kinds[index] is not _Kind.WRITTEN or not plain[index]):
        if kinds[index] is _Kind.MARKED:
            kinds[index] = _Kind.CUT
        index += 1


# ---------------------------------------------------------------- lines marked with >


def _judge_marked(lines: list[str], plain: list[str], kinds: list[_Kind], end: int) -> None:
    """Decide which runs of `>` lines are history: all behind an introduction, elsewhere those that look like it."""
    history_seen = False
    index, top = 0, _next_filled(plain, 0)
    while index < end:
        if kinds[index] is _Kind.CUT:
            history_seen = True
        if kinds[index] is not _Kind.MARKED:
            index += 1
            continue
        stop = index
        while stop < end and kinds[stop] is _Kind.MARKED:
            stop += 1
        is_history = history_seen or _looks_quoted(lines[index:stop], at_top=index <= top)
        history_seen = history_seen or is_history
        kinds[index:stop] = [_Kind.CUT if is_history else _Kind.WRITTEN] * (stop - index)
        index = stop


def _looks_quoted(run: list[str], *, at_top: bool) -> bool:
    """Whether a run of `>` lines without introduction is a quotation and no list drawn by hand."""
    if any(map(_BARE_MARK.match, run)) or len(set(map(_depth, run))) > 1:
        return True
    inner = [to_plain(_QUOTE_MARK.sub("", line)) for line in run]
    if any(marks.introduction(inner, index) for index in range(len(inner))):
        return True
    if at_top:
        return len(run) > 1 or len(inner[0]) > 40 or inner[0].endswith(("?", ":", "."))
    return len(run) >= 2 and len(inner[0]) >= 60


def _depth(line: str) -> int:
    prefix = _DEPTH.match(line)
    return prefix[0].count(">") if prefix is not None else 0


def _join_broken_lines(lines: list[str], plain: list[str], kinds: list[_Kind], end: int) -> None:
    """Put the tail of a quoted line that was wrapped without its `>` back to its quotation."""
    for index in range(1, end - 1):
        if kinds[index] is not _Kind.WRITTEN or not plain[index]:
            continue
        before, after = lines[index - 1], lines[index + 1]
        between = kinds[index - 1] is _Kind.CUT and kinds[index + 1] is _Kind.CUT
        if not (between and _QUOTE_MARK.match(before) and _QUOTE_MARK.match(after)):
            continue
        tail = plain[index]
        wrapped = len(before) >= 66 and len(tail) <= 30 and tail[0].islower() and before.rstrip()[-1] not in ".?!:"
        if wrapped:
            kinds[index] = _Kind.CUT


# ---------------------------------------------------------------- signatures


def _cut_signatures(lines: list[str], plain: list[str], kinds: list[_Kind], end: int) -> None:
    dashes = -1  # the last filled line, if it is two dashes
    for index in range(end):
        if kinds[index] is _Kind.WRITTEN and signatures.is_sent_from(plain[index]):
            kinds[index] = _Kind.CUT
            if dashes >= 0:
                kinds[dashes] = _Kind.CUT
        if plain[index]:
            dashes = index if kinds[index] is _Kind.WRITTEN and plain[index] == "--" else -1
    index, tries = 0, 0
    while index < end and tries < _MAX_SIGNATURES:
        if kinds[index] is _Kind.WRITTEN and plain[index] == "--":
            tries += 1
            stop = _signature_end(plain, kinds, index, end)
            if not signatures.is_signature_mark(lines[index], plain[index + 1 : stop]):
                stop = index
            kinds[index:stop] = [_Kind.CUT] * (stop - index)
            index = max(stop, index + 1)
        else:
            index += 1


def _signature_end(plain: list[str], kinds: list[_Kind], start: int, end: int) -> int:
    """Where the signature begun at `start` ends: at history, a postscript or the end. `start` when it is too long."""
    stop, limit = start + 1, min(end, start + 1 + 3 * _MAX_SIGNATURE_LINES)
    while stop < limit and kinds[stop] is _Kind.WRITTEN and not signatures.is_postscript(plain[stop]):
        stop += 1
    body = [line for line in plain[start + 1 : stop] if line]
    if stop == limit < end or (not body and stop < end and kinds[stop] is _Kind.WRITTEN):
        return start  # too long, or two dashes drawn above a postscript
    too_long = len(body) > _MAX_SIGNATURE_LINES or sum(map(len, body)) > _MAX_SIGNATURE_CHARS
    return start if too_long or any(len(line) > 200 for line in body) else stop
