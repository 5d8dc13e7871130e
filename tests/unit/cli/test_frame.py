"""The command line's frame: help for everyone, usage errors with 64, and no cause told with people's data."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import pytest

from inbox_daemon.cli import main as frame
from inbox_daemon.cli import sample
from inbox_daemon.errors import Credentials, SettingsError, Transient
from inbox_daemon.store.database import StorageFull


@pytest.mark.parametrize("command", frame.COMMANDS)
def test_every_command_has_help_with_what_a_person_needs(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert frame.main([command, "--help"]) == 0
    text = capsys.readouterr().out
    assert text.startswith(f"usage: inbox-daemon {command}")
    assert "--config FILE" in text
    assert len(text.splitlines()) >= 8


def test_the_help_names_every_command_and_the_exit_codes(capsys: pytest.CaptureFixture[str]) -> None:
    assert frame.main(["--help"]) == 0
    text = capsys.readouterr().out
    assert all(f"    {command} " in text for command in frame.COMMANDS)
    assert "0 fine, 64 usage, 69" in text


USAGE = [
    [],
    ["fly"],
    ["run", "--fast"],
    ["explain"],
    ["explain", "email"],
    ["sample"],
    ["parked"],
    ["parked", "forget", "E1"],
    ["parked", "show"],
    ["ledger", "--days", "many"],
    ["ledger", "--days", "0"],
    ["ledger", "--days", "9" * 30],
    ["simulate"],
    ["simulate", "x", "--count", "-3"],
    ["simulate", "x", "--count", "0"],
    ["replay", "--since", "yesterday"],
    ["--config"],
]


@pytest.mark.parametrize("arguments", USAGE, ids=" ".join)
def test_wrong_usage_exits_with_64_and_says_why(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert frame.main(arguments) == 64
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("usage: inbox-daemon")
    assert "Traceback" not in printed.err


FAILURES = [
    (SettingsError("no table", key="channels", remedy="add one"), 78, "channels: no table\n    remedy: add one\n"),
    (Transient("no connection to mail.test"), 69, "no connection to mail.test\n"),
    (Credentials("the token is refused"), 69, "the token is refused\n"),
    (OSError("public.listen: no listening on 127.0.0.1:1"), 69, "public.listen: no listening on 127.0.0.1:1\n"),
    (StorageFull("full"), 70, "StorageFull"),
    (ValueError("Ana Invento, 5493624000001"), 70, "ValueError at test_frame.py:"),
    (KeyboardInterrupt(), 130, ""),
]


@pytest.mark.parametrize(("error", "code", "words"), FAILURES, ids=lambda value: type(value).__name__)
def test_what_each_failure_exits_with(
    error: BaseException, code: int, words: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(_args: argparse.Namespace) -> int:
        raise error

    monkeypatch.setattr(sample, "run", fail)
    assert frame.main(["sample", "email"]) == code
    said = capsys.readouterr().err
    assert words in said
    assert "Ana" not in said
    assert "Traceback" not in said


def test_debug_shows_where_it_comes_from(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def fail(_args: argparse.Namespace) -> int:
        raise ValueError("seen only when asked for")

    monkeypatch.setattr(sample, "run", fail)
    for arguments in (["--debug", "sample", "email"], ["sample", "email", "--debug"]):
        assert frame.main(arguments) == 70
        assert "seen only when asked for" in capsys.readouterr().err


def test_plugins_lists_what_is_installed(capsys: pytest.CaptureFixture[str]) -> None:
    assert frame.main(["plugins"]) == 0
    text = capsys.readouterr().out
    assert frame.main(["plugins", "--json"]) == 0
    sheets = json.loads(capsys.readouterr().out)
    kinds = {sheet["kind"] for sheet in sheets}
    assert {"whatsapp", "email", "request_tracker", "ticketbook"} <= kinds
    assert all(kind in text for kind in kinds)
    assert frame.main(["plugins", "ticketbook"]) == 0
    assert "find_entry: immediate" in capsys.readouterr().out
    assert frame.main(["plugins", "fax"]) == 64


@pytest.mark.parametrize("kind", ["whatsapp", "email", "request_tracker", "ticketbook"])
def test_a_sample_is_a_table_without_secrets(kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    import tomllib

    assert frame.main(["sample", kind]) == 0
    table = tomllib.loads(capsys.readouterr().out)
    [instances] = table.values()
    [instance] = instances.values()
    assert instance["kind"] == kind


def test_an_unknown_sample_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert frame.main(["sample", "whatsap"]) == 64
    assert "whatsapp" in capsys.readouterr().err


def test_an_option_after_the_command_does_not_undo_the_one_before(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    missing = tmp_path / "elsewhere.toml"
    for arguments in (["--config", str(missing), "check"], ["check", "--config", str(missing)]):
        assert frame.main(arguments) == 78
        assert str(missing) in capsys.readouterr().err
