"""Tables about what is said to citizens: what is right passes, and who refers to whom in a circle is warned of."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from inbox_daemon.cli.main import main
from inbox_daemon.settings import load, warnings
from unit.settings.right import Write

DESTINATION = """
[destinations.{name}]
kind = "request_tracker"
url = "https://rt.{name}.test"
token = {{ env = "TEST_TOKEN" }}
account = "inbox"
queue = "Atencion"
refer_to = "{to}"
"""
RIGHT_DIALOGUE = """
[service]
days = ["mon", "sat"]
closes = "24:00"
calendar = "feriados.ics"
closed_on = [2026-12-24]
open_on = [2026-12-26]
[notices.texts]
down = "El caso {case} demora. Un signo: {{ y }}"
menu_hint = \"\"\"
Responda
con el número.\"\"\"
[triage]
enabled = true
channels = ["whatsapp"]
[[triage.options]]
title = "Salud"
destination = "salud-rt"
keywords = ["turno"]
[[triage.options]]
title = "Otro"
destination = "salud-rt"
"""


def referring(**names: str) -> str:
    return "".join(DESTINATION.format(name=name, to=to) for name, to in names.items())


def test_a_right_dialogue_with_a_calendar_beside_the_file(
    write: Write, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    event = "BEGIN:VEVENT\r\nUID:a\r\nDTSTART;VALUE=DATE:20261228\r\nEND:VEVENT\r\n"
    (tmp_path / "feriados.ics").write_text(f"BEGIN:VCALENDAR\r\nVERSION:2.0\r\n{event}END:VCALENDAR\r\n")
    assert main(["--config", str(write("", RIGHT_DIALOGUE)), "check"]) == 0, capsys.readouterr().err


@pytest.mark.parametrize("added", ['country = "CL"', 'country = ""', 'country = ""\nprovince = "9"'])
def test_the_province_of_the_default_country_is_not_asked_of_another(added: str, write: Write) -> None:
    assert load(write("", f"[service]\n{added}\n")).service.country != "AR"


@pytest.mark.parametrize(
    ("names", "circles"),
    [
        ({"a": ""}, []),  # to the default, which keeps it
        ({"a": "b", "b": ""}, []),
        ({"a": "b", "b": "a"}, ["a → b → a"]),
        ({"a": "b", "b": "c", "c": "b"}, ["b → c → b"]),
        ({"a": "b", "b": "a", "c": "d", "d": "c", "e": "a"}, ["a → b → a", "c → d → c"]),
    ],
)
def test_offices_that_refer_in_a_circle_are_warned_of_once(
    names: dict[str, str], circles: list[str], write: Write
) -> None:
    told = warnings(load(write("", referring(**names))))
    assert [circle for circle in circles if any(circle in warning for warning in told)] == circles
    assert len(told) == len(circles)


def test_a_start_with_the_default_hours_loads_no_library_of_days(write: Write) -> None:
    code = (
        "import sys, pathlib; from inbox_daemon.settings import load; load(pathlib.Path(sys.argv[1]));"
        "print(sorted({'holidays', 'icalendar', 'recurring_ical_events', 'dateutil'} & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", code, str(write())], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
