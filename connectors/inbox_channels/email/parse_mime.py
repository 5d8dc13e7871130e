"""A mail taken apart into its leaves: linear in its size, bounded in parts and depth, never raising.

Written by hand because the standard library's parser recurses (RecursionError with 2,000 nested multiparts) and its
modern policy raises on broken fields. What lies beyond the limits is kept as one opaque leaf, so no byte is lost.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from inbox_channels.email.parse_cms import signed_content
from inbox_channels.email.parse_headers import Headers, Parameterized, parameterized, split_entity
from inbox_channels.email.parse_words import transfer_decode

MAX_MESSAGE_BYTES = 25 * 1024 * 1024
MAX_PARTS = 200
MAX_DEPTH = 20

_MEDIA_TYPE = re.compile(r"[a-z0-9!#$&^_.+-]{1,100}/[a-z0-9!#$&^_.+-]{1,100}")
_SIGNED = ("application/pkcs7-mime", "application/x-pkcs7-mime")
_OPAQUE = "application/octet-stream"


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One part. `path` names it for good (`2.1`: first child of the second part; `1` alone when not multipart).

    `children` is None for a leaf. `overflow` marks a leaf that holds what lay beyond the limits.
    """

    path: str
    headers: Headers
    media_type: str
    type_params: dict[str, str] = field(default_factory=dict)
    disposition: Parameterized = field(default_factory=Parameterized)
    raw: bytes = field(default=b"", repr=False)
    children: tuple[Part, ...] | None = None
    overflow: bool = False

    @property
    def content(self) -> bytes:
        """The leaf's bytes with the transfer encoding undone."""
        return self.raw if self.overflow else transfer_decode(self.raw, self.headers.first("content-transfer-encoding"))

    @property
    def filename(self) -> str:
        """The file name as sent (not yet safe), "" when there is none."""
        return self.disposition.params.get("filename") or self.type_params.get("name", "")

    def leaves(self) -> Iterator[Part]:
        """Every leaf below, in order of appearance."""
        if self.children is None:
            yield self
        for child in self.children or ():
            yield from child.leaves()


@dataclass(slots=True)
class _Budget:
    parts: int = MAX_PARTS


def parse_mime(raw: bytes) -> Part:
    """Take a whole mail apart. At most `MAX_MESSAGE_BYTES` are looked at."""
    headers, body = split_entity(raw[:MAX_MESSAGE_BYTES])
    return _part("", headers, body, _Budget(), 0, "text/plain")


def _part(path: str, headers: Headers, body: bytes, budget: _Budget, depth: int, default: str) -> Part:
    kind = parameterized(headers.first("content-type"))
    media_type = kind.value
    if not _MEDIA_TYPE.fullmatch(media_type):
        media_type = {"text": "text/plain", "html": "text/html"}.get(media_type, default if not media_type else _OPAQUE)
    disposition = parameterized(headers.first("content-disposition"))
    budget.parts -= 1

    def leaf(as_type: str, *, overflow: bool = False) -> Part:
        return Part(
            path=path or "1",
            headers=headers,
            media_type=as_type,
            type_params=kind.params,
            disposition=disposition,
            raw=body,
            overflow=overflow,
        )

    if not media_type.startswith("multipart/"):
        opened = _open_signed(path, headers, media_type, body, budget, depth) if media_type in _SIGNED else None
        return opened or leaf(media_type)
    if depth >= MAX_DEPTH:
        return leaf(_OPAQUE, overflow=True)
    boundary = kind.params.get("boundary", "").encode("utf-8", "replace")
    pieces = _split(body, boundary, budget.parts) if boundary else []
    if not pieces and (guessed := _guess_boundary(body)):
        pieces = _split(body, guessed, budget.parts)
    if not pieces:
        return leaf("text/plain")  # a multipart without parts: its words are all there is
    child_default = "message/rfc822" if media_type == "multipart/digest" else "text/plain"
    children = []
    for number, piece in enumerate(pieces, 1):
        child_path = f"{path}.{number}" if path else str(number)
        if budget.parts <= 0:
            rest = body[body.find(piece) :] if number == 1 else b"".join(pieces[number - 1 :])
            children.append(Part(path=child_path, headers=Headers(), media_type=_OPAQUE, raw=rest, overflow=True))
            break
        child_headers, child_body = split_entity(piece)
        children.append(_part(child_path, child_headers, child_body, budget, depth + 1, child_default))
    return Part(
        path=path or "0", headers=headers, media_type=media_type, type_params=kind.params, children=tuple(children)
    )


def _open_signed(path: str, headers: Headers, media_type: str, body: bytes, budget: _Budget, depth: int) -> Part | None:
    """An opaque signature as a part around what it signs; None when it is encrypted or can't be read."""
    if depth >= MAX_DEPTH or budget.parts <= 0:
        return None
    inside = signed_content(transfer_decode(body, headers.first("content-transfer-encoding")))
    if inside is None:
        return None
    inner_headers, inner_body = split_entity(inside)
    child = _part(f"{path or '1'}.1", inner_headers, inner_body, budget, depth + 1, "text/plain")
    return Part(path=path or "0", headers=headers, media_type=media_type, children=(child,))


def _guess_boundary(body: bytes) -> bytes:
    """The boundary of a multipart that names none or a wrong one: its first line that begins with two dashes."""
    match = re.search(rb"(?m)^--([^\s-][^\r\n]{0,200})[ \t]*\r?$", body[:4096])
    return match[1].rstrip() if match and body.count(b"--" + match[1].rstrip()) > 1 else b""


def _split(body: bytes, boundary: bytes, limit: int) -> list[bytes]:
    """The pieces between delimiter lines; a missing last delimiter ends with the body.

    Beyond `limit` pieces the rest comes as one last piece.
    """
    delimiter = b"--" + boundary
    rest_of_line = re.compile(rb"(--)?[ \t]*(\r\n|\n|\r|\Z)")
    pieces: list[bytes] = []
    start = -1
    position = body.find(delimiter)
    while position >= 0:
        after = position + len(delimiter)
        if position == 0 or body[position - 1] in b"\r\n":
            eol = rest_of_line.match(body, after)
            if eol is not None:
                if start >= 0:
                    pieces.append(_chomp(body[start:position]))
                start = eol.end()
                if eol[1] or len(pieces) > limit:
                    break
                after = start
        position = body.find(delimiter, min(len(body), after))
    else:
        if start >= 0:
            pieces.append(body[start:])
        return pieces
    if len(pieces) > limit:
        pieces.append(body[start:])
    return pieces


def _chomp(piece: bytes) -> bytes:
    """Without the line end that belongs to the delimiter."""
    return piece[:-2] if piece.endswith(b"\r\n") else piece[:-1] if piece[-1:] in (b"\n", b"\r") else piece
