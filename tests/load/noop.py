"""The measure of all things: an aiohttp handler that reads a body and answers 200. `python noop.py PORT`."""

from __future__ import annotations

import sys

from aiohttp import web


async def take(request: web.Request) -> web.Response:
    """Read the body, do nothing."""
    await request.read()
    return web.Response(body=b"ok")


if __name__ == "__main__":
    app = web.Application(client_max_size=4_000_000)
    app.router.add_post("/hooks/{instance}", take)
    web.run_app(app, host="127.0.0.1", port=int(sys.argv[1]), access_log=None, print=None)
