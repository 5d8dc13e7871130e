"""Fetches what no webhook brought: messages and comments since the last look. Each poll is one page of one list.

Source: developers.facebook.com/docs/graph-api/reference/page/conversations (newest first, no paging by time) and the
guide to the Conversations API (two calls a second for a page, details of the 20 newest messages only).
What the page itself wrote is left out: an item doesn't say which app wrote it, and our own answers would come back as
if somebody had typed them in the page's inbox. Envelopes are {"object", "polled": [{"kind", …, "item"}]}.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import orjson

from inbox_channels._graph.client import GraphClient
from inbox_channels._graph.reading import Json, child, children, word
from inbox_channels.facebook import position
from inbox_channels.facebook.position import Position, time_of
from inbox_channels.facebook.settings import FacebookSettings
from inbox_channels.facebook.subscription import Subscription
from inbox_daemon.errors import Credentials, Permanent
from inbox_daemon.model import Cursor, Envelope
from inbox_daemon.plugins import Context, Page

CONVERSATIONS = 25
MESSAGES = 20
POSTS = 10
COMMENTS = 50
LONGEST_WALK = 10
"""Pages of one conversation's messages, or one post's comments, that are read in one go."""
ALWAYS = 30
"""So many of the newest posts are looked through even where Meta says that they are unchanged."""
LOST = timedelta(days=7)
"""So far back is looked where the stored position can't be read."""
NEAR_LIMIT = 80
"""Percent of the limit of calls from which on we wait for the next turn: answers need calls too."""

_PAGE_MESSAGE = "id,created_time,from,to,message,attachments,sticker,shares"
_INSTAGRAM_MESSAGE = "id,created_time,from,to,message,attachments"
_PAGE_COMMENT = "id,created_time,from,message,parent{id},attachment"
_ONE = "id,text,timestamp,username,from"
_INSTAGRAM_COMMENT = f"{_ONE},replies{{{_ONE}}}"

Item = dict[str, Any]


@dataclass(slots=True)
class _Found:
    """What one poll has come to so far."""

    envelopes: list[Envelope] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)


class CatchingUp:
    """Polls one page or account. `pause` is the least time between two calls, in seconds."""

    def __init__(
        self,
        graph: GraphClient,
        settings: FacebookSettings,
        context: Context,
        subscription: Subscription,
        *,
        pause: float = 0.5,
    ) -> None:
        self._graph = graph
        self._settings = settings
        self._context = context
        self._subscription = subscription
        self._pause = pause
        self._next_call = 0.0
        self._has_begun = False
        self._instagram = settings.platform == "instagram"
        self._own = {settings.page_id, settings.own_id}

    async def poll(self, cursor: Cursor | None) -> Page:
        """The next page of the sweep under way, or the first of a new one. Raises `EdgeError`.

        A sweep that an earlier process left is ended first; then one of our own follows at once.
        """
        now = self._context.now()
        second = now.replace(microsecond=0)  # Meta's times are cut to the second
        days = timedelta(days=self._settings.catch_up_days)
        at = position.read(cursor, second - days, second - max(days, LOST))
        found = _Found()
        if at.source is None:
            found.notices.append(await self._subscription.keep())
            at = at.start("messages", now)
            self._has_begun = True
        at = await (self._posts(at, found) if at.source == "comments" else self._conversations(at, found))
        more = (at.source is not None or not self._has_begun) and self._graph.used < NEAR_LIMIT
        notice = "; ".join(dict.fromkeys(words for words in found.notices if words))
        return Page(envelopes=found.envelopes, cursor=at.write(), more=more, notice=notice)

    # ------------------------------------------------------------ messages

    async def _conversations(self, at: Position, found: _Found) -> Position:
        params = {"platform": "instagram" if self._instagram else "messenger", "fields": "id,updated_time"}
        answer = await self._list(f"{self._settings.page_id}/conversations", params, CONVERSATIONS, at.after)
        rows = children(answer, "data")
        for row in rows:
            if (time_of(row, "updated_time") or at.mark) < at.mark:
                return self._after_messages(at)
            await self._conversation(word(row, "id"), at.mark, found)
        after = _next(answer)
        return at.go_on(after, len(rows)) if after and rows else self._after_messages(at)

    def _after_messages(self, at: Position) -> Position:
        done = at.end()
        return done.start("comments", at.began or self._context.now()) if self._settings.comments else done

    async def _conversation(self, conversation: str, since: datetime, found: _Found) -> None:
        if not conversation:
            return
        fields = _INSTAGRAM_MESSAGE if self._instagram else _PAGE_MESSAGE
        try:
            rows = await self._walk(f"{conversation}/messages", {"fields": fields}, MESSAGES, since, found)
        except Permanent as error:
            found.notices.append(f"a conversation can't be read: {error}")
            return
        shown = [row for row in rows if "from" in row]
        if len(shown) < len(rows):
            found.notices.append("of a long conversation Meta shows the newest messages only: look at the page's inbox")
        made = [
            {"kind": "message", "conversation": conversation, "item": row}
            for row in reversed(shown)
            if not self._is_own(row)
        ]
        self._keep(made, found)

    # ------------------------------------------------------------ comments

    async def _posts(self, at: Position, found: _Found) -> Position:
        """One page of posts with the comments of each.

        What is refused here is told and left for the next sweep: it must not keep messages from being polled.
        """
        path = f"{self._settings.account_id}/media" if self._instagram else f"{self._settings.page_id}/feed"
        fields = (
            "id,timestamp,comments_count"
            if self._instagram
            else "id,created_time,updated_time,from,message,attachments"
        )
        try:
            answer = await self._list(path, {"fields": fields}, POSTS, at.after)
            rows = children(answer, "data")
            for place, row in enumerate(rows, at.seen):
                if self._is_done(row, place, at.mark):
                    return at.end()
                await self._post(row, at.mark, found)
        except (Permanent, Credentials) as error:
            found.notices.append(f"comments can't be read: {error}")
            return at.end(reached=False)
        after = _next(answer)
        return at.go_on(after, len(rows)) if after and rows else at.end()

    def _is_done(self, post: Json, place: int, since: datetime) -> bool:
        """Whether nothing new can be below this post and the older ones after it: then the sweep ends."""
        return place >= ALWAYS and (time_of(post, "updated_time", "timestamp", "created_time") or since) < since

    async def _post(self, post: Json, since: datetime, found: _Found) -> None:
        name = word(post, "id")
        if not name:
            return
        made: list[Item] = []
        written = time_of(post, "created_time")
        if not self._instagram and written is not None and written >= since and not self._is_own(post):
            made.append({"kind": "post", "item": post})
        if not self._instagram or post.get("comments_count") != 0:
            made += await self._comments(name, since, found)
        self._keep(made, found)

    async def _comments(self, post: str, since: datetime, found: _Found) -> list[Item]:
        params = {"fields": _INSTAGRAM_COMMENT}
        if not self._instagram:
            params = {"fields": _PAGE_COMMENT, "filter": "stream", "order": "reverse_chronological"}
        # Instagram lists replies only below their comment, which may be old: there, the whole first page is read.
        rows = await self._walk(f"{post}/comments", params, COMMENTS, since, found)
        comments = [one for row in rows for one in _with_replies(row)]
        fresh = [row for row in comments if (time_of(row, "created_time", "timestamp") or since) >= since]
        fresh.sort(key=lambda row: time_of(row, "created_time", "timestamp") or since)
        return [{"kind": "comment", "post": post, "item": row} for row in fresh if not self._is_own(row)]

    # ------------------------------------------------------------ reading

    async def _walk(
        self, path: str, params: Mapping[str, str], limit: int, since: datetime, found: _Found
    ) -> list[Json]:
        """Rows of a list that is newest first, back to `since`."""
        rows: list[Json] = []
        after = ""
        for _ in range(LONGEST_WALK):
            answer = await self._list(path, params, limit, after)
            page = children(answer, "data")
            fresh = [row for row in page if (time_of(row, "created_time", "timestamp") or since) >= since]
            rows += page if "replies" in params["fields"] else fresh
            after = _next(answer)
            if len(fresh) < len(page) or not page or not after:
                return rows
        found.notices.append("so much was written in one place that its oldest part was left: look at the page itself")
        return rows

    async def _list(self, path: str, params: Mapping[str, str], limit: int, after: str) -> Json:
        wait = self._next_call - time.monotonic()
        if wait > 0:
            await asyncio.sleep(wait)
        self._next_call = time.monotonic() + self._pause
        asked = {**params, "limit": str(limit)} | ({"after": after} if after else {})
        gone = Permanent("catching up: what was asked for does not exist, or page_token may not see it")
        return await self._graph.get(path, asked, doing="catching up", missing=gone)

    def _is_own(self, row: Json) -> bool:
        return word(child(row, "from"), "id") in self._own

    def _keep(self, made: Sequence[Item], found: _Found) -> None:
        if not made:
            return
        body = orjson.dumps({"object": self._settings.platform, "polled": made})
        now: Callable[[], datetime] = self._context.now
        found.envelopes.append(Envelope(instance=self._context.instance, body=body, received_at=now()))


def _next(answer: Json) -> str:
    """Meta's cursor of the page after this one, empty where this is the last."""
    paging = child(answer, "paging")
    return word(child(paging, "cursors"), "after") if "next" in paging else ""


def _with_replies(comment: Json) -> list[Json]:
    """A comment, and the replies that Instagram lists within it, each with its parent."""
    replies = [{**row, "parent_id": word(comment, "id")} for row in children(child(comment, "replies"), "data")]
    return [{key: value for key, value in comment.items() if key != "replies"}, *replies]
