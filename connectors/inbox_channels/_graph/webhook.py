"""Prove that a webhook comes from Meta: answer to the verification request, signature over the raw bytes. No I/O.

Source: developers.facebook.com/documentation/business-messaging/whatsapp/webhooks/create-webhook-endpoint (April 2026).
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Sequence

from inbox_daemon.errors import Credentials
from inbox_daemon.plugins import Secret, WebhookAnswer, WebhookRequest

SIGNATURE_HEADER = "x-hub-signature-256"

_SIGNATURE = re.compile(r"sha256=([0-9a-fA-F]{64})")


def handshake(request: WebhookRequest, verify_token: Secret) -> WebhookAnswer | None:
    """Answer a GET: the challenge when mode and token are right, else 403. None for any other method."""
    if request.method != "GET":
        return None
    given = request.query.get("hub.verify_token", "").encode("utf-8", "replace")
    known = verify_token.reveal().encode()
    right = hmac.compare_digest(given, known) and bool(known)
    challenge = request.query.get("hub.challenge", "")
    if right and challenge and request.query.get("hub.mode") == "subscribe":
        return WebhookAnswer(body=challenge.encode("utf-8", "replace"))
    return WebhookAnswer(status=403)


def authenticate(request: WebhookRequest, secrets: Sequence[Secret]) -> None:
    """Raise `Credentials` unless the raw body is signed with one of `secrets` (two of them during a rotation).

    The form is checked first, the digests are compared in constant time. Meta signs the escaped form of the JSON, so
    only the bytes as received will do.
    """
    header = request.headers.get(SIGNATURE_HEADER)
    if header is None:
        raise Credentials("the request is not signed: X-Hub-Signature-256 is missing")
    form = _SIGNATURE.fullmatch(header.strip())
    if form is None:
        raise Credentials("the X-Hub-Signature-256 of the request is not sha256= and 64 hexadecimal digits")
    given = bytes.fromhex(form[1])
    matches = [hmac.compare_digest(given, _digest(request.body, secret)) for secret in secrets if secret.reveal()]
    if not any(matches):
        raise Credentials("the signature of the request does not match; compare app_secret with the app's settings")


def signature(body: bytes, secret: Secret) -> str:
    """The value of X-Hub-Signature-256 for `body`, as Meta makes it."""
    return f"sha256={_digest(body, secret).hex()}"


def _digest(body: bytes, secret: Secret) -> bytes:
    return hmac.digest(secret.reveal().encode(), body, hashlib.sha256)
