"""Serves `glpi_v2_fake` as `api.php`, with the answers that GLPI's source gives; `apirest.php` beside it."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

from aiohttp import web

from support import glpi_fake_http as legacy
from support import glpi_v2_fake as fake
from support.glpi_fake import Record, seeded
from support.glpi_v2_fake import HighLevelState, RefusedError

STATE = web.AppKey("high_level", HighLevelState)
API = r"/api.php/v2{version:(?:\.\d+)?}"
ONE_QUESTION = re.compile(r'query \{ (\w+)\(filter: ("(?:[^"\\]|\\.)*")\) \{ ([\w\s{}]+) \} \}')


def _refusal(status: int, code: str, title: str, detail: Any = None, more: list[str] | None = None) -> web.Response:
    body: Record = {"status": code, "title": title, "detail": detail}
    if more:
        body["additional_messages"] = [{"priority": "error", "message": words} for words in more]
    return web.json_response(body, status=status)


def _denied(detail: str | None = None) -> web.Response:
    return _refusal(403, "ERROR_RIGHT_MISSING", "You don't have permission to perform this action.", detail)


def _absent() -> web.Response:
    return _refusal(404, "ERROR_ITEM_NOT_FOUND", "Not found")


def _scope(path: str) -> str:
    if "/Administration/User/Me" in path:
        return "user"
    return "graphql" if "/GraphQL" in path else "api"


@web.middleware
async def _front(request: web.Request, handler: Callable[[web.Request], Any]) -> web.StreamResponse:
    if request.path.startswith(legacy.API):
        answer: web.StreamResponse = await legacy.front(request, handler)
        return answer
    state = request.app[STATE]
    if request.path == "/api.php/token":
        return await _token(request, state)
    if state.front:
        lost = web.Response(status=404, text="<html>Not Found</html>", content_type="text/html")
        return lost if state.front == "404" else web.json_response([])
    if not state.enabled:
        return _denied("The High-Level API is disabled")
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme != "Bearer" or token not in state.tokens:
        if state.expiry_is_400 and scheme == "Bearer":
            return _refusal(400, "ERROR_INVALID_PARAMETER", "Invalid OAuth token", "Access token is invalid")
        return _refusal(401, "ERROR_UNAUTHENTICATED", "You are not authenticated")
    if _scope(request.path) not in state.tokens[token][1]:
        return _denied()
    response: web.StreamResponse
    try:
        response = await handler(request)
    except RefusedError as error:
        response = _refusal(error.status, error.code, error.title, error.detail)
    except web.HTTPNotFound:
        response = _absent()
    return response


async def _token(request: web.Request, state: HighLevelState) -> web.Response:
    given = await request.post()

    def no(status: int, error: str) -> web.Response:
        return web.json_response({"error": error, "error_description": "…", "message": "…"}, status=status)

    if given.get("grant_type") not in state.grants:
        return no(400, "unsupported_grant_type")
    if state.clients.get(str(given.get("client_id"))) != given.get("client_secret"):
        return no(401, "invalid_client")
    wanted = set(str(given.get("scope", "")).split())
    if not wanted <= {"email", "user", "api", "inventory", "status", "graphql"}:
        return no(400, "invalid_scope")
    name = str(given.get("username"))
    if state.passwords.get(name) != given.get("password"):
        return no(400, "invalid_grant")
    token = secrets.token_hex(20)
    account = next(row["id"] for row in state.glpi.table("User") if row["name"] == name)
    state.tokens[token] = (account, wanted & state.scopes)
    state.given += 1
    answer = {"token_type": "Bearer", "expires_in": state.expires_in, "access_token": token, "refresh_token": "r"}
    return web.json_response(answer)


async def _given(request: web.Request) -> Record:
    """A body that calls itself exactly JSON; every other one is passed over (`Router::handleRequest`)."""
    if request.headers.get("Content-Type") != "application/json":
        return {}
    given: Record = await request.json()
    return given


def _me(request: web.Request) -> int:
    return request.app[STATE].tokens[request.headers["Authorization"].partition(" ")[2]][0]


routes = web.RouteTableDef()


@routes.get(API + "/session")
async def session(request: web.Request) -> web.Response:
    state = request.app[STATE]
    now = datetime.now(state.glpi.clock_zone) + state.clock_off
    return web.json_response({"current_time": now.isoformat(timespec="seconds"), "user_id": _me(request)})


@routes.get(API + "/Administration/User/Me/Preference")
async def preference(request: web.Request) -> web.Response:
    on = bool(request.app[STATE].glpi.preferences.get("glpiset_followup_tech"))
    return web.json_response({"id": _me(request), "set_followup_tech": on})


@routes.get(API + r"/Administration/User/{id:\d+}")
async def one_user(request: web.Request) -> web.Response:
    state = request.app[STATE]
    row = state.glpi.row("User", int(request.match_info["id"]))
    return web.json_response(fake.user(state.glpi, row)) if row else _absent()


@routes.get(API + r"/Administration/User/{id:\d+}/Authorization")
async def authorizations(request: web.Request) -> web.Response:
    state, number = request.app[STATE], int(request.match_info["id"])
    if state.glpi.row("User", number) is None or "UserAuthorization" in state.denies:
        return _denied()
    links = [row for row in state.glpi.table("Profile_User") if row["users_id"] == number]
    return web.json_response(
        [{"id": row["id"], "profile": fake.joined(state.glpi, "Profile", row["profiles_id"])} for row in links]
    )


@routes.post(API + "/GraphQL")
async def question(request: web.Request) -> web.Response:
    state = request.app[STATE]
    asked = ONE_QUESTION.fullmatch((await request.read()).decode())
    assert asked, "not a question that this fake reads"
    type_name = asked[1]
    if state.breaks_questions:
        return web.json_response([])
    if type_name in state.unknown_types:
        words = f'Cannot query field "source_item_id" on type "{type_name}".'
        return web.json_response({"errors": [{"message": words}]})
    if type_name in state.denies:
        return web.json_response({"errors": [{"message": '{"status":"ERROR_RIGHT_MISSING"}'}], "data": {}})
    rows = fake.narrowed(state, fake.rows_of(state, type_name), json.loads(asked[2]))
    return web.json_response({"data": {type_name: rows}})


# ---------------------------------------------------------------- tickets


@routes.get(API + "/Assistance/Ticket")
async def tickets(request: web.Request) -> web.Response:
    state, query = request.app[STATE], request.query
    if "Ticket" in state.denies:
        return _denied()
    rows = fake.narrowed(state, fake.rows_of(state, "Ticket"), query.get("filter", ""))
    name, _, way = query.get("sort", "id:asc").partition(":")
    rows.sort(key=lambda row: (str(row[name]) if name != "id" else "", row["id"]), reverse=way == "desc")
    start, limit = int(query.get("start", "0")), int(query.get("limit", "100"))
    cut, total = rows[start : start + limit], len(rows)
    headers = {"Content-Range": f"{start}-{max(0, start + limit - 1)}/{total}"}
    return web.json_response(cut, status=206 if start + limit < total else 200, headers=headers)


def _row(request: web.Request) -> Record:
    row = request.app[STATE].glpi.row("Ticket", int(request.match_info["id"]))
    if row is None:
        raise web.HTTPNotFound
    return row


@routes.get(API + r"/Assistance/Ticket/{id:\d+}")
async def one_ticket(request: web.Request) -> web.Response:
    return web.json_response(fake.ticket(request.app[STATE].glpi, _row(request)))


def _made(state: HighLevelState, made: Record | None, path: str) -> web.Response:
    """`Failed to create item(s)` is a 500."""
    if made is None:
        return _refusal(
            500, "ERROR", "Failed to create item(s)", more=[state.glpi.refusal] if state.glpi.refusal else []
        )
    how = state.broken_writes.pop(0) if state.broken_writes else ""
    if how == "404":
        return _absent()
    if how in {"empty", "null"}:
        return web.json_response([] if how == "empty" else None)
    href = f"{path}/{made['id']}"
    return web.json_response({"id": made["id"], "href": href}, status=state.created_status, headers={"Location": href})


@routes.post(API + "/Assistance/Ticket")
async def create(request: web.Request) -> web.Response:
    """Unknown fields are passed over, `team` among them."""
    state, given = request.app[STATE], await _given(request)
    columns = {"entity": "entities_id", "category": "itilcategories_id", "request_type": "requesttypes_id"}
    fields: Record = {key: given[key] for key in ("name", "content", "type") if key in given}
    fields |= {column: given[key]["id"] for key, column in columns.items() if key in given}
    if "external_id" in given:
        fields["externalid"] = given["external_id"]
    return _made(state, state.glpi.add("Ticket", fields, _me(request)), "/Assistance/Ticket")


@routes.patch(API + r"/Assistance/Ticket/{id:\d+}")
async def change(request: web.Request) -> web.Response:
    state, row, given = request.app[STATE], _row(request), await _given(request)
    status = given.get("status")
    changed = {"status": status["id"] if isinstance(status, dict) else status} if status else {}
    state.glpi.update("Ticket", row, changed, _me(request))
    return web.json_response(fake.ticket(state.glpi, row))


@routes.get(API + r"/Assistance/Ticket/{id:\d+}/TeamMember")
async def team(request: web.Request) -> web.Response:
    state, row = request.app[STATE], _row(request)
    members = [
        {"role": "requester", "name": "x", "href": f"/front/user.form.php?id={one['users_id']}"}
        | ({"id": one["users_id"]} if state.tells_ids_in_team else {})
        for one in state.glpi.table("Ticket_User")
        if one["tickets_id"] == row["id"] and one["type"] == 1
    ]
    group = {"role": "assigned", "name": "Mesa", "href": "/front/group.form.php?id=8"}
    return web.json_response([*members, group])


@routes.post(API + r"/Assistance/Ticket/{id:\d+}/TeamMember")
async def join(request: web.Request) -> web.Response:
    """The role is only taken as a number, as before API 2.2."""
    state, row, given = request.app[STATE], _row(request), await _given(request)
    if state.team_fails or given["role"] != 1:
        state.team_fails -= 1
        return web.Response(status=500, text="")
    state.glpi.insert("Ticket_User", tickets_id=row["id"], users_id=given["id"], type=1)
    return web.Response(status=201, content_type="application/json")


# ---------------------------------------------------------------- timeline


@routes.get(API + r"/Assistance/Ticket/{id:\d+}/Timeline/{kind:Followup|Solution}")
async def timeline(request: web.Request) -> web.Response:
    state, row, kind = request.app[STATE], _row(request), request.match_info["kind"]
    if kind in state.denies or state.empties_timelines:  # not an error: what may not be seen is left out
        return web.json_response([])
    mine = [one for one in fake.rows_of(state, kind) if one["itemtype"] == "Ticket" and one["items_id"] == row["id"]]
    found = fake.narrowed(state, mine, request.query.get("filter", ""))[: state.timeline_limit]
    return web.json_response([{"type": kind, "item": one} for one in found])


@routes.get(API + r"/Assistance/Ticket/{id:\d+}/Timeline/{kind:Followup|Solution}/{sub:\d+}")
async def timeline_item(request: web.Request) -> web.Response:
    state, row, kind = request.app[STATE], _row(request), request.match_info["kind"]
    for one in fake.rows_of(state, kind):
        if one["id"] == int(request.match_info["sub"]) and (one["itemtype"], one["items_id"]) == ("Ticket", row["id"]):
            return web.json_response(one)
    return _absent()


@routes.post(API + r"/Assistance/Ticket/{id:\d+}/Timeline/Followup")
async def add_followup(request: web.Request) -> web.Response:
    """`add_reopen` is none of the schema's fields; a closed ticket is a matter of rights."""
    state, row, given = request.app[STATE], _row(request), await _given(request)
    if row["status"] == 6 and not state.glpi.closed_takes:
        return _denied()
    fields = {"itemtype": "Ticket", "items_id": row["id"], "content": given.get("content")}
    fields["is_private"] = int(bool(given.get("is_private")))
    made = state.glpi.add("ITILFollowup", fields, _me(request))
    return _made(state, made, f"/Assistance/Ticket/{row['id']}/Timeline/Followup")


@routes.get(API + r"/Management/Document/{id:\d+}")
async def document(request: web.Request) -> web.Response:
    state = request.app[STATE]
    row = state.glpi.row("Document", int(request.match_info["id"]))
    return web.json_response(fake.document(state.glpi, row)) if row else _absent()


@routes.get(API + r"/Management/Document/{id:\d+}/Download")
async def download(request: web.Request) -> web.Response:
    state = request.app[STATE]
    row = state.glpi.row("Document", int(request.match_info["id"]))
    if row is None:
        return _absent()
    return web.Response(body=state.glpi.contents.get(row["sha1sum"], b""), content_type=row["mime"] or "x/y")


@asynccontextmanager
async def serve_high_level_glpi() -> AsyncIterator[tuple[int, HighLevelState]]:
    """Yield the port of a fresh GLPI 11 on loopback that speaks both APIs, and its state."""
    app = web.Application(middlewares=[_front], client_max_size=64 * 2**20)
    app[legacy.STATE] = seeded(11)
    app[STATE] = fake.with_service_account(app[legacy.STATE])
    app.add_routes(legacy.routes)
    app.add_routes(routes)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield runner.addresses[0][1], app[STATE]
    finally:
        await runner.cleanup()
