"""What a real mailbox holds, as a person would read it: whole, decoded, its files too."""

from __future__ import annotations

from email import message_from_bytes, policy
from email.message import EmailMessage

from real.answers.oracle import Item
from real.servers.fixtures import Mailbox


def read_mailbox(mailbox: Mailbox) -> list[Item]:
    """Every mail with its files, by the moment when it was written: Postfix delivers in parallel."""
    with mailbox.client(readonly=True) as client:
        found = client.fetch(client.search(), ["RFC822"])
    mails = [message_from_bytes(one[b"RFC822"], policy=policy.default) for _, one in sorted(found.items())]
    items = [Item(text=_words(mail), at=mail["Date"].datetime) for mail in mails]
    return sorted(items, key=lambda item: item.at)


def _words(mail: EmailMessage) -> str:
    texts = [f"{name}: {value}" for name, value in mail.items()]
    for part in mail.walk():
        if not part.is_multipart():
            payload = part.get_payload(decode=True)
            assert isinstance(payload, bytes)
            texts.append(payload.decode(part.get_content_charset() or "latin-1"))
    return "\n".join(texts)
