"""One IMAP connection to one folder: blocking calls, one at a time, errors named as the core knows them.

Reading a mailbox changes nothing and a copy that is laid into it reaches nobody, so whatever fails here is `Transient`:
to the office nothing was done.
"""

from __future__ import annotations

import re
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from email import message_from_bytes
from email.message import Message
from typing import Any, TypeVar

from imapclient import IMAPClient, SocketTimeout
from imapclient.exceptions import IMAPClientAbortError, IMAPClientError, LoginError

from inbox_daemon.errors import Credentials, EdgeError, Transient
from inbox_ticketing._by_mail.settings import CaseMailSettings

T = TypeVar("T")
NOT_NOW = frozenset({"UNAVAILABLE", "INUSE", "SERVERBUG", "LIMIT", "ALERT", "CONTACTADMIN"})
"""Response codes (RFC 5530, RFC 9051) of a refused log-in that don't mean that the password is wrong."""
REFUSED = frozenset({"NOPERM", "NONEXISTENT", "CANNOT"})
"""Those of a folder that will not open tomorrow either."""
HEADERS = "MESSAGE-ID IN-REPLY-TO REFERENCES TO CC DELIVERED-TO X-ORIGINAL-TO ENVELOPE-TO FROM SUBJECT DATE"
OURS = "X-INBOX-REFERENCE X-INBOX-KEY X-INBOX-KIND"
_FIELDS = f"BODY.PEEK[HEADER.FIELDS ({HEADERS} {OURS})]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """The folder's generation, and the UID that the next mail in it will have at least."""

    validity: int
    next_uid: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What the server says of one mail. `at` is when it got it."""

    uid: int
    at: datetime
    size: int
    flags: frozenset[bytes]
    head: Message


class Mailbox:
    """`folder` over one connection, which is made when needed and dropped at every failure. For any thread."""

    def __init__(self, settings: CaseMailSettings, folder: str, *, make: bool = False) -> None:
        self._settings = settings
        self._folder = folder
        self._make = make
        self._lock = threading.RLock()
        self._client: IMAPClient | None = None
        self._over = False
        self._name = f"IMAP server {settings.host}:{settings.port}"

    @contextmanager
    def opened(self) -> Iterator[Place]:
        """The folder as it is now; the lock is held, so that calls inside belong together."""
        with self._lock:
            reused = self._client is not None
            try:
                place = self._edge(self._select)
            except Transient:
                if not reused:
                    raise
                place = self._edge(self._select)  # a connection that slept too long shows it at its first command
            yield place

    def close(self) -> None:
        """Log out and let go. Never raises, never waits for a call that hangs."""
        self._over = True
        client = self._client
        if not self._lock.acquire(timeout=0.2):
            if client is not None:
                with suppress(OSError):
                    client.socket().shutdown(socket.SHUT_RDWR)
            return
        try:
            self._client = None
            if client is not None:
                with suppress(IMAPClientError, OSError, ValueError):
                    client.logout()
        finally:
            self._lock.release()

    # ------------------------------------------------------------ inside `opened`

    def search(self, *criteria: Any) -> list[int]:
        """UIDs of the mails that are not deleted, ascending."""
        return self._edge(lambda client: sorted(client.search(["UNDELETED", *criteria])))

    def rows(self, uids: Sequence[int]) -> list[Row]:
        """Facts and the headers that matter, of those that are still there; in the order of UIDs."""
        if not uids:
            return []
        items = ["INTERNALDATE", "RFC822.SIZE", "FLAGS", _FIELDS]
        found = self._edge(lambda client: client.fetch(list(uids), items))
        return [_row(uid, found[uid]) for uid in sorted(found) if uid in set(uids)]

    def raw(self, uid: int) -> bytes | None:
        """The whole mail, left unread; None when it is gone."""
        row = self._edge(lambda client: client.fetch([uid], ["BODY.PEEK[]"])).get(uid) or {}
        content = row.get(b"BODY[]")
        return bytes(content) if isinstance(content, bytes) else None

    def put(self, mail: bytes, flags: Sequence[bytes]) -> None:
        """Lay a mail into the folder."""
        self._edge(lambda client: client.append(self._folder, mail, flags=list(flags)))

    def unflag(self, uid: int, flag: bytes) -> None:
        """Take a flag off."""
        self._edge(lambda client: client.remove_flags([uid], [flag], silent=True))

    def flag(self, uid: int, flag: bytes) -> None:
        """Put a flag on."""
        self._edge(lambda client: client.add_flags([uid], [flag], silent=True))

    def delete(self, uids: Sequence[int]) -> None:
        """Delete for good where the server can do that to single mails (UIDPLUS), else as far as `search` sees."""
        if not uids:
            return

        def work(client: IMAPClient) -> None:
            client.delete_messages(list(uids), silent=True)
            if client.has_capability("UIDPLUS"):
                client.uid_expunge(list(uids))

        self._edge(work)

    # ------------------------------------------------------------ the connection

    def _select(self, client: IMAPClient) -> Place:
        try:
            answer = client.select_folder(self._folder)
        except IMAPClientAbortError:
            raise
        except IMAPClientError as error:
            exists = client.folder_exists(self._folder)
            if exists and _code(error) not in REFUSED:
                raise
            if exists or not self._make:
                raise self._missing(client) from None
            client.create_folder(self._folder)
            answer = client.select_folder(self._folder)
        if not answer.get(b"UIDVALIDITY"):
            raise Credentials(f"{self._name} gives no UIDVALIDITY: answers can't be read from it without losses")
        next_uid = answer.get(b"UIDNEXT") or max(client.search("ALL"), default=0) + 1
        return Place(validity=int(answer[b"UIDVALIDITY"]), next_uid=int(next_uid))

    def _missing(self, client: IMAPClient) -> Credentials:
        names = sorted(str(name) for _, _, name in client.list_folders())
        shown = ", ".join(repr(name) for name in names[:20]) + (", …" if len(names) > 20 else "")
        return Credentials(
            f"{self._name} has no folder {self._folder!r} that this user may open: create it, or configure one of "
            f"these: {shown}"
        )

    def _connected(self) -> IMAPClient:
        if self._over:
            raise Transient(f"{self._name}: the destination was closed")
        if self._client is None:
            settings = self._settings
            tls = None if settings.tls == "none" else ssl.create_default_context(cafile=settings.ca_file)
            self._client = client = IMAPClient(
                settings.host,
                port=settings.port,
                ssl=settings.tls == "implicit",
                ssl_context=tls,
                timeout=SocketTimeout(connect=settings.connect_timeout_seconds, read=settings.timeout_seconds),
            )
            client._imap.debug = 0  # noqa: SLF001  # at its debug level imaplib formats every answer, even unlogged
            client.normalise_times = False
            client.socket().setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if settings.tls == "starttls":
                if not client.has_capability("STARTTLS"):
                    raise Transient(f'{self._name} offers no STARTTLS: the password is not sent; try tls = "implicit"')
                client.starttls(tls)
            self._log_in(client)
        return self._client

    def _log_in(self, client: IMAPClient) -> None:
        user, password = self._settings.user, self._settings.password.reveal()
        try:
            if (user + password).isascii():
                client.login(user, password)
            else:  # LOGIN carries ASCII only; PLAIN is UTF-8 (RFC 4616)
                client.plain_login(user, password)
        except LoginError as error:
            if isinstance(error.__context__, IMAPClientAbortError):  # the connection broke; imapclient calls both this
                raise error.__context__ from None
            code = _code(error)
            if code in NOT_NOW:
                raise Transient(f"{self._name} takes no log-in now ({code})") from None
            raise Credentials(
                f"{self._name} refuses the log-in{f' ({code})' if code else ''}: check user and password of the mailbox"
            ) from None  # the server's words may hold the user's name

    def _edge(self, work: Callable[[IMAPClient], T]) -> T:
        """Do it, and drop the connection when that fails: its state is unknown."""
        try:
            return work(self._connected())
        except EdgeError:
            self._drop()
            raise
        except (IMAPClientError, OSError, ValueError, LookupError, TypeError) as error:
            self._drop()
            raise Transient(f"{self._name}: {_reason(error)}") from error

    def _drop(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            with suppress(IMAPClientError, OSError, ValueError):
                client.shutdown()


def _row(uid: int, found: Mapping[bytes, Any]) -> Row:
    head = next((value for key, value in found.items() if key.startswith(b"BODY[HEADER.FIELDS")), b"")
    at = found.get(b"INTERNALDATE")
    return Row(
        uid=uid,
        at=at.astimezone(UTC) if isinstance(at, datetime) else datetime.now(UTC),
        size=int(found.get(b"RFC822.SIZE", 0)),
        flags=frozenset(found.get(b"FLAGS", ())),
        head=message_from_bytes(bytes(head or b"")),
    )


def _code(error: Exception) -> str:
    found = re.search(r"\[([A-Z-]{2,30})[\] ]", str(error))
    return found[1] if found else ""


def _reason(error: Exception) -> str:
    """What happened, in words without the server's own: those may quote people's addresses."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted ({error.verify_message}): give its CA in ca_file"
    if isinstance(error, ssl.SSLError):
        return f"TLS failed ({error.reason or 'connection cut'}): check port and tls"
    if isinstance(error, socket.gaierror):
        return "its name is not known: check host, and the name service of this machine"
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, ConnectionRefusedError):
        return "connection refused: check host and port, and whether the server runs"
    if isinstance(error, IMAPClientAbortError):
        return "the server closed the connection"
    if isinstance(error, IMAPClientError):
        code = _code(error)
        return f"the server refused a command{f' ({code})' if code else ''}"
    if isinstance(error, OSError):
        return f"connection failed ({error.strerror or type(error).__name__})"
    return f"its answer makes no sense ({type(error).__name__})"
