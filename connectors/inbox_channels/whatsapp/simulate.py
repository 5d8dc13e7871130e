"""One invented incoming message as the request that Meta would send, signed with the instance's own secret."""

from __future__ import annotations

import json
import re

from inbox_channels._graph.webhook import SIGNATURE_HEADER, signature
from inbox_channels.whatsapp.settings import WhatsAppSettings
from inbox_daemon.plugins import SimulatedMessage, WebhookRequest

_BSUID = re.compile(r"[A-Z]{2}\.\S+")


def simulate(settings: WhatsAppSettings, message: SimulatedMessage) -> WebhookRequest:
    """A POST as of August 2026. A sender such as `AR.123` is a person whose number is hidden from us."""
    if _BSUID.fullmatch(message.sender):
        known, sender = {"user_id": message.sender}, {"from_user_id": message.sender}
    else:
        digits = re.sub(r"[^0-9]", "", message.sender)
        known = {"wa_id": digits, "user_id": f"AR.{digits}0"}
        sender = {"from": digits, "from_user_id": f"AR.{digits}0"}
    value = {
        "messaging_product": "whatsapp",
        "metadata": {"display_phone_number": "543624000000", "phone_number_id": settings.phone_number_id},
        "contacts": [{"profile": {"name": message.name}, **known}],
        "messages": [
            {
                **sender,
                "id": message.id if message.id.startswith("wamid.") else f"wamid.{message.id}",
                "timestamp": str(int(message.at.timestamp())),
                "type": "text",
                "text": {"body": message.text},
            }
        ],
    }
    entry = {"id": "100000000000001", "changes": [{"field": "messages", "value": value}]}
    body = json.dumps({"object": "whatsapp_business_account", "entry": [entry]}, separators=(",", ":")).encode()
    headers = {"content-type": "application/json", SIGNATURE_HEADER: signature(body, settings.app_secret)}
    return WebhookRequest(method="POST", query={}, headers=headers, body=body)
