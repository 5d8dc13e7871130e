"""What Meta brings beside citizens' messages: what the office writes on its own phone, old chats, other fields."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from support.graph_fake_citizens import PHONE_NUMBER_ID, WABA_ID, Phone

_serial = itertools.count(1)


def typed(to: Phone, words: str, *, at: datetime, id: str | None = None, target: str = "") -> bytes:  # noqa: A002 - Meta calls it so
    """The office writes to somebody on its own phone (`smb_message_echoes`), or corrects what it wrote (`target`)."""
    text = {"type": "text", "text": {"body": words}}
    if target and not words:
        content: dict[str, Any] = {"type": "revoke", "revoke": {"original_message_id": target}}
    elif target:
        content = {"type": "edit", "edit": {"original_message_id": target, "message": text}}
    else:
        content = text
    known = {"to": to.number, "to_user_id": to.bsuid}
    echo = {
        "from": "543624000000",
        **{key: value for key, value in known.items() if value},
        "id": id or f"wamid.ECHO{next(_serial):08d}",
        "timestamp": str(int(at.timestamp())),
        **content,
    }
    return other("smb_message_echoes", {"message_echoes": [echo]}, at=at)


def old_chat(phone: Phone, *said: tuple[bool, str], at: datetime, id: str = "old") -> bytes:  # noqa: A002 - Meta calls it so
    """One chat of before the number was connected: (by the office, words) each, as `history` brings it."""
    messages = [
        {
            "from": "543624000000" if by_office else phone.number,
            "id": f"wamid.{id}.{n}",
            "timestamp": str(int((at + timedelta(seconds=n)).timestamp())),
            "type": "text",
            "text": {"body": words},
            "history_context": {"status": "READ"},
        }
        for n, (by_office, words) in enumerate(said)
    ]
    context = {"wa_id": phone.number, "user_id": phone.bsuid}
    thread = {"id": phone.number, "context": context, "messages": messages}
    chunk = {"metadata": {"phase": 0, "chunk_order": 1, "progress": 100}, "threads": [thread]}
    return other("history", {"history": [chunk]}, at=at)


def other(field: str, value: Mapping[str, Any], *, at: datetime, account_id: str = WABA_ID) -> bytes:
    """A webhook body of another field than `messages`."""
    metadata = {"display_phone_number": "543624000000", "phone_number_id": PHONE_NUMBER_ID}
    numbered = {"messaging_product": "whatsapp", "metadata": metadata, **value}
    entry = {"id": account_id, "time": int(at.timestamp()), "changes": [{"field": field, "value": numbered}]}
    return json.dumps({"object": "whatsapp_business_account", "entry": [entry]}, separators=(",", ":")).encode()
