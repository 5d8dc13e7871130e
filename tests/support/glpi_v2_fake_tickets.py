"""Tickets, their timelines and documents in the fake high-level API; see `glpi_v2_fake_http`."""

from __future__ import annotations

from aiohttp import web

from support import glpi_v2_fake as fake
from support.glpi_fake import Record
from support.glpi_v2_fake import HighLevelState
from support.glpi_v2_fake_answers import API, STATE, absent, body_of, denied, me, refusal

routes = web.RouteTableDef()


# ---------------------------------------------------------------- tickets


@routes.get(API + "/Assistance/Ticket")
async def tickets(request: web.Request) -> web.Response:
    state, query = request.app[STATE], request.query
    if "Ticket" in state.denies:
        return denied()
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
        return refusal(
            500, "ERROR", "Failed to create item(s)", more=[state.glpi.refusal] if state.glpi.refusal else []
        )
    how = state.broken_writes.pop(0) if state.broken_writes else ""
    if how == "404":
        return absent()
    if how in {"empty", "null"}:
        return web.json_response([] if how == "empty" else None)
    href = f"{path}/{made['id']}"
    return web.json_response({"id": made["id"], "href": href}, status=state.created_status, headers={"Location": href})


@routes.post(API + "/Assistance/Ticket")
async def create(request: web.Request) -> web.Response:
    """Unknown fields are passed over, `team` among them."""
    state, given = request.app[STATE], await body_of(request)
    columns = {"entity": "entities_id", "category": "itilcategories_id", "request_type": "requesttypes_id"}
    fields: Record = {key: given[key] for key in ("name", "content", "type") if key in given}
    fields |= {column: given[key]["id"] for key, column in columns.items() if key in given}
    if "external_id" in given:
        fields["externalid"] = given["external_id"]
    return _made(state, state.glpi.add("Ticket", fields, me(request)), "/Assistance/Ticket")


@routes.patch(API + r"/Assistance/Ticket/{id:\d+}")
async def change(request: web.Request) -> web.Response:
    state, row, given = request.app[STATE], _row(request), await body_of(request)
    status = given.get("status")
    changed = {"status": status["id"] if isinstance(status, dict) else status} if status else {}
    state.glpi.update("Ticket", row, changed, me(request))
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
    state, row, given = request.app[STATE], _row(request), await body_of(request)
    if "TeamMember" in state.denies:
        return denied()
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
    return absent()


@routes.post(API + r"/Assistance/Ticket/{id:\d+}/Timeline/Followup")
async def add_followup(request: web.Request) -> web.Response:
    """`add_reopen` is none of the schema's fields; a closed ticket is a matter of rights."""
    state, row, given = request.app[STATE], _row(request), await body_of(request)
    if row["status"] == 6 and not state.glpi.closed_takes:
        return denied()
    fields = {"itemtype": "Ticket", "items_id": row["id"], "content": given.get("content")}
    fields["is_private"] = int(bool(given.get("is_private")))
    made = state.glpi.add("ITILFollowup", fields, me(request))
    return _made(state, made, f"/Assistance/Ticket/{row['id']}/Timeline/Followup")


@routes.get(API + r"/Management/Document/{id:\d+}")
async def document(request: web.Request) -> web.Response:
    state = request.app[STATE]
    row = state.glpi.row("Document", int(request.match_info["id"]))
    return web.json_response(fake.document(state.glpi, row)) if row else absent()


@routes.get(API + r"/Management/Document/{id:\d+}/Download")
async def download(request: web.Request) -> web.Response:
    state = request.app[STATE]
    row = state.glpi.row("Document", int(request.match_info["id"]))
    if row is None:
        return absent()
    return web.Response(body=state.glpi.contents.get(row["sha1sum"], b""), content_type=row["mime"] or "x/y")
