"""The operations listener: does the process live, may it receive, how do things stand, in numbers.

For the operators' network only: nobody logs in, so nothing here changes anything or shows a person.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Protocol

import orjson
from aiohttp import web
from prometheus_client import exposition

from inbox_daemon.observability import Metrics, redact

STATUS_SECONDS = 10.0
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Health(Protocol):
    """What the application tells about itself. The first two are quick and do no I/O: they are asked every second."""

    def alive(self) -> str | None:
        """None while the process does its work; else why it should be started anew."""

    def not_ready(self) -> str | None:
        """None while it may receive; else why not (starting, stopping, disk full, database not writable)."""

    async def status(self) -> Mapping[str, Any]:
        """Every instance, queues, ages, ledger; data for JSON, without people and secrets."""


def operations_app(*, health: Health, metrics: Metrics) -> web.Application:
    """`/healthz`, `/readyz`, `/status` and `/metrics`, to be run on a listener of its own."""
    pages = _Pages(health, metrics)
    app = web.Application(middlewares=[_secured], client_max_size=1024)
    app.router.add_get("/healthz", pages.healthz)
    app.router.add_get("/readyz", pages.readyz)
    app.router.add_get("/status", pages.status)
    app.router.add_get("/metrics", pages.metrics)
    return app


@web.middleware
async def _secured(request: web.Request, handler: _Handler) -> web.StreamResponse:
    try:
        response = await handler(request)
    except web.HTTPException as refused:  # 404 and 405 are answers too
        refused.headers.update(HEADERS)
        raise
    response.headers.update(HEADERS)
    return response


class _Pages:
    def __init__(self, health: Health, metrics: Metrics) -> None:
        self._health = health
        self._metrics = metrics

    async def healthz(self, request: web.Request) -> web.Response:
        return _verdict("ok", self._health.alive())

    async def readyz(self, request: web.Request) -> web.Response:
        return _verdict("ready", self._health.alive() or self._health.not_ready())

    async def status(self, request: web.Request) -> web.Response:
        try:
            async with asyncio.timeout(STATUS_SECONDS):
                status = await self._health.status()
        except TimeoutError:
            return web.Response(status=503, text=f"the status was not ready within {STATUS_SECONDS:.0f} s\n")
        browser = "text/html" in request.headers.get("Accept", "")
        option = orjson.OPT_INDENT_2 if browser else 0
        body = orjson.dumps(_shown(status), default=lambda value: redact(str(value)), option=option)
        return web.Response(body=body + b"\n", content_type="application/json", charset="utf-8")

    async def metrics(self, request: web.Request) -> web.Response:
        unready = self._health.alive() or self._health.not_ready()
        self._metrics.ready.set(0 if unready else 1)
        encode, content_type = exposition.choose_encoder(request.headers.get("Accept", ""))
        return web.Response(body=encode(self._metrics.registry), headers={"Content-Type": content_type})


def _verdict(fine: str, problem: str | None) -> web.Response:
    if problem is None:
        return web.Response(text=fine + "\n")
    return web.Response(status=503, text=redact(problem) + "\n", headers={"Retry-After": "5"})


def _shown(value: Any) -> Any:
    """The same data with every text masked once more: instances' error messages are written by other programs."""
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, Mapping):
        return {str(key): _shown(item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, bytes | bytearray):
        return [_shown(item) for item in value]
    return value
