"""Reads forms that come from our own pages, and turns away what comes from elsewhere."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import parse_qs, urlsplit

from aiohttp import web

from inbox_daemon.web.bodies import Bodies, Refused

_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")


class Forms:
    """Takes forms of at most `max_bytes`; `host` is the one that our own links name."""

    def __init__(self, bodies: Bodies, host: str, max_bytes: int) -> None:
        self._bodies = bodies
        self._host = host
        self._max_bytes = max_bytes

    async def read(self, request: web.Request) -> dict[str, str]:
        """The first value of each field. Raises `Refused` for what did not come from our own page."""
        if not self._is_ours(request):
            raise Refused(403, "foreign_form")
        if request.content_type != "application/x-www-form-urlencoded":
            raise Refused(400, "form_type")
        body = await self._bodies.take(request, self._max_bytes)
        try:
            fields = parse_qs(body.decode("ascii", "replace"), keep_blank_values=True, max_num_fields=10)
        except ValueError:
            raise Refused(400, "form_fields", len(body)) from None
        finally:
            self._bodies.give_back(body)
        return {name: values[0] for name, values in fields.items()}

    def _is_ours(self, request: web.Request) -> bool:
        """Browsers say where a form came from; a client that says nothing holds the link, which is enough."""
        site = request.headers.get("Sec-Fetch-Site")
        if site is not None:
            return site == "same-origin"
        origin = request.headers.get("Origin")
        return origin is None or urlsplit(origin).netloc in {request.host, self._host}


def clean(text: str) -> str:
    """What a browser's text field gives, with our line ends and without what no database keeps."""
    return _CONTROL.sub("", text.replace("\r\n", "\n").replace("\r", "\n")).strip()
