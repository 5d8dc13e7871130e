"""What is written into Zammad: titles, articles, customers, files. Pure."""

from __future__ import annotations

import base64
import re

from inbox_daemon.model import Draft, Entry, MessageKey, Reference, StoredFile
from inbox_ticketing._writing import texts

MAX_SUBJECT_BYTES = 240
"""The title is a column of 250 characters."""
MAX_BODY_CHARS = 1_500_000
"""Beyond it Zammad answers 422 (app/models/ticket/article.rb, read 2026-11-23)."""

_ADDRESS = re.compile(r"^[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+$")


def title_of(draft: Draft) -> str:
    """The title of a ticket: one line that fits, with the case number that the citizen knows in front. The attribute
    with the reference stands on no screen of Zammad's."""
    subject = texts.one_line(draft.subject) or texts.NO_SUBJECT
    return texts.cut_bytes(f"[{texts.one_line(draft.case_number)}] {subject}", MAX_SUBJECT_BYTES)


def tags_of(draft: Draft) -> str:
    """Channel and matter, by which agents may filter; Zammad drops new tags where only administrators may make them."""
    return ",".join(
        word for one in (draft.channel, draft.matter) if (word := texts.one_line(one).replace(",", " ")[:100])
    )


def message_id(key: MessageKey, domain: str) -> str:
    """The deterministic Message-ID of an article of ours. Zammad keeps it on articles that are no mails, too."""
    return f"<inbox.{key}@{domain}>"


def text_of(entry: Entry, *, follows: str = "") -> str:
    """Heading, the line that links to a former ticket, and body of one entry. Its marker is the article's subject:
    agents see it among the details of an entry, replies do not quote it."""
    return texts.joined(texts.one_line(entry.heading), texts.preface_of(follows), texts.body_of(entry)) or "(sin texto)"


def file_text(entry: Entry, file: StoredFile) -> str:
    """Text of the entry that carries one file."""
    return texts.joined(texts.one_line(entry.heading), texts.file_line(file))


def file_json(file: StoredFile, content: bytes) -> dict[str, str]:
    """One attachment: all three keys must be there, or Zammad refuses the article with 422."""
    return {
        "filename": texts.file_name(file.filename, '"\\/%<>:|?*'),
        "mime-type": texts.file_type(file),
        "data": base64.b64encode(content).decode("ascii"),
    }


def customer_of(draft: Draft, *, fallback: str, mute_domain: str) -> dict[str, str]:
    """Whom the ticket is for, by what Zammad looks them up: address first, then login, and only then it creates.

    All of it happens in the transaction that makes the ticket, so that a ticket made twice has one customer. A login is
    made of the reference where there is no address: without one Zammad would invent another on each try.
    """
    first, _, last = person_name(draft.first.author_name).partition(" ")
    names = {"firstname": first or "Ciudadanía", "lastname": last}
    if is_address(draft.first.reply_address):
        return {**names, "email": draft.first.reply_address.lower()}
    if is_address(fallback):
        return {"firstname": "Ciudadanía", "lastname": "", "email": fallback.lower()}
    if fallback:
        return {"firstname": "Ciudadanía", "lastname": "", "login": fallback.lower()}
    login = login_of(draft.reference)
    return {**names, "login": login, **({"email": f"{login}@{mute_domain}"} if mute_domain else {})}


def login_of(reference: Reference) -> str:
    """The login of a citizen who is known by their case only; small letters, as Zammad keeps them."""
    return "inbox-" + re.sub(r"[^a-z0-9.-]+", "-", reference.lower()).strip("-")


def person_name(name: str) -> str:
    """A name that Zammad takes: no line ends, nothing that looks like a link, at most 100 characters a part."""
    words = re.sub(r"[<>\"/:@\\]", " ", texts.one_line(name)).split()
    return texts.cut_bytes(" ".join(words), 100)


def is_address(text: str) -> bool:
    """Whether Zammad will take it for a mail address; what is none must not cost the citizen their ticket."""
    return bool(_ADDRESS.match(text)) and ".." not in text
