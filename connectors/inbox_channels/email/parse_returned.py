"""What comes back of mails that we sent: reports that they failed or were read, and the mails themselves.

A report counts only as one from a machine, about a mail whose Message-ID has our form; whether we really sent that
one, the core knows. A mail with such an id from another office of our domain is a message like any other.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from inbox_channels.email.own_ids import tag_of
from inbox_channels.email.parse_headers import message_ids
from inbox_channels.email.parse_kinds import is_machine_report
from inbox_channels.email.parse_mime import Part
from inbox_channels.email.parse_words import decode
from inbox_channels.email.wording import WORDINGS, Language
from inbox_daemon.model import Automatic, Ignored, Message, RemoteId, SendState, StatusEvent

_RECEIPT_TYPES = ("message/disposition-notification", "message/global-disposition-notification")
"""RFC 8098, and its form for servers with SMTPUTF8 (RFC 6533)."""
_RECEIPT_FIELD = re.compile(r"(?im)^(original-message-id|disposition)[ \t]*:[ \t]*([^\n]*(?:\n[ \t]+[^\n]*)*)")
_ENHANCED = re.compile(r"\b([245]\.\d{1,3}\.\d{1,3})\b")
_BASIC = re.compile(r"\b([45]\d\d)\b")
_DELAY_SUBJECT = re.compile(r"delay|demor|retras|could not send message for past|being retried", re.IGNORECASE)
_ACTIONS = {
    "failed": SendState.FAILED,
    "delayed": None,
    "delivered": SendState.DELIVERED,
    "relayed": SendState.SENT,
    "expanded": SendState.SENT,
}


def about_ours(
    root: Part, message: Message, addresses: Sequence[str], language: Language
) -> StatusEvent | Ignored | None:
    """What `message`, read from `root`, says about a mail that we sent from one of `addresses`; None for others."""
    domains = [address.rpartition("@")[2] for address in addresses]
    if message.echo and tag_of(message.external_id, domains) is not None:
        return Ignored(reason="own", external_id=message.external_id, sent_at=message.sent_at)
    if message.automatic is Automatic.BOUNCE and is_machine_report(root, _sender(message)):
        return _bounced(message, domains, language)
    if message.automatic is Automatic.SYSTEM:
        return _receipt(root, message, domains)
    return None


def _sender(message: Message) -> str:
    return message.sender.handles[0].value if message.sender.handles else ""


def _bounced(message: Message, domains: Sequence[str], language: Language) -> StatusEvent | Ignored | None:
    tag = tag_of(message.in_reply_to or "", domains)
    if message.in_reply_to is None or tag is None:
        return None
    code = _status_code(message.details)
    state = _outcome(message, code)
    if state is None:
        return Ignored(reason="delay", external_id=message.external_id, sent_at=message.sent_at)
    failed = state is SendState.FAILED
    return StatusEvent(
        external_id=message.external_id,
        sent_at=message.sent_at,
        target=RemoteId(message.in_reply_to),
        state=state,
        tag=tag,
        error_code=code or None if failed else None,
        reason=WORDINGS[language].failure(code) if failed else "",
    )


def _status_code(details: Mapping[str, str]) -> str:
    """The enhanced code (`5.1.1`) of a report, else the basic one (`550`), else nothing."""
    said = f"{details.get('status', '')} {details.get('diagnostic', '')}"
    found = _ENHANCED.search(said) or _BASIC.search(said)
    return found[1] if found is not None else ""


def _outcome(message: Message, code: str) -> SendState | None:
    """What became of the mail; None while its server still tries."""
    action = re.match(r"[a-z]*", message.details.get("action", ""))
    if action is not None and action[0] in _ACTIONS:
        return _ACTIONS[action[0]]
    if code.startswith("2"):
        return SendState.DELIVERED
    still_trying = code.startswith("4") or _DELAY_SUBJECT.search(message.subject) is not None
    return None if still_trying else SendState.FAILED


def _receipt(root: Part, message: Message, domains: Sequence[str]) -> StatusEvent | Ignored | None:
    """A read receipt (RFC 8098) of a mail of ours. That it was deleted unread or merely processed says nothing."""
    leaf = next((leaf for leaf in root.leaves() if leaf.media_type in _RECEIPT_TYPES), None)
    if leaf is None:
        return None
    found: dict[str, str] = {}
    for match in _RECEIPT_FIELD.finditer(decode(leaf.content[:65536], None).replace("\r\n", "\n")):
        found.setdefault(match[1].lower(), match[2])
    original = next(iter(message_ids(found.get("original-message-id", ""))), message.in_reply_to) or ""
    tag = tag_of(original, domains)
    if tag is None:
        return None
    if "displayed" not in found.get("disposition", "").lower().rpartition(";")[2]:
        return Ignored(reason="receipt", external_id=message.external_id, sent_at=message.sent_at)
    return StatusEvent(
        external_id=message.external_id,
        sent_at=message.sent_at,
        target=RemoteId(original),
        state=SendState.READ,
        tag=tag,
    )
