"""Events that we send; pure. `protocol.schema.json` and README.md say the same."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from urllib.parse import quote

from inbox_daemon.model import Draft, Entry, StoredFile
from inbox_ticketing._writing import texts


def event_id(key: str) -> str:
    """The webhook-id of the event for `key`: the key itself, with `~` for the dot that an id must not have."""
    return quote(key, safe="").replace("~", "%7E").replace(".", "~")


def event(kind: str, at: datetime, data: Mapping[str, object]) -> bytes:
    """The body of one event."""
    whole = {"type": kind, "timestamp": _instant(at), "data": data}
    return json.dumps(whole, ensure_ascii=False, separators=(",", ":")).encode()


def opening(draft: Draft, *, instance: str, queue: str, test: bool = False) -> dict[str, object]:
    """Data of `ticket.opened`."""
    return {
        "destination": instance,
        "queue": queue,
        "test": test,
        "ticket": {
            "reference": draft.reference,
            "case_number": draft.case_number,
            "subject": texts.one_line(draft.subject) or texts.NO_SUBJECT,
            "channel": draft.channel,
            "matter": texts.one_line(draft.matter),
            "follows": texts.one_line(draft.follows),
        },
        "entry": entry_of(draft.first, preface=texts.preface_of(draft.follows)),
    }


def entry_of(entry: Entry, *, preface: str = "") -> dict[str, object]:
    """One message as part of an event."""
    return {
        "key": entry.key,
        "heading": texts.one_line(entry.heading),
        "body": texts.joined(preface, texts.body_of(entry)),
        "author_name": texts.one_line(entry.author_name),
        "reply_address": texts.one_line(entry.reply_address),
        "sent_at": _instant(entry.sent_at),
        "automatic": entry.automatic,
    }


def file_of(file: StoredFile) -> dict[str, object]:
    """One file as part of an event, without what it holds."""
    return {
        "name": file_name(file.filename),
        "media_type": texts.file_type(file),
        "size": file.size,
        "sha256": file.sha256,
    }


def file_name(name: str) -> str:
    """A name that is no path and breaks no header."""
    return texts.file_name(name, '"/\\')


def _instant(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
