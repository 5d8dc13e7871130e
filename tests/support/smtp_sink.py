"""A mail server of tests that keeps what it takes, and says, leaves unsaid or breaks off what it is told to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage

HANG_UP = ""
"""As an answer: the connection is cut instead."""
SAY_NOTHING = "…"
"""As an answer: none, and the connection stays."""
CUT_INSIDE = "✂"
"""As the last word on a mail: the connection is cut before its content was read to the end; nothing is kept."""

_USUAL = {
    "HELLO": "220 sink.test ESMTP",
    "EHLO": "250-sink.test\r\n250 AUTH PLAIN LOGIN",
    "AUTH": "235 welcome",
    "DATA": "354 go on",
    "END": "250 kept",
    "QUIT": "221 bye",
}


@dataclass
class Sink:
    """`answers` are by verb; "HELLO" is the greeting, "END" the last word on a mail, an address what RCPT gets."""

    port: int = 0
    answers: dict[str, str] = field(default_factory=dict)
    mails: list[EmailMessage] = field(default_factory=list)
    raw: list[bytes] = field(default_factory=list)
    recipients: list[str] = field(default_factory=list)
    senders: list[str] = field(default_factory=list)
    sessions: int = 0
    delay_seconds: float = 0.0
    """How long it thinks about a mail before its last word."""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.sessions += 1
        try:
            said = self._say(writer, "HELLO")
            while said and (line := (await reader.readline()).decode()):
                verb = line[:4].upper()
                address = line.partition("<")[2].partition(">")[0]
                answer = self.answers.get(address, self._answer(verb)) if verb == "RCPT" else self._answer(verb)
                if verb in {"RCPT", "MAIL"} and answer.startswith("250"):
                    (self.recipients if verb == "RCPT" else self.senders).append(address)
                said = self._write(writer, answer)
                if verb == "DATA" and answer.startswith("354"):
                    if self._answer("END") == CUT_INSIDE:
                        await reader.read(64)
                        return
                    await self._take(reader)
                    await asyncio.sleep(self.delay_seconds)
                    said = self._say(writer, "END")
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def _take(self, reader: asyncio.StreamReader) -> None:
        """Keep a mail, whatever is said about it then."""
        content = (await reader.readuntil(b"\r\n.\r\n"))[:-3]
        self.raw.append(content)
        self.mails.append(message_from_bytes(content, policy=policy.default))

    def _answer(self, verb: str) -> str:
        return self.answers.get(verb, _USUAL.get(verb, "250 ok"))

    def _say(self, writer: asyncio.StreamWriter, verb: str) -> bool:
        return self._write(writer, self._answer(verb))

    def _write(self, writer: asyncio.StreamWriter, answer: str) -> bool:
        """Whether the session goes on."""
        if answer not in {HANG_UP, SAY_NOTHING}:
            writer.write(f"{answer}\r\n".encode())
        return answer != HANG_UP and not answer.startswith("221")


@asynccontextmanager
async def mail_sink(port: int = 0) -> AsyncIterator[Sink]:
    """A sink on loopback until the block ends."""
    sink = Sink()
    server = await asyncio.start_server(sink.serve, "127.0.0.1", port)
    sink.port = server.sockets[0].getsockname()[1]
    try:
        yield sink
    finally:
        server.close()
        await server.wait_closed()
