"""Serves `open311_fake` over HTTP, with a host for files beside it."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from aiohttp import web

from inbox_daemon.model import StoredFile
from support.open311_fake import STATUSES, City, Fault

CITY = web.AppKey("city", City)
KEY = web.AppKey("key", str)
OF_REQUESTS = {"service_code", "lat", "long", "address_string", "address_id", "description", "media_url"}
OF_UPDATES = {"service_request_id", "update_id", "status", "updated_datetime", "description", "media_url"}
OF_ALL = {"api_key", "jurisdiction_id", "email", "first_name", "last_name", "phone", "account_id"}


def _error(status: int, description: str) -> web.Response:
    return web.json_response([{"code": status, "description": description}], status=status)


def _list(city: City, name: str, rows: list[dict[str, Any]]) -> web.Response:
    return web.json_response({name: rows} if Fault.WRAPPED in city.faults else rows)


@web.middleware
async def _front(request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> Any:
    city = request.app[CITY]
    given = (await request.post() if request.method == "POST" else request.query).get("api_key")
    if Fault.SLOWS_DOWN in city.faults:
        response: web.StreamResponse = web.Response(status=429, headers={"Retry-After": "9"})
    elif given != request.app[KEY]:
        response = _error(400, "Invalid api_key") if given else _error(403, "Missing api_key")
    else:
        try:
            response = await handler(request)
        except ValueError:  # a time that is none, a missing place: as 6aika does
            response = web.Response(status=500, text="<html>Server Error</html>", content_type="text/html")
    response.force_close()
    return response


def _time(request: web.Request, name: str) -> datetime | None:
    return datetime.fromisoformat(request.query[name]) if name in request.query else None


async def services(request: web.Request) -> web.Response:
    city = request.app[CITY]
    return _list(
        city, "services", [{"service_code": one, "service_name": one, "type": "realtime"} for one in city.services]
    )


async def requests(request: web.Request) -> web.Response:
    city = request.app[CITY]
    rows = city.listed(city.living(), _time(request, "start_date"), _time(request, "end_date"))
    return _list(city, "service_requests", [city.request_json(one) for one in rows])


async def one_request(request: web.Request) -> web.Response:
    city = request.app[CITY]
    found = city.request(request.match_info["id"])
    if Fault.OTHER_REQUEST in city.faults:
        found = next(one for one in city.requests if one is not found)
    if found is None:
        return _error(404, "Resource not found")
    return _list(city, "service_requests", [city.request_json(found)])


async def open_request(request: web.Request) -> web.Response:
    city, form = request.app[CITY], await request.post()
    if unknown := [one for one in form if one not in OF_REQUESTS | OF_ALL and not one.startswith("attribute[")]:
        return _error(400, f"Error in input: {unknown}")
    if form["service_code"] not in city.services:
        return _error(400, "Invalid service code")
    if not ("lat" in form and "long" in form) and "address_string" not in form:
        raise ValueError("no place")
    made = city.open(str(form["service_code"]), str(form["description"]))
    if city.faults & {Fault.TOKENS, Fault.NEVER_AN_ID}:
        return _list(city, "service_requests", [{"token": f"t{made.number}"}])
    if Fault.ERROR_AS_200 in city.faults:
        return web.json_response([{"code": 500, "description": "Error in output"}])
    return _list(city, "service_requests", [{"service_request_id": made.number, "service_notice": ""}])


async def token(request: web.Request) -> web.Response:
    city = request.app[CITY]
    if Fault.NEVER_AN_ID in city.faults:
        return _error(404, "token not found")
    return _list(city, "tokens", [{"token": "", "service_request_id": request.match_info["token"][1:]}])


async def updates(request: web.Request) -> web.Response:
    city = request.app[CITY]
    rows = city.listed(city.told(), _time(request, "start_date"), _time(request, "end_date"))
    return _list(city, "service_request_updates", [city.update_json(one) for one in rows])


async def add_update(request: web.Request) -> web.Response:
    city, form = request.app[CITY], await request.post()
    unknown = [one for one in form if one not in OF_UPDATES | OF_ALL]
    if unknown or form["status"] not in STATUSES:
        return _error(400, "Error in input for POST_Service_Request_Update")
    datetime.fromisoformat(str(form["updated_datetime"]))
    found = city.request(str(form["service_request_id"]))
    if found is None:
        return _error(404, "Resource not found")
    media_url = str(form.get("media_url", ""))
    made = city.update(found, str(form["status"]), str(form["description"]), by_api=True, media_url=media_url)
    if Fault.DONE_AND_404 in city.faults:
        return _error(404, "Resource not found")
    number = "" if Fault.SAYS_NO_ID in city.faults else str(made.number)
    return _list(city, "service_request_updates", [{"update_id": number}])


@asynccontextmanager
async def serve_city(key: str) -> AsyncIterator[tuple[str, City]]:
    """A fresh one on loopback: its address, without a path, and what it knows."""
    app = web.Application(client_max_size=10_000_000, middlewares=[_front])
    app[CITY], app[KEY] = City(), key
    app.add_routes(
        [
            web.get("/v2/services.json", services),
            web.get("/v2/requests.json", requests),
            web.post("/v2/requests.json", open_request),
            web.get("/v2/requests/{id}.json", one_request),
            web.get("/v2/tokens/{token}.json", token),
            web.get("/v2/servicerequestupdates.json", updates),
            web.post("/v2/servicerequestupdates.json", add_update),
        ]
    )
    async with _served(app) as url:
        yield url, app[CITY]


@dataclass
class FileHost:
    """Gives files out under addresses that nobody guesses, as the daemon's own listener does."""

    url: str
    files: dict[str, StoredFile] = field(default_factory=dict)
    numbers: Any = field(default_factory=lambda: itertools.count(1))

    def link(self, file: StoredFile) -> str:
        """An address for `file`."""
        name = "".join("_" if one in '/\\"\r\n\x00' else one for one in file.filename).strip(". ") or "archivo"
        path = f"/file/{next(self.numbers)}/{quote(name[-200:])}"
        self.files[path] = file
        return self.url + path


@asynccontextmanager
async def serve_files() -> AsyncIterator[FileHost]:
    """A host for files on loopback."""
    host = FileHost("")

    async def give(request: web.Request) -> web.StreamResponse:
        file = host.files.get(quote(request.path))
        return web.Response(status=404) if file is None else web.Response(body=Path(file.path).read_bytes())

    app = web.Application()
    app.add_routes([web.get("/{path:.*}", give)])
    async with _served(app) as url:
        host.url = url
        yield host


@asynccontextmanager
async def _served(app: web.Application) -> AsyncIterator[str]:
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()
