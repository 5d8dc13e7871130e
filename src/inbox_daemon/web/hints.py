"""Webhooks of destinations: a hint that tickets changed. Nothing is kept of it but the tickets' ids, in memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from aiohttp import web

from inbox_daemon.errors import Credentials
from inbox_daemon.model import Hint, InstanceId
from inbox_daemon.plugins import WebhookRequest
from inbox_daemon.web.answers import PLAIN_HEADERS
from inbox_daemon.web.bodies import Bodies, Refused
from inbox_daemon.web.refusals import RefusalLog

MOST_TICKETS = 100
"""Of one hint: no product tells of more in one request, and what is cut off is found by the next poll."""
MOST_ID_CHARS = 200

HintTaker = Callable[[InstanceId, Hint], None]
"""Is told of each hint and returns at once: it only remembers, whoever asks the destination does so later."""


class Hinted(Protocol):
    """A destination that posts to us; every ticketing adapter is one."""

    def parse_hint(self, request: WebhookRequest) -> Hint | None:
        """See `TicketingAdapter.parse_hint`."""


class Hints:
    """`POST /hooks/{instance}` for destinations.

    A hint may be lost, repeated or made up without harm: it brings no content, only the wish to read these tickets
    again, and polling finds whatever no hint told of. So it goes into no journal, and one that comes while the
    daemon starts, stops or has no room on its disk is taken like any other.
    """

    def __init__(self, destinations: Mapping[str, Hinted], taken: HintTaker, bodies: Bodies, log: RefusalLog) -> None:
        self._destinations = destinations
        self._taken = taken
        self._bodies = bodies
        self._log = log

    def __contains__(self, instance: str) -> bool:
        return instance in self._destinations

    async def answer(self, instance: str, request: web.Request, query: Mapping[str, str]) -> web.Response:
        """Answer one request. Raises `Refused`."""
        if request.method != "POST":
            raise Refused(405, "method", request.content_length)
        body = await self._bodies.take(request)
        try:
            headers = {name.lower(): value for name, value in request.headers.items()}
            self._take(instance, WebhookRequest(method="POST", query=query, headers=headers, body=body), request.remote)
        finally:
            self._bodies.give_back(body)
        return web.Response(body=b"ok", headers=PLAIN_HEADERS)

    def _take(self, instance: str, request: WebhookRequest, remote: str | None) -> None:
        try:
            hint = self._destinations[instance].parse_hint(request)
            if hint is not None and (few := _bounded(hint)).tickets:
                self._taken(InstanceId(instance), few)
        except Credentials:
            raise Refused(401, "signature", len(request.body)) from None
        except Exception as error:  # noqa: BLE001 - whatever a plug-in or the follower stumbles over
            # Answered with 200 all the same: products try a refused hint again and again, and in the end switch the
            # webhook off for good. A repeat would meet the same bug, and polling brings what this hint was about.
            self._log.refused(
                instance=instance, status=200, reason="failed", size=len(request.body), remote=remote, error=error
            )


def _bounded(hint: Hint) -> Hint:
    return Hint(tickets=tuple(ticket for ticket in hint.tickets[:MOST_TICKETS] if 0 < len(ticket) <= MOST_ID_CHARS))
