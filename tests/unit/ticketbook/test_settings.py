"""The settings of a ticketbook, and what the sample says."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest
from pydantic import ValidationError

from inbox_daemon.plugins import Secret
from inbox_ticketing.ticketbook import plugin

MAIL = {"mail_to": ["mesa@fiduciaria.example"], "smtp_host": "127.0.0.1", "from_address": "inbox@gobierno.example"}

WRONG = [
    ({"office_name": ""}, "office_name"),
    ({"office_name": "a\nBcc: b@example"}, "office_name"),
    ({"mail_to": ["mesa@fiduciaria.example"]}, "smtp_host and from_address"),
    (MAIL | {"mail_to": ["mesa"]}, "mail_to"),
    (MAIL | {"mail_to": ["mesa@a.example, otra@b.example"]}, "mail_to"),
    (MAIL | {"mail_to": ["Mesa <mesa@a.example>"]}, "mail_to"),
    (MAIL | {"from_address": "a@b\r\nBcc: c@d.example"}, "from_address"),
    (MAIL | {"mail_subject": "Caso {nombre}"}, "number"),
    (MAIL | {"mail_subject": "Caso {number.__class__.x}"}, "number"),
    (MAIL | {"mail_subject": "Caso {number"}, "number"),
    (MAIL | {"mail_subject": "Caso\r\nBcc: x"}, "mail_subject"),
    (MAIL | {"smtp_tls": "maybe"}, "smtp_tls"),
    (MAIL | {"smtp_user": "inbox"}, "smtp_password"),
    (MAIL | {"smtp_password": Secret("x")}, "smtp_user"),
    (MAIL | {"smtp_password": "x", "smtp_user": "inbox"}, "by reference"),
    ({"colour": "blue"}, "colour"),
]


@pytest.mark.parametrize(("changes", "named"), WRONG)
def test_a_mistake_is_named(changes: dict[str, Any], named: str) -> None:
    with pytest.raises(ValidationError, match=named):
        plugin.settings.model_validate({"office_name": "Fiduciaria del Norte"} | changes)


def test_the_sample_with_all_its_comments_taken_off_is_a_right_configuration() -> None:
    table = tomllib.loads(plugin.sample.replace("\n# ", "\n"))["destinations"]["fiduciaria"]
    assert table.pop("kind") == plugin.kind
    table["smtp_password"] = Secret("x")
    assert set(plugin.settings.model_validate(table).model_dump()) == set(plugin.settings.model_fields)
    assert set(table) == set(plugin.settings.model_fields), "the sample names every key"
