"""Serves `redmine_state` as Redmine's REST API, with the answers of 5.0.4; see there."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

from aiohttp import web

from support.redmine_state import (
    STATUSES,
    TRACKERS,
    File,
    Invalid,
    Issue,
    Journal,
    RedmineState,
    User,
    seeded,
)

STATE = web.AppKey("state", RedmineState)
OPEN_TO_ANYBODY = re.compile(r"/issues\.json|/issue_statuses\.json")
"""Lists answer a wrong key like Anonymous, who sees nothing."""


def _time(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"


def _user_of(request: web.Request) -> User | None:
    return request.app[STATE].by_key(request.headers.get("X-Redmine-API-Key", ""))


def _me(request: web.Request) -> User:
    user = _user_of(request)
    assert user is not None
    return user


def _nothing(status: int) -> web.Response:
    return web.Response(status=status, content_type="application/json")


def _invalid(error: Invalid) -> web.Response:
    return web.json_response({"errors": error.errors}, status=422)


@web.middleware
async def _front(request: web.Request, handler: Callable[[web.Request], Any]) -> web.StreamResponse:
    state = request.app[STATE]
    if state.busy:
        state.busy -= 1
        return web.Response(status=429, headers={"Retry-After": "3"}, text="slow down")
    open_to_anybody = request.method == "GET" and OPEN_TO_ANYBODY.fullmatch(request.path)
    if _user_of(request) is None and not open_to_anybody:
        return _nothing(401)
    try:
        response: web.StreamResponse = await handler(request)
    except Invalid as error:
        response = _invalid(error)
    except json.JSONDecodeError:
        response = web.Response(status=400, content_type="text/html")
    response.headers.pop("Date", None)
    return response


# ---------------------------------------------------------------- shapes


def _named(number: int, name: str) -> dict[str, object]:
    return {"id": number, "name": name}


def _issue_json(state: RedmineState, one: Issue) -> dict[str, Any]:
    name, closed = STATUSES[one.status]
    project = state.projects[one.project]
    return {
        "id": one.id,
        "project": _named(project.id, project.identifier.capitalize()),
        "tracker": _named(one.tracker, TRACKERS[one.tracker]),
        "status": {**_named(one.status, name), "is_closed": closed},
        "priority": _named(2, "Normal"),
        "author": _named(one.author.id, one.author.name),
        "subject": one.subject,
        "description": one.description,
        "is_private": False,
        "custom_fields": [
            {**_named(number, label), "value": one.fields.get(number, "")} for number, label in project.fields.items()
        ],
        "created_on": _time(one.created),
        "updated_on": _time(one.updated),
        "closed_on": None,
    }


def _journal_json(one: Journal) -> dict[str, Any]:
    return {
        "id": one.id,
        "user": _named(one.user.id, one.user.name),
        "notes": one.notes,
        "created_on": _time(one.created),
        "private_notes": one.private,
        "details": one.details,
    }


def _file_json(one: File) -> dict[str, Any]:
    return {
        "id": one.id,
        "filename": one.name,
        "filesize": len(one.content),
        "content_type": one.media_type or None,
        "description": "",
        "content_url": f"http://redmine.test/attachments/download/{one.id}/{one.name}",
        "created_on": "2026-11-24T13:00:00Z",
    }


def _page(request: web.Request, name: str, rows: list[dict[str, Any]]) -> web.Response:
    """One page. A limit above 100 is cut without a word."""
    limit = min(int(request.query.get("limit") or 25), 100)
    offset = int(request.query.get("offset") or 0)
    total = len(rows) + request.app[STATE].total_added
    cut = rows[offset : offset + limit]
    return web.json_response({name: cut, "total_count": total, "offset": offset, "limit": limit})


# ---------------------------------------------------------------- filters


def _matches(state: RedmineState, query: dict[str, str], one: Issue) -> bool:
    if query.get("status_id") != "*" and STATUSES[one.status][1]:
        return False
    if (since := query.get("updated_on")) is not None and _time(one.updated) < since.removeprefix(">="):
        return False
    for name, asked in query.items():
        number = int(name[3:]) if re.fullmatch(r"cf_\d+", name) else 0
        if number not in state.filterable:
            continue  # passed over without a word
        value = one.fields.get(number, "")
        if not (bool(value) if asked == "*" else value in asked.removeprefix("=").split("|")):
            return False
    return True


def _listed(request: web.Request) -> list[Issue]:
    state, query = request.app[STATE], dict(request.query)
    asked = query.get("updated_on", ">=2026-01-01T00:00:00Z")
    if not re.fullmatch(r">=\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", asked):
        raise Invalid("Updated is invalid")
    there = [] if state.finds_nothing else state.visible(_user_of(request))
    found = [one for one in there if _matches(state, query, one)]
    if query.get("sort") == "updated_on:desc":
        return sorted(found, key=lambda one: one.updated, reverse=True)
    return sorted(found, key=lambda one: one.id, reverse=query.get("sort") != "id")


# ---------------------------------------------------------------- handlers

routes = web.RouteTableDef()


@routes.get("/users/current.json")
async def current(request: web.Request) -> web.Response:
    me = _me(request)
    return web.json_response({"user": {"id": me.id, "login": me.login, "admin": False, "firstname": me.name}})


@routes.get("/issue_statuses.json")
async def statuses(request: web.Request) -> web.Response:
    rows = [{"id": number, "name": name, "is_closed": closed} for number, (name, closed) in STATUSES.items()]
    return web.json_response({"issue_statuses": rows})


@routes.get(r"/projects/{project:[^/]+}.json")
async def project_alone(request: web.Request) -> web.Response:
    wanted = request.match_info["project"]
    found = next((one for one in request.app[STATE].projects.values() if one.identifier == wanted), None)
    if found is None:
        return _nothing(404)
    if found.id not in _me(request).roles:
        return _nothing(403)
    project = {**_named(found.id, found.identifier.capitalize()), "identifier": found.identifier}
    project |= {"status": found.status, "is_public": found.is_public}
    project["trackers"] = [_named(*one) for one in TRACKERS.items()]
    project["issue_custom_fields"] = [_named(*one) for one in found.fields.items()]
    return web.json_response({"project": project})


@routes.get(r"/projects/{project:\d+}/memberships.json")
async def memberships(request: web.Request) -> web.Response:
    number = int(request.match_info["project"])
    rows = [
        {"id": one.id, "user": _named(one.id, one.name), "roles": [_named(1, one.roles[number])]}
        for one in request.app[STATE].users.values()
        if number in one.roles
    ]
    rows.append({"id": 99, "group": _named(9, "Todos"), "roles": [_named(1, "Agente")]})
    return _page(request, "memberships", rows) if number in _me(request).roles else _nothing(403)


@routes.get("/issues.json")
async def issues(request: web.Request) -> web.Response:
    state = request.app[STATE]
    return _page(request, "issues", [_issue_json(state, one) for one in _listed(request)])


@routes.post("/issues.json")
async def create(request: web.Request) -> web.Response:
    state = request.app[STATE]
    given = (await request.json()).get("issue") or {} if request.content_type == "application/json" else {}
    made = state.create(_me(request), given)
    return web.json_response({"issue": _issue_json(state, made)}, status=201)


def _seen(request: web.Request) -> Issue | web.Response:
    issue = request.app[STATE].issues.get(int(request.match_info["id"]))
    if issue is None:
        return _nothing(404)
    return issue if issue.project in _me(request).roles else _nothing(403)


@routes.get(r"/issues/{id:\d+}.json")
async def show(request: web.Request) -> web.Response:
    issue, me = _seen(request), _me(request)
    if isinstance(issue, web.Response):
        return issue
    whole = _issue_json(request.app[STATE], issue)
    include = request.query.get("include", "").split(",")
    if "journals" in include:
        seen = [one for one in issue.journals if not one.private or one.user is me or me.sees_private]
        whole["journals"] = [_journal_json(one) for one in seen]
    if "attachments" in include:
        whole["attachments"] = [_file_json(one) for one in issue.files]
    if "relations" in include and issue.duplicates:
        relation = {"issue_id": issue.id, "issue_to_id": issue.duplicates, "relation_type": "duplicates"}
        whole["relations"] = [{"id": 1, "delay": None, **relation}]
    return web.json_response({"issue": whole})


@routes.post(r"/issues/{id:\d+}.json")
async def overridden(request: web.Request) -> web.StreamResponse:
    as_put = request.headers.get("X-HTTP-Method-Override") == "PUT" and not request.app[STATE].strips_override
    return await change(request) if as_put else _nothing(404)


@routes.put(r"/issues/{id:\d+}.json")
async def change(request: web.Request) -> web.Response:
    issue = _seen(request)
    if isinstance(issue, web.Response):
        return issue
    if request.app[STATE].projects[issue.project].status != 1:
        return _nothing(403)
    request.app[STATE].change(_me(request), issue, (await request.json())["issue"])
    return web.Response(status=204)


@routes.delete(r"/issues/{id:\d+}.json")
async def delete(request: web.Request) -> web.Response:
    issue = _seen(request)
    if isinstance(issue, web.Response):
        return issue
    del request.app[STATE].issues[issue.id]
    return web.Response(status=204)


@routes.put(r"/journals/{id:\d+}.json")
async def hide(request: web.Request) -> web.Response:
    number = int(request.match_info["id"])
    journals = [one for issue in request.app[STATE].issues.values() for one in issue.journals]
    made = next(one for one in journals if one.id == number)
    made.private = bool((await request.json())["journal"]["private_notes"])
    return web.Response(status=204)


@routes.post("/uploads.json")
async def upload(request: web.Request) -> web.Response:
    if request.content_type != "application/octet-stream":
        return web.Response(status=400 if request.content_type == "application/json" else 406)
    token = request.app[STATE].upload(request.query.get("filename", ""), await request.read())
    return web.json_response({"upload": {"id": int(token.split(".")[0]), "token": token}}, status=201)


@routes.get(r"/attachments/{id:\d+}.json")
async def file_alone(request: web.Request) -> web.Response:
    file = request.app[STATE].file(_user_of(request), int(request.match_info["id"]))
    return _nothing(404) if file is None else web.json_response({"attachment": _file_json(file)})


@routes.get(r"/attachments/download/{id:\d+}")
async def download(request: web.Request) -> web.Response:
    file = request.app[STATE].file(_user_of(request), int(request.match_info["id"]))
    if file is None:
        return web.Response(status=404, text="<!DOCTYPE html>", content_type="text/html")
    return web.Response(body=file.content, content_type=file.media_type or "application/octet-stream")


@asynccontextmanager
async def serve_fake_redmine() -> AsyncIterator[tuple[str, RedmineState]]:
    """Yield the address of a fresh fake on loopback, and its state."""
    app = web.Application(middlewares=[_front], client_max_size=64 * 2**20)
    app[STATE] = seeded()
    app.add_routes(routes)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}", app[STATE]
    finally:
        await runner.cleanup()
