"""systemd accepts the unit, finds it well shut in, and its numbers agree with the daemon's."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from inbox_daemon.cli import main as frame
from inbox_daemon.settings.tables import Daemon

FOLDER = Path(__file__).parents[3] / "systemd"
UNIT = FOLDER / "inbox-daemon.service"
COMMAND = "/opt/inbox-daemon/bin/inbox-daemon"


def tool(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        message = f"{name} is not installed"
        if os.environ.get("INBOX_REQUIRE_REAL") == "1":
            pytest.fail(message)
        pytest.skip(message)
    return found


def values(key: str) -> list[str]:
    return re.findall(rf"^{key}=(.*)$", UNIT.read_text(encoding="utf-8"), re.MULTILINE)


def value(key: str) -> str:
    [only] = values(key)
    return str(only)


def seconds(text: str) -> float:
    number, unit = re.fullmatch(r"(\d+)(min|s)?", text).groups()  # type: ignore[union-attr]
    return int(number) * (60 if unit == "min" else 1)


def run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def resolvable(folder: Path, text: str) -> Path:
    """A copy whose command exists on this machine: the real one is installed under /opt."""
    binary = COMMAND if Path(COMMAND).exists() else str(Path(sys.executable).with_name("inbox-daemon"))
    assert Path(binary).exists(), "the daemon is not installed in this environment"
    copy = folder / UNIT.name
    copy.write_text(text.replace(COMMAND, binary), encoding="utf-8")
    return copy


def complaints(unit: Path) -> list[str]:
    """What `systemd-analyze verify` says about this unit; it also complains of the machine's other ones."""
    done = run(tool("systemd-analyze"), "verify", "--man=no", str(unit))
    said = [line for line in done.stderr.splitlines() if unit.name in line or str(unit) in line]
    return [*said, *([] if done.returncode == 0 else [f"exit {done.returncode}", *done.stderr.splitlines()])]


def test_systemd_accepts_the_unit(tmp_path: Path) -> None:
    assert complaints(resolvable(tmp_path, UNIT.read_text(encoding="utf-8"))) == []


def test_systemd_accepts_the_unit_with_the_example_credentials(tmp_path: Path) -> None:
    example = (FOLDER / "inbox-daemon.service.d" / "credentials.conf.example").read_text(encoding="utf-8")
    unit = resolvable(tmp_path, UNIT.read_text(encoding="utf-8").replace("[Install]", example + "\n[Install]"))
    assert complaints(unit) == []


def test_negative_control_a_mistyped_key_is_noticed(tmp_path: Path) -> None:
    unit = resolvable(tmp_path, UNIT.read_text(encoding="utf-8").replace("ProtectHome=yes", "ProtectHoem=yes"))
    assert any("ProtectHoem" in line for line in complaints(unit))


def exposure(unit: Path) -> subprocess.CompletedProcess[str]:
    return run(tool("systemd-analyze"), "security", "--offline=true", "--threshold=12", "--no-pager", str(unit))


def test_exposure_is_at_most_1_2() -> None:
    done = exposure(UNIT)
    assert done.returncode == 0, done.stdout[-500:]
    assert "Overall exposure level" in done.stdout


def test_negative_control_an_open_unit_is_over_the_threshold(tmp_path: Path) -> None:
    unit = tmp_path / UNIT.name
    shut_in = UNIT.read_text(encoding="utf-8")
    unit.write_text(
        re.sub(r"^(SystemCallFilter|CapabilityBoundingSet)=.*\n", "", shut_in, flags=re.MULTILINE), encoding="utf-8"
    )
    assert exposure(unit).returncode != 0


def test_the_user_is_made_by_the_file_beside_it() -> None:
    done = run(tool("systemd-sysusers"), "--dry-run", str(FOLDER / "inbox-daemon.sysusers.conf"))
    assert done.returncode == 0, done.stderr
    declared = (FOLDER / "inbox-daemon.sysusers.conf").read_text(encoding="utf-8")
    assert re.search(rf"^u {value('User')} ", declared, re.MULTILINE)


def test_an_orderly_stop_has_the_time_it_takes() -> None:
    assert seconds(value("TimeoutStopSec")) >= Daemon().stop_seconds + 10


def test_a_mistake_of_configuration_is_not_tried_again() -> None:
    assert value("Restart") == "always"
    assert set(value("RestartPreventExitStatus").split()) == {str(frame.USAGE), str(frame.CONFIGURATION)}
    assert value("StartLimitIntervalSec") == "0"


def test_the_daemon_finds_its_state_and_tells_its_state() -> None:
    assert value("Type") == "notify"
    assert seconds(value("WatchdogSec")) == 30
    assert f"/var/lib/{value('StateDirectory')}" == "/var/lib/inbox-daemon"
    assert value("ExecStart") == f"{COMMAND} run"


def test_every_file_the_readme_names_is_there_and_every_file_is_named() -> None:
    readme = (FOLDER / "README.md").read_text(encoding="utf-8")
    ours = {str(path.relative_to(FOLDER)) for path in FOLDER.rglob("*") if path.is_file()} - {"README.md"}
    named = set(re.findall(r"^\| `([^`]+)` \| `/etc/", readme, re.MULTILINE))
    assert named == ours


def test_commands_of_the_readme_exist() -> None:
    readme = (FOLDER / "README.md").read_text(encoding="utf-8")
    used = set(re.findall(r"(?<![-/\w])(?:/opt/inbox-daemon/bin/)?inbox-daemon ([a-z]+)\b", readme))
    inline = {word for word in used if (Path(frame.__file__).parent / f"{word}.py").exists()}
    assert {"status", "parked", "ledger", "check"} <= inline
    for word in re.findall(r"`inbox-daemon ([a-z]+)", readme):
        assert (Path(frame.__file__).parent / f"{word}.py").exists(), word
