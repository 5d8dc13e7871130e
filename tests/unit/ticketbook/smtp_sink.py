"""A mail server of tests: keeps what it is given, and refuses on command."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage


@dataclass
class Sink:
    """`answer_to_rcpt` is what every recipient gets ("250 ok"), `login_works` whether AUTH succeeds."""

    port: int = 0
    answer_to_rcpt: str = "250 ok"
    login_works: bool = True
    mails: list[EmailMessage] = field(default_factory=list)
    recipients: list[str] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            writer.write(b"220 sink.test ESMTP\r\n")
            while line := (await reader.readline()).decode():
                verb = line[:4].upper()
                if verb == "DATA":
                    writer.write(b"354 go on\r\n")
                    raw = await reader.readuntil(b"\r\n.\r\n")
                    self.mails.append(message_from_bytes(raw[:-3], policy=policy.default))
                    writer.write(b"250 kept\r\n")
                    continue
                if verb == "RCPT" and self.answer_to_rcpt.startswith("250"):
                    self.recipients.append(line.partition("<")[2].partition(">")[0])
                writer.write(self._answer(verb).encode() + b"\r\n")
                if verb == "QUIT":
                    break
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    def _answer(self, verb: str) -> str:
        return {
            "EHLO": "250-sink.test\r\n250 AUTH PLAIN LOGIN",
            "AUTH": "235 welcome" if self.login_works else "535 who are you",
            "RCPT": self.answer_to_rcpt,
            "QUIT": "221 bye",
        }.get(verb, "250 ok")


@asynccontextmanager
async def mail_sink() -> AsyncIterator[Sink]:
    """A sink on loopback until the block ends."""
    sink = Sink()
    server = await asyncio.start_server(sink.serve, "127.0.0.1", 0)
    sink.port = server.sockets[0].getsockname()[1]
    try:
        yield sink
    finally:
        server.close()
        await server.wait_closed()
