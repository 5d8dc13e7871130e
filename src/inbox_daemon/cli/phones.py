"""The demo's far side: a small stand-in for Meta on loopback, and the phones of the citizens that it brings answers to.

It takes what the daemon sends as the Graph API does (token, number, id, tag), shows it, and tells by signed webhooks
that it was sent, delivered and read. Nothing of it leaves this machine.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import secrets
import socket
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import phonenumbers
from aiohttp import ClientError, ClientSession, ClientTimeout, web

STATES = (("sent", 0.3), ("delivered", 0.7), ("read", 2.0))
"""What is told of each message, and how many seconds after what was told before."""
_AGAIN_SECONDS = 0.5
_END_SECONDS = 5.0

Json = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """One WhatsApp number at the stand-in; `webhook` is where the daemon takes what Meta tells."""

    number_id: str
    token: str = field(repr=False)
    secret: str = field(repr=False)
    webhook: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """What one phone shows of the office: `to` is the number's digits, or the id of somebody who hides their number."""

    to: str
    text: str


class Phones:
    """Context manager: serves in a thread of its own while it lasts.

    `show` is called in that thread for each message, before the daemon hears that it was taken.
    """

    def __init__(
        self,
        account: Account,
        listener: socket.socket,
        show: Callable[[Received], None],
        *,
        states: Sequence[tuple[str, float]] = STATES,
    ) -> None:
        self._account = account
        self._listener = listener
        self._show = show
        self._states = states
        self._received: list[Received] = []
        self._telling: set[asyncio.Task[None]] = set()
        self._end: Callable[[], object] = lambda: None
        self._serving = threading.Event()
        # a daemon thread: a second Ctrl-C while it ends must not leave the terminal waiting for it
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), name="phones", daemon=True)

    @property
    def received(self) -> Sequence[Received]:
        """Everything that arrived, in order."""
        return tuple(self._received)

    def __enter__(self) -> Phones:
        self._thread.start()
        self._serving.wait(_END_SECONDS)
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(RuntimeError):  # its loop has ended by itself
            self._end()
        self._thread.join(_END_SECONDS)

    async def _serve(self) -> None:
        end, loop = asyncio.Event(), asyncio.get_running_loop()
        self._end = lambda: loop.call_soon_threadsafe(end.set)
        app = web.Application()
        app.router.add_post("/{version}/{number}/messages", self._take)
        app.router.add_get("/{version}/{number}", self._number)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5)
        await runner.setup()
        try:
            await web.SockSite(runner, self._listener).start()
            self._serving.set()
            await end.wait()
        finally:
            for task in self._telling:
                task.cancel()
            await asyncio.gather(*self._telling, return_exceptions=True)
            await runner.cleanup()

    async def _number(self, request: web.Request) -> web.Response:
        """The number's own node, which `check --online` asks for."""
        refused = self._refusal(request)
        return refused or web.json_response({"id": self._account.number_id, "verified_name": "Demo"})

    async def _take(self, request: web.Request) -> web.Response:
        refused = self._refusal(request)
        if refused is not None:
            return refused
        try:
            message = json.loads(await request.read())
            if message.get("status") == "read":
                return web.json_response({"success": True})  # the citizen's own message: nothing arrives
            received = Received(to=_addressee(message), text=words(message))
            tag = str(message.get("biz_opaque_callback_data", ""))
        except (ValueError, KeyError, TypeError, AttributeError):
            return _error(400, 100)
        self._received.append(received)
        with suppress(OSError, ValueError):  # a terminal that was closed is no reason to refuse the message
            self._show(received)
        message_id = f"wamid.{secrets.token_hex(12)}"
        task = asyncio.get_running_loop().create_task(self._tell(message_id, received.to, tag))
        self._telling.add(task)
        task.add_done_callback(self._telling.discard)
        sent = {"id": message_id, "message_status": "accepted"}
        return web.json_response({"messaging_product": "whatsapp", "messages": [sent]})

    def _refusal(self, request: web.Request) -> web.Response | None:
        given = request.headers.get("Authorization", "")
        if not hmac.compare_digest(given.encode(), f"Bearer {self._account.token}".encode()):
            return _error(401, 190)
        return None if request.match_info["number"] == self._account.number_id else _error(400, 33)

    async def _tell(self, message_id: str, recipient: str, tag: str) -> None:
        """Tell each state in turn; as Meta does, again until it is taken."""
        async with ClientSession(timeout=ClientTimeout(total=10), trust_env=False) as session:
            for state, wait in self._states:
                await asyncio.sleep(wait)
                await self._post(session, self._status(message_id, recipient, tag, state))

    async def _post(self, session: ClientSession, body: bytes) -> None:
        digest = hmac.new(self._account.secret.encode(), body, hashlib.sha256).hexdigest()
        headers = {"Content-Type": "application/json", "X-Hub-Signature-256": f"sha256={digest}"}
        while True:
            with suppress(ClientError, OSError, TimeoutError):
                async with session.post(self._account.webhook, data=body, headers=headers) as answer:
                    if answer.status == 200:
                        return
            await asyncio.sleep(_AGAIN_SECONDS)

    def _status(self, message_id: str, recipient: str, tag: str, state: str) -> bytes:
        status = {"id": message_id, "status": state, "timestamp": str(int(time.time())), "recipient_id": recipient}
        value = {
            "messaging_product": "whatsapp",
            "metadata": {"display_phone_number": "543624000000", "phone_number_id": self._account.number_id},
            "statuses": [status | ({"biz_opaque_callback_data": tag} if tag else {})],
        }
        entry = [{"id": "100000000000001", "changes": [{"field": "messages", "value": value}]}]
        return json.dumps({"object": "whatsapp_business_account", "entry": entry}).encode()


def words(message: Json) -> str:
    """What a phone shows of a message: its text, a menu with its lines, a template by its name."""
    kind = message["type"]
    if kind == "text":
        return str(message["text"]["body"])
    if kind == "interactive":
        menu, action = message["interactive"], message["interactive"]["action"]
        rows = [row["title"] for section in action.get("sections", ()) for row in section["rows"]]
        buttons = [button["reply"]["title"] for button in action.get("buttons", ())]
        return "\n".join([str(menu["body"]["text"]), *(f"[ {title} ]" for title in (*rows, *buttons))])
    if kind == "template":
        parts = [part for one in message["template"].get("components", ()) for part in one["parameters"]]
        return f"({message['template']['name']}) {' · '.join(str(part['text']) for part in parts)}".rstrip()
    raise ValueError(f"the demo's phones show no {kind}")


def on_screen(
    received: Received, *, names: Mapping[str, str] = MappingProxyType({}), encoding: str | None = "utf-8"
) -> str:
    """The lines that a terminal of this encoding shows for it; what could steer the terminal is taken out."""
    number = received.to
    if number.isdigit():
        with suppress(phonenumbers.NumberParseException):
            parsed = phonenumbers.parse(f"+{number}")
            number = phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.INTERNATIONAL)
    mark, opening, closing = ("📱", "«", "»") if _can_write("📱«»", encoding) else ("[phone]", '"', '"')
    who = " ".join(part for part in (names.get(received.to, ""), number) if part)
    lines = [_harmless(line) for line in received.text.split("\n")]
    return f"{mark} {_harmless(who)}: {opening}" + "\n     ".join(lines) + closing


def _can_write(text: str, encoding: str | None) -> bool:
    try:
        text.encode(encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def _harmless(line: str) -> str:
    return "".join(sign if sign.isprintable() else " " for sign in line)


def _addressee(message: Json) -> str:
    return str(message.get("to") or message["recipient"]).removeprefix("+")


def _error(status: int, code: int) -> web.Response:
    error = {"message": "refused by the demo's stand-in", "type": "OAuthException", "code": code}
    return web.json_response({"error": error}, status=status)
