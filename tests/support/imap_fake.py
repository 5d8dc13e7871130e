"""A small IMAP server in memory, over a real socket, that lies and breaks off when told to.

It knows what a mailbox needs of which one program reads and writes: SELECT, UID SEARCH, UID FETCH, UID STORE, APPEND
and their like. `faults` are by command, each for one time: `CUT`, `NO`, `HANG`, `BYE`, and `HALF`, after which half of
an answer comes and then the end; for SEARCH also `NOTHING` and
`EVERYTHING`, which stay until they are taken out.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email import message_from_bytes
from email.message import Message

CUT, NO, HANG, BYE, HALF, NOTHING, EVERYTHING = "cut", "no", "hang", "bye", "half", "nothing", "everything"
LASTING = {NOTHING, EVERYTHING}
Word = str | list["Word"]


@dataclass(slots=True)
class Kept:
    """One mail in a folder."""

    uid: int
    raw: bytes
    flags: set[str]
    at: datetime
    head: Message = field(init=False)

    def __post_init__(self) -> None:
        self.head = message_from_bytes(self.raw.partition(b"\r\n\r\n")[0] + b"\r\n\r\n")


@dataclass(slots=True)
class Folder:
    """A folder; making it anew gives it another UIDVALIDITY."""

    validity: int = 1000
    next_uid: int = 1
    mails: list[Kept] = field(default_factory=list)

    def put(self, raw: bytes, flags: Sequence[str] = ()) -> int:
        """Deliver a mail."""
        raw = re.sub(rb"\r?\n", b"\r\n", raw)
        self.mails.append(Kept(self.next_uid, raw, set(flags), datetime.now(UTC).replace(microsecond=0)))
        self.next_uid += 1
        return self.next_uid - 1

    def made_anew(self) -> None:
        """Restored from a copy: the same mails under other UIDs, which begin anew, and another UIDVALIDITY."""
        self.validity += 1
        for uid, one in enumerate(self.mails, 1):
            one.uid = uid
        self.next_uid = len(self.mails) + 1

    def remove(self, wanted: Callable[[Kept], bool]) -> None:
        """Delete mails."""
        self.mails = [one for one in self.mails if not wanted(one)]


@dataclass
class ImapFake:
    """See the module. `commands` counts what was asked."""

    port: int = 0
    password: str = "clave inventada"
    folders: dict[str, Folder] = field(default_factory=lambda: {"INBOX": Folder()})
    faults: dict[str, str] = field(default_factory=dict)
    capabilities: str = "IMAP4rev1 UIDPLUS"
    commands: list[str] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        session = _Session(self, reader, writer)
        try:
            await session.run()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


class _Session:
    def __init__(self, server: ImapFake, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._server = server
        self._reader = reader
        self._writer = writer
        self._folder = Folder()
        self._held: list[bytes] | None = None

    async def run(self) -> None:
        self._say(f"* OK [CAPABILITY {self._server.capabilities}] fake ready")
        while line := await self._line():
            tag, _, rest = line.partition(" ")
            words = _words(rest)
            name = str(words.pop(0)).upper()
            if name == "UID":
                name = str(words.pop(0)).upper()
            self._server.commands.append(name)
            if not await self._answer(tag, name, words) or name == "LOGOUT":
                return

    async def _line(self) -> str:
        text = ""
        while True:
            piece = (await self._reader.readline()).decode("latin-1").rstrip("\r\n")
            literal = re.search(r"\{(\d+)\}$", piece)
            if literal is None:
                return text + piece
            self._say("+ go on")
            content = (await self._reader.readexactly(int(literal[1]))).decode("latin-1")
            quoted = content.replace("\\", "\\\\").replace('"', '\\"')
            text += f'{piece[: literal.start()]}"{quoted}"'

    async def _answer(self, tag: str, name: str, words: list[Word]) -> bool:
        """Whether the session goes on."""
        fault = self._server.faults.get(name)
        if fault not in LASTING:
            self._server.faults.pop(name, None)
        if fault == HANG:
            await asyncio.sleep(3600)
        if fault == CUT:
            return False
        if fault == BYE:
            self._say("* BYE going down")
            return False
        if fault == NO:
            self._say(f"{tag} NO [UNAVAILABLE] not now")
            return True
        handler = getattr(self, f"_on_{name.lower()}", None)
        self._held = [] if fault == HALF else None
        done = handler(words, fault) if handler else "OK done"
        if self._held is not None:
            whole, self._held = b"".join(self._held), None
            self._writer.write(whole[: len(whole) // 2])
            return False
        self._say(f"{tag} {done}")
        return True

    def _say(self, *lines: str) -> None:
        for line in lines:
            sent = line.encode("latin-1", "replace") + b"\r\n"
            self._writer.write(sent) if self._held is None else self._held.append(sent)

    # ------------------------------------------------------------ commands

    def _on_capability(self, words: list[Word], fault: str | None) -> str:
        self._say(f"* CAPABILITY {self._server.capabilities}")
        return "OK done"

    def _on_login(self, words: list[Word], fault: str | None) -> str:
        right = words[1] == self._server.password
        return "OK in" if right else "NO [AUTHENTICATIONFAILED] wrong for mesa@ciudad.example"

    def _on_logout(self, words: list[Word], fault: str | None) -> str:
        self._say("* BYE")
        return "OK bye"

    def _on_select(self, words: list[Word], fault: str | None) -> str:
        folder = self._server.folders.get(str(words[0]))
        if folder is None:
            return "NO [NONEXISTENT] no such folder"
        self._folder = folder
        self._say(
            f"* {len(folder.mails)} EXISTS",
            f"* OK [UIDVALIDITY {folder.validity}] ok",
            f"* OK [UIDNEXT {folder.next_uid}] ok",
        )
        return "OK [READ-WRITE] selected"

    def _on_list(self, words: list[Word], fault: str | None) -> str:
        asked = str(words[1])
        for name in self._server.folders:
            if asked in {"*", "%", name}:
                self._say(f'* LIST () "/" "{name}"')
        return "OK done"

    def _on_create(self, words: list[Word], fault: str | None) -> str:
        self._server.folders[str(words[0])] = Folder(validity=2000 + len(self._server.folders))
        return "OK made"

    def _on_search(self, words: list[Word], fault: str | None) -> str:
        test = _test(words)
        found = [one.uid for one in self._folder.mails if fault == EVERYTHING or (fault != NOTHING and test(one))]
        self._say(" ".join(["* SEARCH", *(str(uid) for uid in found)]))
        return "OK done"

    def _on_fetch(self, words: list[Word], fault: str | None) -> str:
        wanted = _uids(str(words[0]))
        items = " ".join(str(item) for item in words[1:]).upper()
        for number, one in enumerate(self._folder.mails, 1):
            if wanted(one.uid):
                self._say(f"* {number} FETCH ({self._facts(one, items)})")
        return "OK done"

    def _facts(self, one: Kept, items: str) -> str:
        facts = [f"UID {one.uid}"]
        if "INTERNALDATE" in items:
            facts.append(f'INTERNALDATE "{one.at:%d-%b-%Y %H:%M:%S +0000}"')
        if "RFC822.SIZE" in items:
            facts.append(f"RFC822.SIZE {len(one.raw)}")
        if "FLAGS" in items:
            facts.append(f"FLAGS ({' '.join(sorted(one.flags))})")
        if "HEADER.FIELDS" in items:
            names = set(re.findall(r"[A-Z][A-Z-]+", items.partition("HEADER.FIELDS")[2]))
            lines = (
                "".join(f"{name}: {value}\r\n" for name, value in one.head.items() if name.upper() in names) + "\r\n"
            )
            facts.append(f"BODY[HEADER.FIELDS (X)] {{{len(lines.encode('latin-1', 'replace'))}}}\r\n{lines}")
        elif "BODY" in items:
            facts.append(f"BODY[] {{{len(one.raw)}}}\r\n{one.raw.decode('latin-1')}")
        return " ".join(facts)

    def _on_store(self, words: list[Word], fault: str | None) -> str:
        wanted, verb, flags = _uids(str(words[0])), str(words[1]), _flags(words[2])
        for one in self._folder.mails:
            if wanted(one.uid):
                one.flags = one.flags | flags if verb.startswith("+") else one.flags - flags
        return "OK done"

    def _on_expunge(self, words: list[Word], fault: str | None) -> str:
        wanted = _uids(str(words[0]))
        self._folder.remove(lambda one: wanted(one.uid) and r"\Deleted" in one.flags)
        return "OK done"

    def _on_append(self, words: list[Word], fault: str | None) -> str:
        folder = self._server.folders.get(str(words[0]))
        if folder is None:
            return "NO [TRYCREATE] no such folder"
        folder.put(str(words[-1]).encode("latin-1"), sorted(_flags(words[1])))
        return "OK done"


def _flags(word: Word) -> set[str]:
    return {str(flag) for flag in word} if isinstance(word, list) else {word}


def _words(text: str) -> list[Word]:
    """A command's words; what is in brackets is a list."""
    stack: list[list[Word]] = [[]]
    for quoted, mark, plain in re.findall(r'"((?:[^"\\]|\\.)*)"|([()])|([^\s()]+(?:\[[^\]]*\])?)', text, re.DOTALL):
        if mark == "(":
            stack.append([])
        elif mark == ")":
            inner = stack.pop()
            stack[-1].append(inner)
        else:
            stack[-1].append(plain or re.sub(r"\\(.)", r"\1", quoted, flags=re.DOTALL))
    return stack[0]


def _uids(text: str) -> Callable[[int], bool]:
    ranges = []
    for part in text.split(","):
        low, _, high = part.partition(":")
        ranges.append((int(low), 10**9 if high == "*" else int(high or low)))
    return lambda uid: any(low <= uid <= high for low, high in ranges)


def _test(words: list[Word]) -> Callable[[Kept], bool]:
    """What a SEARCH asks for; all of it has to hold."""
    tests: list[Callable[[Kept], bool]] = []
    rest = list(words)
    while rest:
        tests.append(_next_test(rest))
    return lambda one: all(test(one) for test in tests)


def _next_test(rest: list[Word]) -> Callable[[Kept], bool]:
    word = rest.pop(0)
    if isinstance(word, list):
        return _test(word)
    match word.upper():
        case "OR":
            first, second = _next_test(rest), _next_test(rest)
            return lambda one: first(one) or second(one)
        case "HEADER":
            name, value = str(rest.pop(0)), str(rest.pop(0)).lower()
            return lambda one: any(value in str(held).lower() for held in one.head.get_all(name) or [])
        case "UID":
            wanted = _uids(str(rest.pop(0)))
            return lambda one: wanted(one.uid)
        case "UNDELETED":
            return lambda one: r"\Deleted" not in one.flags
        case "DRAFT":
            return lambda one: r"\Draft" in one.flags
        case "ALL":
            return lambda one: True
    raise AssertionError(f"the fake knows no {word}")


@asynccontextmanager
async def imap_fake() -> AsyncIterator[ImapFake]:
    """A server on loopback until the block ends."""
    fake = ImapFake()
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        await fake.serve(reader, writer)

    server = await asyncio.start_server(serve, "127.0.0.1", 0, limit=1 << 26)
    fake.port = server.sockets[0].getsockname()[1]
    try:
        yield fake
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
