"""Events that we send; pure. `protocol.schema.json` and README.md say the same."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from urllib.parse import quote

from inbox_daemon.model import Draft, Entry, StoredFile

NO_SUBJECT = "(sin asunto)"
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
_UNFIT_FOR_A_NAME = re.compile(r'[\x00-\x1f\x7f"/\\]')


def clean(text: str) -> str:
    """Text that every JSON reader and database takes; line ends become newlines."""
    return _FORBIDDEN.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))


def one_line(text: str) -> str:
    """`text` without line ends or runs of blanks."""
    return " ".join(clean(text).split())


def event_id(key: str) -> str:
    """The webhook-id of the event for `key`: the key itself, with `~` for the dot that an id must not have."""
    return quote(key, safe="").replace("~", "%7E").replace(".", "~")


def event(kind: str, at: datetime, data: Mapping[str, object]) -> bytes:
    """The body of one event."""
    whole = {"type": kind, "timestamp": _instant(at), "data": data}
    return json.dumps(whole, ensure_ascii=False, separators=(",", ":")).encode()


def opening(draft: Draft, *, instance: str, queue: str, test: bool = False) -> dict[str, object]:
    """Data of `ticket.opened`."""
    preface = f"Continúa el caso N.º {one_line(draft.follows)}.\n\n" if draft.follows else ""
    return {
        "destination": instance,
        "queue": queue,
        "test": test,
        "ticket": {
            "reference": draft.reference,
            "case_number": draft.case_number,
            "subject": one_line(draft.subject) or NO_SUBJECT,
            "channel": draft.channel,
            "matter": one_line(draft.matter),
            "follows": one_line(draft.follows),
        },
        "entry": entry_of(draft.first, preface=preface),
    }


def entry_of(entry: Entry, *, preface: str = "") -> dict[str, object]:
    """One message as part of an event."""
    return {
        "key": entry.key,
        "heading": one_line(entry.heading),
        "body": preface + clean(entry.body).strip("\n"),
        "author_name": one_line(entry.author_name),
        "reply_address": one_line(entry.reply_address),
        "sent_at": _instant(entry.sent_at),
        "automatic": entry.automatic,
    }


def file_of(file: StoredFile) -> dict[str, object]:
    """One file as part of an event, without what it holds."""
    kind = file.media_type.partition(";")[0].strip().lower()
    return {
        "name": file_name(file.filename),
        "media_type": kind if re.fullmatch(r"[a-z0-9.+-]+/[a-z0-9.+-]+", kind) else "application/octet-stream",
        "size": file.size,
        "sha256": file.sha256,
    }


def file_name(name: str) -> str:
    """A name that is no path and breaks no header, of at most 200 characters, its ending kept."""
    fit = _UNFIT_FOR_A_NAME.sub("_", one_line(name)).strip(". ") or "archivo"
    stem, dot, ending = fit.rpartition(".")
    return fit[:200] if not dot or len(ending) > 16 else f"{stem[:180]}.{ending}"


def _instant(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
