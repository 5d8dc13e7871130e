"""One IMAP connection to one folder: blocking calls for one thread at a time, errors named as the core knows them.

Facts of imapclient 4.1 that this module guards against (tried 2026-11): `fetch` takes lists of UIDs only; a search for
`n:*` always includes the highest UID; `idle_check` on a dead connection returns at once, for ever; dates are naive
unless asked otherwise; without a time-out a call may hang for ever.
"""

from __future__ import annotations

import re
import socket
import ssl
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from imapclient import IMAPClient, SocketTimeout
from imapclient.exceptions import IMAPClientAbortError, IMAPClientError, LoginError, ProtocolError

from inbox_channels.email.position import Folder
from inbox_channels.email.settings import EmailSettings
from inbox_daemon.errors import Credentials, EdgeError, Transient

CONNECT_SECONDS = 15.0
READ_SECONDS = 60.0
SLICE_SECONDS = 0.5
"""How long a wait goes on after it was called off."""
HEADER_BYTES = 262_144
"""Most of a header block that is read of a mail whose whole is too large."""
NOT_NOW = frozenset({"UNAVAILABLE", "INUSE", "SERVERBUG", "LIMIT", "ALERT", "CONTACTADMIN"})
"""Response codes (RFC 5530, RFC 9051) of a refused log-in that don't mean that the password is wrong."""
SOCKET_OPTIONS = (
    ("TCP_NODELAY", socket.IPPROTO_TCP, 1),
    ("SO_KEEPALIVE", socket.SOL_SOCKET, 1),
    ("TCP_KEEPIDLE", socket.IPPROTO_TCP, 20),
    ("TCP_KEEPINTVL", socket.IPPROTO_TCP, 10),
    ("TCP_KEEPCNT", socket.IPPROTO_TCP, 3),
)
"""A peer that vanished without a word is noticed after 20 + 3 × 10 seconds. NODELAY, because imapclient sends a command
and its line end apart, and the second would wait for the answer to the first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What the server says of a mail before it is fetched. `at` is its INTERNALDATE, when the server received it."""

    size: int
    at: datetime | None


class Mailbox:
    """The folder of `settings` over one connection, which is made when needed and dropped at every failure."""

    def __init__(self, settings: EmailSettings, tls: ssl.SSLContext | None, *, readonly: bool) -> None:
        self._settings = settings
        self._tls = tls
        self._readonly = readonly
        self._client: IMAPClient | None = None
        self._over = False
        self._place = f"IMAP server {settings.host}:{settings.imap_port}"

    # ------------------------------------------------------------ the connection

    def select(self) -> Folder:
        """Select the folder anew: the one way to learn of a changed UIDVALIDITY. Mends a connection found dead."""
        reused = self._client is not None
        try:
            return self._select()
        except Transient:
            if not reused:
                raise
            return self._select()

    def _select(self) -> Folder:
        with self._edge():
            client = self._connected()
            try:
                answer = client.select_folder(self._settings.folder, readonly=self._readonly)
            except IMAPClientAbortError:
                raise
            except IMAPClientError as error:
                raise self._no_folder(client, self._settings.folder, error) from error
            if not answer.get(b"UIDVALIDITY"):
                raise Credentials(f"{self._place} gives no UIDVALIDITY: mail can't be read from it without losses")
            uidnext = answer.get(b"UIDNEXT") or max(client.search("ALL"), default=0) + 1
            return Folder(uidvalidity=answer[b"UIDVALIDITY"], uidnext=uidnext, exists=answer.get(b"EXISTS", 0))

    def has(self, capability: str) -> bool:
        """Whether the server can do that."""
        with self._edge():
            return bool(self._connected().has_capability(capability))

    def require_folder(self, folder: str) -> None:
        """Raise `Credentials` when there is no such folder."""
        with self._edge():
            client = self._connected()
            if not client.folder_exists(folder):
                raise self._missing(client, folder)

    def close(self) -> None:
        """Log out and let go. Never raises."""
        client, self._client = self._client, None
        if client is not None:
            with suppress(IMAPClientError, OSError, ValueError):
                client.logout()
            with suppress(IMAPClientError, OSError, ValueError):
                client.shutdown()

    def cut(self) -> None:
        """Called from another thread: make a call that hangs in this connection fail now, for good."""
        self._over = True
        client = self._client
        if client is not None:
            with suppress(OSError):
                client.socket().shutdown(socket.SHUT_RDWR)

    def _drop(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            with suppress(IMAPClientError, OSError, ValueError):
                client.shutdown()

    def _connected(self) -> IMAPClient:
        if self._client is None:
            settings = self._settings
            self._client = client = IMAPClient(
                settings.host,
                port=settings.imap_port,
                ssl=settings.tls == "implicit",
                ssl_context=self._tls,
                timeout=SocketTimeout(connect=CONNECT_SECONDS, read=READ_SECONDS),
            )
            # At its debug level imaplib formats every answer, whole mails too, even when nobody logs them.
            client._imap.debug = 0  # noqa: SLF001
            client.normalise_times = False
            for name, level, value in SOCKET_OPTIONS:
                if hasattr(socket, name):
                    client.socket().setsockopt(level, getattr(socket, name), value)
            if settings.tls == "starttls":
                if not client.has_capability("STARTTLS"):
                    raise Transient(f'{self._place} offers no STARTTLS: the password is not sent; try tls = "implicit"')
                client.starttls(self._tls)
            self._log_in(client)
        if self._over:
            raise Transient(f"{self._place}: the channel was closed")
        return self._client

    def _log_in(self, client: IMAPClient) -> None:
        user, password = self._settings.user, self._settings.password.reveal()
        who = f"the user of {self._place}" + (f" at {user.rpartition('@')[2]}" if "@" in user else "")
        try:
            if (user + password).isascii():
                client.login(user, password)
            else:  # LOGIN carries ASCII only; PLAIN is UTF-8 (RFC 4616)
                client.plain_login(user, password)
        except LoginError as error:
            if isinstance(error.__context__, IMAPClientAbortError):  # the connection broke; imapclient calls both this
                raise error.__context__ from None
            if code(error) in NOT_NOW:
                raise Transient(f"{self._place} takes no log-in now ({code(error)})") from None
            raise Credentials(
                f"{self._place} refuses the log-in{_in_brackets(error)}: check user and password of {who}"
            ) from None  # the server's words may hold the user's name

    # ------------------------------------------------------------ reading

    def search(self, low: int, high: int | None = None, since: date | None = None) -> list[int]:
        """UIDs from `low` to `high` (None: the end), ascending; `since` leaves out what arrived on earlier days."""
        criteria: list[Any] = ["UID", f"{low}:{high or '*'}"]
        if since:
            criteria += ["SINCE", since]
        with self._edge():
            return sorted(uid for uid in self._connected().search(criteria) if uid >= low)

    def facts(self, uids: Sequence[int]) -> dict[int, Facts]:
        """Size and arrival of those of `uids` that are still there."""
        if not uids:
            return {}
        with self._edge():
            rows = self._connected().fetch(list(uids), ["RFC822.SIZE", "INTERNALDATE"])
        return {uid: _facts(row) for uid, row in rows.items() if row}

    def mail(self, uid: int) -> bytes | None:
        """The raw mail, left unread; None when it was deleted meanwhile."""
        return self._body(uid, "BODY.PEEK[]", b"BODY[]")

    def header(self, uid: int) -> bytes | None:
        """The header block, cut at `HEADER_BYTES`."""
        return self._body(uid, f"BODY.PEEK[HEADER]<0.{HEADER_BYTES}>", b"BODY[HEADER]<0>")

    def _body(self, uid: int, item: str, key: bytes) -> bytes | None:
        with self._edge():
            row = self._connected().fetch([uid], [item]).get(uid)
        body = row.get(key) if row else None
        return bytes(body) if body is not None else None

    # ------------------------------------------------------------ marking

    def mark_seen(self, uids: Sequence[int]) -> None:
        """Set \\Seen. UIDs that are gone are no error."""
        with self._edge():
            self._connected().add_flags(list(uids), [rb"\Seen"], silent=True)

    def move(self, uids: Sequence[int], folder: str) -> None:
        """Move to `folder`. UIDs that are gone are no error.

        Without MOVE (RFC 6851): copy, mark as deleted, and expunge just these where the server can (UIDPLUS).
        """
        with self._edge():
            client = self._connected()
            if client.has_capability("MOVE"):
                client.move(list(uids), folder)
                return
            flags = client.get_flags(list(uids))
            fresh = [uid for uid, held in flags.items() if rb"\Deleted" not in held]  # the others were copied earlier
            if fresh:
                client.copy(fresh, folder)
                client.delete_messages(fresh, silent=True)
            if flags and client.has_capability("UIDPLUS"):
                client.uid_expunge(list(flags))

    # ------------------------------------------------------------ waiting

    def wait(self, known_uidnext: int | None, seconds: float, stop: threading.Event) -> bool:
        """IDLE until a mail arrives, `seconds` are over or `stop` is set; False at once when the server has no IDLE.

        `known_uidnext` is what the last poll saw: what arrived since then would not be announced any more. (A mail
        that arrives in the very moment in which IDLE begins may wait for the next poll.)
        """
        if self.select().uidnext != known_uidnext and known_uidnext is not None:
            return True
        with self._edge():
            client = self._connected()
            if not client.has_capability("IDLE"):
                return False
            deadline = time.monotonic() + seconds
            futile = 0
            while not stop.is_set() and (left := deadline - time.monotonic()) > 0:
                began = time.monotonic()
                if self._idle(client, min(left, self._settings.idle_minutes * 60), stop):
                    break
                futile = futile + 1 if time.monotonic() - began < SLICE_SECONDS / 2 < left else 0
                if futile > 3:
                    raise ProtocolError("IDLE ends at once")
            return True

    def _idle(self, client: IMAPClient, seconds: float, stop: threading.Event) -> bool:
        """One IDLE; whether a mail was announced. Raises when the connection turns out to be dead."""
        client.idle()
        deadline = time.monotonic() + seconds
        news = False
        while not news and not stop.is_set() and (left := deadline - time.monotonic()) > 0:
            asked, began = min(left, SLICE_SECONDS), time.monotonic()
            answers = client.idle_check(timeout=asked)
            news = _announces(answers)
            if not answers and time.monotonic() - began < asked / 2:
                break  # a dead connection looks like silence: only `idle_done` raises
        return _announces(client.idle_done()[1]) or news

    # ------------------------------------------------------------ errors

    @contextmanager
    def _edge(self) -> Iterator[None]:
        """Name errors as the core does, and drop the connection: the state of a failed one is unknown.

        Reading changes nothing, so nothing is ever uncertain.
        """
        try:
            yield
        except EdgeError:
            self._drop()
            raise
        except (IMAPClientError, OSError, ValueError, LookupError, TypeError) as error:
            self._drop()
            raise Transient(f"{self._place}: {_reason(error)}") from error

    def _no_folder(self, client: IMAPClient, folder: str, error: IMAPClientError) -> EdgeError:
        if code(error) in {"NOPERM", "NONEXISTENT", "CANNOT"} or not client.folder_exists(folder):
            return self._missing(client, folder)
        return Transient(f"{self._place} can't open the folder {folder!r} now{_in_brackets(error)}")

    def _missing(self, client: IMAPClient, folder: str) -> Credentials:
        names = sorted(name for _, _, name in client.list_folders())
        shown = ", ".join(repr(name) for name in names[:20]) + (", …" if len(names) > 20 else "")
        return Credentials(
            f"{self._place} has no folder {folder!r} that this user may open: create it, or name one of these: {shown}"
        )


def tls_context(settings: EmailSettings) -> ssl.SSLContext | None:
    """What certificates are trusted: those of the system, or only those of `ca_file`. Raises `OSError`."""
    if settings.tls == "none":
        return None
    return ssl.create_default_context(cafile=settings.ca_file)


def _facts(row: Mapping[bytes, Any]) -> Facts:
    at = row.get(b"INTERNALDATE")
    return Facts(size=row.get(b"RFC822.SIZE", 0), at=at.astimezone(UTC) if at else None)


def code(error: Exception) -> str:
    """The response code in a server's refusal (`AUTHENTICATIONFAILED`), or nothing."""
    found = re.search(r"\[([A-Z-]{2,30})[\] ]", str(error))
    return found[1] if found else ""


def _in_brackets(error: Exception) -> str:
    return f" ({code(error)})" if code(error) else ""


def _announces(answers: Sequence[Any]) -> bool:
    for answer in answers:
        if answer and answer[0] == b"BYE":
            raise IMAPClientAbortError("BYE")
    return any(len(answer) > 1 and answer[1] == b"EXISTS" for answer in answers)


def _reason(error: Exception) -> str:
    """What happened, in words without the server's own: those may quote people's addresses."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return (
            f"its certificate is not trusted ({error.verify_message}): give its CA in ca_file, or mend the certificate"
        )
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
        return f"the server refused a command{_in_brackets(error)}"
    if isinstance(error, OSError):
        return f"connection failed ({error.strerror or type(error).__name__})"
    return f"its answer makes no sense ({type(error).__name__})"
