"""Answers to citizens by mail: to whom, whether they may go at all, and the one call that sends them."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Mapping, Sequence
from email.message import EmailMessage
from pathlib import Path

from inbox_channels.email.compose import Writer, compose, own_id, recipient
from inbox_channels.email.parse_address import canonical_address
from inbox_channels.email.settings import EmailSettings
from inbox_daemon.errors import Credentials, Permanent, Transient
from inbox_daemon.model import Handle, Proof, RemoteId, Reply, Sent, StoredFile
from inbox_daemon.plugins import Context, FileRule, Mail, SendingRules


class Postman:
    """Sends answers from one mailbox, over the mail server that the core lends."""

    def __init__(self, settings: EmailSettings, context: Context) -> None:
        self._limit = settings.max_reply_file_bytes
        self.rules = SendingRules(files=(FileRule(max_bytes=self._limit),) if self._limit else (), together=True)
        self._own = frozenset((canonical_address(one) or one).lower() for one in settings.own_addresses)
        self._unproven = settings.answer_unproven
        self._context = context
        address = canonical_address(settings.sending_address) or ""
        mailbox = next(iter(settings.addresses or settings.own_addresses), "")
        self._returns_to = canonical_address(mailbox) or None
        self._writer = Writer(
            address=address,
            name=settings.from_name,
            reply_to="" if mailbox == settings.sending_address else canonical_address(mailbox) or "",
            language=settings.language,
            zone=context.zone,
        )
        self._unsent = self._writer.wording.unsent

    def address(self, handles: Sequence[Handle]) -> Handle | None:
        """See `Replying.address`: a proven address before one that a mail merely claims; never one of our own."""
        usable = [one for one in handles if one.kind == "email" and self._may_write_to(one)]
        return next((one for one in usable if one.proof is Proof.CHANNEL), next(iter(usable), None))

    def _may_write_to(self, handle: Handle) -> bool:
        if handle.value.lower() in self._own:
            return False
        if handle.proof is Proof.CHANNEL:
            return True
        here = handle.scope in ("", f"hint:{self._context.instance}")
        return self._unproven and handle.proof is Proof.HINT and here

    async def check(self) -> None:
        """Prove that mail can be sent, where a mail server is configured. Raises `EdgeError`."""
        mail = self._context.mail
        if mail is None:
            self._context.log.info("mailbox.only_receives", why="no [smtp] table")
            return
        self._require_address()
        await mail.check()

    async def send(self, reply: Reply) -> Sent:
        """See `Replying.send`. The Message-ID that the mail has is `Sent.id`, without its angle brackets."""
        mail = self._require_mail()
        self._require_address()
        if not self._may_write_to(reply.to):
            raise Permanent(
                "this mailbox does not answer this address (our own, or not proven: answer_unproven)",
                told=self._unsent["not_answered"],
            )
        to = recipient(reply.to, self._writer.wording)
        message = await asyncio.to_thread(self._compose, reply)
        try:
            await mail.send(message, recipients=[to], sender=self._returns_to)
        except Permanent as error:
            raise Permanent(str(error), told=error.told or self._unsent["refused"]) from error
        return Sent(id=RemoteId(own_id(reply, self._writer)))

    def _require_mail(self) -> Mail:
        if self._context.mail is None:
            raise Credentials("this mailbox can't answer: configure the mail server in the table [smtp]")
        return self._context.mail

    def _require_address(self) -> None:
        if not self._writer.address:
            raise Credentials("this mailbox can't answer: write its address into addresses or from_address")

    def _compose(self, reply: Reply) -> EmailMessage:
        total = sum(file.size for file in reply.attachments)
        if total > self._limit:
            raise Permanent(
                f"the files are {total} bytes together, more than max_reply_file_bytes ({self._limit})",
                told=self._unsent["too_large"],
            )
        contents = [_content(file, self._unsent) for file in reply.attachments]
        return compose(reply, self._writer, contents, self._context.now())


def _content(file: StoredFile, unsent: Mapping[str, str]) -> bytes:
    """The bytes of a file, checked: nobody gets another file than the one that was stored."""
    try:
        content = Path(file.path).read_bytes()
    except FileNotFoundError:
        raise Permanent("a file of the answer is no longer stored here", told=unsent["file_gone"]) from None
    except OSError as error:
        raise Transient(f"a file of the answer can't be read now ({error.strerror})") from error
    if hashlib.sha256(content).hexdigest() != file.sha256:
        raise Permanent("a file of the answer is damaged on the disk", told=unsent["file_damaged"])
    return content
