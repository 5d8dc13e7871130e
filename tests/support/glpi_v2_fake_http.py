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
from support.glpi_fake import seeded
from support.glpi_v2_fake import HighLevelState, RefusedError
from support.glpi_v2_fake_answers import API, STATE, absent, denied, me, refusal
from support.glpi_v2_fake_tickets import routes as ticket_routes

ONE_QUESTION = re.compile(r'query \{ (\w+)\(filter: ("(?:[^"\\]|\\.)*")\) \{ ([\w\s{}]+) \} \}')


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
        return denied("The High-Level API is disabled")
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme != "Bearer" or token not in state.tokens:
        if state.expiry_is_400 and scheme == "Bearer":
            return refusal(400, "ERROR_INVALID_PARAMETER", "Invalid OAuth token", "Access token is invalid")
        return refusal(401, "ERROR_UNAUTHENTICATED", "You are not authenticated")
    if _scope(request.path) not in state.tokens[token][1]:
        return denied()
    response: web.StreamResponse
    try:
        response = await handler(request)
    except RefusedError as error:
        response = refusal(error.status, error.code, error.title, error.detail)
    except web.HTTPNotFound:
        response = absent()
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


routes = web.RouteTableDef()


@routes.get(API + "/session")
async def session(request: web.Request) -> web.Response:
    state = request.app[STATE]
    now = datetime.now(state.glpi.clock_zone) + state.clock_off
    return web.json_response({"current_time": now.isoformat(timespec="seconds"), "user_id": me(request)})


@routes.get(API + "/Administration/User/Me/Preference")
async def preference(request: web.Request) -> web.Response:
    on = bool(request.app[STATE].glpi.preferences.get("glpiset_followup_tech"))
    return web.json_response({"id": me(request), "set_followup_tech": on})


@routes.get(API + r"/Administration/User/{id:\d+}")
async def one_user(request: web.Request) -> web.Response:
    state = request.app[STATE]
    row = state.glpi.row("User", int(request.match_info["id"]))
    return web.json_response(fake.user(state.glpi, row)) if row else absent()


@routes.get(API + r"/Administration/User/{id:\d+}/Authorization")
async def authorizations(request: web.Request) -> web.Response:
    state, number = request.app[STATE], int(request.match_info["id"])
    if state.glpi.row("User", number) is None or "UserAuthorization" in state.denies:
        return denied()
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


@asynccontextmanager
async def serve_high_level_glpi() -> AsyncIterator[tuple[int, HighLevelState]]:
    """Yield the port of a fresh GLPI 11 on loopback that speaks both APIs, and its state."""
    app = web.Application(middlewares=[_front], client_max_size=64 * 2**20)
    app[legacy.STATE] = seeded(11)
    app[STATE] = fake.with_service_account(app[legacy.STATE])
    app.add_routes(legacy.routes)
    app.add_routes([*routes, *ticket_routes])
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield runner.addresses[0][1], app[STATE]
    finally:
        await runner.cleanup()
