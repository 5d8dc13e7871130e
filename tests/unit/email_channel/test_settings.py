"""Settings of the e-mail channel: what is refused, in which words, and that the sample holds."""

from __future__ import annotations

import pickle
import tomllib
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from inbox_channels.email import parse_envelope, plugin
from inbox_channels.email.channel import build
from inbox_channels.email.settings import EmailSettings
from inbox_daemon.errors import SettingsError
from inbox_daemon.plugins import Secret
from support.contexts import lend_context

GOOD: dict[str, Any] = {"host": "correo.centro.test", "user": "mesa@centro.test", "password": Secret("clave")}


def made(**changes: Any) -> EmailSettings:
    return EmailSettings.model_validate(GOOD | changes)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"tls": "none"}, 'tls = "none" would send the password in the clear: use "implicit" or "starttls"'),
        ({"tls": "ssl"}, "'implicit', 'starttls' or 'none'"),
        ({"after": "move"}, 'after = "move" needs move_to'),
        ({"move_to": "Hechos"}, 'move_to is only used with after = "move"'),
        ({"after": "move", "move_to": "INBOX"}, "name another one"),
        ({"addresses": ["Mesa <mesa@centro.test>"]}, "is no plain address"),
        ({"addresses": ["mesa"]}, "is no plain address"),
        ({"timezone": "America/Resistencia"}, "is no time zone"),
        ({"timezone": "../etc/passwd"}, "is no time zone"),
        ({"host": ""}, "is empty"),
        ({"user": "mesa\r\nA1 LOGOUT"}, "control character"),
        ({"password": Secret("")}, "is empty: put the password into"),
        ({"password": Secret("clave\n")}, "has a line break in it"),
        ({"password": "clave"}, "a secret is given by reference"),
        ({"import_since": "ayer"}, "date"),
        ({"import_since": "2026-11-01T10:30:00"}, "date"),
        ({"idle_minutes": 30}, "less than or equal to 29"),
        ({"poll_seconds": 1}, "greater than or equal to 5"),
        ({"max_message_bytes": 100}, "greater than or equal to 65536"),
        ({"rescan_days": 0}, "greater than or equal to 1"),
        ({"port": 0}, "greater than or equal to 1"),
        ({"from_address": "Mesa <mesa@centro.test>"}, "is no plain address"),
        ({"from_name": "Mesa\r\nBcc: otro@centro.test"}, "control character"),
        ({"language": "qom"}, "'es-AR' or 'en'"),
        ({"max_reply_file_bytes": -1}, "greater than or equal to 0"),
        ({"carpeta": "INBOX"}, "Extra inputs are not permitted"),
    ],
)
def test_mistakes_are_told_with_a_remedy(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError) as caught:
        made(**changes)
    assert words in str(caught.value)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.9.9.9", "::1"])
def test_in_the_clear_only_to_this_machine(host: str) -> None:
    assert made(tls="none", host=host).imap_port == 143


@pytest.mark.parametrize("host", ["localhost.centro.test", "10.0.0.7", "0.0.0.0", "127.0.0.1.centro.test"])
def test_what_only_looks_like_this_machine_is_refused(host: str) -> None:
    with pytest.raises(ValidationError, match="in the clear"):
        made(tls="none", host=host)


def test_ports_and_own_addresses_follow_from_the_rest() -> None:
    assert made().imap_port == 993
    assert made(tls="starttls").imap_port == 143
    assert made(port=1993).imap_port == 1993
    assert made().own_addresses == ("mesa@centro.test",)
    assert made(user="mesa").own_addresses == ()
    assert made(addresses=["Consultas@Centro.TEST"]).own_addresses == ("consultas@centro.test",)


def test_the_address_that_answers_come_from_is_one_of_its_own() -> None:
    assert made().sending_address == "mesa@centro.test"
    assert made(user="mesa").sending_address == ""
    assert made(addresses=["a@centro.test", "b@centro.test"]).sending_address == "a@centro.test"
    other = made(from_address="Respuestas@Centro.test")
    assert other.sending_address == "respuestas@centro.test"
    assert other.own_addresses == ("mesa@centro.test", "respuestas@centro.test")


def test_no_secret_shows() -> None:
    settings = made(password=Secret("clave-7531"))
    assert "7531" not in repr(settings)
    assert "7531" not in str(settings.model_dump())
    assert "7531" not in settings.model_dump_json()


def test_the_sample_is_valid_and_its_defaults_are_the_real_ones() -> None:
    table = tomllib.loads(plugin.sample)["channels"]["mesa-de-entradas"]
    assert table.pop("kind") == "email"
    assert set(table.pop("password")) == {"credential"}
    EmailSettings.model_validate(table | {"password": Secret("clave")})
    shown: dict[str, Any] = {}
    for line in plugin.sample.splitlines():
        if line.startswith("# "):
            shown |= tomllib.loads(line[2:])
    assert set(shown) | set(table) | {"password"} == set(EmailSettings.model_fields)
    examples = {"ca_file", "addresses", "authserv_id", "import_since", "move_to", "port", "from_address", "from_name"}
    for key in set(shown) - examples:
        assert shown[key] == EmailSettings.model_fields[key].default, key
    EmailSettings.model_validate(table | shown | {"password": Secret("clave"), "after": "move"})


def test_the_readme_explains_every_key() -> None:
    readme = (Path(parse_envelope.__code__.co_filename).parent / "README.md").read_text(encoding="utf-8")
    assert not [key for key in EmailSettings.model_fields if f"| `{key}` |" not in readme]


def test_settings_and_parser_travel_to_a_worker() -> None:
    assert pickle.loads(pickle.dumps(made(import_since=date(2026, 11, 1)))) == made(import_since=date(2026, 11, 1))
    assert pickle.loads(pickle.dumps(plugin.parse)) is parse_envelope


async def test_a_ca_file_that_cannot_be_used_is_told_before_the_start(tmp_path: Path) -> None:
    (tmp_path / "no.pem").write_text("esto no es un certificado")
    for path in (tmp_path / "no.pem", tmp_path / "missing.pem"):
        async with lend_context() as context:
            with pytest.raises(SettingsError, match="can't be used") as caught:
                build(made(ca_file=path), context)
        assert caught.value.key == "ca_file"
        assert caught.value.remedy


async def test_building_connects_to_nothing_and_closing_twice_is_fine() -> None:
    async with lend_context() as context:
        channel = build(made(), context)
        await channel.aclose()
        await channel.aclose()
