"""The fault proxy itself: what it does to HTTP, and what the server behind it has seen by then."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import aiohttp
import pytest
from aiohttp import web

from support.fault_proxy import AFTER_WORK, MISLEADING_AFTER_WORK, Fault, FaultProxy


@dataclass(kw_only=True)
class Behind:
    proxy: FaultProxy
    served: list[bytes] = field(default_factory=list)


@pytest.fixture
async def behind() -> AsyncIterator[Behind]:
    served: list[bytes] = []

    async def work(request: web.Request) -> web.Response:
        served.append(await request.read())
        return web.json_response({"done": len(served)}, status=201)

    app = web.Application(client_max_size=2**24)
    app.router.add_post("/work", work)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    async with FaultProxy("127.0.0.1", runner.addresses[0][1]) as proxy:
        yield Behind(proxy=proxy, served=served)
    await runner.cleanup()


async def post(session: aiohttp.ClientSession, behind: Behind, body: bytes = b"x") -> int:
    timeout = aiohttp.ClientTimeout(total=0.5)
    async with session.post(f"{behind.proxy.url}/work", data=body, timeout=timeout) as response:
        response.raise_for_status()
        await response.json()
        return response.status


async def test_it_passes_long_bodies_on_one_kept_connection(behind: Behind) -> None:
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=1)) as session:
        for number in range(3):
            assert await post(session, behind, bytes([number]) * 2**20) == 201
    assert [len(body) for body in behind.served] == [2**20] * 3
    assert behind.proxy.seen == {Fault.PASS: 3}


@pytest.mark.parametrize(
    "fault", [one for one in Fault if one not in {Fault.PASS, Fault.LATENCY, Fault.REFUSE, *MISLEADING_AFTER_WORK}]
)
async def test_faults_hit_after_the_work_exactly_where_they_say_so(behind: Behind, fault: Fault) -> None:
    behind.proxy.once(fault) if fault is not Fault.RESET_ON_ACCEPT else behind.proxy.set(fault)
    async with aiohttp.ClientSession() as session:
        with pytest.raises((aiohttp.ClientError, TimeoutError)):
            await post(session, behind)
        assert len(behind.served) == (1 if fault in AFTER_WORK else 0)
        behind.proxy.fault = Fault.PASS
        assert await post(session, behind) == 201


@pytest.mark.parametrize(
    ("fault", "status", "media_type", "body"),
    [
        (Fault.LOST_404, 404, "application/json", b"Not found"),
        (Fault.ERROR_AS_200, 200, "application/json", b"error"),
        (Fault.EMPTY_200, 200, "application/json", b"[]"),
        (Fault.WRONG_TYPE, 201, "text/plain", b'{"done": 1}'),
    ],
)
async def test_a_misleading_answer_comes_whole_after_the_work(
    behind: Behind, fault: Fault, status: int, media_type: str, body: bytes
) -> None:
    behind.proxy.once(fault)
    async with aiohttp.ClientSession() as session:
        async with session.post(f"{behind.proxy.url}/work", data=b"x") as response:
            assert (response.status, response.content_type) == (status, media_type)
            assert body in await response.read()
        assert len(behind.served) == 1
        assert await post(session, behind) == 201


@pytest.mark.parametrize(("fault", "status"), [(Fault.SLOW_DOWN_429, 429), (Fault.EXPIRED_401, 401)])
async def test_a_refusal_comes_before_the_work(behind: Behind, fault: Fault, status: int) -> None:
    behind.proxy.once(fault)
    async with aiohttp.ClientSession() as session, session.post(f"{behind.proxy.url}/work", data=b"x") as response:
        assert response.status == status
        assert (response.headers.get("Retry-After") == "7") is (fault is Fault.SLOW_DOWN_429)
    assert behind.served == []


async def test_refused_is_refused_and_the_port_comes_back(behind: Behind) -> None:
    async with aiohttp.ClientSession() as session:
        behind.proxy.fault = Fault.REFUSE
        with pytest.raises(aiohttp.ClientConnectorError):
            await post(session, behind)
        behind.proxy.fault = Fault.PASS
        assert await post(session, behind) == 201
    assert len(behind.served) == 1


async def test_a_plan_is_the_same_for_the_same_seed(behind: Behind) -> None:
    async def run() -> list[bool]:
        behind.proxy.plan(0.5, seed=7, faults=[Fault.ERROR_500])
        outcomes = []
        async with aiohttp.ClientSession() as session:
            for _ in range(12):
                try:
                    outcomes.append(await post(session, behind) == 201)
                except aiohttp.ClientResponseError:
                    outcomes.append(False)
        return outcomes

    first = await run()
    assert first == await run()
    assert set(first) == {True, False}
