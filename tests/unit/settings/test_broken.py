"""`inbox-daemon check` on broken configurations: file, line, key and remedy; exit 78; no traceback, no secret."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from inbox_daemon.cli.main import main
from unit.settings import broken
from unit.settings.right import RIGHT, SECRET, Write

MISTAKE = re.compile(
    r"^(?P<place>.+?:(?P<line>\d+)): (?:(?P<key>\S+): )?(?P<problem>.+)\n    remedy: (?P<remedy>.+)$", re.MULTILINE
)


@pytest.fixture(autouse=True)
def _secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_EMPTY", "")
    for name, mode, text in (("open", 0o644, SECRET), ("empty", 0o600, "\n")):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(mode)


def test_the_right_one_is_right(write: Write, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--config", str(write()), "check"]) == 0
    assert capsys.readouterr().out == "OK: 1 channel, 1 destination, 1 route\n"


def test_there_are_enough_of_them() -> None:
    assert len({case.name for case in broken.ALL}) == len(broken.ALL) >= 40


@pytest.mark.parametrize("case", broken.ALL, ids=lambda case: case.name)
def test_each_mistake_is_told(case: broken.Broken, write: Write, capsys: pytest.CaptureFixture[str]) -> None:
    file = write(case.old, case.new)

    code = main(["--config", str(file), "check"])

    out, err = capsys.readouterr()
    assert (code, out) == (78, "")
    assert "Traceback" not in err
    assert SECRET not in err
    told = [found for found in MISTAKE.finditer(err) if (found["key"] or "") == case.key]
    assert len(told) == 1, err
    lines = file.read_bytes().split(b"\n")
    expected = case.line or next(number for number, line in enumerate(lines, 1) if b"#!" in line)
    assert told[0]["place"] == f"{file}:{expected}", err
    assert case.remedy in told[0]["remedy"]
    assert "".join(found[0] + "\n" for found in MISTAKE.finditer(err)) == err, "every line belongs to a mistake"


@pytest.mark.parametrize("case", [broken.NOT_TOML[0], broken.SECRETS[0], broken.ROUTING[0]], ids=lambda case: case.name)
def test_the_same_as_a_process(case: broken.Broken, write: Write) -> None:
    file = write(case.old, case.new)

    done = subprocess.run(
        [sys.executable, "-m", "inbox_daemon", "check", "--config", str(file)],
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stdout) == (78, "")
    assert f"{file}:" in done.stderr
    assert "remedy: " in done.stderr
    assert "Traceback" not in done.stderr
    assert SECRET not in done.stderr


def test_all_mistakes_are_told_in_one_reading_and_in_order(write: Write, capsys: pytest.CaptureFixture[str]) -> None:
    file = write(
        "[routing]",
        '[operations]\nlisten = "x"\n[database]\npool_size = 0\n[[routes]]\nname = 1\ndestination = "a"\n'
        '[[routes]]\nname = "b"\ndestination = "c"\nchannels = ["fax"]\n[channels.b]\nkind = "b"\n'
        '[channels.c]\nkind = "whatsapp"\napp_secret = "x"\n[routing]',
    )
    text = file.read_text().replace(
        '[[routes]]\nname = "salud"\ndestination = "salud-rt"\nkeywords = ["hospital"]\n', ""
    )
    file.write_text(text)

    assert main(["check", "--config", str(file)]) == 78

    keys = [found["key"] for found in MISTAKE.finditer(capsys.readouterr().err)]
    assert keys == [
        "operations.listen",
        "database.pool_size",
        "routes[1].name",
        "routes[2].destination",
        "routes[2].channels[1]",
        "channels.b.kind",
        "channels.c.phone_number_id",
        "channels.c.verify_token",
        "channels.c.access_token",
        "channels.c.app_secret",
    ]


def test_an_empty_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "empty.toml").touch()
    assert main(["check", "--config", str(tmp_path / "empty.toml")]) == 78
    keys = {found["key"] for found in MISTAKE.finditer(capsys.readouterr().err)}
    assert keys == {"channels", "destinations", "routing"}


@pytest.mark.parametrize(("name", "word"), [("none.toml", "no such file"), (".", "folder")])
def test_no_file(name: str, word: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--config", str(tmp_path / name)]) == 78
    err = capsys.readouterr().err
    assert word in err
    assert MISTAKE.fullmatch(err.strip())


def test_brackets_without_end(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "deep.toml").write_text("a = " + "[" * 100_000)
    assert main(["check", "--config", str(tmp_path / "deep.toml")]) == 78
    assert "nested too deeply" in capsys.readouterr().err


VALUES = [
    '"text"',
    "5",
    "-1.5",
    "true",
    "[]",
    '[{ a = "b" }]',
    "{}",
    '{ env = "TEST_SECRET" }',
    "nan",
    "2026-11-24",
    '""',
]
KEYS = [number for number, line in enumerate(RIGHT.splitlines()) if "=" in line]


@pytest.mark.parametrize("number", KEYS)
@pytest.mark.parametrize("value", VALUES)
def test_no_value_anywhere_is_a_bug(
    number: int, value: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = RIGHT.splitlines()
    lines[number] = f"{lines[number].partition('=')[0]}= {value}"
    file = tmp_path / "inbox.toml"
    file.write_text("\n".join(lines))

    code = main(["check", "--config", str(file)])

    err = capsys.readouterr().err
    assert code in {0, 78}, err
    assert code == 0 or f"{file}:{number + 1}:" in err or "no destination" in err or "no plug-in" in err
