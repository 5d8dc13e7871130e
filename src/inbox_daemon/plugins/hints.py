"""Signatures of the webhooks that a destination sends as hints."""

from __future__ import annotations

import hmac

from inbox_daemon.plugins.settings import Secret


def is_signed(body: bytes, given: str, secret: Secret, *, digest: str = "sha256") -> bool:
    """Whether `given` is the HMAC of `body` in small hexadecimal digits, bare or behind the name of its digest
    (`sha256=…`). Compared in the same time whatever it is."""
    right = hmac.new(secret.reveal().encode(), body, digest).hexdigest()
    bare = given.removeprefix(f"{digest}=")
    return hmac.compare_digest(right.encode(), bare.encode("utf-8", "replace"))
