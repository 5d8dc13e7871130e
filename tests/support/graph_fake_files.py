"""Files at the fake Graph API: those of citizens, which expire, and those that were uploaded to be sent."""

from __future__ import annotations

import base64
import hashlib
import itertools
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from aiohttp import web

from support.graph_fake_faults import Fault, drop

URL_LIFE = timedelta(minutes=5)
ID_LIFE = timedelta(days=7)


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """Bytes under an id of Meta's."""

    content: bytes
    media_type: str
    expires_at: datetime


class Files:
    """What is kept, by media id."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._ids = itertools.count(1)
        self._kept: dict[str, File] = {}
        self.uploaded: dict[str, File] = {}

    def add(self, content: bytes, media_type: str) -> dict[str, str]:
        """Keep a citizen's file; its media object as of a webhook."""
        media_id = f"77{next(self._ids):012d}"
        self._kept[media_id] = File(content=content, media_type=media_type, expires_at=self._now() + ID_LIFE)
        digest = base64.b64encode(hashlib.sha256(content).digest()).decode()
        return {"id": media_id, "mime_type": media_type, "sha256": digest}

    def forget(self, media_id: str) -> None:
        """Delete a citizen's file."""
        self._kept.pop(media_id, None)

    def upload(self, content: bytes, media_type: str) -> str:
        """Keep a file that is to be sent; its id."""
        media_id = f"88{next(self._ids):012d}"
        self.uploaded[media_id] = File(
            content=content, media_type=media_type, expires_at=self._now() + timedelta(days=30)
        )
        return media_id

    def node(self, media_id: str, url: str) -> dict[str, Any] | None:
        """What the API says of a citizen's file, with an address below `url`; None when it is not there any more."""
        file = self._kept.get(media_id)
        if file is None or self._now() >= file.expires_at:
            return None
        until = int((self._now() + URL_LIFE).timestamp())
        return {
            "messaging_product": "whatsapp",
            "url": f"{url}/whatsapp_business/attachments/?mid={media_id}&ext={until}&hash={_mark(media_id, until)}",
            "mime_type": file.media_type,
            "sha256": hashlib.sha256(file.content).hexdigest(),
            "file_size": len(file.content),
            "id": media_id,
        }

    async def answer(self, request: web.Request, fault: Fault) -> web.StreamResponse:
        """The bytes at an address that `node` has told, while it is good."""
        media_id, until = request.query.get("mid", ""), int(request.query.get("ext", "0"))
        file = self._kept.get(media_id)
        good = request.query.get("hash") == _mark(media_id, until) and self._now().timestamp() < until
        if file is None or not good:
            return web.Response(status=404, text="Not Found")
        response = web.StreamResponse(headers={"Content-Type": file.media_type})
        if not fault.endless:
            response.content_length = len(file.content)
        await response.prepare(request)
        if fault.endless:
            while True:
                await response.write(bytes(65536))
        cut = fault.cut_after
        await response.write(file.content if cut is None else file.content[:cut])
        if cut is not None:
            drop(request)
        return response


def _mark(media_id: str, until: int) -> str:
    return hashlib.sha256(f"{media_id}/{until}".encode()).hexdigest()[:20]
