"""Webhooks of GLPI 11: what they point at. Pure.

GLPI signs the body followed by the time at which the event was raised. A repeated delivery carries the old time, hours
later perhaps, so its age says nothing; a replay does no harm, since the ticket is read anew.
"""

from __future__ import annotations

import json
from typing import Any

from inbox_daemon.errors import Credentials
from inbox_daemon.model import Hint, TicketId
from inbox_daemon.plugins import Secret, WebhookRequest, is_signed
from inbox_ticketing.glpi import parse

SIGNATURE = "x-glpi-signature"
TIMESTAMP = "x-glpi-timestamp"


def read(request: WebhookRequest, secret: Secret | None, instance: str) -> Hint | None:
    """The ticket that changed; None where nothing is taken or the event is about something else."""
    if secret is None:
        return None
    stamped = request.body + request.headers.get(TIMESTAMP, "").encode("utf-8", "replace")
    if not is_signed(stamped, request.headers.get(SIGNATURE, ""), secret):
        raise Credentials(f"{instance}: a hint came with a wrong signature. Compare `hint_secret` with GLPI's webhook")
    try:
        item = json.loads(request.body)["item"]
        number = _ticket(item) if isinstance(item, dict) else 0
    except (ValueError, KeyError, TypeError):
        return None
    return Hint(tickets=(TicketId(str(number)),)) if number else None


def _ticket(item: dict[str, Any]) -> int:
    if item.get("itemtype") == "Ticket" and parse.number(item.get("items_id")):
        return parse.number(item["items_id"])  # a followup or solution names the ticket it stands in
    if "items_id" in item or "itemtype" in item:
        return 0
    return parse.number(item.get("id"))
