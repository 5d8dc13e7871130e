"""What is written into Zammad: titles, articles, customers, files. Pure."""

from __future__ import annotations

import base64
import re

from inbox_daemon.model import Draft, Entry, MessageKey, Reference, StoredFile

MAX_SUBJECT_BYTES = 240
"""The title is a column of 250 characters."""
MAX_BODY_CHARS = 1_500_000
"""Beyond it Zammad answers 422 (app/models/ticket/article.rb, read 2026-11-23)."""
NO_SUBJECT = "(sin asunto)"

_FORBIDDEN = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
_ADDRESS = re.compile(r"^[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+$")


def clean(text: str) -> str:
    """Text without what PostgreSQL refuses or browsers hide; line ends become newlines."""
    return _FORBIDDEN.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))


def one_line(text: str) -> str:
    """`text` without line ends or runs of blanks."""
    return " ".join(clean(text).split())


def cut_bytes(text: str, limit: int) -> str:
    """`text` shortened to `limit` bytes of UTF-8 without breaking a character."""
    raw = text.encode("utf-8")
    return text if len(raw) <= limit else raw[:limit].decode("utf-8", "ignore").rstrip()


def title_of(draft: Draft) -> str:
    """The title of a ticket: one line that fits."""
    return cut_bytes(one_line(draft.subject), MAX_SUBJECT_BYTES) or NO_SUBJECT


def tags_of(draft: Draft) -> str:
    """Channel and matter, by which agents may filter; Zammad drops new tags where only administrators may make them."""
    return ",".join(word for one in (draft.channel, draft.matter) if (word := one_line(one).replace(",", " ")[:100]))


def marker(key: MessageKey) -> str:
    """The subject of an article of ours: agents see it among the details of an entry, replies do not quote it."""
    return f"[ref:{key}]"


def message_id(key: MessageKey, domain: str) -> str:
    """The deterministic Message-ID of an article of ours. Zammad keeps it on articles that are no mails, too."""
    return f"<inbox.{key}@{domain}>"


def text_of(entry: Entry, *, follows: str = "") -> str:
    """Heading, the line that links to a former ticket, and body of one entry."""
    link = f"Continúa el caso N.º {one_line(follows)}." if follows else ""
    blocks = (one_line(entry.heading), link, clean(entry.body).strip("\n"))
    return "\n\n".join(block for block in blocks if block.strip()) or "(sin texto)"


def file_text(entry: Entry, file: StoredFile) -> str:
    """Text of the entry that carries one file."""
    lines = (one_line(entry.heading), f"Adjunto: {one_line(file.filename)} ({file.size} bytes)")
    return "\n\n".join(line for line in lines if line)


def file_json(file: StoredFile, content: bytes) -> dict[str, str]:
    """One attachment: all three keys must be there, or Zammad refuses the article with 422."""
    return {
        "filename": file_name(file),
        "mime-type": file_type(file),
        "data": base64.b64encode(content).decode("ascii"),
    }


def file_name(file: StoredFile) -> str:
    """A name without a path or quotes, of at most 200 bytes, the ending kept."""
    name = re.sub(r'["\\/%<>:|?*]', "_", one_line(file.filename)).strip(". ") or "archivo"
    stem, dot, ending = name.rpartition(".")
    if not dot or len(ending) > 16:
        return cut_bytes(name, 200)
    return f"{cut_bytes(stem, 180)}.{ending}"


def file_type(file: StoredFile) -> str:
    """The media type, or that of plain bytes where there is none."""
    kind = file.media_type.partition(";")[0].strip().lower()
    return kind if re.fullmatch(r"[a-z0-9.+-]+/[a-z0-9.+-]+", kind) else "application/octet-stream"


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
    words = re.sub(r"[<>\"/:@\\]", " ", one_line(name)).split()
    return cut_bytes(" ".join(words), 100)


def is_address(text: str) -> bool:
    """Whether Zammad will take it for a mail address; what is none must not cost the citizen their ticket."""
    return bool(_ADDRESS.match(text)) and ".." not in text
