"""Start real servers for tests: run a script, read the KEY=VALUE lines it prints, or say why it can't be had.

The contract of a script `NAME-start.sh DIRECTORY [ARG …]` in this folder: it installs what is missing, keeps
everything it writes under DIRECTORY, listens on free loopback ports, returns once the server answers, prints
KEY=VALUE lines, and prints the same lines again when the server already runs. `NAME-stop.sh DIRECTORY [--wipe]` ends
what the start script started, by pid. Both write why they fail to stderr and exit non-zero.

Environment: `INBOX_REAL_DIR` is where servers live (default `var/real` in the checkout), `INBOX_REAL_KEEP=1` leaves
them running after the tests, `INBOX_REQUIRE_REAL=1` turns "can't be had" from a skip into a failure.
"""

from __future__ import annotations

import fcntl
import os
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TypeVar

import pytest

SCRIPTS = Path(__file__).parent
START_SECONDS = 900.0  # the first start may install packages
STOP_SECONDS = 60.0

T = TypeVar("T")


class ServerUnavailable(Exception):
    """A script could not do it; the message is the end of what it wrote to stderr."""


def real_directory() -> Path:
    """Where real servers of this checkout live."""
    return Path(os.environ.get("INBOX_REAL_DIR") or SCRIPTS.parents[2] / "var" / "real").absolute()


def launch(script: str, directory: Path, *args: str, timeout_seconds: float = START_SECONDS) -> dict[str, str]:
    """Run `script` of this folder on `directory` and return the KEY=VALUE lines it printed.

    Output goes to files, not pipes: a daemon that inherits a pipe would keep its reader waiting. Two test runs that
    start the same thing wait for each other. Raises `ServerUnavailable`.
    """
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / ".lock").open("w") as lock, tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            done = subprocess.run(
                [SCRIPTS / script, directory, *args],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                timeout=timeout_seconds,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise ServerUnavailable(f"{script} was not done in {timeout_seconds:.0f} s: {_tail(err)}") from None
        if done.returncode:
            raise ServerUnavailable(f"{script} exited {done.returncode}: {_tail(err)}")
        out.seek(0)
        lines = out.read().decode().splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line)


def require(name: str, start: Callable[[], T]) -> T:
    """What `start` gives; when the server can't be had, the test is skipped or, with INBOX_REQUIRE_REAL=1, fails."""
    try:
        return start()
    except ServerUnavailable as error:
        if os.environ.get("INBOX_REQUIRE_REAL") == "1":
            pytest.fail(f"{name} is required (INBOX_REQUIRE_REAL=1) and can't be had: {error}", pytrace=False)
        pytest.skip(f"{name} can't be had: {error}")


@contextmanager
def server(name: str, *args: str, directory: Path | None = None) -> Iterator[dict[str, str]]:
    """Lend the server `name` (`NAME-start.sh`, `NAME-stop.sh`) and stop it after its last user.

    Test runs at the same time share one server: each holds a shared lock, and whoever gets it alone stops the server.
    """
    place = directory or real_directory() / name
    place.mkdir(parents=True, exist_ok=True)
    with (place / ".users").open("w") as users:
        fcntl.flock(users, fcntl.LOCK_SH)
        values = require(name, lambda: launch(f"{name}-start.sh", place, *args))
        try:
            yield values
        finally:
            if os.environ.get("INBOX_REAL_KEEP") != "1" and _alone(users):
                launch(f"{name}-stop.sh", place, timeout_seconds=STOP_SECONDS)


def _alone(users: IO[str]) -> bool:
    try:
        fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _tail(stream: IO[bytes], limit: int = 800) -> str:
    stream.seek(0)
    return stream.read().decode(errors="replace").strip()[-limit:]
