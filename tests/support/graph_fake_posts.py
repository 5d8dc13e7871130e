"""Meta's posts to a callback address: signed, and brought again until they are answered with 200."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import aiohttp

from support.graph_fake_citizens import sign

_FIRST_SECONDS = 0.05
_LONGEST_SECONDS = 1.0
"""Meta waits longer from time to time, for seven days; a test has less patience."""


class Posts:
    """Posts of one app. `address` is read anew for every try, so that the daemon may move."""

    def __init__(self, address: Callable[[], str], secret: str) -> None:
        self._address = address
        self._secret = secret
        self._session: aiohttp.ClientSession | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def waiting(self) -> int:
        """How many have still something to bring."""
        return len(self._tasks)

    async def once(self, content: bytes) -> bool:
        """Try once; whether it was answered with 200."""
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10))
        try:
            async with self._session.post(self._address(), data=content, headers=sign(content, self._secret)) as answer:
                return answer.status == 200
        except (aiohttp.ClientError, OSError, TimeoutError):
            return False

    async def until_taken(self, content: bytes) -> None:
        """Try until it is answered with 200."""
        wait = _FIRST_SECONDS
        while not await self.once(content):
            await asyncio.sleep(wait)
            wait = min(2 * wait, _LONGEST_SECONDS)

    def soon(self, work: Coroutine[Any, Any, None]) -> None:
        """Let `work` go on by itself, in the fake's own loop."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def aclose(self) -> None:
        """Stop; what was not brought yet never comes."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._session is not None:
            await self._session.close()
