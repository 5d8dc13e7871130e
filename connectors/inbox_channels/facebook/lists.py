"""Reads lists of the Graph API, newest first and page by page, no faster than a page may be asked."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from datetime import datetime

from inbox_channels._graph.client import LIST_BYTES, GraphClient
from inbox_channels._graph.reading import Json, child, children, word
from inbox_channels.facebook.position import time_of
from inbox_daemon.errors import Permanent, Transient

LONGEST_WALK = 10
"""Full pages of one conversation's messages, or one post's comments, that are read in one go."""
_SMALLER = 5
"""A page that can't be had is asked for once more with so many times fewer rows."""


class Lists:
    """Lists of one page or account. `pause` is the least time between two calls, in seconds."""

    def __init__(self, graph: GraphClient, *, pause: float) -> None:
        self.pause = pause
        self._graph = graph
        self._next_call = 0.0

    async def page(self, path: str, params: Mapping[str, str], limit: int, after: str = "") -> Json:
        """One page, from Meta's cursor `after` on. Raises `EdgeError`."""
        wait = self._next_call - time.monotonic()
        if wait > 0:
            await asyncio.sleep(wait)
        self._next_call = time.monotonic() + self.pause
        asked = {**params, "limit": str(limit)} | ({"after": after} if after else {})
        gone = Permanent("catching up: what was asked for does not exist, or page_token may not see it")
        return await self._graph.get(path, asked, doing="catching up", missing=gone, up_to=LIST_BYTES)

    async def walk(
        self, path: str, params: Mapping[str, str], limit: int, since: datetime, *, whole_pages: bool = False
    ) -> tuple[list[Json], bool]:
        """Rows back to `since`, and whether that was reached. With `whole_pages` older rows on the way stay in.

        Raises `EdgeError`, and gives nothing then.
        """
        rows: list[Json] = []
        after, seen, most = "", 0, limit * LONGEST_WALK
        for _ in range(LONGEST_WALK * _SMALLER):
            answer, limit = await self._eased(path, params, limit, after)
            page = children(answer, "data")
            fresh = [row for row in page if (time_of(row, "created_time", "timestamp") or since) >= since]
            rows += page if whole_pages else fresh
            after, seen = next_page(answer), seen + len(page)
            if len(fresh) < len(page) or not page or not after:
                return rows, True
            if seen >= most:
                break
        return rows, False

    async def _eased(self, path: str, params: Mapping[str, str], limit: int, after: str) -> tuple[Json, int]:
        """A page, and with how many rows it could be had.

        Meta fails (code 1), or its answer is longer than we take, where rows are long: anybody can write such.
        """
        try:
            return await self.page(path, params, limit, after), limit
        except Transient as error:
            smaller = limit // _SMALLER
            if error.retry_after is not None or not smaller:
                raise
        return await self.page(path, params, smaller, after), smaller


def next_page(answer: Json) -> str:
    """Meta's cursor of the page after this one, empty where this is the last."""
    paging = child(answer, "paging")
    return word(child(paging, "cursors"), "after") if "next" in paging else ""
