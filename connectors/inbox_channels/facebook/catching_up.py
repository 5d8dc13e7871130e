"""Fetches what no webhook brought: messages and comments since the last look. Each poll is one page of one list.

Source: developers.facebook.com/docs/graph-api/reference/page/conversations (newest first, no paging by time) and the
guide to the Conversations API (two calls a second for a page, details of the 20 newest messages only).
What the page itself wrote is left out: an item doesn't say which app wrote it, and our own answers would come back as
if somebody had typed them in the page's inbox. Envelopes are {"object", "polled": [{"kind", …, "item"}]}.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import orjson

from inbox_channels._graph.client import GraphClient
from inbox_channels._graph.reading import Json, child, children, word
from inbox_channels.facebook import position
from inbox_channels.facebook.lists import Lists, next_page
from inbox_channels.facebook.position import LOST, MOST_MISSED, Missed, Position, Source, time_of
from inbox_channels.facebook.settings import FacebookSettings
from inbox_channels.facebook.subscription import Subscription
from inbox_daemon.errors import Credentials, EdgeError, Permanent, Transient
from inbox_daemon.model import Cursor, Envelope
from inbox_daemon.plugins import Context, Page

CONVERSATIONS = 25
MESSAGES = 20
POSTS = 10
COMMENTS = 50
ALWAYS = 30
"""So many of the newest posts are looked through even where Meta says that they are unchanged."""
AGAIN = 10
"""So many of what earlier sweeps were refused are asked for again by one sweep."""
NEAR_LIMIT = 80
"""Percent of the limit of calls from which on we wait for the next turn: answers need calls too."""

_PAGE_MESSAGE = "id,created_time,from,to,message,attachments,sticker,shares"
_INSTAGRAM_MESSAGE = "id,created_time,from,to,message,attachments"
_POST = "id,created_time,updated_time,from,message,attachments"
_MEDIA = "id,timestamp,comments_count"
_PAGE_COMMENT = "id,created_time,from,message,parent{id},attachment"
_ONE = "id,text,timestamp,username,from"
_INSTAGRAM_COMMENT = f"{_ONE},replies{{{_ONE}}}"

_WHAT: dict[Source, str] = {"messages": "a conversation", "comments": "comments"}

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
        self._lists = Lists(graph, pause=pause)
        self._settings = settings
        self._context = context
        self._subscription = subscription
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

    # ------------------------------------------------------------ what is refused

    async def _attempt(self, reading: Awaitable[None], name: str, at: Position, found: _Found) -> tuple[Position, bool]:
        """Read one conversation, or one post's comments; whether the sweep goes on.

        What is refused is told, and owed from the mark on: its neighbours don't wait for it, and the mark may go past
        it. Where Meta doesn't answer, the sweep ends here, for it may be nothing of this one. Raises `Transient` for
        messages when Meta asks us to wait.
        """
        try:
            await reading
        except (Permanent, Credentials, Transient) as error:
            found.notices.append(f"{_WHAT[at.source or 'messages']} can't be read: {error}")
            if self._waits(error, at):
                raise
            if len(at.owed) >= MOST_MISSED:
                return at, False
            one = Missed(source=at.source or "messages", name=name, since=at.mark, at=self._context.now())
            return at.owe(one), not isinstance(error, Transient)
        return at, True

    async def _make_up(
        self, read: Callable[[str, datetime, _Found], Awaitable[None]], at: Position, found: _Found
    ) -> Position:
        """At the beginning of a sweep, ask again for what earlier ones were refused; it is given up after `LOST`."""
        if at.after:
            return at
        for one in at.owed[:AGAIN]:
            at = at.settle(one)
            try:
                await read(one.name, one.since, found)
            except (Permanent, Credentials, Transient) as error:
                if self._waits(error, at):
                    raise
                given_up = self._context.now() - one.at > LOST
                words = "is given up, look at the page itself" if given_up else "can't be read"
                found.notices.append(f"{_WHAT[one.source]} {words}: {error}")
                at = at if given_up else at.owe(one)
                if isinstance(error, Transient):
                    break
        return at

    def _waits(self, error: EdgeError, at: Position) -> bool:
        """Whether the whole poll has to wait; for comments it never does, lest messages wait with them."""
        return at.source == "messages" and isinstance(error, Transient) and error.retry_after is not None

    # ------------------------------------------------------------ messages

    async def _conversations(self, at: Position, found: _Found) -> Position:
        params = {"platform": "instagram" if self._instagram else "messenger", "fields": "id,updated_time"}
        at = await self._make_up(self._conversation, at, found)
        try:
            answer = await self._lists.page(f"{self._settings.page_id}/conversations", params, CONVERSATIONS, at.after)
        except Permanent as error:
            if not at.after:
                raise
            found.notices.append(f"the list of conversations can't be read on and is begun again: {error}")
            return self._after_messages(at, reached=False)
        rows = children(answer, "data")
        for row in rows:
            if (time_of(row, "updated_time") or at.mark) < at.mark:
                return self._after_messages(at)
            name = word(row, "id")
            if not name or at.owes(name):
                continue
            at, goes_on = await self._attempt(self._conversation(name, at.mark, found), name, at, found)
            if not goes_on:
                return self._after_messages(at, reached=False)
        after = next_page(answer)
        return at.go_on(after, len(rows)) if after and rows else self._after_messages(at)

    def _after_messages(self, at: Position, *, reached: bool = True) -> Position:
        done = at.end(reached=reached)
        return done.start("comments", at.began or self._context.now()) if self._settings.comments else done

    async def _conversation(self, conversation: str, since: datetime, found: _Found) -> None:
        fields = _INSTAGRAM_MESSAGE if self._instagram else _PAGE_MESSAGE
        rows = await self._walk(f"{conversation}/messages", {"fields": fields}, MESSAGES, since, found)
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
        at = await self._make_up(self._comments, at, found)
        path = f"{self._settings.account_id}/media" if self._instagram else f"{self._settings.page_id}/feed"
        fields = _MEDIA if self._instagram else _POST
        try:
            answer = await self._lists.page(path, {"fields": fields}, POSTS, at.after)
        except (Permanent, Credentials, Transient) as error:
            found.notices.append(f"comments can't be read: {error}")
            return at.end(reached=False)
        rows = children(answer, "data")
        for place, row in enumerate(rows, at.seen):
            if self._is_done(row, place, at.mark):
                return at.end()
            self._post(row, at.mark, found)
            name = word(row, "id")
            if not name or at.owes(name) or (self._instagram and row.get("comments_count") == 0):
                continue
            at, goes_on = await self._attempt(self._comments(name, at.mark, found), name, at, found)
            if not goes_on:
                return at.end(reached=False)
        after = next_page(answer)
        return at.go_on(after, len(rows)) if after and rows else at.end()

    def _is_done(self, post: Json, place: int, since: datetime) -> bool:
        """Whether nothing new can be below this post and the older ones after it: then the sweep ends."""
        return place >= ALWAYS and (time_of(post, "updated_time", "timestamp", "created_time") or since) < since

    def _post(self, post: Json, since: datetime, found: _Found) -> None:
        """What a visitor posted on the page."""
        written = time_of(post, "created_time")
        if not self._instagram and written is not None and written >= since and not self._is_own(post):
            self._keep([{"kind": "post", "item": post}], found)

    async def _comments(self, post: str, since: datetime, found: _Found) -> None:
        params = {"fields": _INSTAGRAM_COMMENT}
        if not self._instagram:
            params = {"fields": _PAGE_COMMENT, "filter": "stream", "order": "reverse_chronological"}
        # Instagram lists replies only below their comment, which may be old: there, the whole first page is read.
        rows = await self._walk(f"{post}/comments", params, COMMENTS, since, found)
        comments = [one for row in reversed(rows) for one in _with_replies(row)]
        fresh = [row for row in comments if (time_of(row, "created_time", "timestamp") or since) >= since]
        fresh.sort(key=lambda row: time_of(row, "created_time", "timestamp") or since)
        self._keep([{"kind": "comment", "post": post, "item": row} for row in fresh if not self._is_own(row)], found)

    # ------------------------------------------------------------ both

    async def _walk(
        self, path: str, params: dict[str, str], limit: int, since: datetime, found: _Found
    ) -> Sequence[Json]:
        whole_pages = "replies" in params["fields"]
        rows, reached = await self._lists.walk(path, params, limit, since, whole_pages=whole_pages)
        if not reached:
            found.notices.append(
                "so much was written in one place that its oldest part was left: look at the page itself"
            )
        return rows

    def _is_own(self, row: Json) -> bool:
        return word(child(row, "from"), "id") in self._own

    def _keep(self, made: Sequence[Item], found: _Found) -> None:
        if not made:
            return
        body = orjson.dumps({"object": self._settings.platform, "polled": made})
        now: Callable[[], datetime] = self._context.now
        found.envelopes.append(Envelope(instance=self._context.instance, body=body, received_at=now()))


def _with_replies(comment: Json) -> list[Json]:
    """A comment, and the replies that Instagram lists within it, each with its parent."""
    replies = [{**row, "parent_id": word(comment, "id")} for row in children(child(comment, "replies"), "data")]
    return [{key: value for key, value in comment.items() if key != "replies"}, *replies]
