"""The words of a compressed RTF body, as Outlook puts it into a winmail.dat (MS-OXRTFCP, MS-OXRTFEX)."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

MAX_RTF_BYTES = 2 * 1024 * 1024

# What every compressed stream may refer back to from its first byte on (MS-OXRTFCP 2.1.2.1).
_DICTIONARY = (
    b"{\\rtf1\\ansi\\mac\\deff0\\deftab720{\\fonttbl;}{\\f0\\fnil \\froman \\fswiss \\fmodern \\fscript \\fdecor "
    b"MS Sans SerifSymbolArialTimes New RomanCourier{\\colortbl\\red0\\green0\\blue0\r\n\\par \\pard\\plain\\f0\\fs20"
    b"\\b\\i\\u\\tab\\tx"
)
_RING = 4096


def decompress_rtf(data: bytes) -> bytes | None:
    """Undo the compression, at most `MAX_RTF_BYTES` of it; None when it is no compressed RTF."""
    size, kind = int.from_bytes(data[4:8], "little"), data[8:12]
    size = min(size, MAX_RTF_BYTES)
    if kind == b"MELA":
        return data[16 : 16 + size]
    if kind != b"LZFu":
        return None
    ring = bytearray(_DICTIONARY.ljust(_RING, b"\0"))
    write, position, out = len(_DICTIONARY), 16, bytearray()

    def put(byte: int) -> None:
        nonlocal write
        out.append(byte)
        ring[write] = byte
        write = (write + 1) % _RING

    while position < len(data) and len(out) < size:
        control = data[position]
        position += 1
        for bit in range(8):
            if not control >> bit & 1:
                if position >= len(data):
                    return bytes(out[:size])
                put(data[position])
                position += 1
                continue
            reference = int.from_bytes(data[position : position + 2], "big")
            position += 2
            offset, length = reference >> 4, (reference & 15) + 2
            if offset == write or position > len(data):
                return bytes(out[:size])
            for step in range(length):
                put(ring[(offset + step) % _RING])
    return bytes(out[:size])


_TOKEN = re.compile(
    rb"\\'([0-9a-fA-F]{2})|\\([a-zA-Z]{1,32})(-?\d{1,10})? ?|\\([^a-zA-Z'])|([{}])|[\r\n]+|([^\\{}\r\n]+)", re.DOTALL
)
_NO_WORDS = frozenset(
    b"fonttbl colortbl stylesheet info pict object header footer listtable listoverridetable rsidtbl generator".split()
)
_SIGNS = {b"par": "\n", b"line": "\n", b"tab": "\t", b"row": "\n", b"cell": " ", b"emdash": "—", b"endash": "–"}
_SIGNS |= {b"lquote": "‘", b"rquote": "’", b"ldblquote": "“", b"rdblquote": "”", b"bullet": "•"}
_ESCAPED = {b"~": " ", b"_": "-", b"\\": "\\", b"{": "{", b"}": "}", b"\n": "\n", b"\r": "\n"}


@dataclass(slots=True)
class _State:
    """Where the reader stands: open groups (each with whether it is passed over), characters to skip after `\\u`."""

    codec: str = "cp1252"
    silent: bool = False
    groups: list[bool] = field(default_factory=list)
    skip: int = 0
    out: list[str] = field(default_factory=list)

    def write(self, text: str) -> None:
        if self.skip:
            dropped = min(self.skip, len(text))
            text, self.skip = text[dropped:], self.skip - dropped
        if not self.silent:
            self.out.append(text)


def rtf_to_text(rtf: bytes) -> str:
    """The visible text of an RTF document, as far as mail bodies need it. HTML inside RTF is read as its RTF form."""
    state = _State()
    for match in _TOKEN.finditer(rtf):
        coded, word, number, escaped, brace, plain = match.groups()
        if brace == b"{":
            state.groups.append(state.silent)
            state.skip = 0
        elif brace == b"}":
            state.silent = state.groups.pop() if state.groups else False
            state.skip = 0
        elif coded:
            state.write(bytes([int(coded, 16)]).decode(state.codec, "replace"))
        elif word:
            _control(state, word, int(number) if number else None)
        elif escaped == b"*":
            state.silent = True
        elif escaped:
            state.write(_ESCAPED.get(escaped, ""))
        elif plain:
            state.write(plain.decode(state.codec, "replace"))
    return "".join(state.out).encode("utf-16", "surrogatepass").decode("utf-16", "replace")  # joins halves of emoji


def _control(state: _State, word: bytes, number: int | None) -> None:
    if word in _NO_WORDS:
        state.silent = True
    elif word in _SIGNS:
        state.write(_SIGNS[word])
    elif word == b"u" and number is not None:
        state.write(chr(number % 65536))
        state.skip = 1
    elif word == b"ansicpg" and number in range(1250, 1259):
        state.codec = f"cp{number}"
