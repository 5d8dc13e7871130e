"""What systemd is told, over real datagram sockets."""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from inbox_daemon.service_manager import ServiceManager


class Listener:
    """The service manager's end."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind("\0" + name[1:] if name.startswith("@") else name)
        self._socket.setblocking(False)

    def read(self) -> list[str]:
        got = []
        while True:
            try:
                got.append(self._socket.recv(4096).decode())
            except BlockingIOError:
                return got

    def close(self) -> None:
        self._socket.close()


@pytest.fixture(params=["path", "abstract"])
def listener(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Listener]:
    name = f"@inbox-test-{secrets.token_hex(6)}" if request.param == "abstract" else str(tmp_path / "notify")
    end = Listener(name)
    yield end
    end.close()


def manager(listener: Listener, **variables: str) -> ServiceManager:
    return ServiceManager({"NOTIFY_SOCKET": listener.name, **variables})


def test_the_life_of_a_service(listener: Listener) -> None:
    systemd = manager(listener)
    systemd.status("reading the configuration")
    systemd.ready("taking messages")
    systemd.stopping()
    assert listener.read() == ["STATUS=reading the configuration", "READY=1\nSTATUS=taking messages", "STOPPING=1"]


def test_a_status_stays_one_line_and_holds_no_person(listener: Listener) -> None:
    manager(listener).status("mail of ana@correo.test\nREADY=1")
    [told] = listener.read()
    assert told == "STATUS=mail of [address]\\nREADY=1"


async def test_signs_of_life_come_twice_a_period_and_only_while_alive(listener: Listener) -> None:
    problem: str | None = None
    systemd = manager(listener, WATCHDOG_USEC="200000", WATCHDOG_PID=str(os.getpid()))
    assert systemd.watchdog_seconds == 0.2
    watch = asyncio.create_task(systemd.watch(lambda: problem))
    await asyncio.sleep(0.55)
    signs = listener.read()
    assert set(signs) == {"WATCHDOG=1"}
    assert 4 <= len(signs) <= 7
    problem = "the outbox stands still"
    await asyncio.sleep(0.15)
    listener_said = listener.read()
    await asyncio.sleep(0.3)
    assert "WATCHDOG=1" not in listener.read()
    assert any("the outbox stands still" in said for said in listener_said)
    problem = None
    await asyncio.sleep(0.15)
    assert "WATCHDOG=1" in listener.read()
    watch.cancel()


async def test_a_self_test_that_fails_is_no_sign_of_life(listener: Listener) -> None:
    def broken() -> str | None:
        raise ZeroDivisionError

    systemd = manager(listener, WATCHDOG_USEC="100000")
    watch = asyncio.create_task(systemd.watch(broken))
    await asyncio.sleep(0.2)
    assert listener.read() == ["STATUS=no sign of life is given: the self-test failed (ZeroDivisionError)"]
    assert not watch.done()
    watch.cancel()


async def test_a_blocked_loop_gives_no_sign(listener: Listener) -> None:
    systemd = manager(listener, WATCHDOG_USEC="100000")
    watch = asyncio.create_task(systemd.watch(lambda: None))
    await asyncio.sleep(0.02)
    listener.read()
    time.sleep(0.4)
    assert listener.read() == []
    watch.cancel()


async def test_a_watchdog_meant_for_another_process_is_not_ours(listener: Listener) -> None:
    systemd = manager(listener, WATCHDOG_USEC="100000", WATCHDOG_PID="1")
    assert systemd.watchdog_seconds is None
    await asyncio.wait_for(systemd.watch(lambda: None), 1)
    assert listener.read() == []


@pytest.mark.parametrize("variables", [{}, {"NOTIFY_SOCKET": ""}, {"NOTIFY_SOCKET": "not/absolute"}])
async def test_without_a_service_manager_nothing_happens(variables: dict[str, str]) -> None:
    systemd = ServiceManager({**variables, "WATCHDOG_USEC": "100000"})
    assert not systemd.present
    systemd.ready("taking messages")
    systemd.stopping()
    await asyncio.wait_for(systemd.watch(lambda: None), 1)


def test_a_socket_that_is_gone_stops_nothing(tmp_path: Path) -> None:
    systemd = ServiceManager({"NOTIFY_SOCKET": str(tmp_path / "gone")})
    systemd.ready()
    systemd.status("still here")


def test_children_do_not_inherit_the_socket(listener: Listener) -> None:
    environ = {"NOTIFY_SOCKET": listener.name, "WATCHDOG_USEC": "1", "WATCHDOG_PID": "1", "HOME": "/"}
    ServiceManager(environ)
    assert environ == {"HOME": "/"}
