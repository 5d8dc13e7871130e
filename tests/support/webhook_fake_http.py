"""Serves `webhook_fake` over HTTP; signatures are checked here by the specification, not by the adapter's own code."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

from support.webhook_fake import Breach, Line, Office, Refused

OFFICE = web.AppKey("office", Office)
SECRET = web.AppKey("secret", str)
TOLERANCE_SECONDS = 300


def sign(secret: str, event_id: str, timestamp: str, body: bytes) -> str:
    """One `v1` signature."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    content = f"{event_id}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(key, content, hashlib.sha256).digest()).decode()


def _is_signed(request: web.Request, body: bytes) -> bool:
    event_id = request.headers.get("webhook-id", "")
    timestamp = request.headers.get("webhook-timestamp", "0")
    if "." in event_id or abs(time.time() - int(timestamp)) > TOLERANCE_SECONDS:
        return False
    right = sign(request.app[SECRET], event_id, timestamp, body)
    return right in request.headers.get("webhook-signature", "").split(" ")


def _refusal(status: int, word: str) -> web.Response:
    return web.json_response({"error": word}, status=status)


@web.middleware
async def _close(request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> Any:
    response = await handler(request)
    response.force_close()  # as many a small server does; a kept connection would hide that nobody listens any more
    return response


async def take(request: web.Request) -> web.Response:
    """Events."""
    office, body = request.app[OFFICE], await request.read()
    if not _is_signed(request, body) and Breach.TAKES_ANY_SIGNATURE not in office.breaches:
        return _refusal(401, "signature")
    for breach, status in ((Breach.SIGNS_OFF, 410), (Breach.SLOWS_DOWN, 429)):
        if breach in office.breaches:
            return web.Response(status=status, headers={"Retry-After": "7"})
    event = json.loads(body)
    if Breach.DOES_NOTHING in office.breaches and event["type"] != "inbox.ping":
        return web.json_response({"ticket": {"id": "999", "number": "999", "state": "open"}, "entry": "e999"})
    try:
        answer = office.take(request.headers["webhook-id"], event)
    except Refused as refused:
        return _refusal(refused.status, refused.word)
    if Breach.SAYS_NOTHING in office.breaches:
        return web.Response(status=202)
    if Breach.SAYS_OK in office.breaches:
        return web.Response(text="ok")
    return web.json_response(answer, content_type="text/plain")  # many servers don't care


async def look_up(request: web.Request) -> web.StreamResponse:
    """Look-ups."""
    office = request.app[OFFICE]
    if not _is_signed(request, f"GET {request.raw_path}".encode()):
        return _refusal(401, "signature")
    if Breach.NO_LOOK_UP in office.breaches:
        raise web.HTTPNotFound
    question = request.query
    if question["ask"] == "file":
        return _file(office, question["file"])
    if Breach.FINDS_NOTHING in office.breaches:
        return web.json_response({"tickets": [], "entries": []})
    answering = {"ticket": _ticket, "entry": _entry, "thread": _thread, "updates": _updates}[question["ask"]]
    return web.json_response({"tickets": [], "entries": [], **answering(office, question)})


def _file(office: Office, number: str) -> web.Response:
    file = office.files.get(number)
    if file is None:
        return _refusal(404, "not_found")
    return web.Response(body=file.content, content_type=file.media_type)


def _ticket(office: Office, question: Any) -> dict[str, Any]:
    return {"tickets": [office.ticket_json(one) for one in office.find(question["reference"])]}


def _entry(office: Office, question: Any) -> dict[str, Any]:
    if "key" not in question:
        ticket = question["ticket"]
        found = [one for one in office.lines_for(ticket) if one.id == question["entry"]]
        return {"entries": [office.entry_json(one, ticket) for one in found]}
    tickets, entries = {}, []
    for line in office.by_key(question["key"]):
        try:
            case = office.living(line.ticket)
        except Refused:
            continue
        tickets[case.id] = office.ticket_json(case)
        entries.append(office.entry_json(line, case.id))
    return {"tickets": list(tickets.values()), "entries": entries}


def _thread(office: Office, question: Any) -> dict[str, Any]:
    """Pages that are shorter than they need be."""
    ticket, after = question["ticket"], int(question.get("after", "0"))
    told = [(line, one) for one in office.merged_with(ticket) for line in office.lines_for(one)]
    left = sorted(told, key=lambda one: one[0].number)[after:]
    page = left[: office.page_size]
    rest = {"next": str(after + len(page))} if len(left) > len(page) else {"next": None}
    return {"entries": [office.entry_json(*one) for one in page], **rest}


def _updates(office: Office, question: Any) -> dict[str, Any]:
    newest = str(len(office.lines))
    if "since" not in question:
        return {"next": newest}
    since = int(question["since"])
    told: list[tuple[Line, str]] = [
        (line, ticket) for ticket in office.cases for line in office.lines_for(ticket) if line.number > since
    ]
    told.sort(key=lambda one: one[0].number)
    page = [one for one in told if one[0].number <= since + office.page_size]
    more = len(page) < len(told)
    following = str(min(since + office.page_size, len(office.lines))) if more else newest
    return {"entries": [office.entry_json(*one) for one in page], "next": following, "more": more}


@asynccontextmanager
async def serve_receiver(secret: str) -> AsyncIterator[tuple[str, Office]]:
    """A fresh one on loopback: its address without a path, and what it knows."""
    app = web.Application(client_max_size=100_000_000, middlewares=[_close])
    app[OFFICE], app[SECRET] = Office(), secret
    app.add_routes([web.post("/inbox/events", take), web.get("/inbox/lookup", look_up)])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}", app[OFFICE]
    finally:
        await runner.cleanup()
