"""One call over HTTP and every way in which it may go wrong, against servers on loopback."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import aiohttp
import pytest
from aiohttp import web
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.test_utils import TestServer

from inbox_daemon.errors import EdgeError, Gone, Permanent, Transient, Uncertain
from inbox_daemon.plugins import Answer, Caller, Context, no_json, raise_if_failing, unclear
from support.contexts import lend_context

SECRET_QUERY = {"api_key": "sesamo-sesamo"}
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Bytes = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@pytest.fixture
async def context() -> AsyncIterator[Context]:
    async with lend_context("obras") as lent:
        yield lent


@pytest.fixture
async def caller(context: Context) -> AsyncIterator[Caller]:
    made = caller_for(context)
    yield made
    await made.aclose()


def caller_for(
    context: Context, url: str = "http://127.0.0.1:1", *, seconds: float = 5.0, too_long_for_good: bool = False
) -> Caller:
    return Caller(context, url, "the desk", seconds=seconds, connect_seconds=5.0, too_long_for_good=too_long_for_good)


@asynccontextmanager
async def served(handler: Handler) -> AsyncIterator[str]:
    """A web server that answers every request by `handler`; its address."""
    app = web.Application(client_max_size=2**26)
    app.router.add_route("*", "/{anything:.*}", handler)
    async with TestServer(app, host="127.0.0.1") as server:
        yield str(server.make_url("/")).rstrip("/")


@asynccontextmanager
async def bytes_served(peer: Bytes) -> AsyncIterator[str]:
    """A socket that says what `peer` says; its address."""
    server = await asyncio.start_server(peer, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


def saying(raw: bytes, *, hang: bool = False) -> Bytes:
    async def peer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(raw)
        await writer.drain()
        if hang:
            await reader.read()
        writer.close()

    return peer


def answering(
    body: bytes = b"{}", status: int = 200, headers: dict[str, str] | None = None
) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def handler(request: web.Request) -> web.Response:
        await request.read()
        return web.Response(status=status, body=body, headers=headers)

    return handler


class Resolver(AbstractResolver):
    """DNS that fails, or says nothing at all."""

    def __init__(self, *, hangs: bool) -> None:
        self._hangs = hangs

    async def resolve(self, host: str, port: int = 0, family: int = socket.AF_INET) -> list[ResolveResult]:
        if self._hangs:
            await asyncio.Event().wait()
        raise OSError("no such name")

    async def close(self) -> None:
        """Nothing is open."""


@asynccontextmanager
async def resolved_by(context: Context, resolver: Resolver) -> AsyncIterator[Context]:
    connector = aiohttp.TCPConnector(resolver=resolver)
    async with aiohttp.ClientSession(connector=connector) as session:
        yield replace(context, session=lambda _hosts: session)


async def failure(caller: Caller, url: str, *, write: bool, most: int = 1000) -> EdgeError:
    """What a call raises; it never shows the query."""
    with pytest.raises(EdgeError) as raised:
        await caller.call("POST" if write else "GET", url, write=write, params=SECRET_QUERY, most=most)
    assert str(raised.value).startswith("obras: the desk at ")
    assert raised.value.__cause__ is None
    assert raised.value.__suppress_context__
    assert "sesamo" not in str(raised.value)
    return raised.value


# ------------------------------------------------------------ never sent


@pytest.mark.parametrize("write", [True, False])
async def test_refused_is_surely_nothing_done(caller: Caller, write: bool) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, and nobody listens
        told = await failure(caller, f"http://127.0.0.1:{taken.getsockname()[1]}/x", write=write)
    assert type(told) is Transient
    assert "cannot be reached (ClientConnectorError)" in str(told)


async def test_a_name_without_address_is_surely_nothing_done(context: Context) -> None:
    async with resolved_by(context, Resolver(hangs=False)) as without:
        told = await failure(caller_for(without), "http://desk.example/x", write=True)
    assert type(told) is Transient
    assert "DNS" in str(told)


async def test_no_connection_in_time_is_surely_nothing_done(context: Context) -> None:
    async with resolved_by(context, Resolver(hangs=True)) as silent:
        told = await failure(caller_for(silent), "http://desk.example/x", write=True)
    assert type(told) is Transient
    assert "cannot be reached (ConnectionTimeoutError)" in str(told)


async def test_no_tls_over_there_is_surely_nothing_done(caller: Caller) -> None:
    async with served(answering()) as url:
        told = await failure(caller, url.replace("http:", "https:"), write=True)
    assert type(told) is Transient
    assert "cannot be reached" in str(told)


@pytest.mark.parametrize("url", ["http://", "desk", "http://[::1"])
async def test_an_address_that_is_none_is_for_good(caller: Caller, url: str) -> None:
    with pytest.raises((Permanent, ValueError)) as raised:
        await caller.call("GET", url, write=True)
    assert type(raised.value) is Permanent


async def test_what_the_session_refuses_passes_as_it_is(context: Context) -> None:
    def refusing(hosts: frozenset[str]) -> aiohttp.ClientSession:
        raise Permanent("refused to call a host that is not configured")

    with pytest.raises(Permanent, match="not configured"):
        await caller_for(replace(context, session=refusing)).call("GET", "http://127.0.0.1:1", write=True)


# ------------------------------------------------------------ sent, and no whole answer

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 400\r\n\r\n"
BROKEN = {
    "closes without a word": saying(b""),
    "hangs without a word": saying(b"", hang=True),
    "hangs in the head": saying(HEAD[:20], hang=True),
    "hangs in the body": saying(HEAD + b'{"id": 1', hang=True),
    "ends in the body": saying(HEAD + b'{"id": 1}'),
    "ends in a chunk": saying(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n40\r\n{}"),
    "speaks no HTTP": saying(b"\x00\xff\x16\x03 not HTTP at all\r\n\r\n"),
    "lies about its encoding": saying(HEAD.replace(b"400", b"2\r\nContent-Encoding: gzip") + b"{}"),
}


@pytest.mark.parametrize(("write", "kind"), [(True, Uncertain), (False, Transient)])
@pytest.mark.parametrize("how", BROKEN)
async def test_half_an_answer_is_none(context: Context, how: str, write: bool, kind: type[EdgeError]) -> None:
    caller = caller_for(context, seconds=0.3)
    async with bytes_served(BROKEN[how]) as url:
        told = await failure(caller, url, write=write)
        await caller.aclose()
    assert type(told) is kind
    assert "gave no whole answer" in str(told)


async def test_more_time_is_given_to_what_carries_more(context: Context) -> None:
    async def slow(request: web.Request) -> web.Response:
        await asyncio.sleep(0.4)
        return web.json_response({})

    async with served(slow) as url, aclosing(caller_for(context, seconds=0.2)) as caller:
        with pytest.raises(Uncertain):
            await caller.call("POST", url, write=True)
        assert (await caller.call("POST", url, write=True, size=500_000)).status == 200


@pytest.mark.parametrize(("write", "kind"), [(True, Uncertain), (False, Transient)])
async def test_an_answer_without_end_is_not_read_to_it(context: Context, write: bool, kind: type[EdgeError]) -> None:
    sent = 0

    async def endless(request: web.Request) -> web.StreamResponse:
        nonlocal sent
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b"[" * 100_000)
            sent += 100_000

    async with served(endless) as url, aclosing(caller_for(context)) as caller:
        told = await failure(caller, url, write=write, most=1_000_000)
    assert type(told) is kind
    assert "more than 1000000 bytes" in str(told)
    assert sent < 20_000_000


async def test_an_answer_that_stays_too_long_is_for_good_to_a_read_alone(context: Context) -> None:
    async with served(answering(b"x" * 1001)) as url, aclosing(caller_for(context, too_long_for_good=True)) as caller:
        read, written = await failure(caller, url, write=False), await failure(caller, url, write=True)
    assert isinstance(read, Permanent)
    assert read.told
    assert type(written) is Uncertain


# ------------------------------------------------------------ whole answers


@pytest.mark.parametrize("status", [200, 204, 302, 401, 404, 422, 500, 503])
async def test_every_whole_answer_comes_back_whatever_its_status(caller: Caller, status: int) -> None:
    async with served(answering(b"" if status == 204 else b'{"a": 1}', status)) as url:
        answer = await caller.call("POST", url, write=True)
    assert (answer.status, answer.part("a")) == (status, None if status == 204 else 1)


async def test_a_redirect_is_not_followed(caller: Caller) -> None:
    asked: list[str] = []

    async def elsewhere(request: web.Request) -> web.Response:
        asked.append(request.path)
        return web.Response(status=307, headers={"Location": "/other"})

    async with served(elsewhere) as url:
        answer = await caller.call("POST", f"{url}/here", write=True, json={"a": 1})
    assert (answer.status, asked) == (307, ["/here"])


async def test_nothing_is_tried_again(caller: Caller) -> None:
    calls = 0

    async def dropped(request: web.Request) -> web.Response:
        nonlocal calls
        calls += 1
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    async with served(dropped) as url:
        with pytest.raises(Uncertain):
            await caller.call("PUT", url, write=True)
    assert calls == 1


async def test_what_is_sent_arrives_as_it_was_given(caller: Caller) -> None:
    async def echo(request: web.Request) -> web.Response:
        said = {"method": request.method, "query": dict(request.query), "key": request.headers.get("X-Key")}
        return web.json_response({**said, "body": (await request.read()).decode()})

    async with served(echo) as url:
        answer = await caller.call("PATCH", url, write=True, headers={"X-Key": "k"}, params={"q": "ñ 🕳"}, data="a=1")
    assert answer.json == {"method": "PATCH", "query": {"q": "ñ 🕳"}, "key": "k", "body": "a=1"}


@pytest.mark.parametrize(
    ("body", "value", "is_json", "empty"),
    [
        (b'{"a": [1]}', {"a": [1]}, True, False),
        (b"null", None, True, False),
        (b"", None, False, True),
        (b" \r\n", None, False, True),
        (b"<html>login</html>", None, False, False),
        (b'{"a": 1', None, False, False),
        (b"[" * 200_000, None, False, False),
        (b'"\xff"', None, False, False),
    ],
)
async def test_json_or_none(caller: Caller, body: bytes, value: object, is_json: bool, empty: bool) -> None:
    async with served(answering(body, headers={"Content-Type": "text/html"})) as url:
        answer = await caller.call("GET", url, write=False)
    assert (answer.json, answer.is_json, answer.empty) == (value, is_json, empty)
    assert answer.body == body


async def test_large_json_is_read_beside_the_event_loop(caller: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    aside: list[object] = []
    to_thread = asyncio.to_thread

    async def noticed(function: Callable[..., object], *given: object) -> object:
        aside.append(function)
        return await to_thread(function, *given)

    monkeypatch.setattr(asyncio, "to_thread", noticed)
    for size, expected in ((1000, 0), (2**21, 1)):
        async with served(answering(b'["' + b"x" * size + b'"]')) as url:
            answer = await caller.call("GET", url, write=False)
        assert len(answer.json[0]) == size
        assert len(aside) == expected


def test_an_answer_shows_nobodys_words() -> None:
    answer = Answer(status=200, headers={"X-Token": "sesamo"}, body=b"dni 20123456", json={"dni": "20123456"})
    assert repr(answer) == "Answer(status=200, is_json=False)"


@pytest.mark.parametrize("value", [[], "a", 1, None])
def test_no_object_has_no_parts(value: object) -> None:
    assert Answer(status=200, headers={}, json=value, is_json=True).part("a") is None


def test_text_that_is_no_utf8_is_replaced() -> None:
    assert Answer(status=200, headers={}, body=b"a\xffb").text == "a\ufffdb"


# ------------------------------------------------------------ clocks

NOON = "Tue, 24 Nov 2026 12:00:00 GMT"


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        (NOON, datetime(2026, 11, 24, 12, tzinfo=UTC)),
        ("Tue, 24 Nov 2026 12:00:00 -0000", datetime(2026, 11, 24, 12, tzinfo=UTC)),
        ("Tue, 24 Nov 2026 09:00:00 -0300", datetime(2026, 11, 24, 12, tzinfo=UTC)),
        ("", None),
        ("yesterday", None),
        ("Tue, 99 Nov 2026 12:00:00 GMT", None),
        ("Tue, 24 Nov 2026 12:00:00 +9999999999", None),
        (f"Tue, 24 Nov {'9' * 30} 12:00:00 GMT", None),
        ("Fri, 31 Dec 9999 23:00:00 -2300", None),
    ],
)
def test_the_servers_clock(text: str, moment: datetime | None) -> None:
    read = Answer(status=200, headers={"Date": text}).server_time
    assert read == moment
    assert read is None or read.utcoffset() == timedelta(0)


def test_a_server_may_have_no_clock() -> None:
    assert Answer(status=200, headers={}).server_time is None


@pytest.mark.parametrize(
    ("value", "date", "wait"),
    [
        ("7", "", timedelta(seconds=7)),
        (" 0 ", "", timedelta(0)),
        ("86400", "", timedelta(days=1)),
        ("86401", "", timedelta(days=1)),
        ("9" * 500, "", timedelta(days=1)),
        ("", "", None),
        ("-5", "", None),
        ("1.5", "", None),
        ("soon", NOON, None),
        ("٧", "", None),
        ("²", "", None),
        ("Tue, 24 Nov 2026 12:05:00 GMT", NOON, timedelta(minutes=5)),
        ("Tue, 24 Nov 2026 11:00:00 GMT", NOON, timedelta(0)),
        ("Tue, 24 Nov 2099 11:00:00 GMT", NOON, timedelta(days=1)),
        ("Tue, 24 Nov 2026 12:05:00 GMT", "", None),
    ],
)
def test_how_long_a_server_wants_us_to_wait(value: str, date: str, wait: timedelta | None) -> None:
    assert Answer(status=429, headers={"Retry-After": value, "Date": date}).retry_after == wait


# ------------------------------------------------------------ what outcomes mean


def test_only_a_write_may_have_been_done() -> None:
    assert type(unclear("x", write=True, retry_after=timedelta(1))) is Uncertain
    read = unclear("x", write=False, retry_after=timedelta(1))
    assert type(read) is Transient
    assert read.retry_after == timedelta(1)


@pytest.mark.parametrize(
    ("status", "write", "kind"),
    [
        (429, True, Transient),
        (429, False, Transient),
        (408, True, Uncertain),
        (500, True, Uncertain),
        (503, True, Uncertain),
        (503, False, Transient),
        (599, False, Transient),
        (404, True, Uncertain),
    ],
)
def test_a_server_in_trouble(status: int, write: bool, kind: type[EdgeError]) -> None:
    answer = Answer(status=status, headers={"Retry-After": "7"})
    with pytest.raises(EdgeError) as raised:
        raise_if_failing(answer, "obras: the desk", write=write, said=": out of paper")
    assert type(raised.value) is kind
    assert str(status) in str(raised.value)
    if isinstance(raised.value, Transient):
        assert raised.value.retry_after == timedelta(seconds=7)


@pytest.mark.parametrize("status", [200, 204, 302, 400, 401, 413, 422])
def test_other_statuses_are_the_plugins_to_judge(status: int) -> None:
    raise_if_failing(Answer(status=status, headers={}), "obras: the desk", write=True)
    raise_if_failing(Answer(status=404, headers={}), "obras: the desk", write=False)


def test_a_login_page_is_no_proof_of_anything() -> None:
    page = Answer(status=200, headers={}, body=b"<html>")
    assert type(no_json(page, "obras: the desk", write=True)) is Uncertain
    assert type(no_json(page, "obras: the desk", write=False)) is Transient


def gone(answer: Answer) -> None:
    if answer.status == 404:
        raise Gone(f"no file: {answer.json['why']}", reason="no_file")


async def test_a_file_comes_in_pieces(caller: Caller) -> None:
    content = bytes(range(256)) * 4000
    async with (
        served(answering(content)) as url,
        aclosing(caller.stream(url, refuse=gone, size=len(content))) as pieces,
    ):
        got = [piece async for piece in pieces]
    assert len(got) > 1
    assert b"".join(got) == content


async def test_what_is_no_file_is_the_plugins_to_judge(caller: Caller) -> None:
    async with served(answering(b'{"why": "deleted"}', 404)) as url:
        with pytest.raises(Gone, match="deleted"):
            await anext(caller.stream(url, refuse=gone))
    for status in (204, 302, 500):
        async with served(answering(b"", status)) as url:
            with pytest.raises(Transient, match=str(status)):
                await anext(caller.stream(url, refuse=gone))


async def test_a_file_that_ends_too_early_is_no_file(caller: Caller) -> None:
    async with bytes_served(saying(HEAD + b"x" * 300)) as url:
        with pytest.raises(Transient, match="no whole answer"):
            async for _ in caller.stream(url, refuse=gone):
                pass


async def test_a_stream_that_is_left_lets_go_of_its_connection(caller: Caller) -> None:
    left = asyncio.Event()

    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        try:
            while True:
                await response.write(b"x" * 100_000)
        finally:
            left.set()

    async with served(endless) as url:
        async with aclosing(caller.stream(url, refuse=gone)) as pieces:
            assert await anext(pieces)
        await asyncio.wait_for(left.wait(), 5)


async def test_one_session_serves_all_calls_and_closes_twice(context: Context) -> None:
    lent: list[tuple[frozenset[str], aiohttp.ClientSession]] = []

    def lend(hosts: frozenset[str]) -> aiohttp.ClientSession:
        session = context.session(hosts)
        lent.append((hosts, session))
        return session

    async with served(answering()) as url:
        caller = Caller(
            replace(context, session=lend), url, "the desk", seconds=5, connect_seconds=1, hosts=["files.example"]
        )
        await caller.aclose()
        assert lent == [], "nothing is opened before the first call"
        await asyncio.gather(*(caller.call("GET", url, write=False) for _ in range(5)))
        assert [hosts for hosts, _ in lent] == [frozenset({"127.0.0.1", "files.example"})]
        await caller.aclose()
        await caller.aclose()
        assert lent[0][1].closed
        assert (await caller.call("GET", url, write=False)).status == 200
        assert len(lent) == 2
        await caller.aclose()
