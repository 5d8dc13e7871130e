"""The operations listener over real HTTP: verdicts, status, metrics, and nothing else."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from aiohttp.test_utils import TestClient, TestServer
from aiohttp.web import Application, Request

from inbox_daemon.observability import Metrics
from inbox_daemon.web import operations
from inbox_daemon.web.operations import operations_app


class Fake:
    """A daemon whose health is what the test says."""

    dead: str | None = None
    unready: str | None = None

    def __init__(self) -> None:
        self.state: dict[str, Any] = {}

    def alive(self) -> str | None:
        return self.dead

    def not_ready(self) -> str | None:
        return self.unready

    async def status(self) -> dict[str, Any]:
        return self.state


Client = TestClient[Request, Application]


@pytest.fixture
def health() -> Fake:
    return Fake()


@pytest.fixture
def metrics() -> Metrics:
    return Metrics.create()


@pytest.fixture
async def client(health: Fake, metrics: Metrics) -> AsyncIterator[Client]:
    async with TestClient(TestServer(operations_app(health=health, metrics=metrics))) as client:
        yield client


async def read(response: aiohttp.ClientResponse) -> tuple[int, str]:
    return response.status, await response.text()


async def test_a_healthy_daemon(client: Client) -> None:
    assert await read(await client.get("/healthz")) == (200, "ok\n")
    assert await read(await client.get("/readyz")) == (200, "ready\n")


@pytest.mark.parametrize("reason", ["starting", "stopping", "disk full", "database not writable"])
async def test_not_ready_says_why_and_still_lives(client: Client, health: Fake, reason: str) -> None:
    health.unready = reason
    response = await client.get("/readyz")
    assert await read(response) == (503, f"{reason}\n")
    assert "Retry-After" in response.headers
    assert (await client.get("/healthz")).status == 200


async def test_who_does_not_live_is_not_ready(client: Client, health: Fake) -> None:
    health.dead = "the outbox stands still"
    assert await read(await client.get("/healthz")) == (503, "the outbox stands still\n")
    assert (await client.get("/readyz")).status == 503


async def test_status_is_json_and_pretty_for_a_browser(client: Client, health: Fake) -> None:
    health.state = {"queues": {"salud": {"depth": 12345678, "oldest_seconds": 0.5}}, "instances": [{"name": "x"}]}
    plain = await client.get("/status")
    pretty = await client.get("/status", headers={"Accept": "text/html,*/*"})
    assert plain.content_type == "application/json"
    assert json.loads(await plain.text()) == json.loads(await pretty.text()) == health.state
    assert (await plain.text()).count("\n") == 1
    assert (await pretty.text()).count("\n") > 5


async def test_status_shows_no_person_that_slipped_into_an_error(client: Client, health: Fake) -> None:
    health.state = {"instances": [{"error": "refused: ana.perez@correo.test, +54 9 362 412-3456"}]}
    body = await (await client.get("/status")).text()
    assert "ana.perez" not in body
    assert "412" not in body
    assert "refused" in body


async def test_a_status_that_takes_too_long_is_given_up(
    client: Client, health: Fake, monkeypatch: pytest.MonkeyPatch
) -> None:
    import asyncio

    async def stuck() -> dict[str, Any]:
        await asyncio.Event().wait()
        return {}

    monkeypatch.setattr(operations, "STATUS_SECONDS", 0.05)
    monkeypatch.setattr(health, "status", stuck)
    assert (await client.get("/status")).status == 503
    assert (await client.get("/healthz")).status == 200


async def test_metrics_in_both_formats(client: Client, health: Fake, metrics: Metrics) -> None:
    metrics.envelopes_received.labels(instance="whatsapp-centro").inc(3)
    health.unready = "starting"
    text = await client.get("/metrics")
    body = await text.text()
    assert text.headers["Content-Type"].startswith("text/plain; version=")
    assert 'inbox_envelopes_received_total{instance="whatsapp-centro"} 3.0' in body
    assert "inbox_ready 0.0" in body
    assert "process_resident_memory_bytes" in body
    open_form = await client.get("/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"})
    assert open_form.headers["Content-Type"].startswith("application/openmetrics-text")
    assert (await open_form.text()).endswith("# EOF\n")


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/status", "/metrics"])
async def test_only_reading_is_allowed(client: Client, path: str) -> None:
    head = await client.head(path)
    assert head.status == 200
    for method in ("POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"):
        refused = await client.request(method, path)
        assert refused.status == 405, method
        assert refused.headers["Allow"] == "GET,HEAD"


@pytest.mark.parametrize("path", ["/healthz", "/status", "/metrics", "/", "/../etc/passwd", "/status/x"])
async def test_every_answer_carries_the_security_headers(client: Client, path: str) -> None:
    response = await client.get(path)
    assert response.status == (200 if path in {"/healthz", "/status", "/metrics"} else 404)
    for name, value in operations.HEADERS.items():
        assert response.headers[name] == value


async def test_an_error_in_the_status_shows_no_inside(
    client: Client, health: Fake, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken() -> dict[str, Any]:
        raise RuntimeError("password=hunter2")

    monkeypatch.setattr(health, "status", broken)
    status, body = await read(await client.get("/status"))
    assert status == 500
    assert "hunter2" not in body
    assert "Traceback" not in body
