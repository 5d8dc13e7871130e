"""An environment without settings of its own, and a configuration file that tests break."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from unit.settings.right import RIGHT, SECRET, Write


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.upper().startswith("INBOX_") or name in {"CREDENTIALS_DIRECTORY", "STATE_DIRECTORY"}:
            monkeypatch.delenv(name)
    for name in ("TEST_SECRET", "TEST_TOKEN"):
        monkeypatch.setenv(name, SECRET)


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes the right configuration with one part of it replaced, or something added at the end."""

    def _write(old: str = "", new: str = "") -> Path:
        assert old in RIGHT
        text = RIGHT.replace(old, new, 1) if old else RIGHT + new
        path = tmp_path / "inbox.toml"
        path.write_bytes(text.encode("utf-8", "surrogateescape"))
        return path

    return _write
