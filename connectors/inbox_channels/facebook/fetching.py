"""Files that came with messages and comments: from Meta's hosts only, without our token, and before they expire."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable
from datetime import datetime

from inbox_channels._graph.client import GraphClient
from inbox_channels._graph.verdicts import GraphFault, to_error, wait_hint
from inbox_channels.facebook.parse_files import attachment_url, of_feed_node, of_message_node
from inbox_daemon.errors import EdgeError, Gone, Permanent
from inbox_daemon.model import Attachment, Envelope

_CHUNK_BYTES = 64 * 1024
_EXPIRED = frozenset({400, 403, 404, 410})
"""What Meta's file hosts answer for an address whose signature is over."""
_OWNER = re.compile(r"[A-Za-z0-9_:=+-]+")
"""A message, comment or post as the path of a call: no other sign of an address gets into it."""
_DOING = "fetching a file"


class Files:
    """Fetches what parsing has named."""

    def __init__(self, graph: GraphClient, page_id: str, now: Callable[[], datetime]) -> None:
        self._graph = graph
        self._page_id = page_id
        self._now = now

    async def fetch(self, attachment: Attachment, envelope: Envelope) -> AsyncIterator[bytes]:
        """Stream a file from the address that came with it; where that has expired, from a fresh one.

        The addresses are signed, so the token stays here. Raises `Gone` when Meta has no address that works.
        """
        given = attachment_url(envelope.body, attachment.remote)
        for url in (given, None) if given else (None,):
            address = url or await self._fresh(attachment)
            async with self._graph.download(address, doing=_DOING, with_token=False) as answer:
                if answer.status == 200:
                    async for chunk in answer.content.iter_chunked(_CHUNK_BYTES):
                        yield chunk
                    return
                if answer.status not in _EXPIRED:
                    raise _failed(GraphFault(status=answer.status, wait=wait_hint(answer.headers)))
        raise Gone(f"{_DOING}: a fresh address holds nothing either", reason=self._why(attachment))

    async def _fresh(self, attachment: Attachment) -> str:
        """The address as Meta gives it now: of the message, comment or post that it came with, by its place there."""
        owner, _, number = attachment.remote.rpartition("#")
        if not (_OWNER.fullmatch(owner) and number.isascii() and number.isdigit() and len(number) < 6):
            raise Permanent(f"{_DOING}: where it was has no form that Meta gives")
        in_feed = owner[0].isdigit()
        fields = "attachments" if not in_feed or owner.startswith(f"{self._page_id}_") else "attachment"
        node = await self._graph.get(
            owner,
            {"fields": fields},
            doing="asking where a file is",
            missing=Gone(f"{_DOING}: Meta no longer has what it came with", reason=self._why(attachment)),
        )
        found = of_feed_node(node) if in_feed else of_message_node(node)
        if not 0 < int(number) <= len(found):
            raise Gone(f"{_DOING}: Meta no longer has it", reason=self._why(attachment))
        return found[int(number) - 1].url

    def _why(self, attachment: Attachment) -> str:
        expired = attachment.expires_at is not None and self._now() >= attachment.expires_at
        return "expired" if expired else "deleted"


def _failed(fault: GraphFault) -> EdgeError:
    if 300 <= fault.status < 400:
        return Permanent(f"{_DOING}: its address leads on to another one, which is not followed")
    return to_error(fault, doing=_DOING, harmless=True)
