"""Defaults, the environment over the file, and what the settings say of themselves."""

from __future__ import annotations

from pathlib import Path

import pytest

from inbox_daemon.errors import SettingsErrors
from inbox_daemon.settings import examine, load, warnings
from unit.settings.right import RIGHT, Write

SMTP = '[smtp]\nhost = "m.test"\nfrom_address = "a@a.test"\n'


def test_defaults(write: Write) -> None:
    settings = load(write())
    assert settings.daemon.name == "Centro de Gestión"
    assert settings.daemon.zone.key == "America/Argentina/Cordoba"
    assert settings.state_dir == Path("/var/lib/inbox-daemon")
    assert settings.database_url == "sqlite:////var/lib/inbox-daemon/inbox.sqlite3"
    assert settings.public.address == ("127.0.0.1", 8080)
    assert settings.operations.address == ("127.0.0.1", 8081)
    assert settings.delivery.on_unknown == "park"
    assert settings.smtp is None
    assert warnings(settings) == []


def test_the_tables_name_and_keys_of_the_plug_in_are_kept_apart(write: Write) -> None:
    table = load(write()).channels["whatsapp-centro"]
    assert (table.kind, table.enabled) == ("whatsapp", True)
    assert set(table.options) == {"phone_number_id", "app_secret", "verify_token", "access_token"}


def test_the_file_is_found(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INBOX_CONFIG", str(write()))
    assert load().source.file == write()


def test_windows_text(write: Write) -> None:
    file = write()
    file.write_bytes(b"\xef\xbb\xbf" + RIGHT.replace("\n", "\r\n").encode())
    assert load(file).source.place(("routing", "default")) == f"{file}:19"


@pytest.mark.parametrize("given", ["/srv/state", "/srv/state:/srv/other"])
def test_systemd_names_the_state_folder(given: str, write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STATE_DIRECTORY", given)
    assert load(write()).database_url == "sqlite:////srv/state/inbox.sqlite3"


def test_addresses_of_databases(write: Write) -> None:
    absolute = load(write("", '[database]\nurl = "sqlite:////srv/a.sqlite3"\n'))
    assert absolute.database_url == "sqlite:////srv/a.sqlite3"
    server = load(write("", '[database]\nurl = "postgresql://inbox@db.test:5433/inbox"\n'))
    assert server.database_url == "postgresql://inbox@db.test:5433/inbox"
    assert any("public.link_secret" in warning for warning in warnings(server))


def test_variables_lie_over_the_file(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "INBOX_DAEMON__NAME": "Otra oficina",
        "INBOX_DELIVERY__PARALLEL": "3",
        "INBOX_OPERATIONS__ALLOW_REMOTE": "true",
        "INBOX_CHANNELS__WHATSAPP_CENTRO__PHONE_NUMBER_ID": "42",
        "INBOX_CHANNELS__WHATSAPP_CENTRO__MEDIA_HOSTS": '["a.test"]',
        "INBOX_DESTINATIONS__SALUD_RT__PARALLEL": "2",
        "INBOX_ROUTES": '[{"name": "todo", "destination": "salud-rt"}]',
        "INBOX_REQUIRE_REAL": "1",
    }.items():
        monkeypatch.setenv(name, value)

    settings = load(write())

    assert settings.daemon.name == "Otra oficina"
    assert settings.delivery.parallel == 3
    assert settings.operations.allow_remote is True
    channel = settings.channels["whatsapp-centro"]
    assert channel.kind == "whatsapp"
    assert (channel.options["phone_number_id"], channel.options["media_hosts"]) == (42, ["a.test"])
    assert settings.destinations["salud-rt"].parallel == 2
    assert [route.name for route in settings.routes] == ["todo"]


@pytest.mark.parametrize(
    ("name", "value", "key", "remedy"),
    [
        ("INBOX_DAEMON__TIMEZONE", "Chaco", "daemon.timezone", "IANA"),
        ("INBOX_DAEMON__NAM", "x", "daemon.nam", '"name"'),
        ("INBOX_DEMON__NAME", "x", "demon.name", '"daemon"'),
        ("INBOX_DELIVERY__PARALLEL", "many", "delivery.parallel", "whole number"),
        ("INBOX_CHANNELS__WHATSAPP_CENTRO__ENABLED", "perhaps", "channels.whatsapp-centro.enabled", "true or false"),
    ],
)
def test_a_wrong_variable_is_named(
    name: str, value: str, key: str, remedy: str, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    (error,) = [error for error in examine(write()).errors if error.key == key]
    assert error.place == f"environment variable {name}"
    assert remedy in error.remedy


def test_a_variable_that_should_be_json(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INBOX_ROUTES", "[")
    with pytest.raises(SettingsErrors, match="JSON"):
        load(write())


def test_a_file_that_may_not_be_read(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path) -> bytes:
        raise PermissionError(13, "Permission denied", str(path))

    file = write()
    monkeypatch.setattr(Path, "read_bytes", refuse)  # root, as in some pipelines, may read every file
    with pytest.raises(SettingsErrors, match="may not read"):
        load(file)


@pytest.mark.parametrize(
    ("pattern", "refused"),
    [
        (r"(a+)+", True),
        (r"(?:(a*)b)*c", True),
        (r"((a|b)+){2,}", True),
        (r"(?P<x>\d+)*$", True),
        (r"(\w+)?", False),
        (r"(ab)+c+", False),
        (r"[(a+]+", False),
        (r"\(a+\)+", False),
        (r"(a+){3}", False),
        (r"turnos?\s+(el|para)\s+\d{1,2}", False),
    ],
)
def test_patterns_that_could_take_for_ever(pattern: str, refused: bool, write: Write) -> None:
    errors = examine(write("", f"pattern = '{pattern}'\n")).errors
    assert [error.key for error in errors] == (["routes[1].pattern"] if refused else [])


@pytest.mark.parametrize(
    ("added", "word"),
    [
        ('[[routes]]\nname = "a"\ndestination = "salud-rt"\n[[routes]]\nname = "b"\ndestination = "salud-rt"\n', '"a"'),
        ('[channels.b]\nkind = "whatsapp"\nenabled = false\n', "channels.b is not enabled"),
        (f'{SMTP}tls = "none"\nuser = "a"\npassword = {{ env = "TEST_TOKEN" }}\n', "in clear"),
    ],
)
def test_warnings(added: str, word: str, write: Write) -> None:
    (warning,) = warnings(load(write("", added)))
    assert word in warning
