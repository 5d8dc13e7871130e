"""What all paths of the fake high-level API share: who asks for what, and GLPI's way to refuse it."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from support.glpi_fake import Record
from support.glpi_v2_fake import HighLevelState

STATE = web.AppKey("high_level", HighLevelState)
API = r"/api.php/v2{version:(?:\.\d+)?}"


def refusal(status: int, code: str, title: str, detail: Any = None, more: list[str] | None = None) -> web.Response:
    body: Record = {"status": code, "title": title, "detail": detail}
    if more:
        body["additional_messages"] = [{"priority": "error", "message": words} for words in more]
    return web.json_response(body, status=status)


def denied(detail: str | None = None) -> web.Response:
    return refusal(403, "ERROR_RIGHT_MISSING", "You don't have permission to perform this action.", detail)


def absent() -> web.Response:
    return refusal(404, "ERROR_ITEM_NOT_FOUND", "Not found")


async def body_of(request: web.Request) -> Record:
    """A body that calls itself exactly JSON; every other one is passed over (`Router::handleRequest`)."""
    if request.headers.get("Content-Type") != "application/json":
        return {}
    given: Record = await request.json()
    return given


def me(request: web.Request) -> int:
    return request.app[STATE].tokens[request.headers["Authorization"].partition(" ")[2]][0]
