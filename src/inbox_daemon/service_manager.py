"""Tells systemd how the service is (sd_notify): ready, stopping, status line, and that it is still working.

The protocol is datagrams of `KEY=value` lines to the socket named by $NOTIFY_SOCKET (sd_notify(3)). Without that
variable every call does nothing.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable, MutableMapping

import structlog

from inbox_daemon.observability import StateLog, redact

_log: structlog.stdlib.BoundLogger = structlog.get_logger()


class ServiceManager:
    """The service manager that started this process, if one did.

    Reads its variables and takes them out of `environ`: a child process must not speak for us.
    """

    def __init__(self, environ: MutableMapping[str, str] = os.environ) -> None:
        self._address = _address(environ.pop("NOTIFY_SOCKET", ""))
        self._state = StateLog(_log, noun="service_manager")
        microseconds = environ.pop("WATCHDOG_USEC", "")
        meant_for = environ.pop("WATCHDOG_PID", "") or str(os.getpid())
        wanted = self._address is not None and meant_for == str(os.getpid()) and microseconds.isdecimal()
        self.watchdog_seconds: float | None = (int(microseconds) / 1e6 or None) if wanted else None
        """Within this time systemd wants a sign of life; None when it wants none."""

    @property
    def present(self) -> bool:
        """Whether anybody listens."""
        return self._address is not None

    def ready(self, status: str = "") -> None:
        """The listeners are open and messages are taken. Dependent units start now."""
        self._send("READY=1", *_status(status))

    def stopping(self, status: str = "") -> None:
        """The orderly stop has begun."""
        self._send("STOPPING=1", *_status(status))

    def status(self, text: str) -> None:
        """One line for `systemctl status`."""
        self._send(*_status(text))

    async def watch(self, alive: Callable[[], str | None]) -> None:
        """Give signs of life until cancelled: only while the event loop runs and `alive()` gives no reason against it.

        Two a period, as sd_watchdog_enabled(3) advises. When they cease, systemd starts the service anew. Returns at
        once when no watchdog is wanted.
        """
        if self.watchdog_seconds is None:
            return
        while True:
            problem = _reason(alive)
            if problem is None:
                if self._state.up("watchdog"):
                    self.status("working")
                self._send("WATCHDOG=1")
            elif self._state.down("watchdog", "not_alive", problem=problem):
                self.status(f"no sign of life is given: {problem}")
            await asyncio.sleep(self.watchdog_seconds / 2)

    def _send(self, *lines: str) -> None:
        if self._address is None or not lines:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
                sender.setblocking(False)
                sender.connect(self._address)
                sender.sendall("\n".join(lines).encode())
        except OSError as error:  # nobody to tell is no reason to stop working
            self._state.down("notify_socket", "unreachable", error=error)
        else:
            self._state.up("notify_socket")


def _address(name: str) -> str | None:
    """A path, or an abstract name (written with `@`, on the wire with a zero byte)."""
    if name.startswith("@"):
        return "\0" + name[1:]
    return name if name.startswith("/") else None


def _status(text: str) -> tuple[str, ...]:
    return (f"STATUS={redact(text)}",) if text else ()


def _reason(alive: Callable[[], str | None]) -> str | None:
    try:
        return alive()
    except Exception as error:  # noqa: BLE001 - whoever can't say that it lives does not
        return f"the self-test failed ({type(error).__name__})"
