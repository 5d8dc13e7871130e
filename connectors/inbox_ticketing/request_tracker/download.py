"""The bytes of a file out of RT's answer, as it comes in: RT gives files only as base64 in a JSON object. Pure."""

from __future__ import annotations

import base64
import binascii
import re

_START = re.compile(rb'(?<!\\)"Content"\s*:\s*(?:"|null)')
"""The member itself: inside a JSON string every quote is escaped, so that no file name or header can look like it."""
_LONGEST_START = 64
_LINE_END = re.compile(rb"\\[rn]")


class ContentReader:
    """Feed it the pieces of `/attachment/N`; it keeps no more than one piece."""

    def __init__(self) -> None:
        self._inside = False
        self._rest = b""
        self.complete = False

    def feed(self, piece: bytes) -> bytes:
        """What could be decoded by now. Raises `ValueError` for what is no base64."""
        if self.complete:
            return b""
        data = self._rest + piece
        if not self._inside:
            found = _START.search(data)
            if found is None:
                self._rest = data[-_LONGEST_START:]
                return b""
            self._inside = True
            self.complete = found[0].endswith(b"null")
            data = b"" if self.complete else data[found.end() :]
        return self._decode(data)

    def _decode(self, data: bytes) -> bytes:
        text, quote, _ = data.partition(b'"')
        self.complete = self.complete or bool(quote)
        held = text[-1:] if text.endswith(b"\\") else b""  # an escape cut in two
        clean = _LINE_END.sub(b"", text.removesuffix(b"\\")).replace(b"\\/", b"/")
        whole = len(clean) if self.complete else len(clean) // 4 * 4
        self._rest = clean[whole:] + held
        try:
            return base64.b64decode(clean[:whole], validate=True)
        except binascii.Error as error:
            raise ValueError("the content is not base64") from error
