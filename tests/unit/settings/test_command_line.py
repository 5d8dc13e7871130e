"""The command line's frame: help, exit codes, and the commands plugins and sample."""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from types import ModuleType

import pytest

from inbox_daemon import registry
from inbox_daemon.cli import check
from inbox_daemon.cli import main as frame
from inbox_daemon.cli.main import COMMANDS, main
from inbox_daemon.errors import Credentials
from inbox_daemon.settings import Settings
from unit.settings.right import SECRET, Write


@pytest.mark.parametrize("argv", [[], ["chek"], ["sample"], ["--confg", "x", "check"], ["check", "--config"]])
def test_usage_errors_exit_with_64(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(argv) == 64
    assert capsys.readouterr().err.startswith("usage: inbox-daemon")


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    out = capsys.readouterr().out
    assert all(f"    {name} " in out for name in COMMANDS)
    assert "examples:" in out


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    """And shows examples, unless there is nothing to choose."""
    assert main([command, "--help"]) == 0
    out = capsys.readouterr().out
    assert re.search(r"^[A-Z].+\.$", out, re.MULTILINE), "no sentence says what it does"
    assert "examples:" in out or command in {"demo", "migrate"}


def test_options_may_stand_before_or_after_the_command(write: Write) -> None:
    file = str(write())
    assert main(["--config", file, "check"]) == main(["check", "--config", file]) == 0


@pytest.mark.parametrize(
    ("raised", "code"), [(RuntimeError(SECRET), 70), (Credentials("refused"), 69), (KeyboardInterrupt(), 130)]
)
def test_what_a_failure_exits_with(
    raised: BaseException, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(args: argparse.Namespace) -> int:
        raise raised

    monkeypatch.setattr(check, "run", fail)

    assert main(["check"]) == code
    err = capsys.readouterr().err
    assert "Traceback" not in err
    assert SECRET not in err
    assert err.count("\n") == (0 if code == 130 else 1)
    if code == 70:
        assert main(["--debug", "check"]) == 70
        assert "Traceback" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("answers", "code"),
    [
        ([("whatsapp-centro", None), ("salud-rt", None)], 0),
        ([("whatsapp-centro", None), ("salud-rt", "the token is refused")], 69),
    ],
)
def test_check_online_tells_of_each_instance(
    answers: list[tuple[str, str | None]],
    code: int,
    write: Write,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    async def check_online(settings: Settings) -> list[tuple[str, str | None]]:
        assert settings.channels
        return answers

    app = ModuleType("inbox_daemon.app")
    app.check_online = check_online  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "inbox_daemon.app", app)

    assert main(["check", "--online", "--config", str(write())]) == code

    out = capsys.readouterr().out.splitlines()
    assert out[1:] == [f"{name}: {problem or 'fine'}" for name, problem in answers]


def test_only_the_command_asked_for_is_imported() -> None:
    code = (
        "import sys; from inbox_daemon.cli.main import main; main(['sample', '--help']); "
        "heavy = {'aiohttp', 'sqlalchemy', 'pydantic', 'inbox_daemon.cli.check'}; "
        "sys.exit(len(heavy & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=False).returncode == 0


def test_a_reader_that_leaves_is_no_failure(tmp_path: Path) -> None:
    command = f"{sys.executable} -m inbox_daemon plugins --json | true; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("0\n", "")


def test_plugins_as_a_table_and_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plugins"]) == 0
    table = capsys.readouterr().out
    assert main(["plugins", "--json"]) == 0
    sheets = json.loads(capsys.readouterr().out)
    kinds = registry.installed()
    assert [sheet["kind"] for sheet in sheets] == [*kinds.channels, *kinds.ticketing]
    assert all(sheet["kind"] in table and sheet["summary"] in table for sheet in sheets)
    assert all(("powers" if sheet["type"] == "channel" else "capabilities") in sheet for sheet in sheets)


def test_one_plugin_in_full(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plugins", "request_tracker"]) == 0
    assert "  find_entry: " in capsys.readouterr().out


@pytest.mark.parametrize("command", ["plugins", "sample"])
def test_a_kind_that_is_not_installed(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([command, "whatsap"]) == frame.USAGE
    assert 'Did you mean "whatsapp"?' in capsys.readouterr().err


def test_sample(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sample", "whatsapp"]) == 0
    (table,) = tomllib.loads(capsys.readouterr().out)["channels"].values()
    assert table["kind"] == "whatsapp"
