"""What stands around every handler of a page for people: each trouble becomes a page in plain words and a log line."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from aiohttp import web

from inbox_daemon.errors import Gone
from inbox_daemon.store.database import StorageBroken, StorageFull
from inbox_daemon.web.answers import plain
from inbox_daemon.web.bodies import Refused
from inbox_daemon.web.links import LinkFault
from inbox_daemon.web.pages import Pages
from inbox_daemon.web.refusals import RefusalLog

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Missing(Exception):
    """The token opens nothing."""

    def __init__(self, fault: LinkFault) -> None:
        super().__init__(fault.value)
        self.fault = fault


class Guard:
    """Answers troubles of one kind of page. `name` stands for the instance in the log; the texts' tables `expired`
    and `missing` are what a person reads at the end of a link that has lived for `days` or never was one."""

    def __init__(self, pages: Pages, refusals: RefusalLog, *, name: str, days: int, expired: str, missing: str) -> None:
        self._pages = pages
        self._refusals = refusals
        self._name = name
        self._days = days
        self._expired = expired
        self._missing = missing

    def around(self, handler: Handler) -> Handler:
        """`handler` with every trouble answered and noted without content."""

        async def handle(request: web.Request) -> web.StreamResponse:
            try:
                return await handler(request)
            except Exception as error:  # noqa: BLE001 - told by type and place
                return self._trouble(request, error)

        return handle

    def note(self, request: web.Request, status: int, reason: str, size: int | None = None) -> None:
        """Log a refusal."""
        self._refusals.refused(instance=self._name, status=status, reason=reason, size=size, remote=request.remote)

    def _trouble(self, request: web.Request, error: Exception) -> web.Response:
        match error:
            case Missing(fault=LinkFault.EXPIRED):
                self.note(request, 410, "expired_link")
                return self._pages.message(410, self._expired, days=self._days)
            case Missing():
                self.note(request, 404, "forged_link")
                return self._pages.message(404, self._missing)
            case Gone():
                return self._pages.message(404, self._missing)
            case Refused(status=403):
                self.note(request, 403, error.reason, error.size)
                return self._pages.message(403, "refused")
            case Refused():
                self.note(request, error.status, error.reason, error.size)
                return plain(error.status)
            case StorageFull() | StorageBroken():
                self.note(request, 503, "storage")
                return self._pages.message(503, "trouble")
            case _:
                self._refusals.failed(instance=self._name, error=error, remote=request.remote)
                return plain(500)
