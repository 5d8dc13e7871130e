"""What may go wrong with one request to the fake Graph API, and Meta's form of saying so."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

HTTP_OF_CODE: Mapping[int, int] = {
    **dict.fromkeys((0, 190), 401),
    **dict.fromkeys((3, 1, 131000, 131057), 500),
    **dict.fromkeys((10, 200, 299, 131005, 368, 131031, 130497), 403),
    **dict.fromkeys((2, 131016), 503),
    **dict.fromkeys((132001, 132007), 404),
    80007: 429,
}
"""HTTP status that goes with an error code; 400 for all others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What befalls one request. With `done` its work is done all the same (the answer alone goes wrong)."""

    code: int | None = None
    """Error code of Meta, answered in its JSON form."""
    subcode: int = 0
    status: int | None = None
    raw: bytes | None = None
    """An answer that isn't the Graph API's (a proxy's page), with `status`."""
    headers: Mapping[str, str] = field(default_factory=dict)
    wait_seconds: float = 0.0
    """Silence before the answer."""
    cut_after: int | None = None
    """The connection drops: after this many bytes of a file, or without an answer."""
    url: str | None = None
    """For `media`: the address that is told instead of the true one."""
    endless: bool = False
    """For `download`: bytes without end and without a length."""
    done: bool = False


def error_answer(
    code: int, *, subcode: int = 0, status: int | None = None, headers: Mapping[str, str] | None = None
) -> web.Response:
    """An error in the form of the Graph API."""
    error: dict[str, Any] = {
        "message": f"(#{code}) invented text",
        "type": "OAuthException",
        "code": code,
        "error_data": {"messaging_product": "whatsapp", "details": "invented details"},
        "fbtrace_id": "Az00000000000",
    }
    if subcode:
        error["error_subcode"] = subcode
    return web.json_response({"error": error}, status=status or HTTP_OF_CODE.get(code, 400), headers=headers)


async def befall(request: web.Request, fault: Fault) -> web.StreamResponse | None:
    """The wrong answer that `fault` gives, None where the right one goes on."""
    if fault.wait_seconds:
        await asyncio.sleep(fault.wait_seconds)
    if fault.code is not None:
        return error_answer(fault.code, subcode=fault.subcode, status=fault.status, headers=fault.headers)
    if fault.raw is not None or fault.status is not None:
        return web.Response(status=fault.status or 200, body=fault.raw or b"", headers=fault.headers)
    if fault.cut_after is not None and not request.path.startswith("/whatsapp_business/"):
        drop(request)
        return web.Response()
    return None


def drop(request: web.Request) -> None:
    """End the connection as if the line broke."""
    if request.transport is not None:
        request.transport.abort()
