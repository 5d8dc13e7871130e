"""Serves `zammad_fake` as Zammad's REST API; see there."""

from __future__ import annotations

import base64
import binascii
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from support.zammad_fake import Article, File, Refused, Ticket, User, ZammadState, now, seeded

STATE = web.AppKey("state", ZammadState)
API = "/api/v1"
routes = web.RouteTableDef()


class Problem(Exception):
    """An answer that is an error."""

    def __init__(self, status: int, words: str) -> None:
        super().__init__(words)
        self.status = status


@web.middleware
async def _front(request: web.Request, handler: Callable[[web.Request], Any]) -> web.StreamResponse:
    try:
        response: web.StreamResponse = await handler(request)
    except Refused as refused:
        response = _problem(422, str(refused))
    except Problem as problem:
        response = _problem(problem.status, str(problem))
    response.headers["Date"] = f"{datetime.now(UTC):%a, %d %b %Y %H:%M:%S GMT}"
    response.force_close()  # as behind a front server without keep-alive: on a kept connection no end is a refusal
    return response


def _problem(status: int, words: str) -> web.Response:
    return web.json_response({"error": words, "error_human": words}, status=status)


def _me(request: web.Request) -> User:
    state = request.app[STATE]
    kind, _, token = request.headers.get("Authorization", "").partition(" ")
    user = state.by_token(token.removeprefix("token=")) if kind == "Token" else None
    if user is None:
        raise Problem(401, "Invalid token")
    if state.maintenance and not user.admin:
        raise Problem(403, "Maintenance mode enabled!")
    return user


def _ticket(request: web.Request, user: User, number: Any) -> Ticket:
    ticket = request.app[STATE].tickets.get(int(number)) if str(number).isdigit() else None
    if ticket is None:
        raise Problem(404, "Couldn't find Ticket with 'id'=" + str(number))
    if ticket.group not in user.groups:
        raise Problem(403, "Not authorized")
    if request.method != "GET" and ticket.group in user.read_only:
        raise Problem(403, "Not authorized")
    return ticket


# ---------------------------------------------------------------- shapes


def _time(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z"


def _ticket_json(state: ZammadState, ticket: Ticket) -> dict[str, Any]:
    return {
        "id": ticket.id,
        "number": ticket.number,
        "title": ticket.title,
        "group_id": state.groups.index(ticket.group) + 1,
        "group": ticket.group,
        "state": ticket.state,
        "customer_id": ticket.customer,
        "customer": state.users[ticket.customer].login,
        "pending_time": ticket.pending,
        "article_ids": [one.id for one in state.thread(ticket.id)],
        "updated_at": _time(ticket.updated),
        "preferences": {},
        **{name: ticket.fields.get(name) for name in state.attributes},
    }


def _article_json(state: ZammadState, article: Article) -> dict[str, Any]:
    creator = state.users[article.creator]
    author = state.users[article.origin or article.creator]
    return {
        "id": article.id,
        "ticket_id": article.ticket,
        "type": article.kind,
        "sender": article.sender,
        "from": f"{author.firstname} {author.lastname}".strip(),
        "to": article.to,
        "subject": article.subject,
        "message_id": article.message_id,
        "content_type": article.content_type,
        "body": article.body,
        "internal": article.internal,
        "preferences": article.preferences,
        "created_by_id": article.creator,
        "created_by": creator.login,
        "origin_by_id": article.origin,
        "created_at": _time(article.created),
        "updated_at": _time(article.updated),
        "attachments": [
            {
                "id": file.id,
                "filename": file.name,
                "size": str(len(file.content)),
                "preferences": {"Mime-Type": file.media_type},
            }
            for file in article.files
        ],
    }


def _with_files(state: ZammadState, body: Any) -> dict[str, Any]:
    """The article asked for, its files decoded; all three keys are required."""
    files = []
    for index, one in enumerate(body.get("attachments") or ()):
        for key in ("mime-type", "filename", "data"):
            if not one.get(key):
                raise Refused(f"Attachment needs '{key}' param for attachment with index '{index}'")
        try:
            content = base64.b64decode(one["data"], validate=True)
        except binascii.Error as error:
            raise Refused(f"Invalid base64 for attachment with index '{index}'") from error
        files.append(File(id=next(state.ids), name=one["filename"], media_type=one["mime-type"], content=content))
    return {**body, "attachments": files}


# ---------------------------------------------------------------- tickets


@routes.get(f"{API}/users/me")
async def me(request: web.Request) -> web.Response:
    user = _me(request)
    return web.json_response({"id": user.id, "login": user.login, "active": True})


@routes.post(f"{API}/tickets/search")
async def search(request: web.Request) -> web.Response:
    """By conditions from the database; by words from an index that does not know yet what was just written."""
    state, user, body = request.app[STATE], _me(request), await request.json()
    found = [ticket for ticket in state.tickets.values() if ticket.group in user.groups]
    if body.get("query"):
        found = [ticket for ticket in found if now() - ticket.updated > state.index_lag]
    found = [ticket for ticket in found if _meets(state, ticket, body.get("condition") or {})]
    newest_first = request.query.get("order_by", "desc") != "asc"
    found.sort(key=lambda ticket: (ticket.updated, ticket.id), reverse=newest_first)
    size = min(int(request.query.get("per_page") or 50), 200)
    start = (int(request.query.get("page") or 1) - 1) * size
    return web.json_response([_ticket_json(state, ticket) for ticket in found[start : start + size]])


def _meets(state: ZammadState, ticket: Ticket, conditions: dict[str, Any]) -> bool:
    """One condition that is not understood makes all of them none."""
    results = []
    if state.ignores_conditions or state.finds_nothing:
        return not state.finds_nothing
    for name, wanted in conditions.items():
        attribute = name.removeprefix("ticket.")
        if attribute in state.attributes and wanted.get("operator") == "is":
            have, want = ticket.fields.get(attribute), str(wanted["value"])
            same = have is not None and have.lower() == want.lower() if state.blind_to_case else have == want
            results.append(same)
        elif attribute == "updated_at" and wanted.get("operator") == "after (absolute)":
            results.append(ticket.updated > datetime.fromisoformat(wanted["value"]))
        else:
            return True
    return all(results)


@routes.post(f"{API}/tickets")
async def create(request: web.Request) -> web.Response:
    state, user, body = request.app[STATE], _me(request), await request.json()
    if body.get("group") in state.groups and body["group"] not in user.groups:
        raise Problem(403, "Not authorized")
    if "article" in body:
        body["article"] = _with_files(state, body["article"])
    return web.json_response(_ticket_json(state, state.create(user, body)), status=201)


@routes.get(f"{API}/tickets/{{number}}")
async def show(request: web.Request) -> web.Response:
    ticket = _ticket(request, _me(request), request.match_info["number"])
    return web.json_response(_ticket_json(request.app[STATE], ticket))


@routes.put(f"{API}/tickets/{{number}}")
async def update(request: web.Request) -> web.Response:
    state, user, body = request.app[STATE], _me(request), await request.json()
    ticket = _ticket(request, user, request.match_info["number"])
    if body.get("article"):
        body["article"] = _with_files(state, body["article"])
    state.update(user, ticket, body)
    return web.json_response(_ticket_json(state, ticket))


@routes.delete(f"{API}/tickets/{{number}}")
async def destroy(request: web.Request) -> web.Response:
    state, user = request.app[STATE], _me(request)
    ticket = _ticket(request, user, request.match_info["number"])
    if not user.admin:
        raise Problem(403, "admin permission required")
    del state.tickets[ticket.id]
    state.articles = {number: one for number, one in state.articles.items() if one.ticket != ticket.id}
    return web.json_response({})


@routes.put(f"{API}/ticket_merge/{{source}}/{{target}}")
async def merge(request: web.Request) -> web.Response:
    """What fails is told with status 200."""
    state, user = request.app[STATE], _me(request)
    number = request.match_info["target"]
    target = next((ticket for ticket in state.tickets.values() if ticket.number == number), None)
    if target is None:
        return web.json_response({"result": "failed", "message": "The target ticket number could not be found."})
    state.merge(user, _ticket(request, user, request.match_info["source"]), target)
    return web.json_response({"result": "success"})


@routes.get(f"{API}/ticket_history/{{number}}")
async def history(request: web.Request) -> web.Response:
    state = request.app[STATE]
    ticket = _ticket(request, _me(request), request.match_info["number"])
    rows = [{**row, "created_at": _time(row["created_at"])} for row in state.history_of(ticket.id)]
    return web.json_response({"history": rows, "assets": {}})


# ---------------------------------------------------------------- articles


@routes.post(f"{API}/ticket_articles")
async def append(request: web.Request) -> web.Response:
    state, user, body = request.app[STATE], _me(request), await request.json()
    ticket = _ticket(request, user, body.get("ticket_id"))
    article = state.keep(user, ticket, state.checked(user, ticket, _with_files(state, body)))
    return web.json_response(_article_json(state, article), status=201)


@routes.put(f"{API}/ticket_articles/{{number}}")
async def change(request: web.Request) -> web.Response:
    """Nothing but the visibility can be changed."""
    state, user, body = request.app[STATE], _me(request), await request.json()
    article = state.articles[int(request.match_info["number"])]
    _ticket(request, user, article.ticket)
    state.show(article, internal=bool(body.get("internal", article.internal)))
    return web.json_response(_article_json(state, article))


@routes.get(f"{API}/ticket_articles/by_ticket/{{number}}")
async def thread(request: web.Request) -> web.Response:
    state = request.app[STATE]
    ticket = _ticket(request, _me(request), request.match_info["number"])
    return web.json_response([_article_json(state, one) for one in state.thread(ticket.id)])


@routes.get(f"{API}/ticket_attachment/{{ticket}}/{{article}}/{{file}}")
async def attachment(request: web.Request) -> web.Response:
    state, user = request.app[STATE], _me(request)
    ticket = _ticket(request, user, request.match_info["ticket"])
    article = state.articles.get(int(request.match_info["article"]))
    if article is None:
        raise Problem(404, "Couldn't find Ticket::Article")
    if article.ticket != ticket.id and ticket.state != "merged":
        raise Problem(403, "The article does not belong to the specified ticket.")
    for file in article.files:
        if file.id == int(request.match_info["file"]):
            return web.Response(body=file.content, content_type=file.media_type.partition(";")[0])
    raise Problem(403, "The file does not belong to the specified article.")


@asynccontextmanager
async def serve_fake_zammad() -> AsyncIterator[tuple[int, ZammadState]]:
    """Yield the port of a fresh fake on loopback, and its state."""
    app = web.Application(middlewares=[_front], client_max_size=64 * 2**20)
    app[STATE] = seeded()
    app.add_routes(routes)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield runner.addresses[0][1], app[STATE]
    finally:
        await runner.cleanup()
