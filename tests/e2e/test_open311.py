"""A city's Open311 endpoint, through the whole process: a request is opened, and an update comes to the phone."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from e2e.world import ANA, VERIFY_TOKEN, deliver, meta, now
from support.daemon import Daemon, eventually
from support.graph_fake import TOKEN
from support.graph_fake_citizens import PHONE_NUMBER_ID, SECRET
from support.open311_fake import City
from support.open311_fake_http import serve_city

KEY = "clave-inventada"
_TOML = """
[delivery]
order_grace_seconds = 0
retry_first_seconds = 0.05
retry_max_seconds = 0.2
settle_seconds = 0.2
follow_seconds = 1
[channels.whatsapp-centro]
kind = "whatsapp"
phone_number_id = "{number}"
app_secret = {{ env = "TEST_APP_SECRET" }}
verify_token = {{ env = "TEST_VERIFY_TOKEN" }}
access_token = {{ env = "TEST_ACCESS_TOKEN" }}
graph_url = "{graph}"
media_hosts = ["media.meta.test"]
[destinations.ciudad]
kind = "open311"
url = "{city}/v2"
api_key = {{ env = "TEST_CITY_KEY" }}
reads_need_key = true
service_code = "atencion"
address = "Marcelo T. de Alvear 145, Resistencia"
grace_seconds = 0
[routing]
default = "ciudad"
"""


@contextmanager
def endpoint() -> Iterator[tuple[str, City]]:
    """An endpoint in a thread of its own, since the tests themselves only wait."""
    made: list[tuple[str, City, asyncio.AbstractEventLoop]] = []
    ready, stop = threading.Event(), asyncio.Event()

    async def serve() -> None:
        async with serve_city(KEY) as (url, city):
            made.append((url, city, asyncio.get_running_loop()))
            ready.set()
            await stop.wait()

    thread = threading.Thread(target=asyncio.run, args=(serve(),), name="city")
    thread.start()
    try:
        assert ready.wait(10)
        yield made[0][0], made[0][1]
    finally:
        made[0][2].call_soon_threadsafe(stop.set)
        thread.join(10)


def test_a_request_is_opened_and_an_update_comes_back(tmp_path: Path) -> None:
    with endpoint() as (url, city), meta() as graph:
        toml = _TOML.format(number=PHONE_NUMBER_ID, graph=graph.url, city=url)
        environ = {"TEST_APP_SECRET": SECRET, "TEST_VERIFY_TOKEN": VERIFY_TOKEN, "TEST_ACCESS_TOKEN": TOKEN}
        with Daemon(tmp_path, toml, environ=environ | {"TEST_CITY_KEY": KEY}) as daemon:
            assert "ciudad" in daemon.cli("check", "--online").stdout.decode()
            [proof] = city.requests
            assert deliver(daemon, ANA.text("La luminaria está apagada", at=now())) == 200
            request = eventually(lambda: next((one for one in city.requests if one is not proof), None), seconds=15)
            assert "La luminaria está apagada" in request.description
            assert ANA.name not in request.description, "anybody reads it"
            assert deliver(daemon, ANA.text("¿Hay novedades?", at=now())) == 200
            eventually(lambda: [one for one in city.updates if one.request == request.number], seconds=15)
            city.update(request, "investigating", "Pasa la cuadrilla mañana.", by_api=False)
            eventually(lambda: any("cuadrilla mañana" in one.text for one in graph.inbox(ANA)), seconds=20)
            assert not any("novedades" in one.text for one in graph.inbox(ANA)), "what is ours does not come back"
