"""One invented incoming message as the request that Meta would send, signed with the instance's own secret."""

from __future__ import annotations

import json
import re
from typing import Protocol

from inbox_channels._graph.webhook import SIGNATURE_HEADER, signature
from inbox_channels.facebook.parse import Scope
from inbox_daemon.plugins import Secret, SimulatedMessage, WebhookRequest


class Signing(Scope, Protocol):
    """The settings that an invented delivery is made with."""

    @property
    def app_secret(self) -> Secret:
        """What deliveries are signed with."""


def simulate(settings: Signing, message: SimulatedMessage) -> WebhookRequest:
    """A POST as of November 2026. The sender is a PSID or IGSID: of anything else its digits are taken."""
    own = (settings.account_id if settings.platform == "instagram" else settings.page_id) or "100000000000001"
    at = int(message.at.timestamp() * 1000)
    item = {
        "sender": {"id": re.sub(r"[^0-9]", "", message.sender) or "20000000000000001"},
        "recipient": {"id": own},
        "timestamp": at,
        "message": {"mid": message.id if message.id.startswith("m_") else f"m_{message.id}", "text": message.text},
    }
    entry = {"id": own, "time": at, "messaging": [item]}
    body = json.dumps({"object": settings.platform, "entry": [entry]}, separators=(",", ":")).encode()
    headers = {"content-type": "application/json", SIGNATURE_HEADER: signature(body, settings.app_secret)}
    return WebhookRequest(method="POST", query={}, headers=headers, body=body)
