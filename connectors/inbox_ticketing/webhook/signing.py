"""Signatures of the Standard Webhooks specification 1.0.0 (symmetric, `v1`), made and checked. Pure.

What is signed is `ID.TIMESTAMP.BODY`. A look-up has no body; in its place stands its request line, `GET /path?query`,
so that a signature seen once is good for nothing else. An event's body begins with a brace: it can't be taken for one.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

PREFIX = "whsec_"
ID, TIMESTAMP, SIGNATURE = "webhook-id", "webhook-timestamp", "webhook-signature"
MOST_SIGNATURES = 20
"""Of one header: a rotation has two, and each costs a digest."""


def key_of(secret: str) -> bytes:
    """The key inside `whsec_…`. Raises `ValueError`, which does not show it."""
    text = secret.strip()
    try:
        key = base64.b64decode(text.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not text.startswith(PREFIX) or not 24 <= len(key) <= 64:
        raise ValueError('a secret is "whsec_" and the base64 of 24 to 64 random bytes')
    return key


def signed_headers(keys: Sequence[bytes], message_id: str, at: datetime, body: bytes) -> dict[str, str]:
    """The three headers of one attempt, with a signature by each of `keys`."""
    timestamp = str(int(at.timestamp()))
    signatures = " ".join(_signature(key, message_id, timestamp, body) for key in keys)
    return {ID: message_id, TIMESTAMP: timestamp, SIGNATURE: signatures}


def verify(
    keys: Sequence[bytes], headers: Mapping[str, str], body: bytes, *, now: datetime, tolerance: timedelta
) -> None:
    """Raise `ValueError`, which says what is wrong, unless one of `keys` signed `body` just now.

    The same request again within the tolerance is let through: whoever needs each only once keeps its id.
    """
    message_id, timestamp = headers.get(ID, ""), headers.get(TIMESTAMP, "")
    given = headers.get(SIGNATURE, "").split()[:MOST_SIGNATURES]
    if not message_id or "." in message_id or not re.fullmatch(r"[0-9]{1,12}", timestamp) or not given:
        raise ValueError("it is not signed: webhook-id, webhook-timestamp or webhook-signature is missing or malformed")
    expected = [_signature(key, message_id, timestamp, body).encode() for key in keys]
    matches = [
        hmac.compare_digest(one.encode("utf-8", "replace"), right) for one in given for right in expected
    ]  # all of them, so that the time taken tells nothing
    if not any(matches):
        raise ValueError("its signature is wrong")
    if abs(now.timestamp() - int(timestamp)) > tolerance.total_seconds():
        raise ValueError("it was signed too long ago, or the clocks differ")


def _signature(key: bytes, message_id: str, timestamp: str, body: bytes) -> str:
    content = b".".join((message_id.encode(), timestamp.encode(), body))
    return "v1," + base64.b64encode(hmac.digest(key, content, "sha256")).decode()
