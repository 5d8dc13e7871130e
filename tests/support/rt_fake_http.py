"""Serves `rt_fake` as REST2 and mail gate, with Request Tracker's answers; see there."""

from __future__ import annotations

import base64
import email
import email.policy
import json
import operator
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

from aiohttp import BodyPartReader, web

from support.rt_fake import LIFECYCLE, Attachment, RtState, Ticket, Transaction, User, seeded

STATE = web.AppKey("state", RtState)
BY_REST = "X-RT-Interface: REST\n"
HIDDEN = frozenset({"EmailRecord", "CommentEmailRecord"})
"""Kinds that need a right of their own (ShowOutgoingEmail), which nobody here has."""


def _w3c(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"


def _problem(status: int, message: str) -> web.Response:
    return web.json_response({"message": message}, status=status)


def _user_of(request: web.Request) -> User | None:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return request.app[STATE].user_by_token(token) if scheme == "token" else None


@web.middleware
async def _front(request: web.Request, handler: Callable[[web.Request], Any]) -> web.StreamResponse:
    if request.path.startswith("/REST/2.0") and _user_of(request) is None:
        return _problem(401, "Unauthorized")
    response: web.StreamResponse = await handler(request)
    response.headers["Date"] = f"{datetime.now(UTC):%a, %d %b %Y %H:%M:%S GMT}"
    response.force_close()  # as Starlet does
    return response


def _me(request: web.Request) -> User:
    user = _user_of(request)
    assert user is not None
    return user


# ---------------------------------------------------------------- shapes


def _ref(kind: str, name: object) -> dict[str, object]:
    return {"type": kind, "id": str(name), "_url": f"http://rt.test/REST/2.0/{kind}/{name}"}


def _ticket_json(state: RtState, ticket: Ticket, fields: list[str] | None) -> dict[str, Any]:
    whole: dict[str, Any] = {
        "Status": ticket.status,
        "Subject": ticket.subject,
        "Queue": _ref("queue", ticket.queue),
        "EffectiveId": _ref("ticket", ticket.effective) if fields is None else str(ticket.effective),
        "Requestor": [_ref("user", name) for name in ticket.requestors],
        "LastUpdated": _w3c(ticket.updated),
        "CustomFields": [
            {**_ref("customfield", 2), "name": name, "values": [ticket.fields[name]] if name in ticket.fields else []}
            for name in state.queues[ticket.queue]
        ],
    }
    if fields is None:
        return {"id": ticket.id, "type": "ticket", **whole}
    return {**_ref("ticket", ticket.id), **{name: whole[name] for name in fields if name in whole}}


def _transaction_json(one: Transaction) -> dict[str, Any]:
    return {
        **_ref("transaction", one.id),
        "Type": one.kind,
        "Creator": {**_ref("user", one.creator), "RealName": one.creator.capitalize()},
        "Created": _w3c(one.created),
        "ObjectId": str(one.ticket),
        "ObjectType": "RT::Ticket",
        "Field": one.changed,
        "OldValue": one.old,
        "NewValue": one.new,
    }


def _part_json(part: Attachment) -> dict[str, Any]:
    return {
        **_ref("attachment", part.id),
        "TransactionId": str(part.transaction),
        "ContentType": part.media_type,
        "Filename": part.filename,
        "MessageId": part.message_id,
        "Creator": _ref("user", part.creator),
        "Created": _w3c(part.created),
        "Headers": part.headers,
        "Content": part.content.decode("utf-8", "replace"),
    }


def _page(request: web.Request, rows: list[dict[str, Any]], *, total: bool, hidden: Any = None) -> web.Response:
    """One page; rows that `hidden` names are taken out only after the cut, so that pages may be short or empty."""
    size = min(int(request.query.get("per_page") or 20) or 20, 100)
    page = int(request.query.get("page") or 1) or 1
    cut = rows[(page - 1) * size : page * size]
    if hidden is not None:
        cut = [row for row in cut if not hidden(row)]
    fields = [name for name in request.query.get("fields", "").split(",") if name]
    items = [{k: v for k, v in row.items() if k in {"id", "type", "_url", *fields}} for row in cut]
    pages = -(-len(rows) // size) or 0.0
    return web.json_response(
        {
            "count": len(items),
            "page": page,
            "per_page": size,
            "total": len(rows) if total else None,
            "pages": pages if total else None,
            "items": items,
        }
    )


# ---------------------------------------------------------------- TicketSQL and JSON filters


def _clause(state: RtState, text: str) -> Callable[[Ticket], bool]:
    if found := re.fullmatch(r"CF\.\{(.+)\} = '((?:[^'\\]|\\.)*)'", text):
        name, value = found[1], re.sub(r"\\(.)", r"\1", found[2])
        return lambda ticket: ticket.fields.get(name, "").lower() == value.lower() and name in ticket.fields
    if found := re.fullmatch(r"CF\.\{(.+)\} IS NOT NULL", text):
        name = found[1]
        return lambda ticket: name in ticket.fields
    if text == "EffectiveId > 0":
        return lambda ticket: True
    if text == "EffectiveId != id":
        return lambda ticket: ticket.effective != ticket.id
    if found := re.fullmatch(r"EffectiveId = (\d+)", text):
        into = int(found[1])
        return lambda ticket: ticket.effective == into
    if found := re.fullmatch(r"\((id = \d+(?: OR id = \d+)*)\)", text):
        wanted = {int(number) for number in re.findall(r"\d+", found[1])}
        return lambda ticket: ticket.id in wanted
    raise ValueError(text)


def _filtered(rows: list[dict[str, Any]], filters: list[dict[str, str]]) -> list[dict[str, Any]]:
    compare: dict[str, Callable[[str, str], bool]] = {
        "=": operator.eq,
        ">": operator.gt,
        ">=": operator.ge,
        "LIKE": lambda have, want: want.lower() in have.partition("\0")[0].lower(),
    }
    by_field: dict[str, list[dict[str, str]]] = {}
    for one in filters:
        by_field.setdefault(one["field"], []).append(one)
    for name, ones in by_field.items():
        rows = [
            row
            for row in rows
            if any(compare[one.get("operator", "=")](_comparable(name, row), one["value"]) for one in ones)
        ]
    return rows


def _comparable(name: str, row: dict[str, Any]) -> str:
    value = str(row[name])
    return value.replace("T", " ").removesuffix("Z") if name == "Created" else value


# ---------------------------------------------------------------- handlers

routes = web.RouteTableDef()


@routes.get("/REST/2.0/rt")
async def version(request: web.Request) -> web.Response:
    return web.json_response({"Version": "5.0.3"})


@routes.get("/REST/2.0/user/{name}")
async def user(request: web.Request) -> web.Response:
    found = request.app[STATE].users.get(request.match_info["name"])
    if found is None:
        return _problem(404, "Not Found")
    seen = {"Name": found.name, "Privileged": int(found.privileged), "_hyperlinks": [{"ref": "self", "id": found.id}]}
    return web.json_response(seen | ({"id": found.id} if found is _me(request) else {}))


@routes.get("/REST/2.0/queue/{name}")
async def queue(request: web.Request) -> web.Response:
    name = request.match_info["name"]
    if name not in _me(request).queues:
        return _problem(403, "Forbidden")
    fields = [{**_ref("customfield", 2), "name": one} for one in request.app[STATE].queues[name]]
    return web.json_response({"id": 3, "Name": name, "Lifecycle": "default", "TicketCustomFields": fields})


@routes.get("/REST/2.0/tickets")
async def tickets(request: web.Request) -> web.Response:
    state, query = request.app[STATE], request.query.get("query", "")
    try:
        clauses = [_clause(state, text) for text in query.split(" AND ")] if query else [lambda ticket: False]
    except ValueError as error:
        return _problem(400, f"Wrong query, expecting a KEYWORD in '{error}'")
    found = state.search(_me(request), clauses, merged_too="EffectiveId" in query)
    if request.query.get("orderby") == "LastUpdated":
        found = iter(sorted(found, key=lambda ticket: ticket.updated, reverse=request.query.get("order") == "DESC"))
    fields = request.query.get("fields", "").split(",")
    return _page(request, [_ticket_json(state, ticket, fields) for ticket in found], total=True)


@routes.post("/REST/2.0/ticket")
async def create(request: web.Request) -> web.Response:
    body = await request.json()
    if not body.get("Queue"):
        return _problem(400, "Could not create ticket. Queue not set")
    if body["Queue"] not in _me(request).queues:
        return _problem(403, f"No permission to create tickets in the queue '{body['Queue']}'")
    ticket = request.app[STATE].create(_me(request), body)
    answer = {"id": str(ticket.id), "type": "ticket", "_url": f"/REST/2.0/ticket/{ticket.id}"}
    return web.json_response(answer, status=201, headers={"Location": f"/REST/2.0/ticket/{ticket.id}"})


def _seen(request: web.Request) -> Ticket | web.Response:
    ticket = request.app[STATE].load(int(request.match_info["id"]))
    if ticket is None:
        return _problem(404, "Not Found")
    return ticket if ticket.queue in _me(request).queues else _problem(403, "Forbidden")


@routes.get(r"/REST/2.0/ticket/{id:\d+}")
async def show(request: web.Request) -> web.Response:
    ticket = _seen(request)
    if isinstance(ticket, web.Response):
        return ticket
    return web.json_response(_ticket_json(request.app[STATE], ticket, None))


@routes.put(r"/REST/2.0/ticket/{id:\d+}")
async def change(request: web.Request) -> web.Response:
    state, body, ticket = request.app[STATE], await request.json(), _seen(request)
    if isinstance(ticket, web.Response):
        return ticket
    said = [_set_status(state, _me(request), ticket, str(body["Status"]))] if "Status" in body else []
    if "MergeInto" in body:
        into = state.load(int(body["MergeInto"]))
        if into is not None:
            state.merge(ticket, into)
            said.append("Merge Successful")
    if queue := body.get("Queue"):
        ticket.queue = queue
        said.append(f"Ticket {ticket.id}: Queue changed")
    return web.json_response(said)


def _set_status(state: RtState, user: User, ticket: Ticket, status: str) -> str:
    if status not in LIFECYCLE:
        return f"Ticket {ticket.id}: Status '{status}' isn't a valid status for this ticket."
    if status == "deleted" and not user.may_delete:
        return f"Ticket {ticket.id}: Permission Denied"
    old = ticket.status
    state.set_status(ticket, status, user.name)
    return f"Ticket {ticket.id}: Status changed from '{old}' to '{status}'"


@routes.post(r"/REST/2.0/ticket/{id:\d+}/{verb:correspond|comment}")
async def write(request: web.Request) -> web.Response:
    state = request.app[STATE]
    body, files = await _message_of(request)
    ticket = state.load(int(request.match_info["id"]))
    if ticket is None or ticket.queue not in _me(request).queues:
        return _problem(400, "Permission Denied")
    if body.get("Content") and not body.get("ContentType"):
        return _problem(400, "ContentType is a required field for application/json")
    kind = {"correspond": "Correspond", "comment": "Comment"}[request.match_info["verb"]]
    media_type = str(body.get("ContentType") or "text/plain")
    transaction = state.write(
        _me(request), ticket, kind, str(body.get("Content", "")), files, media_type=media_type, headers=BY_REST
    )
    said = ["Correspondence added" if kind == "Correspond" else "Comments added"]
    if status := body.get("Status"):
        if ticket.status == status:
            said.append(f"You can't change status from '{status}' to '{status}'.")
        else:
            said.append(_set_status(state, _me(request), ticket, status))
    return web.json_response(said, status=201, headers={"Location": f"/REST/2.0/transaction/{transaction.id}"})


async def _message_of(request: web.Request) -> tuple[dict[str, Any], list[tuple[str, str, bytes]]]:
    if request.content_type != "multipart/form-data":
        body = await request.json()
        return body, [
            (
                one["FileName"].encode("latin-1", "replace").decode("ascii", "replace"),
                one["FileType"],
                base64.b64decode(one["FileContent"]),
            )
            for one in body.get("Attachments", ())
        ]
    body, files = {}, []
    reader = await request.multipart()
    while (part := await reader.next()) is not None:
        assert isinstance(part, BodyPartReader)
        data = bytes(await part.read())
        if part.name == "JSON":
            body = json.loads(data)
        else:
            files.append((part.filename or "", part.headers.get("Content-Type", ""), data))
    return body, files


@routes.post("/REST/2.0/transactions")
async def transactions(request: web.Request) -> web.Response:
    state, queues = request.app[STATE], _me(request).queues
    visible = {str(one.id) for one in state.tickets.values() if one.queue in queues}
    rows = _filtered([_transaction_json(one) for one in state.transactions], await request.json())
    return _page(request, rows, total=False, hidden=lambda row: row["Type"] in HIDDEN or row["ObjectId"] not in visible)


@routes.get(r"/REST/2.0/ticket/{id:\d+}/history")
async def whole_history(request: web.Request) -> web.Response:
    ticket = _seen(request)
    if isinstance(ticket, web.Response):
        return ticket
    rows = [_transaction_json(one) for one in request.app[STATE].history(ticket)]
    return _page(request, rows, total=False, hidden=lambda row: row["Type"] in HIDDEN)


@routes.post(r"/REST/2.0/ticket/{id:\d+}/attachments")
async def parts(request: web.Request) -> web.Response:
    ticket = _seen(request)
    if isinstance(ticket, web.Response):
        return _page(request, [], total=False)
    rows = [_part_json(part) for part in request.app[STATE].parts(ticket)]
    return _page(request, _filtered(rows, await request.json()), total=False)


@routes.post("/REST/2.0/attachments")
async def all_parts(request: web.Request) -> web.Response:
    state, me = request.app[STATE], _me(request)
    kinds = {one.id: one for one in state.transactions}
    rows = _filtered([_part_json(part) for part in state.attachments], await request.json())

    def hidden(row: dict[str, Any]) -> bool:
        made = kinds[int(row["TransactionId"])]
        ticket = state.load(made.ticket)
        return made.kind in HIDDEN or ticket is None or ticket.queue not in me.queues

    return _page(request, rows, total=False, hidden=hidden)


@routes.get(r"/REST/2.0/attachment/{id:\d+}")
async def part_alone(request: web.Request) -> web.Response:
    number = int(request.match_info["id"])
    part = next((one for one in request.app[STATE].attachments if one.id == number), None)
    if part is None:
        return _problem(500, "Internal Server Error")  # 5.0.3 does not answer 404 here
    whole = {**_part_json(part), "Content": base64.encodebytes(part.content).decode()}
    return web.json_response(whole, dumps=lambda made: json.dumps(made, indent=3))


@routes.post("/REST/1.0/NoAuth/mail-gateway")
async def mail_gate(request: web.Request) -> web.Response:
    state, form = request.app[STATE], await request.post()
    if form.get("queue") not in state.queues:
        return web.Response(text="temporary failure - operation unsuccessful\n")
    message = form.get("message")
    ticket = state.load(int(str(form.get("ticket") or 0)))
    if not isinstance(message, str) or ticket is None or not state.gate_open:
        return web.Response(text="not ok - operation unsuccessful\n")
    mail = email.message_from_string(message, policy=email.policy.default)
    sender = mail["From"].addresses[0].addr_spec
    known = next((user for user in state.users.values() if f"{user.name}@chaco.test" == sender), None)
    author = known or state.users.setdefault(sender, User(id=100 + len(state.users), name=sender, privileged=False))
    text = mail.get_content()
    message_id = str(mail["Message-ID"]).strip("<>")
    headers = "".join(f"{name}: {value}\n" for name, value in mail.items() if name != "X-RT-Interface")
    headers += "X-RT-Interface: Email\n"
    state.write(author, ticket, "Correspond", text, [], message_id=message_id, headers=headers)
    return web.Response(text="ok\n")


@asynccontextmanager
async def serve_fake_rt() -> AsyncIterator[tuple[int, RtState]]:
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
