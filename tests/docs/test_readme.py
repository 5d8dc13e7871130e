"""The READMEs show what there is: commands, configurations, JSON, addresses, places and links are tried."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from docs.pages import ENGLISH, ROOT, SPANISH, blocks, codes, first_cells, headings, section, shell_lines, text
from inbox_daemon import registry
from inbox_daemon.cli import main as frame
from inbox_daemon.cli.main import COMMANDS, main
from inbox_daemon.explanation import describe_handle
from inbox_daemon.model import Automatic, Content
from inbox_daemon.pipeline.rendering import CHANNELS

PAGES = [
    ENGLISH,
    SPANISH,
    ROOT / "CHANGELOG.md",
    ROOT / "SECURITY.md",
    ROOT / "connectors/README.md",
    ROOT / "systemd/README.md",
    *sorted((ROOT / "connectors").glob("*/*/README.md")),
]
BOTH = pytest.mark.parametrize("page", [ENGLISH, SPANISH], ids=["en", "es"])
COMMAND_HEADINGS = ("## Commands", "## Comandos")
MISSING_HEADINGS = ("## What is not there yet", "## Lo que todavía no está")
MAP_HEADINGS = ("## Map of the tree", "## Mapa del árbol")


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [one for one in os.environ if one.startswith("INBOX_")]:
        monkeypatch.delenv(name)


# ---------------------------------------------------------------- commands


@BOTH
def test_every_command_has_its_row(page: Path) -> None:
    assert re.findall(r"^\| `(\w+)` \| ", section(page, *COMMAND_HEADINGS), re.MULTILINE) == list(COMMANDS)


@BOTH
def test_exit_codes_are_those_there_are(page: Path) -> None:
    codes = re.findall(r"^\| (\d+) \| ", section(page, *COMMAND_HEADINGS), re.MULTILINE)
    there = [frame.OK, frame.USAGE, frame.UNAVAILABLE, frame.BUG, frame.CONFIGURATION]
    assert [int(code) for code in codes] == there


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_helps(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([command, "--help"]) == 0
    shown = capsys.readouterr().out
    assert f"inbox-daemon {command}" in shown
    assert len(shown.splitlines()) > 6


def commands_shown(page: Path) -> Iterator[list[str]]:
    """Arguments of every inbox-daemon that a page calls: in shell blocks, and in full in its sentences."""
    for words in shell_lines(page):
        if Path(words[0]).name in {"inbox", "inbox-daemon"}:
            yield words[1:]
    for words in re.findall(r"`inbox(?:-daemon)? ([^`]+)`", text(page)):
        if "…" not in words:
            yield words.split()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_commands_shown_are_taken(page: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each goes through the real parser; only what it would then do is left out."""
    for name in COMMANDS:
        monkeypatch.setattr(f"inbox_daemon.cli.{name}.run", lambda args: frame.OK)
    for arguments in commands_shown(page):
        if arguments[0] in COMMANDS and len(arguments) == 1:
            continue  # a sentence may name a command that needs more
        assert main(arguments) == 0, " ".join(arguments)


@BOTH
def test_the_shell_lines_name_targets_and_files_that_are_there(page: Path) -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    seen = 0
    for words in shell_lines(page):
        if words[0] == "make":
            assert re.search(rf"^{words[1]}:", makefile, re.MULTILINE), words
            seen += 1
        for word in words:
            if re.match(r"(config|systemd|tests)/|requirements", word):
                assert (ROOT / word).exists(), word
                seen += 1
    assert seen >= 10


# ---------------------------------------------------------------- the first configuration


def put_in(more: str, base: str) -> str:
    """A configuration with further tables, each put into the one of its name where that is there, as the page says."""
    for table in re.findall(r"^\[.*?(?=^\[|\Z)", more, re.DOTALL | re.MULTILINE):
        head = table.splitlines(keepends=True)[0]
        is_there = head in base and not head.startswith("[[")
        base = base.replace(head, table) if is_there else f"{base}\n{table}"
    return base


@BOTH
def test_the_configuration_shown_passes_check(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    small, more = blocks(page, "toml")
    for name in re.findall(r'credential = "([^"]+)"', small):
        (tmp_path / name).write_text("invented", "utf-8")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path))
    file = tmp_path / "inbox.toml"
    for shown in (small, put_in(more, small)):
        file.write_text(shown, "utf-8")
        code = main(["--config", str(file), "check"])
        said = capsys.readouterr()
        assert (code, said.out, said.err) == (0, "OK: 2 channels, 2 destinations, 1 route\n", "")


@BOTH
def test_each_secret_of_the_configuration_is_handed_over_and_no_other(page: Path) -> None:
    shown, [unit] = "".join(blocks(page, "toml")), blocks(page, "ini")
    handed_over = dict(re.findall(r"^LoadCredential=([^:]+):(.+)$", unit, re.MULTILINE))
    assert sorted(handed_over) == sorted(re.findall(r'credential = "([^"]+)"', shown))
    assert all(path == f"/etc/inbox-daemon/credentials/{name}" for name, path in handed_over.items())


@BOTH
def test_the_script_for_commands_hands_every_secret_on(page: Path, tmp_path: Path) -> None:
    [script] = [block for block in blocks(page, "sh") if block.startswith("#!")]
    [unit] = blocks(page, "ini")
    drop_in = "/etc/systemd/system/inbox-daemon.service.d/credentials.conf"
    assert drop_in in script
    (tmp_path / "credentials.conf").write_text(unit, "utf-8")
    (tmp_path / "inbox").write_text(script.replace(drop_in, str(tmp_path / "credentials.conf")), "utf-8")
    stub = tmp_path / "systemd-run"
    stub.write_text('#!/bin/sh\nfor one in "$@"; do echo "$one"; done\n', "utf-8")
    stub.chmod(0o755)
    path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["/bin/sh", str(tmp_path / "inbox"), "simulate", "whatsapp-centro", "--text", "dos palabras"],
        env={"PATH": path},
        capture_output=True,
        text=True,
        check=True,
    )
    said = done.stdout.splitlines()
    handed_over = [one for one in said if one.startswith("LoadCredential=")]
    assert handed_over == re.findall(r"^LoadCredential=.+$", unit, re.MULTILINE)
    assert [said[said.index(one) - 1] for one in handed_over] == ["-p"] * len(handed_over)
    assert said[-5:] == [
        "/opt/inbox-daemon/bin/inbox-daemon",
        "simulate",
        "whatsapp-centro",
        "--text",
        "dos palabras",
    ]


# ---------------------------------------------------------------- JSON and HTTP


@BOTH
def test_the_explanation_shown_has_the_real_keys_and_words(
    page: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    [shown] = [json.loads(block) for block in blocks(page, "json")]
    mail = tmp_path / "mail.eml"
    mail.write_bytes(
        b"From: ana@correo.example\r\nSubject: x\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
        b"--b\r\n\r\nHola\r\n"
        b"--b\r\nContent-Type: application/pdf; name=dni.pdf\r\nContent-Disposition: attachment\r\n\r\n%PDF\r\n"
        b"--b--\r\n"
    )
    assert main(["explain", "email", str(mail), "--json"]) == 0
    [real] = json.loads(capsys.readouterr().out)["events"]
    [event] = shown["events"]
    assert set(event) <= set(real)
    assert set(event["attachments"][0]) <= set(real["attachments"][0])
    assert set(event["sender"]) <= set(real["sender"])
    assert set(event["sender"]["handles"][0]) <= set(real["sender"]["handles"][0])
    prose = " ".join(section(page, *COMMAND_HEADINGS).split())
    assert f"`content`: {', '.join(Content)}." in prose
    assert f"`automatic`: null, {', '.join(Automatic)}." in prose
    keys = ", ".join(f'"{key}"' for key in describe_handle("3624112233"))
    assert f"`{{{keys}}}`" in prose
    written = (ROOT / "src/inbox_daemon/explanation.py").read_text("utf-8")
    types = set(re.findall(r'(?:"type": |_head\()"(\w+)"', written))
    [told] = re.findall(r"`type`: ([^.(]+) \(", prose)
    assert set(told.split(", ")) == types


@BOTH
def test_no_channel_that_is_installed_is_said_to_be_missing(page: Path) -> None:
    missing = section(page, *MISSING_HEADINGS).casefold()
    named = [name for kind in registry.installed().channels for name in (kind, CHANNELS.get(kind, kind))]
    platforms = ["instagram", "messenger"]
    assert [name for name in (*named, *platforms) if name.casefold() in missing] == []


@BOTH
def test_the_addresses_are_those_that_are_served(page: Path) -> None:
    shown = set(re.findall(r"^\| \w+ \| `(/[^`]+)` \|", section(page, "## HTTP"), re.MULTILINE))
    sources = "".join(file.read_text("utf-8") for file in (ROOT / "src/inbox_daemon/web").glob("*.py"))
    served = set(re.findall(r'(?:add_\w+|web\.(?:get|post|route))\((?:"\*", )?f?"(/[^"]*)"', sources))
    assert shown <= served
    assert {one.split("/")[1] for one in served} == {one.split("/")[1] for one in shown}


# ---------------------------------------------------------------- places and links


@BOTH
def test_the_map_names_what_is_there(page: Path) -> None:
    rows = first_cells(section(page, *MAP_HEADINGS))
    assert len(rows) > 10
    named = set()
    for row in rows:
        paths = re.findall(r"`([^`]+)`", row)
        for path in paths:
            place = next((one for one in (ROOT / path, ROOT / Path(paths[0]).parent / path) if one.exists()), None)
            assert place is not None, path
            named.add(place)
    core = ROOT / "src/inbox_daemon"
    assert {one.parent for one in core.glob("*/__init__.py")} <= named
    kinds = re.findall(r"`(\w+)`", next(line for line in text(page).splitlines() if line.startswith("| `tests/` ")))
    suites = {one.name for one in (ROOT / "tests").iterdir() if one.is_dir() and any(one.glob("**/test_*.py"))}
    assert set(kinds) == suites


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", text(page)):
        if "://" not in target:
            assert not target.startswith("#"), "headings may change: name the section instead"
            assert (page.parent / target).exists(), target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_nothing_is_told_of_the_machine_it_was_written_on(page: Path) -> None:
    assert not re.search(r"(?<![\w/.])/(?:home|root|tmp|mnt|srv|work)/", text(page))
    real = re.findall(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+", text(page))
    assert [address for address in real if not address.endswith((".example", ".test"))] == []


# ---------------------------------------------------------------- two languages


def test_the_spanish_page_keeps_pace() -> None:
    english, spanish = ([line.split()[0] for line in headings(page)] for page in (ENGLISH, SPANISH))
    assert english == spanish
    for language in ("toml", "ini"):
        assert blocks(ENGLISH, language) == blocks(SPANISH, language)
    for page in (ENGLISH, SPANISH):
        assert len(blocks(page, "text")) == 5


def test_the_spanish_page_shows_every_command_line_of_the_english_one() -> None:
    english, spanish = (shell_lines(page) for page in (ENGLISH, SPANISH))
    assert [line for line in english if line not in spanish] == []


@pytest.mark.parametrize(
    ("english", "spanish"),
    [COMMAND_HEADINGS, ("## HTTP", "## HTTP"), MAP_HEADINGS],
    ids=["commands", "http", "map"],
)
def test_tables_have_the_same_rows_in_both(english: str, spanish: str) -> None:
    shown = codes(section(ENGLISH, english))
    assert len(shown) >= 6
    assert shown == codes(section(SPANISH, spanish))


def test_both_tell_what_to_do_in_as_many_cases() -> None:
    english = first_cells(section(ENGLISH, "## When something goes wrong"))
    spanish = first_cells(section(SPANISH, "## ¿Qué hago si…?").split("Dónde mirar:")[0])
    assert len(english) == len(spanish) >= 10
