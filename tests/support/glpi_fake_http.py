"""Serves `glpi_fake` as `apirest.php`, with GLPI's answers; see there."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import BodyPartReader, web

from support.glpi_fake import COLUMNS, GlpiState, Record, Session, open_session, seeded

STATE = web.AppKey("state", GlpiState)
API = "/apirest.php"
OPTIONS = {"1": "name", "2": "id", "12": "status", "19": "date_mod", "15": "date"}
FREE = ("/initSession",)
ENTITY_BOUND = frozenset({"Ticket", "Document"})


def _error(status: int, code: str, words: str = "") -> web.Response:
    return web.json_response([code, words], status=status)


def _options(state: GlpiState) -> dict[str, str]:
    return OPTIONS | ({"87": "externalid"} if state.version >= 11 else {})


@web.middleware
async def front(request: web.Request, handler: Callable[[web.Request], Any]) -> web.StreamResponse:
    state = request.app[STATE]
    if not state.enabled:
        return _error(400, "ERROR", "API disabled")
    if "App-Token" not in request.headers:
        return _error(400, "ERROR_APP_TOKEN_PARAMETERS_MISSING", "missing parameter(s): app_token")
    if request.headers["App-Token"] != state.app_token:
        return _error(400, "ERROR_WRONG_APP_TOKEN_PARAMETER", "parameter app_token seems wrong")
    if request.path.removeprefix(API) not in FREE:
        token = request.headers.get("Session-Token")
        if not token:
            return _error(400, "ERROR_SESSION_TOKEN_MISSING", "parameter session_token is missing or empty")
        if token not in state.sessions:
            return _error(401, "ERROR_SESSION_TOKEN_INVALID", "session_token seems invalid")
    answer: web.StreamResponse = await handler(request)
    if state.prints_warnings and isinstance(answer, web.Response) and answer.content_type == "application/json":
        body = "<br />\n<b>Warning</b>:  Undefined index: x in <b>/var/www/glpi</b> on line <b>7</b><br />\n"
        answer = web.Response(text=body + (answer.text or ""), status=answer.status, content_type="text/html")
    return answer


def _session(request: web.Request) -> Session:
    return request.app[STATE].sessions[request.headers["Session-Token"]]


def _visible(request: web.Request, itemtype: str, row: Record) -> bool:
    return itemtype not in ENTITY_BOUND or row["entities_id"] in _session(request).entities


def _matches(wanted: str, value: object) -> bool:
    """GLPI's text search: LIKE %…%, with ^ and $ as anchors; case does not matter."""
    start, end = wanted.startswith("^"), wanted.endswith("$")
    bare = wanted.removeprefix("^").removesuffix("$")
    pattern = "".join({"%": ".*", "_": "."}.get(one, re.escape(one)) for one in bare)
    whole = f"{'' if start else '.*'}{pattern}{'' if end else '.*'}"
    return value is not None and re.fullmatch(whole, str(value), re.IGNORECASE | re.DOTALL) is not None


def _page(request: web.Request, rows: list[Any]) -> tuple[list[Any], int, dict[str, str]] | web.Response:
    start, _, end = request.query.get("range", "0-49").partition("-")
    first, last = int(start), int(end)
    if first > len(rows):
        return _error(400, "ERROR_RANGE_EXCEED_TOTAL", f"Provided range exceed total count of data: {len(rows)}")
    cut = rows[first : last + 1]
    headers = {"Content-Range": f"{first}-{last}/{len(rows)}", "Accept-Range": "Ticket 990"}
    return cut, 206 if len(cut) < len(rows) else 200, headers


# ---------------------------------------------------------------- session

routes = web.RouteTableDef()


@routes.get(f"{API}/initSession")
async def init(request: web.Request) -> web.Response:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if request.app[STATE].hides_authorization or scheme != "user_token":
        return _error(400, "ERROR_LOGIN_PARAMETERS_MISSING", "parameter(s) login, password or user_token are missing")
    user = request.app[STATE].user_tokens.get(token)
    if user is None:
        return _error(401, "ERROR_GLPI_LOGIN_USER_TOKEN", "parameter user_token seems invalid")
    return web.json_response({"session_token": open_session(request.app[STATE], user)})


@routes.get(f"{API}/killSession")
async def kill(request: web.Request) -> web.Response:
    del request.app[STATE].sessions[request.headers["Session-Token"]]
    return web.Response()


@routes.post(f"{API}/changeActiveEntities")
async def entities(request: web.Request) -> web.Response:
    state = request.app[STATE]
    given = await request.json()
    wanted = {row["id"] for row in state.table("Entity")}
    if "entities_id" in given:  # intval() of whatever came
        wanted &= {int(given["entities_id"]) if str(given["entities_id"]).isdigit() else 0}
    _session(request).entities = frozenset(wanted)
    return web.json_response(bool(wanted))


@routes.get(f"{API}/getFullSession")
async def full_session(request: web.Request) -> web.Response:
    state = request.app[STATE]
    session = {"glpiID": _session(request).user, "glpi_currenttime": state.now(), **state.preferences}
    return web.json_response({"session": session})


@routes.get(f"{API}/getMyEntities")
async def my_entities(request: web.Request) -> web.Response:
    rows = [{"id": row["id"], "name": row["completename"]} for row in request.app[STATE].table("Entity")]
    return web.json_response({"myentities": rows})


@routes.get(f"{API}/getActiveProfile")
async def profile(request: web.Request) -> web.Response:
    return web.json_response({"active_profile": {"id": 6, "name": "Technician"}})


# ---------------------------------------------------------------- search


@routes.get(f"{API}/listSearchOptions/Ticket")
async def options(request: web.Request) -> web.Response:
    known = {
        key: {"name": name, "table": "glpi_tickets", "field": name}
        for key, name in _options(request.app[STATE]).items()
    }
    foreign = {"3": {"name": "Priority", "table": "glpi_priorities", "field": "name"}, "common": "Characteristics"}
    return web.json_response(foreign | known)


@routes.get(f"{API}/search/Ticket")
async def search(request: web.Request) -> web.Response:
    state, query = request.app[STATE], request.query
    known = _options(state)
    field = query.get("criteria[0][field]", "1")
    if field not in known or query.get("sort", "1") not in known:
        return _error(400, "ERROR", "Bad field ID in criteria: 0")
    wanted = query.get("criteria[0][value]", "")
    deleted = int(query.get("is_deleted", "0"))
    rows = [row for row in state.table("Ticket") if row["is_deleted"] == deleted and _visible(request, "Ticket", row)]
    if state.finds_nothing:
        rows = []
    elif not state.finds_everything:
        rows = [row for row in rows if _matches(wanted, row[known[field]])]
    rows.sort(key=lambda row: str(row[known[query.get("sort", "1")]]), reverse=query.get("order") == "DESC")
    paged = _page(request, rows)
    if isinstance(paged, web.Response):
        return paged
    cut, status, headers = paged
    shown = {key: known[key] for name, key in query.items() if name.startswith("forcedisplay") and key in known}
    answer: dict[str, Any] = {"totalcount": len(rows), "count": len(cut), "sort": [1], "order": ["ASC"]}
    if cut:
        answer["data"] = [{key: row[name] for key, name in {"1": "name", **shown}.items()} for row in cut]
    return web.json_response(answer, status=status, headers=headers)


# ---------------------------------------------------------------- rows


def _listed(request: web.Request, itemtype: str, rows: list[Record]) -> web.Response:
    rows = [row for row in rows if _visible(request, itemtype, row)]
    if itemtype in {"Ticket", "Document"}:
        deleted = int(request.query.get("is_deleted", "0"))
        rows = [row for row in rows if row["is_deleted"] == deleted]
    for name, wanted in request.query.items():
        if (found := re.fullmatch(r"searchText\[(\w+)\]", name)) and wanted:
            rows = [row for row in rows if _matches(wanted, row.get(found[1]))]
    paged = _page(request, rows)
    if isinstance(paged, web.Response):
        return paged
    cut, status, headers = paged
    return web.json_response(cut, status=status, headers=headers)


@routes.get(API + r"/{type:[A-Z]\w+}")
async def rows(request: web.Request) -> web.Response:
    itemtype = request.match_info["type"]
    return _listed(request, itemtype, request.app[STATE].table(itemtype))


@routes.get(API + r"/{type:[A-Z]\w+}/{id:\d+}")
async def row(request: web.Request) -> web.Response:
    state, itemtype = request.app[STATE], request.match_info["type"]
    found = state.row(itemtype, int(request.match_info["id"]))
    if found is None:
        return _error(404, "ERROR_ITEM_NOT_FOUND", "Item not found")
    if not _visible(request, itemtype, found):
        return _error(403, "ERROR_RIGHT_MISSING", "You don't have permission to perform this action.")
    if itemtype == "Document" and request.headers.get("Accept") == "application/octet-stream":
        return web.Response(body=state.contents.get(found["sha1sum"], b""), content_type=found["mime"] or "x/y")
    return web.json_response(found)


@routes.get(API + r"/{type:[A-Z]\w+}/{id:\d+}/{sub:[A-Z]\w+}")
async def sub_rows(request: web.Request) -> web.Response:
    """As `API::getItems`: narrowed by a foreign key named after the parent, else by itemtype and items_id, else not."""
    state, parent, sub = request.app[STATE], request.match_info["type"], request.match_info["sub"]
    number = int(request.match_info["id"])
    if state.row(parent, number) is None:
        return _error(404, "ERROR_ITEM_NOT_FOUND", "Item not found")
    key = f"{parent.lower()}s_id"
    found = state.table(sub)
    columns = COLUMNS.get(sub, list(found[0]) if found else [])
    if key in columns:
        found = [one for one in found if one[key] == number]
    elif "items_id" in columns:
        found = [one for one in found if one["itemtype"] == parent and one["items_id"] == number]
    return _listed(request, sub, found)


def _created(state: GlpiState, itemtype: str, made: Record | None) -> web.Response:
    if made is None:
        said = state.refusal or "You don't have permission to perform this action."
        return _error(400, "ERROR_GLPI_ADD", said)
    how = state.broken_writes.pop(0) if state.broken_writes else ""
    if how == "404":
        return _error(404, "ERROR_ITEM_NOT_FOUND", "Item not found")
    if how == "sql":
        return _error(400, "ERROR_GLPI_ADD", f"MySQL query error: {made.get('content')} (1406)")
    if how == "empty":
        return web.json_response([], status=200)
    answer = {"id": made["id"], "message": f"Item successfully added: {made.get('name', '')}"}
    return web.json_response(answer, status=201, headers={"Location": f"{API}/{itemtype}/{made['id']}"})


@routes.post(API + r"/{type:[A-Z]\w+}")
async def create(request: web.Request) -> web.Response:
    state, itemtype, user = request.app[STATE], request.match_info["type"], _session(request).user
    if request.content_type != "multipart/form-data":
        return _created(state, itemtype, state.add(itemtype, (await request.json())["input"], user))
    reader = await request.multipart()
    manifest: Record = {}
    made: Record | None = None
    while (part := await reader.next()) is not None:
        assert isinstance(part, BodyPartReader)
        data = bytes(await part.read())
        if part.name == "uploadManifest":
            manifest = json.loads(data)["input"]
        else:
            assert part.filename in manifest["_filename"]
            made = state.keep_file(manifest, part.filename or "", part.headers.get("Content-Type", ""), data, user)
    return _created(state, itemtype, made)


@routes.put(API + r"/{type:[A-Z]\w+}/{id:\d+}")
async def change(request: web.Request) -> web.Response:
    state, itemtype, number = request.app[STATE], request.match_info["type"], int(request.match_info["id"])
    found = state.row(itemtype, number)
    if found is None:
        return web.json_response([{str(number): False, "message": "Item not found"}], status=400)
    state.update(itemtype, found, (await request.json())["input"], _session(request).user)
    return web.json_response([{str(number): True, "message": ""}])


@asynccontextmanager
async def serve_fake_glpi(version: int = 10) -> AsyncIterator[tuple[int, GlpiState]]:
    """Yield the port of a fresh fake on loopback, and its state."""
    app = web.Application(middlewares=[front], client_max_size=64 * 2**20)
    app[STATE] = seeded(version)
    app.add_routes(routes)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield runner.addresses[0][1], app[STATE]
    finally:
        await runner.cleanup()
