"""The scrip that comes with the adapter, installed into a real Request Tracker, tells of changes at once."""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web

import inbox_ticketing.request_tracker as package
from contract.ticketing_words import draft, reference
from inbox_daemon.model import Hint
from inbox_daemon.plugins import Secret, WebhookRequest
from real.request_tracker.test_real_request_tracker import Rt
from real.request_tracker.test_real_request_tracker import request_tracker as request_tracker
from real.request_tracker.test_real_request_tracker import rt as rt
from real.servers.request_tracker import RequestTrackerServer

pytestmark = pytest.mark.real
SCRIP = (Path(package.__file__).parent / "hint_scrip.pl").read_text("utf-8")
OFF = """
our @Final = ( sub {
    my $scrips = RT::Scrips->new( RT->SystemUser );
    $scrips->Limit( FIELD => 'Description', VALUE => 'Inbox hint' );
    while ( my $scrip = $scrips->Next ) { $scrip->SetDisabled(1) }
} );
1;
"""


def administer(server: RequestTrackerServer, folder: Path, data: str) -> None:
    """What an administrator types."""
    file = folder / "data.pl"
    file.write_text(data, "utf-8")
    environment = {
        "RT_SITE_CONFIG": str(server.directory / "RT_SiteConfig.pm"),
        "RT_SITE_CONFIG_DIR": "/dev/null",
    }
    command = ["rt-setup-database-5", "--action", "insert", "--datafile", str(file), "--skip-create"]
    subprocess.run(command, env=os.environ | environment, check=True, capture_output=True, timeout=60)


@asynccontextmanager
async def listener(taken: asyncio.Queue[WebhookRequest]) -> AsyncIterator[str]:
    """The daemon's public address, as far as the scrip sees it."""

    async def take(request: web.Request) -> web.Response:
        headers = {name.lower(): value for name, value in request.headers.items()}
        taken.put_nowait(WebhookRequest(method="POST", query={}, headers=headers, body=await request.read()))
        return web.Response()

    app = web.Application()
    app.router.add_post("/hooks/salud-rt", take)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}/hooks/salud-rt"
    await runner.cleanup()


async def test_the_scrip_posts_a_hint_that_is_believed(rt: Rt, tmp_path: Path) -> None:
    taken: asyncio.Queue[WebhookRequest] = asyncio.Queue()
    adapter = rt.adapter(hint_secret=Secret("clave inventada"))
    ticket = await adapter.open_ticket(draft(reference()))
    async with listener(taken) as url:
        scrip = SCRIP.replace("https://inbox.example/hooks/salud-rt", url).replace("'SECRET'", "'clave inventada'")
        await asyncio.to_thread(administer, rt.server, tmp_path, scrip)
        try:
            await rt.agents.agent_notes(ticket.id, "Esto no interesa a nadie de afuera")
            made = await rt.agents.agent_answers(ticket.id, "Pasa la cuadrilla")
        finally:
            await asyncio.to_thread(administer, rt.server, tmp_path, OFF)
    hints = [adapter.parse_hint(taken.get_nowait()) for _ in range(taken.qsize())]
    assert hints
    assert set(hints) == {Hint(tickets=(ticket.id,))}
    [answer] = [one for one in await adapter.thread(ticket.id) if one.public]
    assert answer.entry == made


async def test_an_answer_is_saved_where_nobody_takes_the_hint(rt: Rt, tmp_path: Path) -> None:
    ticket = await rt.adapter().open_ticket(draft(reference()))
    scrip = SCRIP.replace("https://inbox.example/hooks/salud-rt", "http://127.0.0.1:9/hooks/salud-rt")
    await asyncio.to_thread(administer, rt.server, tmp_path, scrip)
    try:
        await rt.agents.agent_answers(ticket.id, "Pasa la cuadrilla")
    finally:
        await asyncio.to_thread(administer, rt.server, tmp_path, OFF)
    assert [one.text for one in await rt.adapter().thread(ticket.id) if one.public] == ["Pasa la cuadrilla"]
