"""When and whom a number may answer: rules, window, address. Nothing is sent here."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from inbox_channels.whatsapp import rules
from inbox_daemon.model import Handle, Proof, Window
from unit.whatsapp.answers import BSUID, PHONE
from unit.whatsapp.conftest import Number

NOW = datetime(2026, 11, 23, 12, 30, tzinfo=UTC)


async def test_free_answers_end_a_margin_before_the_24_hours(number: Number) -> None:
    assert number.channel.window(PHONE, NOW) == Window(open_until=NOW + timedelta(hours=23, minutes=45))
    assert number.another(window_margin_minutes=0).window(PHONE, NOW).open_until == NOW + timedelta(hours=24)


async def test_after_that_only_a_template_that_is_configured_goes(number: Number) -> None:
    channel = number.another(answer_template="hay_respuesta")
    assert channel.window(PHONE, NOW).template == "hay_respuesta"
    assert channel.window(PHONE, None).template == "hay_respuesta"
    assert number.channel.window(PHONE, None).template is None


async def test_to_who_never_wrote_nothing_goes_freely(number: Number) -> None:
    window = number.channel.window(PHONE, None)
    assert window.open_until is not None
    assert window.open_until < NOW - timedelta(days=10_000)


async def test_the_pace_to_one_person_is_configured(number: Number) -> None:
    assert number.channel.rules.pair_seconds == 6.0
    assert number.another(pair_seconds=0.0).rules.pair_seconds == 0.0


@pytest.mark.parametrize(
    ("media_type", "megabytes", "goes"),
    [
        ("image/jpeg", 5, True),
        ("image/jpeg", 6, False),
        ("image/webp", 1, False),
        ("video/mp4", 16, True),
        ("video/mp4", 17, False),
        ("application/pdf", 100, True),
        ("application/pdf", 101, False),
        ("text/csv", 1, False),
        ("application/zip", 1, False),
        ("audio/ogg", 16, True),
        ("audio/ogg", 17, False),
        ("audio/wav", 1, False),
    ],
)
async def test_which_files_go_and_which_need_a_link(
    number: Number, media_type: str, megabytes: int, goes: bool
) -> None:
    size = megabytes * rules.MEGABYTE
    assert any(rule.takes(media_type, size) for rule in number.channel.rules.files) is goes


async def test_a_proven_phone_is_answered_before_a_bsuid_and_hints_never(number: Number) -> None:
    hinted = Handle(kind="phone", value="+5493624000009", proof=Proof.HINT)
    claimed = Handle(kind="phone", value="+5493624000008", proof=Proof.CLAIM)
    mail = Handle(kind="email", value="ana@correo.test")
    address = number.channel.address
    assert address([BSUID, hinted, claimed, mail, PHONE]) == PHONE
    assert address([hinted, mail, BSUID]) == BSUID
    assert address([hinted, claimed, mail]) is None
    assert address([]) is None


async def test_a_bsuid_of_another_portfolio_is_not_written_to(number: Number) -> None:
    own = Handle(kind="bsuid", value="AR.1", scope="chaco")
    channel = number.another(portfolio="chaco")
    assert channel.address([BSUID]) is None
    assert channel.address([BSUID, own]) == own
