"""Files for people: as downloads that no browser opens inside our site, whatever is in them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final
from urllib.parse import quote

from aiohttp import web

from inbox_daemon.web.answers import PLAIN_HEADERS

_UNFIT_FOR_A_NAME = re.compile(r'[\x00-\x1f\x7f/\\:"<>|*?\u202a-\u202e\u2066-\u2069]')
_ANYTHING: Final = "application/octet-stream"
_KNOWN: Final = frozenset({"application/pdf", "audio/mpeg", "audio/ogg", "image/jpeg", "image/png", "video/mp4"})
"""Types in which a browser runs nothing, by which a telephone picks the program that opens the file."""


def download(path: Path, filename: str, media_type: str = _ANYTHING) -> web.FileResponse | None:
    """The file at `path` under its own name, or None when it is not there. Parts of it and HEAD work, too."""
    if not path.is_file():
        return None
    return web.FileResponse(path, headers=_headers(filename, media_type))


def _headers(filename: str, media_type: str) -> dict[str, str]:
    name = _UNFIT_FOR_A_NAME.sub("_", filename).strip(". ")[-150:] or "archivo"
    ascii_name = name.encode("ascii", "replace").decode().replace("?", "_")
    return {
        **PLAIN_HEADERS,
        "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; sandbox",
        "Content-Disposition": f"attachment; filename=\"{ascii_name}\"; filename*=UTF-8''{quote(name, safe='')}",
        "Content-Type": media_type if media_type in _KNOWN else _ANYTHING,  # else the sender's word is worth no trust
        "X-Robots-Tag": "noindex, nofollow, noarchive",
    }
