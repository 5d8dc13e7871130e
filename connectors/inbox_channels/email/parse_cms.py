"""The mail inside an opaque S/MIME signature (RFC 8551 §3.5.2): read, not verified, so that its words are not lost."""

from __future__ import annotations

_SIGNED_DATA = bytes.fromhex("06092a864886f70d010702")
_DATA = bytes.fromhex("06092a864886f70d010701")
_END = b"\0\0"
_MAX_DEPTH = 2
_MAX_PIECES = 50_000
_MAX_ALGORITHMS = 100


def signed_content(der: bytes) -> bytes | None:
    """What a CMS SignedData in DER or BER carries; None for anything else (encrypted, detached, broken)."""
    try:
        position = _enter(der, 0, 0x30)
        position = _enter(der, _expect(der, position, _SIGNED_DATA), 0xA0)
        position = _enter(der, position, 0x30)
        position = _after(der, position)  # version
        position = _after(der, position)  # digest algorithms
        position = _enter(der, position, 0x30)
        position = _enter(der, _expect(der, position, _DATA), 0xA0)
        return b"".join(_octets(der, position, 0)[0])
    except (ValueError, IndexError):
        return None


def _header(der: bytes, position: int) -> tuple[int, int, int | None]:
    """(tag, where the content begins, where it ends or None when an end mark tells)."""
    tag, length, begin = der[position], der[position + 1], position + 2
    if tag & 0x1F == 0x1F:
        raise ValueError("long tags are of no use here")
    if length == 0x80:
        return tag, begin, None
    if length > 0x80:
        size = length - 0x80
        length, begin = int.from_bytes(der[begin : begin + size]), begin + size
    if begin + length > len(der):
        raise ValueError("cut off")
    return tag, begin, begin + length


def _enter(der: bytes, position: int, tag: int) -> int:
    found, begin, _ = _header(der, position)
    if found != tag:
        raise ValueError("another structure")
    return begin


def _expect(der: bytes, position: int, element: bytes) -> int:
    if der[position : position + len(element)] != element:
        raise ValueError("another structure")
    return position + len(element)


def _after(der: bytes, position: int, depth: int = 0) -> int:
    """Where the element at `position` is over."""
    _, begin, end = _header(der, position)
    if end is not None:
        return end
    if depth > _MAX_DEPTH:
        raise ValueError("too deep")
    for _ in range(_MAX_ALGORITHMS):
        if der[begin : begin + 2] == _END:
            return begin + 2
        begin = _after(der, begin, depth + 1)
    raise ValueError("too many")


def _octets(der: bytes, position: int, depth: int) -> tuple[list[bytes], int]:
    """The pieces of the octet string at `position`, which may be one of several, and where it is over."""
    tag, begin, end = _header(der, position)
    if tag == 0x04 and end is not None:
        return [der[begin:end]], end
    if tag != 0x24 or depth > _MAX_DEPTH:
        raise ValueError("no octet string")
    pieces: list[bytes] = []
    while begin < end if end is not None else der[begin : begin + 2] != _END:
        more, begin = _octets(der, begin, depth + 1)
        pieces += more
        if len(pieces) > _MAX_PIECES:
            raise ValueError("too many pieces")
    return pieces, begin + (2 if end is None else 0)
