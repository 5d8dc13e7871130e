"""The public listener: webhooks, pages of cases, files of answers, and nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Protocol

from aiohttp import web

from inbox_daemon.plugins import Pushed
from inbox_daemon.web.answers import PLAIN_HEADERS, RETRY_AFTER_SECONDS, plain
from inbox_daemon.web.bodies import Bodies, Limits
from inbox_daemon.web.hints import Hinted, Hints, HintTaker
from inbox_daemon.web.hooks import Hooks, Receiver
from inbox_daemon.web.refusals import RefusalLog

__all__ = ["Hinted", "Limits", "Receiver", "WebPages", "listen", "public_app"]

_REFUSALS = web.AppKey("refusals", RefusalLog)


class WebPages(Protocol):
    """What the listener shows to people; `web.case.Cases` and `web.files.Files` are such."""

    def routes(self, bodies: Bodies, refusals: RefusalLog) -> list[web.AbstractRouteDef]:
        """Paths with their handlers."""


def public_app(
    *,
    hooks: Mapping[str, Pushed],
    journal: Receiver,
    cases: WebPages | None,
    limits: Limits,
    accepting: Callable[[], bool],
    refused: Callable[[str, str], None] = lambda instance, reason: None,
    hints: Mapping[str, Hinted] = MappingProxyType({}),
    hinted: HintTaker = lambda instance, hint: None,
    files: WebPages | None = None,
) -> web.Application:
    """Compose the listener's paths.

    `hooks` are channels by their names and `hints` destinations, whose hints `hinted` is told of. `accepting` is asked
    for every request of a channel: False while starting and stopping. `refused(instance, reason)` is told of every
    request that is turned away.
    """
    refusals = RefusalLog(counted=refused)
    bodies = Bodies(limits)
    app = web.Application(client_max_size=limits.max_body_bytes)
    app[_REFUSALS] = refusals
    desk = Hooks(hooks, Hints(hints, hinted, bodies, refusals), journal, bodies, refusals, accepting)
    app.router.add_route("*", "/hooks/{instance}", desk.handle)
    for pages in (cases, files):
        if pages is not None:
            app.add_routes(pages.routes(bodies, refusals))
    return app


async def listen(app: web.Application, host: str, port: int, limits: Limits) -> web.AppRunner:
    """Serve `app` at `host`:`port` (0: any free one, see `addresses` of the runner). Its `cleanup` ends it orderly.

    Raises `OSError` when the address can't be had.
    """
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=limits.stop_seconds)
    await runner.setup()
    try:
        await _Site(runner, host, port, limits, app.get(_REFUSALS) or RefusalLog()).start()
    except OSError:
        await runner.cleanup()
        raise
    return runner


class _Site(web.BaseSite):
    """A listening socket that counts its connections; aiohttp takes any number."""

    def __init__(self, runner: web.AppRunner, host: str, port: int, limits: Limits, refusals: RefusalLog) -> None:
        super().__init__(runner)
        self._host = host
        self._port = port
        self._limits = limits
        self._refusals = refusals

    @property
    def name(self) -> str:
        """The address, for aiohttp's own messages."""
        return f"http://{self._host}:{self._port}"

    async def start(self) -> None:
        """Bind and serve."""
        await super().start()
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._welcome, self._host, self._port, backlog=1024)

    def _welcome(self) -> asyncio.Protocol:
        server = self._runner.server
        if server is None or len(server.connections) >= self._limits.max_connections:
            return _TurnedAway(self._refusals)
        return _Connection(
            server,
            self._refusals,
            loop=asyncio.get_running_loop(),
            access_log=None,
            keepalive_timeout=self._limits.keepalive_seconds,
            lingering_time=2.0,
            auto_decompress=False,  # signatures cover the bytes on the wire, and a bomb stays packed
        )


class _Connection(web.RequestHandler):
    """aiohttp's connection, with our words for what is no HTTP: its own answers and log lines repeat the input."""

    __slots__ = ("_refusals",)

    def __init__(self, server: web.Server, refusals: RefusalLog, **options: Any) -> None:
        super().__init__(server, **options)
        self._refusals = refusals

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer and note broken HTTP (400) and bugs (500)."""
        if status == 400:
            self._refusals.refused(
                instance="unknown", status=400, reason="broken_http", size=None, remote=request.remote
            )
        else:
            self._refusals.failed(instance="unknown", error=exc, remote=request.remote)
        if request.writer.output_size > 0:
            raise ConnectionError("a part of the answer is out already")
        answer = plain(400 if status == 400 else 500)
        answer.force_close()
        return answer

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """Put our words in the place of what aiohttp says about paths that are not there."""
        if isinstance(resp, web.HTTPException):
            status = resp.status if resp.status in {404, 405} else 400
            reason = {404: "unknown_path", 405: "method"}.get(status, "broken_http")
            size = request.content_length
            self._refusals.refused(instance="unknown", status=status, reason=reason, size=size, remote=request.remote)
            resp = plain(status, allow=resp.headers.get("Allow", ""))
        return await super().finish_response(request, resp, start_time)

    def log_exception(self, *args: Any, **details: Any) -> None:
        """Note what went wrong in aiohttp itself."""
        error = details.get("exc_info")
        self._refusals.failed(
            instance="unknown", error=error if isinstance(error, BaseException) else None, remote=None
        )


class _TurnedAway(asyncio.Protocol):
    """One connection too many: told so, and closed."""

    def __init__(self, refusals: RefusalLog) -> None:
        self._refusals = refusals

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Answer before anything is read."""
        assert isinstance(transport, asyncio.Transport)
        peer = transport.get_extra_info("peername")
        remote = str(peer[0]) if peer else None
        self._refusals.refused(instance="unknown", status=503, reason="connections", size=None, remote=remote)
        lines = [
            "HTTP/1.1 503 Service Unavailable",
            "Connection: close",
            "Content-Length: 0",
            f"Retry-After: {RETRY_AFTER_SECONDS}",
            *(f"{name}: {value}" for name, value in PLAIN_HEADERS.items()),
        ]
        transport.write("\r\n".join([*lines, "", ""]).encode())
        transport.close()
