"""Plain answers of the public listener: short words, no detail an attacker can use, the same strict headers always."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from aiohttp import web

PLAIN_HEADERS: Final[Mapping[str, str]] = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Content-Type": "text/plain; charset=utf-8",
    "Referrer-Policy": "no-referrer",
    "Server": "inbox-daemon",  # else aiohttp tells its own and Python's version
    "X-Content-Type-Options": "nosniff",
}

RETRY_AFTER_SECONDS = 10

_WORDS: Final[Mapping[int, str]] = {
    400: "bad request",
    401: "not authenticated",
    403: "forbidden",
    404: "not found",
    405: "method not allowed",
    408: "too slow",
    413: "too large",
    500: "internal error",
    503: "try again later",
}

CLOSING: Final = frozenset({400, 408, 413})
"""After these the rest of the request is not wanted, so the connection ends."""


def plain(status: int, *, allow: str = "") -> web.Response:
    """The answer for `status`, with one line of text that says no more than the status does."""
    headers = dict(PLAIN_HEADERS)
    if allow:
        headers["Allow"] = allow
    if status == 503:
        headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
    answer = web.Response(status=status, body=_WORDS[status].encode() + b"\n", headers=headers)
    if status in CLOSING:
        answer.force_close()
    return answer
