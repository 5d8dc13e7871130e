"""Names of files in the head of a multipart part: as they are, since Meta shows them as they came. Pure."""

from __future__ import annotations

import re
import unicodedata

_UNSAFE = re.compile('[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff"\\\\/]')


def part_name(name: str, *, ascii_only: bool = False) -> str:
    """`name` without what would end the header or its quotes; never empty.

    With `ascii_only` accents are left out. The form must not quote it again (`FormData(quote_fields=False)`): aiohttp
    would write `Resoluci%C3%B3n.pdf`, and that is what the citizen would see.
    """
    safe = _UNSAFE.sub("_", name)
    if ascii_only:
        safe = unicodedata.normalize("NFKD", safe).encode("ascii", "ignore").decode().strip()
    stem, dot, ending = safe.rpartition(".")
    if not dot:
        return safe.strip() or "archivo"
    return safe if stem.strip(" .") else f"archivo.{ending}" if ending.strip() else "archivo"
