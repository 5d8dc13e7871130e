"""The webhook path: raw body, signature, durable journal, then 200. No message is parsed before the answer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Protocol

from aiohttp import web

from inbox_daemon.errors import Credentials
from inbox_daemon.model import Envelope, InstanceId
from inbox_daemon.plugins import Pushed, Sharing, WebhookRequest
from inbox_daemon.store.database import StorageBroken, StorageFull
from inbox_daemon.web.answers import PLAIN_HEADERS, plain
from inbox_daemon.web.bodies import Bodies, Refused
from inbox_daemon.web.hints import Hints
from inbox_daemon.web.refusals import RefusalLog

_OK_HEADERS = dict(PLAIN_HEADERS)


class Receiver(Protocol):
    """Where envelopes go before they are acknowledged."""

    async def append(self, envelope: Envelope) -> None:
        """Return when the envelope is durable. Raises `StorageFull` and `StorageBroken`."""


class Hooks:
    """`/hooks/{instance}` for all channels that post to us, and by way of `hints` for destinations.

    A delivery to an address that several instances share is kept for each of them that it may concern, and for the
    address's own if it concerns none: each takes what is its own, and nobody else's copy is read in vain.
    """

    def __init__(
        self,
        hooks: Mapping[str, Pushed],
        hints: Hints,
        journal: Receiver,
        bodies: Bodies,
        refusals: RefusalLog,
        accepting: Callable[[], bool],
    ) -> None:
        self._hooks = hooks
        self._hints = hints
        self._journal = journal
        self._bodies = bodies
        self._refusals = refusals
        self._accepting = accepting
        self._sharers: dict[str, list[InstanceId]] = {}
        for name, hook in hooks.items():
            if isinstance(hook, Sharing) and hook.webhook_of in hooks:
                self._sharers.setdefault(hook.webhook_of, []).append(InstanceId(name))

    async def handle(self, request: web.Request) -> web.Response:
        """Answer one request; every outcome but 200 leaves a line in the log and no envelope."""
        given = request.match_info["instance"]
        instance = given if given in self._hooks or given in self._hints else "unknown"
        try:
            return await self._answer(given, request)
        except Refused as refused:
            self._refusals.refused(
                instance=instance,
                status=refused.status,
                reason=refused.reason,
                size=refused.size,
                remote=request.remote,
            )
            methods = "POST" if given in self._hints else "GET, POST"
            return plain(refused.status, allow=methods if refused.status == 405 else "")
        except Exception as error:  # noqa: BLE001 - the connection and the neighbours go on
            self._refusals.failed(instance=instance, error=error, remote=request.remote)
            return plain(500)

    async def _answer(self, instance: str, request: web.Request) -> web.Response:
        if instance in self._hints:
            return await self._hints.answer(instance, request, _query(request))
        hook = self._hooks.get(instance)
        if hook is None:
            raise Refused(404, "unknown_instance", request.content_length)
        if not self._accepting():
            raise Refused(503, "not_accepting", request.content_length)
        if request.method == "POST":
            return await self._receive(InstanceId(instance), hook, request)
        if request.method == "GET":
            return _shake_hands(hook, request)
        raise Refused(405, "method", request.content_length)

    async def _receive(self, instance: InstanceId, hook: Pushed, request: web.Request) -> web.Response:
        body = await self._bodies.take(request)
        try:
            headers = {name.lower(): value for name, value in request.headers.items()}
            try:
                hook.authenticate(WebhookRequest(method="POST", query=_query(request), headers=headers, body=body))
            except Credentials:
                raise _no_address(hook, len(body)) or Refused(401, "signature", len(body)) from None
            try:
                if instance in self._sharers:
                    await self._keep_shared(instance, body, headers)
                else:
                    await self._journal.append(_envelope(instance, hook, body, headers))
            except StorageFull:
                raise Refused(503, "storage_full", len(body)) from None
            except StorageBroken:
                raise Refused(503, "storage_broken", len(body)) from None
        finally:
            self._bodies.give_back(body)
        return web.Response(body=b"ok", headers=_OK_HEADERS)

    async def _keep_shared(self, instance: InstanceId, body: bytes, headers: Mapping[str, str]) -> None:
        """Return when it is durable for all it concerns. Begun together, they share one commit.

        Raises what one of them raised: what the others kept comes again then, and is known by its ids.
        """
        meant = [name for name in (instance, *self._sharers[instance]) if self._concerns(name, body)] or [instance]
        writing = [self._journal.append(_envelope(name, self._hooks[name], body, headers)) for name in meant]
        for outcome in await asyncio.gather(*writing, return_exceptions=True):
            if isinstance(outcome, BaseException):
                raise outcome

    def _concerns(self, name: InstanceId, body: bytes) -> bool:
        """Whether an instance should have a copy; one that can't tell may need it."""
        hook = self._hooks[name]
        try:
            return not isinstance(hook, Sharing) or hook.concerns(body)
        except Exception as error:  # noqa: BLE001 - a bug in telling must lose nothing
            self._refusals.failed(instance=name, error=error, remote=None)
            return True


def _envelope(instance: InstanceId, hook: Pushed, body: bytes, headers: Mapping[str, str]) -> Envelope:
    kept = {name: _storable(headers[name]) for name in hook.keep_headers if name in headers}
    return Envelope(instance=instance, body=body, received_at=datetime.now(UTC), headers=kept)


def _no_address(hook: Pushed, size: int) -> Refused | None:
    """What is said at the address of an instance that shares another's, to what it can't prove by a secret of its own.

    Somebody entered the wrong address at the provider: the log has to say so, and not complain of a signature.
    """
    shares = isinstance(hook, Sharing) and hook.webhook_of
    return Refused(404, "shared_address", size) if shares else None


def _shake_hands(hook: Pushed, request: web.Request) -> web.Response:
    headers = {name.lower(): value for name, value in request.headers.items()}
    answer = hook.handshake(WebhookRequest(method="GET", query=_query(request), headers=headers, body=b""))
    if answer is None or answer.status == 403:
        raise _no_address(hook, 0) or Refused(403, "handshake", 0)
    strict = {**PLAIN_HEADERS, "Content-Type": f"{answer.content_type}; charset=utf-8"}
    return web.Response(status=answer.status, body=answer.body, headers=strict)


def _query(request: web.Request) -> Mapping[str, str]:
    return dict(request.query) if request.query_string else {}


def _storable(value: str) -> str:
    """A header as text any database takes: bytes that are no UTF-8 arrive as lone surrogates."""
    return value if value.isascii() else value.encode("utf-8", "replace").decode("utf-8")
