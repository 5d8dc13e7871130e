"""Where secrets may come from, and that nothing shows them."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Annotated, Any

import pytest

from inbox_daemon import registry
from inbox_daemon.errors import SettingsErrors
from inbox_daemon.plugins import PluginSettings, Secret
from inbox_daemon.settings import Source, credentials, examine, link_secret, load
from inbox_daemon.settings.places import KeyPath, Places
from unit.settings.right import SECRET, Write


class Inner(PluginSettings):
    key: Secret


class Shape(PluginSettings):
    one: Annotated[Secret | None, "note"] = None
    many: list[Secret]
    named: dict[str, Secret]
    inner: Inner | None
    inners: tuple[Inner, ...]
    plain: dict[str, str]


TOKEN = 'token = { env = "TEST_TOKEN" }'


def _token(file: Path) -> str:
    (target,) = registry.resolve(load(file)).destinations.values()
    token: Secret = target.settings.token  # type: ignore[attr-defined]  # the adapter's model
    return token.reveal()


def test_from_the_environment(write: Write) -> None:
    assert _token(write()) == SECRET


def test_from_a_credential_that_others_of_the_folder_may_read(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "credentials").mkdir()
    (tmp_path / "credentials" / "rt").write_text("from systemd\n")
    (tmp_path / "credentials" / "rt").chmod(0o440)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path / "credentials"))

    assert _token(write(TOKEN, 'token = { credential = "rt" }')) == "from systemd"
    assert _token(write(TOKEN, f'token = {{ file = "{tmp_path}/credentials/rt" }}')) == "from systemd"


@pytest.mark.parametrize("name", ["../rt", "..", "/etc/passwd", "absent"])
def test_a_credential_stays_in_its_folder(
    name: str, write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "rt").write_text(SECRET)
    (tmp_path / "credentials").mkdir()
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path / "credentials"))
    with pytest.raises(SettingsErrors):
        _token(write(TOKEN, f'token = {{ credential = "{name}" }}'))


@pytest.mark.parametrize(("content", "secret"), [("a b \n", "a b "), ("x\r\n", "x"), ("one\ntwo\n", "one\ntwo")])
def test_from_a_file_beside_the_configuration(content: str, secret: str, write: Write, tmp_path: Path) -> None:
    (tmp_path / "rt").write_bytes(content.encode())
    (tmp_path / "rt").chmod(0o600)
    assert _token(write(TOKEN, 'token = { file = "rt" }')) == secret


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o666])
def test_a_file_that_others_reach_is_refused(mode: int, write: Write, tmp_path: Path) -> None:
    (tmp_path / "rt").write_text(SECRET)
    (tmp_path / "rt").chmod(mode)
    with pytest.raises(SettingsErrors, match="chmod 0600"):
        _token(write(TOKEN, 'token = { file = "rt" }'))


@pytest.mark.parametrize("content", [b"\xff\xfe", b"x" * (credentials.MAX_SECRET_BYTES + 1)])
def test_a_file_that_is_no_secret(content: bytes, write: Write, tmp_path: Path) -> None:
    (tmp_path / "rt").write_bytes(content)
    (tmp_path / "rt").chmod(0o600)
    with pytest.raises(SettingsErrors, match="remedy"):
        _token(write(TOKEN, 'token = { file = "rt" }'))


def test_a_variable_that_overrides_is_a_secret_by_environment(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INBOX_DESTINATIONS__SALUD_RT__TOKEN", "0123")
    assert _token(write()) == "0123"


def test_settings_never_show_a_secret(write: Write) -> None:
    """Also not one that stands in the file under a wrong name."""
    findings = examine(write('queue = "Atencion"', f'queue = "q"\ntokn = "{SECRET}"\npassword = "{SECRET}"'))
    shown = f"{findings!r} {findings.settings!r} {findings.settings.source!r}"
    assert SECRET not in shown


def test_a_settings_model_of_any_shape_gets_its_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("S", SECRET)
    reference = {"env": "S"}
    data: dict[str, Any] = {
        "one": reference,
        "many": [reference],
        "named": {"a": reference},
        "inner": {"key": reference},
        "inners": [{"key": reference}],
        "plain": reference,
    }
    source = Source(file=Path("x.toml"), data=data, places=Places(""))
    problems: list[KeyPath] = []

    resolved = credentials.resolve(data, Shape, source, (), lambda path, *_: problems.append(path))

    made = Shape.model_validate(resolved)
    secret = Secret(SECRET)
    assert not problems
    assert made == Shape(
        one=secret,
        many=[secret],
        named={"a": secret},
        inner=Inner(key=secret),
        inners=(Inner(key=secret),),
        plain=reference,
    )
    assert pickle.loads(pickle.dumps(made)) == made


def test_the_link_secret_is_made_once_and_for_its_owner_only(tmp_path: Path) -> None:
    state = tmp_path / "state"
    first = link_secret(None, state)
    assert len(first.reveal()) >= 43
    assert link_secret(None, state) == first
    assert [entry.name for entry in state.iterdir()] == ["link-secret"]
    assert (state / "link-secret").stat().st_mode & 0o777 == 0o600
    assert link_secret(None, tmp_path / "other") != first
    assert link_secret(Secret("given"), state) == Secret("given")


def test_two_processes_that_start_at_once_agree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Secret] = []
    real = os.fsync

    def other_process_is_quicker(handle: int) -> None:
        real(handle)
        monkeypatch.setattr(os, "fsync", real)
        made.append(link_secret(None, tmp_path))

    monkeypatch.setattr(os, "fsync", other_process_is_quicker)
    assert link_secret(None, tmp_path) == made[0]


def test_a_command_wants_no_secret_that_it_does_not_use(write: Write) -> None:
    """Credentials of the service are not there in a plain shell, from which the ledger is read all the same."""
    more = (
        '[smtp]\nhost = "mail.chaco.test"\nfrom_address = "centro@chaco.test"\n'
        'user = "centro"\npassword = { credential = "smtp-password" }\n'
    )
    file = write("", more)
    with pytest.raises(SettingsErrors, match="smtp-password"):
        load(file)
    with pytest.raises(SettingsErrors, match="smtp-password"):
        load(file, secrets=("smtp.password",))
    settings = load(file, secrets=("database.password",))
    assert settings.smtp is not None
    assert settings.smtp.password == Secret("")
