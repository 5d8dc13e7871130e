"""What the READMEs tell of answers to citizens: keys and defaults, states, texts, and an example that is tried."""

from __future__ import annotations

import re
import tomllib
from datetime import datetime, time
from pathlib import Path
from typing import get_args
from zoneinfo import ZoneInfo

import pytest

from docs.pages import ENGLISH, ROOT, SPANISH, blocks, codes, section, text
from inbox_daemon.model import TicketState
from inbox_daemon.pipeline.hours import ServiceHours
from inbox_daemon.pipeline.queries import read
from inbox_daemon.pipeline.reporting import ALWAYS
from inbox_daemon.pipeline.triage import Option, Understood, understand
from inbox_daemon.settings import Settings, wording
from inbox_daemon.settings.credentials import bare
from inbox_daemon.settings.dialogue import Answers, Report, Service
from inbox_daemon.settings.tables import Daemon, DestinationTable

BOTH = pytest.mark.parametrize("page", [ENGLISH, SPANISH], ids=["en", "es"])
STATE_HEADINGS = ("### What the ticket is told", "### Qué se le dice al ticket")
NOTICE_HEADINGS = ("### Hours, notices, menu", "### Horario, avisos, menú")
TEXT_HEADINGS = ("### Texts", "### Textos")


@BOTH
def test_each_key_named_exists_with_the_default_told(page: Path) -> None:
    named = re.findall(r"`([a-z]+)\.([a-z_]+)( = \S+)?`(?: \((\d+)(?=[);]))?", text(page))
    told = 0
    for table, key, _, default in named:
        if table in Settings.model_fields and (table, key) != ("parked", "list"):
            model = bare(Settings.model_fields[table].annotation)
            assert key in model.model_fields, f"{table}.{key}"
            if default:
                assert model.model_fields[key].default == float(default), f"{table}.{key}"
                told += 1
    assert told >= 12
    own = {"grace_seconds", "on_failed", "public_states", "refer_to"}
    assert own <= DestinationTable.model_fields.keys()
    assert [key for key in own if key not in text(page)] == []
    assert [key for key in Answers.model_fields if f"`answers.{key}" not in text(page)] == []


@pytest.mark.parametrize(("english", "spanish"), [STATE_HEADINGS, TEXT_HEADINGS], ids=["states", "texts"])
def test_tables_have_the_same_rows_in_both(english: str, spanish: str) -> None:
    shown = codes(section(ENGLISH, english))
    assert len(shown) >= 8
    assert shown == codes(section(SPANISH, spanish))


@BOTH
def test_the_states_told_are_those_there_are(page: Path) -> None:
    rows = re.findall(r"^\| `(\w+)` \| ([^|]+) \|", section(page, *STATE_HEADINGS), re.MULTILINE)
    assert [state for state, when in rows if "answers.report" in when] == list(get_args(Report))
    assert sorted(state for state, when in rows if "answers.report" not in when) == sorted(ALWAYS)
    states = ", ".join(TicketState)
    assert states in " ".join(section(page, *NOTICE_HEADINGS).split())


@BOTH
def test_every_text_has_its_row_with_its_places(page: Path) -> None:
    shown = {}
    for names, places in re.findall(r"^\| (`.+?) \|(.*?)\|", section(page, *TEXT_HEADINGS), re.MULTILINE):
        for name in re.findall(r"`(\w+)`", names):
            assert name not in shown, name
            shown[name] = set(re.findall(r"\{(\w+)\}", places))
    for language in get_args(Daemon.model_fields["language"].annotation):
        assert shown == {name: wording.places(words) for name, words in wording.language(language).texts.items()}


@BOTH
def test_the_example_means_what_is_said_of_it(page: Path) -> None:
    given = tomllib.loads(blocks(page, "toml")[1])
    service = Service.model_validate(given["service"])
    zone = ZoneInfo("America/Argentina/Cordoba")
    hours = ServiceHours.load(service, zone, ROOT)
    for day in given["service"]["closed_on"]:
        noon = datetime.combine(day, time(12), tzinfo=zone)
        assert day.weekday() < 5
        assert not hours.is_open(noon)
        assert ServiceHours.load(service.model_copy(update={"closed_on": ()}), zone, ROOT).is_open(noon)
    options = [
        Option(title=one["title"], destination=one["destination"], keywords=tuple(one["keywords"] or ()))
        for one in (option | {"keywords": option.get("keywords")} for option in given["triage"]["options"])
    ]
    for words in ("1", "la uno", "salud", "busco un médico"):
        meant = understand(words, "", options)
        assert isinstance(meant, Understood)
        assert meant.option.destination == "salud"
    assert read("estado PA95A-3") is not None
