"""Both directions at once against the fake Meta: sends out, statuses and answers back, however they come."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from aiohttp import web

from inbox_channels.whatsapp import plugin
from inbox_daemon.errors import Credentials, Uncertain
from inbox_daemon.model import Choice, Envelope, Event, InstanceId, Message, StatusEvent
from inbox_daemon.plugins import Secret, WebhookRequest
from support.graph_fake import Fate, Fault
from support.graph_fake_citizens import Phone
from support.graph_fake_sends import SILENCE
from unit.whatsapp.answers import BSUID, PHONE, answer
from unit.whatsapp.conftest import Number, settings_for
from unit.whatsapp.secrecy import refused

ANA = Phone(number="5493624000001", bsuid="AR.1001", name="Ana Invento")
BENITO = Phone(bsuid="AR.1002", username="benito.9")


@dataclass
class Daemon:
    """What the public listener does, as far as this channel is concerned."""

    number: Number
    events: list[Event] = field(default_factory=list)
    down: int = 0
    refused: int = 0

    async def take(self, request: web.Request) -> web.Response:
        """Check, parse, keep; answer 503 for the next `down` requests."""
        content = await request.read()
        headers = {key.lower(): value for key, value in request.headers.items()}
        try:
            self.number.channel.authenticate(WebhookRequest(method="POST", query={}, headers=headers, body=content))
        except Credentials:
            self.refused += 1
            return web.Response(status=401)
        if self.down:
            self.down -= 1
            return web.Response(status=503)
        now = self.number.graph.now
        envelope = Envelope(instance=InstanceId("whatsapp-centro"), body=content, received_at=now)
        self.events += plugin.parse(envelope, settings_for(self.number.graph.url))
        return web.Response()

    def states(self, wamid: str = "") -> list[str]:
        """The states told, of one send or of all."""
        found = [event for event in self.events if isinstance(event, StatusEvent)]
        return [event.state.value for event in found if wamid in ("", event.target)]

    async def until(self, holds: Callable[[], object]) -> None:
        """Wait until it holds."""
        async with asyncio.timeout(5):
            while not holds():
                await asyncio.sleep(0.01)

    async def quiet(self) -> None:
        """Wait until Meta has nothing more to bring."""
        await self.until(lambda: not self.number.graph.untold)


@asynccontextmanager
async def listening(number: Number) -> AsyncIterator[Daemon]:
    daemon = Daemon(number)
    app = web.Application()
    app.router.add_post("/hooks/whatsapp-centro", daemon.take)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    number.graph.webhook = f"http://{host}:{port}/hooks/whatsapp-centro"
    try:
        yield daemon
    finally:
        await runner.cleanup()


@pytest.mark.parametrize(
    ("fate", "told"),
    [
        (Fate(), ["sent", "delivered", "read"]),
        (Fate(states=("read", "sent", "delivered")), ["read", "sent", "delivered"]),
        (Fate(doubled=True), ["sent", "sent", "delivered", "delivered", "read", "read"]),
        (Fate(together=True), ["sent", "delivered", "read"]),
        (Fate.failing(131026, after=["sent"]), ["sent", "failed"]),
        (SILENCE, []),
    ],
)
async def test_what_becomes_of_a_send_is_told_as_destined(number: Number, fate: Fate, told: Sequence[str]) -> None:
    async with listening(number) as daemon:
        number.graph.destine(fate)
        sent = await number.channel.send(answer("Ya está."))
        await daemon.quiet()
        assert daemon.states(sent.id) == told
        states = [event for event in daemon.events if isinstance(event, StatusEvent)]
        assert {state.tag for state in states} <= {"4F7K2-8.r1.1"}
        assert [state.error_code for state in states if state.state == "failed"] == ["131026"] * told.count("failed")
        assert [one.text for one in number.graph.inbox(ANA)] == ([] if "failed" in told else ["Ya está."])
        await number.channel.send(answer("Otra."))  # what comes after it has the usual fate
        await daemon.quiet()
        assert daemon.states()[len(told) :] == ["sent", "delivered", "read"]


async def test_a_status_may_come_before_the_answer_to_the_send(number: Number) -> None:
    async with listening(number) as daemon:
        number.graph.destine(Fate(before_answer=2, gap_seconds=0.2))
        sent = await number.channel.send(answer())
        assert daemon.states(sent.id) == ["sent", "delivered"]
        await daemon.until(lambda: daemon.states(sent.id) == ["sent", "delivered", "read"])


@pytest.mark.parametrize(
    "fault", [{"wait_seconds": 1.0}, {"status": 502, "raw": b""}, {"code": 131000}, {"cut_after": 0}]
)
async def test_only_the_status_tells_that_an_unanswered_send_was_taken(number: Number, fault: dict[str, Any]) -> None:
    async with listening(number) as daemon:
        number.graph.fail("send", Fault(**fault, done=True), Fault(**fault))
        with refused(Uncertain):
            await number.channel.send(answer(tag="4F7K2-8.r1.1"))
        with refused(Uncertain):
            await number.channel.send(answer(tag="4F7K2-8.r1.2"))
        await daemon.quiet()
        assert [event.tag for event in daemon.events if isinstance(event, StatusEvent)] == ["4F7K2-8.r1.1"] * 3
        assert [one.tag for one in number.graph.inbox(ANA)] == ["4F7K2-8.r1.1"]


async def test_meta_brings_everything_again_until_it_is_taken(number: Number) -> None:
    async with listening(number) as daemon:
        daemon.down = 3
        number.graph.write(ANA.text("Hola", at=number.graph.now), BENITO.text("Buenas", at=number.graph.now))
        await daemon.until(lambda: len(daemon.events) == 2)
        assert [event.text for event in daemon.events if isinstance(event, Message)] == ["Hola", "Buenas"]
        assert daemon.refused == 0


async def test_another_apps_secret_is_not_believed(number: Number) -> None:
    async with listening(number) as daemon:
        daemon.number = replace(number, channel=number.another(app_secret=Secret("another")))
        number.graph.write(ANA.text("Hola", at=number.graph.now))
        await daemon.until(lambda: daemon.refused)
        assert daemon.events == []


async def test_a_menu_goes_out_and_the_choice_comes_back_from_who_hides_their_number(number: Number) -> None:
    async with listening(number) as daemon:
        lines = tuple(Choice(id=name, title=name.title()) for name in ("salud", "seguridad", "educación", "otra"))
        await number.channel.send(answer("¿Para quién es?", to=BSUID, choices=lines))
        (menu,) = number.graph.inbox(ANA)
        assert number.graph.inbox(BENITO) == []
        number.graph.write(ANA.choose(menu, "educación", at=number.graph.now))
        await daemon.until(lambda: any(isinstance(event, Message) for event in daemon.events))
        (chosen,) = [event for event in daemon.events if isinstance(event, Message)]
        assert (chosen.text, chosen.details["choice"], chosen.in_reply_to) == ("Educación", "educación", menu.wamid)
        assert number.channel.address(chosen.sender.handles) == PHONE
