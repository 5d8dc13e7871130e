"""Outgoing calls reach configured hosts only: every spelling of an inner address stays outside, with no hit at all."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from inbox_daemon.errors import Permanent
from inbox_daemon.outgoing import Sessions, _socket_factory

INNER = [
    "127.0.0.1",
    "127.1",
    "127.0.1",
    "127.00.00.01",
    "127.255.255.254",
    "2130706433",
    "017700000001",
    "0x7f000001",
    "0x7f.0.0.1",
    "0x7f.1",
    "0177.0.0.1",
    "0177.0.0.01",
    "127.0.0.1.",
    "0",
    "0.0.0.0",
    "0x0",
    "00",
    "localhost",
    "LOCALHOST",
    "localhost.",
    "ip6-localhost",
    "[::1]",
    "[0:0:0:0:0:0:0:1]",
    "[::0001]",
    "[::]",
    "[0:0:0:0:0:0:0:0]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[::FFFF:127.0.0.1]",
    "[0:0:0:0:0:ffff:127.0.0.1]",
    "[::127.0.0.1]",
    "[::ffff:0.0.0.0]",
    "[::ffff:127.1.2.3]",
    "[fe80::1]",
    "[fe80::1%25lo]",
    "[fe80::1%25eth0]",
    "169.254.169.254",
    "2852039166",
    "0xa9fea9fe",
    "0251.0376.0251.0376",
    "169.254.43518",
    "[::ffff:169.254.169.254]",
    "[::ffff:a9fe:a9fe]",
    "224.0.0.1",
    "[ff02::1]",
    "１２７.0.0.1",
    "①②⑦.0.0.1",
    "127。0。0。1",
    "⑯⑨.254.169.254",
]


class Server:
    """A real server on loopback that counts who reaches it."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.hits = 0
        self.location = ""

    async def answer(self, request: web.Request) -> web.Response:
        """Count, and send elsewhere when told to."""
        self.hits += 1
        if self.location and request.path == "/away":
            raise web.HTTPFound(self.location)
        return web.Response(text="inner")


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    """Listening on all loopback addresses, IPv4 and IPv6."""
    port = _free_port()
    found = Server(port)
    app = web.Application()
    app.router.add_get("/{anything:.*}", found.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "0.0.0.0", port).start()
    await web.TCPSite(runner, "::", port).start()
    yield found
    await runner.cleanup()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as one:
        port: int = one.getsockname()[1]
        return port


@asynccontextmanager
async def _session(*hosts: str) -> AsyncIterator[aiohttp.ClientSession]:
    sessions = Sessions("inbox-daemon/test")
    try:
        yield sessions.make(frozenset(hosts))
    finally:
        await sessions.close()
        await sessions.close()


async def _get(session: aiohttp.ClientSession, url: str) -> str:
    async with asyncio.timeout(10), session.get(url) as response:
        return await response.text()


class _To(AbstractResolver):
    """A name server that gives one address for every name."""

    def __init__(self, address: str) -> None:
        self._address = address

    async def resolve(self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET) -> Any:
        """Always the same."""
        kind = socket.AF_INET6 if ":" in self._address else socket.AF_INET
        return [
            ResolveResult(hostname=host, host=self._address, port=port, family=kind, proto=0, flags=0),
        ]

    async def close(self) -> None:
        """Nothing to let go."""


def _resolving(session: aiohttp.ClientSession, address: str) -> None:
    connector = session.connector
    assert isinstance(connector, aiohttp.TCPConnector)
    connector._resolver = _To(address)


def test_there_are_at_least_40_spellings() -> None:
    assert len(set(INNER)) >= 40


@pytest.mark.parametrize("host", INNER)
async def test_no_spelling_of_an_inner_address_is_called(server: Server, host: str) -> None:
    async with _session("graph.example.test") as session:
        with pytest.raises((Permanent, aiohttp.ClientError, ValueError, OSError)):
            await _get(session, f"http://{host}:{server.port}/")
    assert server.hits == 0


def _named() -> list[str]:
    """Spellings that are no name for loopback in a configuration, as the URL library reads them."""
    named = []
    for host in INNER:
        with suppress(ValueError):
            read = URL(f"http://{host}/").host or ""
            if read != "localhost" and not read.startswith("127.") and read != "::1":
                named.append(read)
    return sorted(set(named))


@pytest.mark.parametrize("host", _named())
async def test_what_slips_past_the_names_is_stopped_by_its_address(server: Server, host: str) -> None:
    async with _session(host) as session:
        with pytest.raises((aiohttp.ClientError, ValueError, OSError)):
            await _get(session, f"http://{f'[{host}]' if ':' in host else host}:{server.port}/")
    assert server.hits == 0


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "::ffff:127.0.0.1", "0.0.0.0", "169.254.169.254", "fe80::1"])
async def test_a_listed_name_that_resolves_inside_is_not_called(server: Server, address: str) -> None:
    async with _session("graph.example.test") as session:
        _resolving(session, address)
        with pytest.raises((aiohttp.ClientError, OSError)):
            await _get(session, f"http://graph.example.test:{server.port}/")
    assert server.hits == 0


async def test_control_loopback_is_reached_where_it_is_configured(server: Server) -> None:
    for host in ("127.0.0.1", "localhost", "::1"):
        async with _session(host) as session:
            name = f"[{host}]" if ":" in host else host
            assert await _get(session, f"http://{name}:{server.port}/") == "inner"
    assert server.hits == 3


@pytest.mark.parametrize("address", ["169.254.169.254", "0.0.0.0", "224.0.0.1", "fe80::1", "::ffff:169.254.169.254"])
def test_link_local_is_never_called_even_beside_loopback(address: str) -> None:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    info = (family, socket.SOCK_STREAM, 0, "", (address, 80))
    with pytest.raises(OSError, match="not for us"):
        _socket_factory(allow_loopback=True)(info)


@pytest.mark.parametrize("address", ["10.1.2.3", "192.168.0.9", "172.16.5.5", "fd00::5", "198.51.100.7"])
def test_the_ministries_own_networks_can_be_called(address: str) -> None:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    _socket_factory(allow_loopback=False)((family, socket.SOCK_STREAM, 0, "", (address, 80))).close()


@pytest.mark.parametrize(
    "location", ["http://localhost:{port}/", "http://[::1]:{port}/", "http://2130706433:{port}/", "//localhost:{port}/"]
)
async def test_a_redirect_to_another_host_is_not_followed(server: Server, location: str) -> None:
    server.location = location.format(port=server.port)
    async with _session("127.0.0.1") as session:
        with pytest.raises((Permanent, aiohttp.ClientError)):
            await _get(session, f"http://127.0.0.1:{server.port}/away")
    assert server.hits == 1


async def test_a_redirect_within_the_host_is_followed(server: Server) -> None:
    server.location = "/here"
    async with _session("127.0.0.1") as session:
        assert await _get(session, f"http://127.0.0.1:{server.port}/away") == "inner"
    assert server.hits == 2


def _everywhere(session: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every name lead to the server on loopback: what the guard of names lets through is then seen there."""
    _resolving(session, "127.0.0.1")
    monkeypatch.setattr(session.connector, "_socket_factory", _socket_factory(allow_loopback=True))


BELOW = [
    "scontent-eze1-1.xx.fbcdn.net",
    "lookaside.fbcdn.net",
    "SCONTENT.FBCDN.NET",
    "a.b.c.d.fbcdn.net",
    "_x.fbcdn.net",
    "cdn.example.test",
]


@pytest.mark.parametrize("host", BELOW)
async def test_a_domain_stands_for_all_names_below_it(
    server: Server, monkeypatch: pytest.MonkeyPatch, host: str
) -> None:
    async with _session(".fbcdn.net", "cdn.example.test") as session:
        _everywhere(session, monkeypatch)
        assert await _get(session, f"http://{host}:{server.port}/") == "inner"
    assert server.hits == 1


LOOK_ALIKES = [
    "fbcdn.net",
    ".fbcdn.net",
    "..fbcdn.net",
    "a..fbcdn.net",
    "evilfbcdn.net",
    "evil-fbcdn.net",
    "fbcdn.net.evil.test",
    "a.fbcdn.net.evil.test",
    "a.fbcdn.net.",
    "a.fbcdn.net%2eevil.test",
    "evil.test%2f.fbcdn.net",
    "evil.test%00.fbcdn.net",
    "a.fbcdn.net@evil.test",
    "evil.test/a.fbcdn.net",
    "evil.test#.fbcdn.net",
    "evil.test?.fbcdn.net",
    "a.fbcdn.ne",
    "a.fbcdn.nett",
    "a.fbcdn-net",
    "a.fbcdn.n\u0435t",  # a Cyrillic e
    "127.0.0.1",
    "example.test",
]


@pytest.mark.parametrize("host", LOOK_ALIKES)
async def test_what_only_looks_like_the_domain_is_not_called(
    server: Server, monkeypatch: pytest.MonkeyPatch, host: str
) -> None:
    async with _session(".fbcdn.net") as session:
        _everywhere(session, monkeypatch)
        with pytest.raises((Permanent, aiohttp.InvalidURL, ValueError)):
            await _get(session, f"http://{host}:{server.port}/")
        with pytest.raises((Permanent, aiohttp.InvalidURL, ValueError)):
            await _get(session, f"http://x:{server.port}@{host}/")
    assert server.hits == 0


@pytest.mark.parametrize("entry", [".", "..", ".net", ".net.", ".1", ".0.0.1", "", ".*.net", ".fbcdn..net"])
async def test_an_entry_that_is_no_domain_allows_nothing(
    server: Server, monkeypatch: pytest.MonkeyPatch, entry: str
) -> None:
    async with _session(entry) as session:
        _everywhere(session, monkeypatch)
        for host in ("a.fbcdn.net", "fbcdn.net", "127.0.0.1", "10.0.0.1", "a.b.net", "a.net."):
            with pytest.raises((Permanent, aiohttp.InvalidURL, ValueError)):
                await _get(session, f"http://{host}:{server.port}/")
    assert server.hits == 0


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "::ffff:127.0.0.1", "0.0.0.0", "169.254.169.254", "fe80::1"])
async def test_a_name_below_a_domain_that_resolves_inside_is_not_called(server: Server, address: str) -> None:
    async with _session(".fbcdn.net") as session:
        _resolving(session, address)
        with pytest.raises((aiohttp.ClientError, OSError)):
            await _get(session, f"http://a.fbcdn.net:{server.port}/")
    assert server.hits == 0


async def test_a_redirect_out_of_the_domain_is_not_followed(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    server.location = f"http://evilfbcdn.net:{server.port}/"
    async with _session(".fbcdn.net") as session:
        _everywhere(session, monkeypatch)
        with pytest.raises((Permanent, aiohttp.ClientError)):
            await _get(session, f"http://a.fbcdn.net:{server.port}/away")
    assert server.hits == 1


async def test_proxies_and_cookies_of_the_environment_play_no_part(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{server.port}")
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{server.port}")
    async with _session("graph.example.test") as session:
        _resolving(session, "127.0.0.1")
        with pytest.raises((aiohttp.ClientError, OSError)):
            await _get(session, "http://graph.example.test/")
        assert not list(session.cookie_jar)
    assert server.hits == 0


async def test_one_call_is_one_request_also_where_the_connection_breaks() -> None:
    """A kept connection that breaks after a PUT: aiohttp would send it again by itself."""
    seen: list[str] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while head := await reader.readuntil(b"\r\n\r\n"):
            seen.append(head.split(b" ", 1)[0].decode())
            if seen[-1] == "PUT":
                break
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as listening:
        url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}/"
        async with _session("127.0.0.1") as session:
            assert await _get(session, url) == "ok"  # the connection is kept
            with pytest.raises(aiohttp.ClientError):
                await session.put(url)
    assert seen == ["GET", "PUT"]
