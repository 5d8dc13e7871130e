"""HTTP sessions that reach only the hosts they were made for: an address in somebody's data can't lead us inside.

A name list alone is not enough (names resolve to anything) and an address check alone neither (literals skip the
resolver), so both are asked: the name for every request and redirect, the address for every socket.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from typing import Any

import aiohttp
from aiohttp import ClientHandlerType, ClientRequest, ClientResponse

from inbox_daemon.errors import Permanent

CONNECT_SECONDS = 10.0
TOTAL_SECONDS = 60.0

_IN_DOMAIN = re.compile(r"(?:[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?\.)+[a-z][a-z0-9-]*")
"""A name of two labels or more, none of them empty: `.com` allows nothing, and neither do a bare dot or an address."""


class Sessions:
    """Makes sessions and closes them all at the end."""

    def __init__(self, user_agent: str) -> None:
        self._user_agent = user_agent
        self._made: list[aiohttp.ClientSession] = []

    def make(self, hosts: frozenset[str]) -> aiohttp.ClientSession:
        """A session for exactly these host names; redirects are followed only within them.

        One that begins with a dot (`.fbcdn.net`) stands for every name below that domain, and not for the domain.
        """
        inner = any(_is_inner(host) for host in hosts)
        session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=64, socket_factory=_socket_factory(allow_loopback=inner)),
            timeout=aiohttp.ClientTimeout(total=TOTAL_SECONDS, connect=CONNECT_SECONDS),
            middlewares=(_only(hosts),),
            headers={"User-Agent": self._user_agent},
            trust_env=False,
            cookie_jar=aiohttp.DummyCookieJar(),
        )
        # Else a PUT or DELETE whose connection breaks before the answer is sent a second time behind our back, and may
        # be done twice. aiohttp has no public switch for it (3.14, client.py, `retry_persistent_connection`).
        session._retry_connection = False  # noqa: SLF001 - no public switch, see above
        self._made.append(session)
        return session

    async def close(self) -> None:
        """Close every session. Safe twice."""
        made, self._made = self._made, []
        for session in made:
            await session.close()


def _only(hosts: frozenset[str]) -> Any:
    names = frozenset(host for host in hosts if not host.startswith("."))
    domains = tuple(host for host in hosts - names if _IN_DOMAIN.fullmatch(host.removeprefix(".")))

    async def guard(request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
        host = request.url.host or ""
        if host not in names and not _is_below(host, domains):
            raise Permanent("refused to call a host that is not configured")
        return await handler(request)

    return guard


def _is_below(host: str, domains: tuple[str, ...]) -> bool:
    """Whether a host is below one of these domains: whole labels count (`evilfbcdn.net` is not in `.fbcdn.net`)."""
    return _IN_DOMAIN.fullmatch(host) is not None and host.endswith(domains)


def _is_inner(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _socket_factory(*, allow_loopback: bool) -> Any:
    """A socket for an address that may be called: never link-local or unspecified, loopback only when configured.

    Private networks stay reachable: that is where ministries keep their ticketing systems.
    """

    def make(info: Any) -> socket.socket:
        family, kind, protocol, _, address = info
        target = ipaddress.ip_address(str(address[0]).split("%")[0])
        mapped = getattr(target, "ipv4_mapped", None) or target
        forbidden = mapped.is_link_local or mapped.is_unspecified or mapped.is_multicast
        if forbidden or (mapped.is_loopback and not allow_loopback):
            raise OSError("refused to connect to an address that is not for us")
        return socket.socket(family, kind, protocol)

    return make
