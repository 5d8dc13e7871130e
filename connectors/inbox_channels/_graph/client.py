"""Calls to the Graph API: one attempt each, the token to known hosts only, every failure as one of our errors."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import SplitResult, urlsplit

import aiohttp
import orjson

from inbox_channels._graph.limits import used
from inbox_channels._graph.reading import Json, clean, word
from inbox_channels._graph.reading import Unreadable as UnreadableAnswer
from inbox_channels._graph.verdicts import WHATSAPP, Dialect, read_fault, to_error
from inbox_daemon.errors import Credentials, EdgeError, Permanent, Transient, Uncertain
from inbox_daemon.plugins import Secret

_ANSWER_BYTES = 1024 * 1024
"""An answer of the Graph API is a few kilobytes; more than this is none."""

LIST_BYTES = 16 * 1024 * 1024
"""A page of a list holds what anybody wrote: 50 comments of 2000 emoji, of 12 bytes each as Meta escapes them, are over
a megabyte, and replies may stand below each."""

_SLOWEST_BYTES_PER_SECOND = 64 * 1024
"""A line that carries less than this is given up on."""

_NO_PROOF = "Meta refuses the app's proof: app_secret is not that of the token's app, or was reset; compare it"
_PROOF_WANTED = "Meta refuses calls without the app's proof: give app_secret, which the app is set to require"

OpenSession = Callable[[frozenset[str]], aiohttp.ClientSession]
"""How the core lends a session for some hosts; it closes the session itself."""

_PORTS = {"https": 443, "http": 80}


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphPlace:
    """Where the API is, which hosts files come from, and how long one attempt may take."""

    url: str
    version: str
    media_hosts: tuple[str, ...]
    connect_seconds: float
    answer_seconds: float
    idle_seconds: float

    @property
    def hosts(self) -> frozenset[str]:
        """Every host that is ever connected to."""
        return frozenset({urlsplit(self.url).hostname or "", *self.media_hosts})

    def trusts(self, url: str) -> bool:
        """Whether `url` is at an origin that may see the token: the API's own, or https on a media host."""
        try:
            asked, own = _origin(urlsplit(url)), _origin(urlsplit(self.url))
        except ValueError:
            return False
        scheme, host, port = asked
        return asked == own or ((scheme, port) == ("https", 443) and self._has_media(host or ""))

    def _has_media(self, host: str) -> bool:
        return any(host.endswith(one) if one.startswith(".") else host == one for one in self.media_hosts)


def _origin(address: SplitResult) -> tuple[str, str | None, int | None]:
    if address.username is not None or address.password is not None:
        raise ValueError("a user name in an address")
    return address.scheme, address.hostname, address.port or _PORTS.get(address.scheme)


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnNode:
    """What a token in order can always read: where that fails, a refusal was none of what was asked for."""

    path: str
    id: str
    lost: Credentials
    """What it means that it isn't there, or is another one."""


class GraphClient:
    """One app's access to the Graph API. Nothing is retried and no redirect is followed here.

    With `app_secret` each call proves that it comes from the app (`appsecret_proof`): apps may insist on that. With
    `own`, a refusal that may be meant for the app or the token is looked into before it is taken for the item's.
    """

    used: int
    """How much of the limit of calls the last answer said is used up, in percent; 0 where it said nothing."""

    def __init__(
        self,
        open_session: OpenSession,
        place: GraphPlace,
        token: Secret,
        *,
        app_secret: Secret | None = None,
        dialect: Dialect = WHATSAPP,
        own: OwnNode | None = None,
    ) -> None:
        self.used = 0
        self._own = own
        self._app_secret = app_secret
        self._dialect = dialect
        self._open_session = open_session
        self._session: aiohttp.ClientSession | None = None
        self._place = place
        self._token = token

    async def get(
        self, path: str, params: Mapping[str, str], *, doing: str, missing: EdgeError, up_to: int = _ANSWER_BYTES
    ) -> Json:
        """Read a node of at most `up_to` bytes; nothing is done by it at Meta.

        Raises `missing` when the node isn't there or not ours to see.
        """
        return await self._call("GET", path, doing=doing, harmless=True, missing=missing, up_to=up_to, params=params)

    async def post(self, path: str, *, doing: str, json: Json) -> Json:
        """Do something: raises `Uncertain` wherever it may have been done."""
        return await self._call("POST", path, doing=doing, harmless=False, data=orjson.dumps(json))

    async def upload(self, path: str, *, doing: str, form: aiohttp.FormData, size: int) -> Json:
        """Post `size` bytes that harm nobody when they are there twice."""
        sending = size / _SLOWEST_BYTES_PER_SECOND
        return await self._call("POST", path, doing=doing, harmless=True, data=form, sending=sending)

    async def _call(
        self,
        method: str,
        path: str,
        *,
        doing: str,
        harmless: bool,
        missing: EdgeError | None = None,
        sending: float = 0.0,
        up_to: int = _ANSWER_BYTES,
        **request: Any,
    ) -> Json:
        url = f"{self._place.url}/{self._place.version}/{path}"
        if isinstance(request.get("data"), bytes):
            request["headers"] = {"Content-Type": "application/json"}
        request["params"] = {**request.get("params", {}), **self._proof()}
        async with self._request(
            method, url, self._limits(sending), doing=doing, harmless=harmless, **request
        ) as answer:
            self.used = used(answer.headers)
            body = await _read(answer, up_to)
            if answer.status == 200:
                return _json(body, doing=doing, harmless=harmless)
            fault = read_fault(answer.status, answer.headers, body)
        if missing and fault.missing:
            raise missing
        if fault.doubtful or fault.missing:
            await self._look_at_ourselves(doing)
        raise to_error(fault, doing=doing, harmless=harmless, dialect=self._dialect)

    async def _look_at_ourselves(self, doing: str) -> None:
        """After a refusal, by which nothing was done. Raises `Credentials` where it is meant for the app or the token.

        Raises `Transient` where nobody says: what was refused is tried again then, instead of being given up.
        """
        if self._own is None:
            return
        asking = f"{doing} was refused, asking why"
        url = f"{self._place.url}/{self._place.version}/{self._own.path}"
        params = {"fields": "id", **self._proof()}
        async with self._request("GET", url, self._limits(0.0), doing=asking, harmless=True, params=params) as answer:
            body = await _read(answer, _ANSWER_BYTES)
            if answer.status == 200:
                node = _json(body, doing=asking, harmless=True)
                if word(node, "id") != self._own.id:
                    raise self._own.lost.with_traceback(None)
                return
            fault = read_fault(answer.status, answer.headers, body)
        if fault.missing:
            raise self._own.lost.with_traceback(None)
        if fault.doubtful:
            raise Credentials(f"{doing}: {_NO_PROOF if self._proof() else _PROOF_WANTED} (code {fault.code})")
        error = to_error(fault, doing=asking, harmless=True, dialect=self._dialect)
        if not isinstance(error, Permanent):  # else it is no word of Meta's, and proves nothing
            raise error

    def _proof(self) -> Mapping[str, str]:
        if self._app_secret is None or not self._app_secret.reveal():
            return {}
        made = hmac.digest(self._app_secret.reveal().encode(), self._token.reveal().encode(), hashlib.sha256)
        return {"appsecret_proof": made.hex()}

    @asynccontextmanager
    async def download(self, url: str, *, doing: str, with_token: bool = True) -> AsyncIterator[aiohttp.ClientResponse]:
        """Open `url`; the status is the caller's to judge. Raises `Permanent` for a strange host.

        An address that is signed itself needs no token (`with_token` false): then it isn't shown it.
        """
        if not self._place.trusts(url):
            host = _host(url)
            raise Permanent(f"{doing}: the file is at {host}, where the token must not go; see media_hosts")
        limits = aiohttp.ClientTimeout(
            total=None, sock_connect=self._place.connect_seconds, sock_read=self._place.idle_seconds
        )
        async with self._request("GET", url, limits, doing=doing, harmless=True, with_token=with_token) as answer:
            yield answer

    @asynccontextmanager
    async def _request(
        self,
        method: str,
        url: str,
        limits: aiohttp.ClientTimeout,
        *,
        doing: str,
        harmless: bool,
        with_token: bool = True,
        **request: Any,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        headers = dict(request.pop("headers", {}))
        if with_token:
            headers["Authorization"] = f"Bearer {self._token.reveal()}"
        if self._session is None:
            self._session = self._open_session(self._place.hosts)
        # Redirects are not followed: the token would travel on to whatever host they name.
        call = self._session.request(
            method, url, headers=headers, timeout=limits, allow_redirects=False, raise_for_status=False, **request
        )
        try:
            async with call as answer:
                yield answer
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError):
            raise Transient(f"{doing}: no connection to {_host(url)}") from None
        except TimeoutError:
            raise _unknown(f"{doing}: no answer in time from {_host(url)}", harmless=harmless) from None
        except (aiohttp.ClientError, OSError):
            raise _unknown(f"{doing}: the connection to {_host(url)} broke", harmless=harmless) from None

    def _limits(self, sending: float) -> aiohttp.ClientTimeout:
        connect, answer = self._place.connect_seconds, self._place.answer_seconds
        return aiohttp.ClientTimeout(total=connect + sending + answer, sock_connect=connect, sock_read=answer)


def _unknown(message: str, *, harmless: bool) -> EdgeError:
    return Transient(message) if harmless else Uncertain(message)


def _host(url: str) -> str:
    try:
        return urlsplit(url).hostname or "an unnamed host"
    except ValueError:
        return "an unreadable address"


async def _read(answer: aiohttp.ClientResponse, up_to: int) -> bytes:
    body = bytearray()
    async for chunk in answer.content.iter_chunked(65536):
        body += chunk
        if len(body) > up_to:
            break
    return bytes(body)


def _json(body: bytes, *, doing: str, harmless: bool) -> Json:
    try:
        return clean(orjson.loads(body))
    except (orjson.JSONDecodeError, UnreadableAnswer):
        raise _unknown(f"{doing}: the answer is not one of the Graph API", harmless=harmless) from None
