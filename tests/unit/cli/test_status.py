"""What `inbox-daemon status` says of a channel's standing: what is grave, what could not be looked at, else nothing."""

from __future__ import annotations

from typing import Any

import pytest

from inbox_daemon.cli.status import _show

NOTICE = {"topic": "template", "subject": "hay_respuesta", "words": "pausada por Meta", "sent_at": "2026-11-24T12:00"}


def _status(**channel: Any) -> dict[str, Any]:
    state = {"state": "up", "unread": 0, "parked": 0} | channel
    return {
        "ready": True,
        "reason": None,
        "version": "0",
        "node": "n",
        "channels": {"whatsapp-centro": state},
        "destinations": {},
    }


@pytest.mark.parametrize(
    ("channel", "said"),
    [
        ({"notices": [NOTICE | {"grave": True}]}, "GRAVE      template hay_respuesta: pausada por Meta"),
        ({"inspection": {"state": "refused", "detail": "the token is refused"}}, "inspection refused: the token"),
        (
            {"notice": "comments can't be read", "notice_at": "2026-11-24T12:00+00:00"},
            "notice     comments can't be read (told 2026-11-24T12:00+00:00)",
        ),
        ({"inspection": {"state": "down", "detail": "no answer"}}, "inspection down: no answer"),
    ],
)
def test_what_is_wrong_is_said(channel: dict[str, Any], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    _show(_status(**channel))
    assert said in capsys.readouterr().out


@pytest.mark.parametrize(
    "channel",
    [
        {},
        {"notice": "", "notice_at": None},
        {"notices": [NOTICE | {"grave": False}], "inspection": {"state": "up", "detail": ""}},
        {"inspection": {"state": "elsewhere", "detail": "another node looks at this instance"}},
    ],
)
def test_what_is_well_takes_no_line(channel: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    _show(_status(**channel))
    assert len(capsys.readouterr().out.splitlines()) == 2
