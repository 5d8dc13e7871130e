"""A webhook of Redmine 7: `{"type": "issue.updated", "data": {"issue": {"id": 9}}}`, signed over its bytes. Pure.

Redmine tries once and says nothing of privacy: the issue is read anew, and nothing else in a hint is believed.
"""

from __future__ import annotations

import json

from inbox_daemon.errors import Credentials
from inbox_daemon.model import Hint, TicketId
from inbox_daemon.plugins import Secret, WebhookRequest, is_signed

SIGNATURE_HEADER = "x-redmine-signature-256"


def read_hint(request: WebhookRequest, secret: Secret, instance: str) -> Hint | None:
    """The issue that changed. Raises `Credentials` when the signature is wrong."""
    if not is_signed(request.body, request.headers.get(SIGNATURE_HEADER, ""), secret):
        raise Credentials(f"{instance}: a hint came with a wrong signature. Compare `hint_secret` with the webhook's")
    try:
        number = json.loads(request.body)["data"]["issue"]["id"]
    except (ValueError, KeyError, TypeError):
        return None
    return Hint(tickets=(TicketId(str(number)),)) if isinstance(number, int) and number > 0 else None
