"""The settings of a ticketbook, and what the sample says."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest
from pydantic import ValidationError

from inbox_daemon.errors import SettingsError
from inbox_ticketing.ticketbook import plugin
from support.contexts import lend_context

MAIL = {"mail_to": ["mesa@fiduciaria.example"]}

WRONG = [
    ({"office_name": ""}, "office_name"),
    ({"office_name": "a\nBcc: b@example"}, "office_name"),
    (MAIL | {"mail_to": ["mesa"]}, "mail_to"),
    (MAIL | {"mail_to": ["mesa@a.example, otra@b.example"]}, "mail_to"),
    (MAIL | {"mail_to": ["Mesa <mesa@a.example>"]}, "mail_to"),
    (MAIL | {"mail_subject": "Caso {nombre}"}, "number"),
    (MAIL | {"mail_subject": "Caso {number.__class__.x}"}, "number"),
    (MAIL | {"mail_subject": "Caso {number"}, "number"),
    (MAIL | {"mail_subject": "Caso\r\nBcc: x"}, "mail_subject"),
    ({"colour": "blue"}, "colour"),
    ({"smtp_host": "127.0.0.1"}, "smtp_host"),
]


@pytest.mark.parametrize(("changes", "named"), WRONG)
def test_a_mistake_is_named(changes: dict[str, Any], named: str) -> None:
    with pytest.raises(ValidationError, match=named):
        plugin.settings.model_validate({"office_name": "Fiduciaria del Norte"} | changes)


def test_the_sample_with_all_its_comments_taken_off_is_a_right_configuration() -> None:
    table = tomllib.loads(plugin.sample.replace("\n# ", "\n"))["destinations"]["fiduciaria"]
    assert table.pop("kind") == plugin.kind
    assert set(plugin.settings.model_validate(table).model_dump()) == set(plugin.settings.model_fields)
    assert set(table) == set(plugin.settings.model_fields), "the sample names every key"


async def test_mail_needs_a_mail_server() -> None:
    settings = plugin.settings.model_validate({"office_name": "Fiduciaria del Norte"} | MAIL)
    async with lend_context("fiduciaria", mail=None) as context:
        with pytest.raises(SettingsError) as told:
            plugin.build(settings, context)
    assert told.value.key == "destinations.fiduciaria.mail_to"
    assert "[smtp]" in told.value.remedy
