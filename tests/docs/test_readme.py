"""The READMEs show what there is: commands, paths, links and configurations are tried."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest

from inbox_daemon import registry
from inbox_daemon.cli.main import COMMANDS, main

ROOT = Path(__file__).parents[2]
ENGLISH, SPANISH = ROOT / "README.md", ROOT / "README.es.md"
PAGES = [
    ENGLISH,
    SPANISH,
    ROOT / "connectors/README.md",
    ROOT / "systemd/README.md",
    ROOT / "SECURITY.md",
    *sorted((ROOT / "connectors").glob("*/*/README.md")),
]
BOTH = pytest.mark.parametrize("page", [ENGLISH, SPANISH], ids=["en", "es"])


def blocks(page: Path, language: str) -> list[str]:
    """Fenced blocks of a language, without the indentation of the list they stand in."""
    found = re.findall(rf"^( *)```{language}\n(.*?)^ *```", page.read_text("utf-8"), re.DOTALL | re.MULTILINE)
    return ["\n".join(line.removeprefix(indent) for line in text.splitlines()) for indent, text in found]


@BOTH
def test_every_command_has_its_row(page: Path) -> None:
    rows = re.findall(r"^\| `(\w+)` \| ", page.read_text("utf-8"), re.MULTILINE)
    assert rows == list(COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_helps_with_examples_or_words(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([command, "--help"]) == 0
    shown = capsys.readouterr().out
    assert f"inbox-daemon {command}" in shown
    assert len(shown.splitlines()) > 6


@BOTH
def test_the_configuration_shown_is_right(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    [shown] = blocks(page, "toml")
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    for name in re.findall(r'credential = "([^"]+)"', shown):
        (credentials / name).write_text("invented", "utf-8")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(credentials))
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path / "state"))
    (tmp_path / "state").mkdir()
    file = tmp_path / "inbox.toml"
    file.write_text(shown, "utf-8")
    settings, instances = registry.configure(file)
    assert len(instances.channels) == 2
    assert len(instances.destinations) == 2
    assert len(settings.routes) == 1


@BOTH
def test_the_explanation_shown_has_the_real_keys(
    page: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    [shown] = [json.loads(text) for text in blocks(page, "json")]
    mail = tmp_path / "mail.eml"
    mail.write_bytes(b"From: ana@correo.example\r\nSubject: x\r\n\r\nHola\r\n")
    assert main(["explain", "email", str(mail), "--json"]) == 0
    [event] = json.loads(capsys.readouterr().out)["events"]
    assert set(shown["events"][0]) <= set(event)


@BOTH
def test_the_shell_lines_name_real_commands(page: Path) -> None:
    for block in blocks(page, "sh"):
        for line in block.splitlines():
            words = shlex.split(line, comments=True)
            if words and words[0].endswith("inbox-daemon"):
                assert any(word in COMMANDS for word in words), line
            elif words and words[0] == "make":
                assert re.search(rf"^{words[1]}:", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE), line


@BOTH
def test_the_map_names_what_is_there(page: Path) -> None:
    heading = "## Map of the tree" if page is ENGLISH else "## Mapa del árbol"
    table = page.read_text("utf-8").split(heading)[1].split("\n## ")[0]
    for row in re.findall(r"^\| (`.+?) \|", table, re.MULTILINE):
        paths = re.findall(r"`([^`]+)`", row)
        folder = Path(paths[0]).parent
        for path in paths:
            assert (ROOT / path).exists() or (ROOT / folder / path).exists(), path


def test_the_spanish_page_keeps_pace() -> None:
    english, spanish = (
        [line.split()[0] for line in page.read_text("utf-8").splitlines() if line.startswith("#")]
        for page in (ENGLISH, SPANISH)
    )
    assert english == spanish
    assert blocks(ENGLISH, "toml") == blocks(SPANISH, "toml")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#\s]+)\)", page.read_text("utf-8")):
        if "://" not in target:
            assert (page.parent / target).exists(), target


@pytest.mark.parametrize("folder", sorted((ROOT / "connectors").glob("inbox_*/[!_]*/")), ids=lambda one: one.name)
def test_every_plugin_has_its_papers(folder: Path) -> None:
    kinds = registry.installed()
    assert folder.name in {*kinds.channels, *kinds.ticketing}
    page = (folder / "README.md").read_text("utf-8")
    assert page.startswith("# ")
    sample = (folder / "sample.toml").read_text("utf-8")
    named = {*re.findall(r"`([a-z_0-9]+)`", page), *re.findall(r"^#? ?([a-z_0-9]+) = ", sample, re.MULTILINE)}
    channel = folder.parent.name == "inbox_channels"
    plugin = registry.channel_plugin(folder.name) if channel else registry.ticketing_plugin(folder.name)
    missing = set(plugin.settings.model_fields) - named
    assert not missing, f"{folder.name}: neither README nor sample names {', '.join(sorted(missing))}"
