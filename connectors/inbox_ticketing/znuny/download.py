"""The bytes of one file of an answer.

The interface gives no file alone: articles come with all their files, in base64 inside one JSON object. So those of
agents are asked for, the newest first, down to the one that is wanted, and never more than is configured.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections.abc import AsyncGenerator, Mapping
from typing import Any

from inbox_daemon.errors import Gone, Transient
from inbox_daemon.model import Attachment
from inbox_ticketing.znuny import parse
from inbox_ticketing.znuny.reading import Reader, wanted
from inbox_ticketing.znuny.rest import Client
from inbox_ticketing.znuny.settings import ZnunySettings

CHUNK = 256 * 1024


async def fetch(
    attachment: Attachment, settings: ZnunySettings, client: Client, reader: Reader
) -> AsyncGenerator[bytes, None]:
    """The file in pieces. Raises `Gone`, and `Permanent` where what comes along with it is too much."""
    nothing = Gone(f"{client.where}: file {attachment.remote[:40]!r} is not there any more", reason="no_file")
    place = parse.place_of(attachment.remote)
    if place is None:
        raise nothing
    ticket, article, number = place
    row = await reader.final(ticket, articles=True)
    newest = [one.number for one in row.articles if one.sender == "agent" and one.number >= article]
    if article not in newest:
        raise nothing
    body = wanted([row.id], articles=True) | {
        "GetAttachmentContents": "1",
        "ArticleSenderType": ["agent"],
        "ArticleOrder": "DESC",
        "ArticleLimit": str(len(newest)),
    }
    most = settings.max_download_bytes * 4 // 3 + 1_000_000  # base64, and the texts
    answer = await client.read("TicketGet", body, most=most)
    content = await asyncio.to_thread(_content_of, answer.data, article, number)
    if content is None:
        raise nothing
    for start in range(0, len(content), CHUNK):
        yield content[start : start + CHUNK]


def _content_of(data: Mapping[str, Any], article: int, number: str) -> bytes | None:
    try:
        for one in data["Ticket"][0].get("Article") or ():
            for file in one.get("Attachment") or ():
                if str(one["ArticleID"]) == str(article) and str(file.get("FileID")) == number:
                    return base64.b64decode(str(file.get("Content") or ""), validate=True)
    except (KeyError, IndexError, TypeError, AttributeError, binascii.Error) as error:
        raise Transient("the answer holds no readable file") from error
    return None
