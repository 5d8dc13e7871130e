"""The demo's stand-in for Meta: it takes and tells what the real one does, and shows it safely."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestServer

from inbox_channels._graph import webhook
from inbox_channels.whatsapp.parse import parse
from inbox_channels.whatsapp.settings import WhatsAppSettings
from inbox_daemon.cli.phones import Account, Phones, Received, on_screen, words
from inbox_daemon.model import Envelope, InstanceId, SendState, StatusEvent
from inbox_daemon.plugins import Secret, WebhookRequest

ANA = "+5493624000101"
TOKEN, SECRET, NUMBER = "invented-token", "invented-secret", "100000000000001"


@dataclass
class Hook:
    """The daemon's side: keeps what is posted; the first `refuse` posts are answered with 503."""

    refuse: int = 0
    came: list[WebhookRequest] = field(default_factory=list)

    async def take(self, request: web.Request) -> web.Response:
        headers = {name.lower(): value for name, value in request.headers.items()}
        if self.refuse:
            self.refuse -= 1
            return web.Response(status=503)
        self.came.append(WebhookRequest(method="POST", query={}, headers=headers, body=await request.read()))
        return web.Response()


@dataclass
class Desk:
    """The stand-in as the daemon calls it, and what its phones showed."""

    url: str
    session: ClientSession
    phones: Phones
    shown: list[Received]

    async def send(self, message: Any, *, token: str = TOKEN, number: str = NUMBER) -> tuple[int, dict[str, Any]]:
        headers = {"Authorization": f"Bearer {token}"}
        data = message if isinstance(message, bytes) else json.dumps(message).encode()
        async with self.session.post(f"{self.url}/v26.0/{number}/messages", data=data, headers=headers) as answer:
            return answer.status, await answer.json()


@asynccontextmanager
async def standing(
    hook: Hook, *, broken: bool = False, states: tuple[tuple[str, float], ...] = (("sent", 0.0), ("read", 0.0))
) -> AsyncIterator[Desk]:
    app = web.Application()
    app.router.add_post("/hooks/whatsapp-centro", hook.take)
    listener = socket.create_server(("127.0.0.1", 0))
    shown: list[Received] = []

    def show(received: Received) -> None:
        shown.append(received)
        if broken:
            raise BrokenPipeError

    async with TestServer(app) as server, ClientSession() as session:
        address = str(server.make_url("/hooks/whatsapp-centro"))
        account = Account(number_id=NUMBER, token=TOKEN, secret=SECRET, webhook=address)
        phones = Phones(account, listener, show, states=states)
        with phones:
            yield Desk(f"http://127.0.0.1:{listener.getsockname()[1]}", session, phones, shown)


def text(body: str, to: str = ANA) -> dict[str, Any]:
    return {"to": to, "type": "text", "text": {"body": body}, "biz_opaque_callback_data": "tag-1"}


async def until(holds: Callable[[], object]) -> None:
    async with asyncio.timeout(10):
        while not holds():
            await asyncio.sleep(0.02)


async def test_an_answer_is_shown_once_and_told_of_in_order_until_it_is_heard() -> None:
    hook = Hook(refuse=2)
    async with standing(hook) as desk:
        status, answer = await desk.send(text("Tiene turno."))
        await until(lambda: len(hook.came) == 2)
        assert desk.shown == list(desk.phones.received) == [Received(to=ANA[1:], text="Tiene turno.")]
    assert status == 200
    events = []
    for request in hook.came:
        webhook.authenticate(request, [Secret(SECRET)])
        kept = Envelope(
            instance=InstanceId("whatsapp-centro"), received_at=datetime.now(UTC), headers={}, body=request.body
        )
        events += [event for event in parse(kept, WhatsAppSettings.model_construct()) if isinstance(event, StatusEvent)]
    assert [event.state for event in events] == [SendState.SENT, SendState.READ]
    assert {(event.target, event.tag) for event in events} == {(answer["messages"][0]["id"], "tag-1")}
    assert all(abs(datetime.now(UTC) - event.sent_at).total_seconds() < 60 for event in events)


@pytest.mark.parametrize(
    ("message", "given", "status", "code"),
    [
        (text("Hola"), {"token": "of somebody else"}, 401, 190),
        (text("Hola"), {"number": "100000000000009"}, 400, 33),
        (b"{", {}, 400, 100),
        (b"\xff\xfe", {}, 400, 100),
        ([], {}, 400, 100),
        ({"type": "text", "text": {"body": "to nobody"}}, {}, 400, 100),
        ({"to": ANA, "type": "text", "text": None}, {}, 400, 100),
        ({"to": ANA, "type": "audio", "audio": {"id": "1"}}, {}, 400, 100),
    ],
)
async def test_what_meta_would_refuse_reaches_no_phone(
    message: Any, given: dict[str, str], status: int, code: int
) -> None:
    async with standing(Hook()) as desk:
        answered, error = await desk.send(message, **given)
        assert (answered, error["error"]["code"]) == (status, code)
        assert not desk.shown
        assert not desk.phones.received


async def test_a_terminal_that_was_closed_does_not_refuse_an_answer() -> None:
    hook = Hook()
    async with standing(hook, broken=True) as desk:
        status, _ = await desk.send(text("Hola"))
        assert status == 200
        await until(lambda: len(hook.came) == 2)


async def test_it_ends_at_once_though_something_is_still_to_be_told() -> None:
    began = time.monotonic()
    async with standing(Hook(), states=(("sent", 3600.0),)) as desk:
        assert (await desk.send(text("Hola")))[0] == 200
    assert time.monotonic() - began < 4
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", int(desk.url.rpartition(":")[2])), timeout=2)


async def test_a_read_mark_is_taken_and_shows_nothing() -> None:
    async with standing(Hook()) as desk:
        mark = {"messaging_product": "whatsapp", "status": "read", "message_id": "wamid.IN1"}
        assert await desk.send(mark) == (200, {"success": True})
        assert list(desk.phones.received) == desk.shown == []


async def test_the_number_can_be_asked_for() -> None:
    async with standing(Hook()) as desk:
        headers = {"Authorization": f"Bearer {TOKEN}"}
        async with desk.session.get(f"{desk.url}/v26.0/{NUMBER}", headers=headers) as answer:
            assert (await answer.json())["id"] == NUMBER


def test_a_terminal_shows_who_got_what() -> None:
    received = Received(to=ANA[1:], text="Sí.\nVenga.")
    names = {ANA[1:]: "Ana Sotelo"}
    assert on_screen(received, names=names) == "📱 Ana Sotelo +54 9 362 400-0101: «Sí.\n     Venga.»"
    assert on_screen(received) == "📱 +54 9 362 400-0101: «Sí.\n     Venga.»"
    for poor in ("ascii", "latin-1", None, "no-such-encoding"):
        assert on_screen(received, names=names, encoding=poor) == (
            '[phone] Ana Sotelo +54 9 362 400-0101: "Sí.\n     Venga."'
        )
    assert on_screen(Received(to="AR.77", text="Hola")) == "📱 AR.77: «Hola»"
    assert on_screen(Received(to="1", text="Hola")) == "📱 1: «Hola»"


def test_nothing_that_is_sent_steers_the_terminal() -> None:
    shown = on_screen(Received(to="AR.\x1b[2J", text="a\x1b]0;x\x07b\r\u202ec\x9b"), names={})
    assert all(sign.isprintable() for sign in shown)


def test_menus_and_templates_are_shown_in_words() -> None:
    rows = [{"id": "1", "title": "Salud"}, {"id": "2", "title": "Obras"}]
    listed = {"type": "list", "body": {"text": "¿Sobre qué?"}, "action": {"sections": [{"rows": rows}]}}
    assert words({"type": "interactive", "interactive": listed}) == "¿Sobre qué?\n[ Salud ]\n[ Obras ]"
    buttons = [{"type": "reply", "reply": {"id": "1", "title": "Sí"}}]
    asked = {"type": "button", "body": {"text": "¿Va?"}, "action": {"buttons": buttons}}
    assert words({"type": "interactive", "interactive": asked}) == "¿Va?\n[ Sí ]"
    parameters = [{"type": "text", "text": "PA95A-3"}]
    template = {"name": "tiene_respuesta", "components": [{"type": "body", "parameters": parameters}]}
    assert words({"type": "template", "template": template}) == "(tiene_respuesta) PA95A-3"
    assert words({"type": "template", "template": {"name": "aviso"}}) == "(aviso)"
