"""The fake page's endpoints."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from aiohttp import web

from support.facebook_fake_book import ACCOUNT_ID, APP_ID, PAGE_ID, Item
from support.graph_fake_faults import Fault, befall, drop, error_answer

if TYPE_CHECKING:
    from support.facebook_fake import PageFake

SHOWN = 20
"""So many of a conversation's newest messages have details."""


def routes(fake: PageFake) -> web.Application:
    """The application to serve."""
    app = web.Application(client_max_size=30 * 1024 * 1024)
    door = _Door(fake)
    app.router.add_get("/cdn/{name}", door.download)
    app.router.add_get("/{version}/me", door.me)
    app.router.add_get("/{version}/debug_token", door.token)
    app.router.add_get("/{version}/{node}/subscribed_apps", door.subscription)
    app.router.add_post("/{version}/{node}/subscribed_apps", door.subscribe)
    app.router.add_get("/{version}/{node}/conversations", door.conversations)
    app.router.add_get("/{version}/{node}/messages", door.messages)
    app.router.add_post("/{version}/{node}/messages", door.send)
    app.router.add_post("/{version}/{node}/message_attachments", door.upload)
    app.router.add_get("/{version}/{node}/feed", door.posts)
    app.router.add_get("/{version}/{node}/media", door.posts)
    for edge in ("comments", "replies"):
        app.router.add_get(f"/{{version}}/{{node}}/{edge}", door.comments)
        app.router.add_post(f"/{{version}}/{{node}}/{edge}", door.say)
    app.router.add_get("/{version}/{node}", door.node)
    return app


class _Door:
    """Handlers over one fake."""

    def __init__(self, fake: PageFake) -> None:
        self._fake = fake

    def _json(self, content: Any) -> web.Response:
        usage = json.dumps({PAGE_ID: [{"type": "pages", "call_count": self._fake.usage}]})
        return web.json_response(content, headers={"X-Business-Use-Case-Usage": usage})

    async def _read(self, call: str, request: web.Request, content: Any) -> web.StreamResponse:
        fault = self._fake.note(call, request)
        if (answer := await befall(request, fault)) is not None:
            return answer
        return error_answer(100, subcode=33) if content is None else self._json(content)

    async def _do(self, call: str, request: web.Request, body: Item) -> web.StreamResponse | Fault:
        """The wrong answer, or the fault that goes on (whose answer may still be lost)."""
        fault = self._fake.note(call, request, body)
        if not fault.done and (answer := await befall(request, fault)) is not None:
            return answer
        return fault

    def _page(self, request: web.Request, rows: Sequence[Item]) -> Item:
        """One page of a list, by Meta's cursors."""
        limit, start = int(request.query.get("limit", "25")), int(request.query.get("after", "0"))
        shown = list(rows[start : start + limit])
        paging: Item = {"cursors": {"before": str(start), "after": str(start + len(shown))}}
        if start + limit < len(rows):
            paging["next"] = f"{self._fake.url}/next"
        return {"data": shown, **({"paging": paging} if shown else {})}

    # ------------------------------------------------------------ reading

    async def me(self, request: web.Request) -> web.StreamResponse:
        return await self._read("me", request, {"id": PAGE_ID})

    async def token(self, request: web.Request) -> web.StreamResponse:
        return await self._read("token", request, {"data": self._fake.token_data})

    async def node(self, request: web.Request) -> web.StreamResponse:
        name, fake = request.match_info["node"], self._fake
        if name == PAGE_ID:
            linked = {"instagram_business_account": {"id": ACCOUNT_ID}}
            return await self._read("node", request, {"id": name, "is_published": fake.published, **linked})
        message = fake.book.find_message(name)
        return await self._read("file", request, message and {"id": name, **_only(message, "attachments")})

    async def subscription(self, request: web.Request) -> web.StreamResponse:
        fields = sorted(self._fake.subscribed)
        rows = [{"id": APP_ID, "subscribed_fields": fields}] if fields else []
        return await self._read(
            "subscription", request, {"data": [{"id": "999", "subscribed_fields": ["feed"]}, *rows]}
        )

    async def conversations(self, request: web.Request) -> web.StreamResponse:
        talks = sorted(self._fake.book.conversations.values(), key=lambda talk: talk.updated, reverse=True)
        rows = [{"id": talk.id, "updated_time": talk.updated.strftime("%Y-%m-%dT%H:%M:%S+0000")} for talk in talks]
        known = {"page": "messenger", "instagram": "instagram"}[self._fake.platform]
        given = self._page(request, rows) if request.query.get("platform") == known else {"data": []}
        return await self._read("conversations", request, given)

    async def messages(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info["node"]
        talk = next((talk for talk in self._fake.book.conversations.values() if talk.id == name), None)
        if talk is None:
            return await self._read("messages", request, None)
        rows = list(reversed(talk.messages))
        rows = rows[:SHOWN] + [_only(row, "id", "created_time") for row in rows[SHOWN:]]
        return await self._read("messages", request, self._page(request, rows))

    async def posts(self, request: web.Request) -> web.StreamResponse:
        rows = [post.node | {"updated_time": post.updated.isoformat()} for post in self._fake.book.posts.values()]
        return await self._read("posts", request, self._page(request, list(reversed(rows))))

    async def comments(self, request: web.Request) -> web.StreamResponse:
        rows = self._fake.book.below(request.match_info["node"])
        given = None if rows is None else self._page(request, list(reversed(rows)))
        return await self._read("comments", request, given)

    async def download(self, request: web.Request) -> web.StreamResponse:
        fault = self._fake.note("download", request)
        if (answer := await befall(request, fault)) is not None:
            return answer
        content = self._fake.files.get(request.match_info["name"])
        if content is None or request.query.get("sig") != "good":
            return web.Response(status=403, text="URL signature expired")
        return web.Response(body=content, content_type="image/jpeg")

    # ------------------------------------------------------------ doing

    async def subscribe(self, request: web.Request) -> web.StreamResponse:
        body = json.loads(await request.read())
        fault = await self._do("subscribe", request, body)
        if not isinstance(fault, Fault):
            return fault
        self._fake.subscribed = set(body["subscribed_fields"].split(","))
        return self._json({"success": True})

    async def say(self, request: web.Request) -> web.StreamResponse:
        body = json.loads(await request.read())
        fault = await self._do("say", request, body)
        if not isinstance(fault, Fault):
            return fault
        found = self._fake.book.find_comment(request.match_info["node"])
        if found is None:
            return error_answer(100, subcode=33)
        post, parent = found
        book = self._fake.book
        made = book.comment(post, book.own_id, body["message"], self._fake.now, parent=parent["id"])
        if fault.done and (answer := await befall(request, fault)) is not None:
            return answer
        return self._json({"id": made["id"]})

    async def send(self, request: web.Request) -> web.StreamResponse:
        body = json.loads(await request.read())
        fault = await self._do("send", request, body)
        if not isinstance(fault, Fault):
            return fault
        refused = self._fake.refusal(body)
        if refused is not None:
            return error_answer(refused[0], subcode=refused[1])
        got = self._fake.accept(body)
        if fault.done and (answer := await befall(request, fault)) is not None:
            return answer
        if fault.cut_after is not None:
            drop(request)
        return self._json({"recipient_id": got.to, "message_id": got.mid})

    async def upload(self, request: web.Request) -> web.StreamResponse:
        form = await request.post()
        part, described = form.get("filedata"), json.loads(str(form.get("message", "{}")))
        if not isinstance(part, web.FileField) or "attachment" not in described:
            return error_answer(100, subcode=2018047)
        with part.file:
            content = part.file.read()
        fault = await self._do("upload", request, described)
        if not isinstance(fault, Fault):
            return fault
        if (form.get("platform") == "instagram") != (self._fake.platform == "instagram"):
            return error_answer(100)
        name = f"88{len(self._fake.uploads):06d}"
        self._fake.uploads[name] = (described["attachment"]["type"], part.filename, content)
        return self._json({"attachment_id": name})


def _only(node: Item, *keys: str) -> Item:
    return {key: node[key] for key in keys if key in node}
