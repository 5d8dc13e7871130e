"""Servers that answer oddly: no STARTTLS, no log-in just now, nonsense, an IDLE that ends by itself."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Literal

import pytest

from inbox_channels.email.imap import Mailbox, tls_context
from inbox_channels.email.settings import EmailSettings
from inbox_daemon.errors import Credentials, EdgeError, Transient
from inbox_daemon.plugins import Secret

HEALTHY = {
    "CAPABILITY": "* CAPABILITY IMAP4rev1 IDLE\r\n%T OK .\r\n",
    "LOGIN": "%T OK .\r\n",
    "EXAMINE": "* 0 EXISTS\r\n* OK [UIDVALIDITY 7] .\r\n* OK [UIDNEXT 1] .\r\n%T OK [READ-ONLY] .\r\n",
    "LIST": '* LIST () "/" INBOX\r\n%T OK .\r\n',
    "IDLE": "+ idling\r\n",
    "DONE": "%T OK .\r\n",
    "LOGOUT": "* BYE .\r\n%T OK .\r\n",
}


@contextmanager
def scripted(changes: Mapping[str, str], greeting: str = "* OK ready\r\n") -> Iterator[tuple[int, list[str]]]:
    """A server that answers each command by the script (`%T` is its tag); yields its port and the commands it got."""
    script, got = {**HEALTHY, **changes}, list[str]()
    stop = threading.Event()

    def serve() -> None:
        while not stop.is_set():
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection, connection.makefile("rb") as lines:
                connection.sendall(greeting.encode())
                _converse(lines, connection.sendall, script, got)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield listener.getsockname()[1], got
        finally:
            stop.set()
            listener.shutdown(socket.SHUT_RDWR)
            thread.join(5)


def _converse(lines: Iterator[bytes], send: Callable[[bytes], None], script: Mapping[str, str], got: list[str]) -> None:
    tag = ""
    for line in lines:
        words = line.decode().split()
        if words == ["DONE"]:
            command = "DONE"
        else:
            tag, command = words[0], words[1]
        got.append(command)
        answer = script.get(command, "%T BAD unknown\r\n").replace("%T", tag)
        send(answer.encode())
        if "BYE" in answer:
            return


def mailbox(port: int, tls: Literal["none", "starttls"] = "none") -> Mailbox:
    settings = EmailSettings(
        host="127.0.0.1",
        port=port,
        tls=tls,
        user="mesa@centro.test",
        password=Secret("clave-7531"),
        folder="INBOX",
    )
    return Mailbox(settings, tls_context(settings), readonly=True)


@pytest.mark.parametrize(
    ("command", "answer", "error", "words"),
    [
        ("LOGIN", "%T NO [UNAVAILABLE] later\r\n", Transient, "takes no log-in now"),
        ("LOGIN", "%T NO [LIMIT] too many\r\n", Transient, "takes no log-in now"),
        ("LOGIN", "%T NO [EXPIRED] clave-7531 mesa@centro.test\r\n", Credentials, r"\(EXPIRED\): check user"),
        ("LOGIN", "%T NO no\r\n", Credentials, "refuses the log-in: check user and password"),
        ("LOGIN", "%T BAD no\r\n", EdgeError, "127.0.0.1"),
        ("LOGIN", "* BYE overloaded\r\n", Transient, "closed the connection"),
        ("EXAMINE", "%T NO [INUSE] mesa@centro.test\r\n", Transient, r"can't open the folder 'INBOX' now \(INUSE\)"),
        ("EXAMINE", "%T NO [NOPERM] no\r\n", Credentials, "no folder 'INBOX' that this user may open"),
        ("EXAMINE", "* 0 EXISTS\r\n%T OK .\r\n", Credentials, "no UIDVALIDITY"),
        ("CAPABILITY", "%T BAD what\r\n", Transient, "127.0.0.1"),
    ],
)
def test_refusals_are_named_and_tell_no_secret(command: str, answer: str, error: type[EdgeError], words: str) -> None:
    with scripted({command: answer}) as (port, _):
        box = mailbox(port)
        with pytest.raises(error, match=words) as caught:
            box.select()
        box.close()
    assert "7531" not in str(caught.value)
    assert "mesa" not in str(caught.value)


@pytest.mark.parametrize("greeting", ["", "HTTP/1.1 400 Bad Request\r\n\r\n", "* BYE go away\r\n", "\0\xff\r\n"])
def test_what_is_no_imap_server_is_transient(greeting: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("inbox_channels.email.imap.CONNECT_SECONDS", 0.5)
    with scripted({}, greeting) as (port, _):
        box = mailbox(port)
        with pytest.raises(Transient):
            box.select()
        box.close()


def test_without_starttls_no_password_is_sent() -> None:
    with scripted({}) as (port, got):
        box = mailbox(port, tls="starttls")
        with pytest.raises(Transient, match="offers no STARTTLS"):
            box.select()
        box.close()
    assert set(got) == {"CAPABILITY"}


@pytest.mark.parametrize("idle", ["+ idling\r\n* BYE idle too long\r\n", "%T NO not now\r\n", "%T BAD unknown\r\n"])
def test_an_idle_that_fails_is_an_error_and_no_busy_loop(idle: str) -> None:
    with scripted({"IDLE": idle}) as (port, got):
        box = mailbox(port)
        with pytest.raises(Transient):
            box.wait(None, 30, threading.Event())
        box.close()
    assert got.count("IDLE") < 10


def test_news_that_come_with_the_end_of_idle_count() -> None:
    with scripted({"DONE": "* 1 EXISTS\r\n%T OK .\r\n"}) as (port, got):
        box = mailbox(port)
        assert box.wait(1, 0.2, threading.Event())
        box.close()
    assert got.count("IDLE") == 1


def test_a_keep_alive_line_is_no_news() -> None:
    with scripted({"IDLE": "+ idling\r\n* OK Still here\r\n"}) as (port, got):
        box = mailbox(port)
        assert box.wait(1, 1.2, threading.Event())
        box.close()
    assert got.count("IDLE") == 1
