"""Requests that write a ticket or an article, as the generic interface takes them. Pure.

An empty list of fields or files is refused, so a key without a value is left out. With an article in the request the
fields beside it are the article's own, or on creation each goes to what it is a field of: so in every version.
"""

from __future__ import annotations

from contextlib import suppress
from email.errors import HeaderParseError

from inbox_daemon.model import Draft, Entry
from inbox_ticketing._writing import texts
from inbox_ticketing.znuny import parse
from inbox_ticketing.znuny.settings import ZnunySettings


def new_ticket(draft: Draft, address: str, settings: ZnunySettings) -> dict[str, object]:
    """A ticket with its reference, its first article and that one's key."""
    title = parse.title_of(draft)
    ticket: dict[str, object] = {
        "Title": title,
        "Queue": settings.queue,
        "State": settings.new_state,
        "Priority": settings.priority,
        "CustomerUser": address,
    }
    if settings.ticket_type:
        ticket["Type"] = settings.ticket_type
    text = texts.text_of(draft.first, preface=texts.preface_of(draft.follows))
    written = message(draft.first, text, address, settings, subject=title)
    reference = {"Name": settings.reference_field, "Value": draft.reference}
    return {**written, "Ticket": ticket, "DynamicField": [reference, *_key(draft.first, settings)]}


def message(entry: Entry, text: str, address: str, settings: ZnunySettings, *, subject: str = "") -> dict[str, object]:
    """A citizen's article, with their name and `address` as its author."""
    article: dict[str, object] = {
        "CommunicationChannel": settings.communication_channel,
        "SenderType": "customer",
        "IsVisibleForCustomer": 1,
        "HistoryType": "PhoneCallCustomer",
        **_words(subject or parse.subject_of(entry), text),
    }
    with suppress(ValueError, IndexError, HeaderParseError):  # a login is no address; the heading says who it was
        article["From"] = parse.sender_line(entry.author_name, address)
    return {"Article": article, "DynamicField": _key(entry, settings)}


def note(entry: Entry, settings: ZnunySettings) -> dict[str, object]:
    """An article that customers do not see."""
    article: dict[str, object] = {
        "CommunicationChannel": "Internal",
        "SenderType": "agent",
        "IsVisibleForCustomer": 0,
        "HistoryType": "AddNote",
        **_words(parse.subject_of(entry), texts.text_of(entry)),
    }
    return {"Article": article, "DynamicField": _key(entry, settings)}


def _words(subject: str, text: str) -> dict[str, object]:
    return {
        "Subject": subject,
        "Body": text,
        "ContentType": "text/plain; charset=utf8",  # without the hyphen: so the manual has it
        "HistoryComment": "inbox-daemon",
    }


def _key(entry: Entry, settings: ZnunySettings) -> list[dict[str, str]]:
    return [{"Name": settings.message_field, "Value": entry.key}]
