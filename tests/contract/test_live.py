"""`make live` itself: a good installation passes, and one that lies fails with words that say how."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from contract.webhook_provider import SECRET
from inbox_daemon.plugins import Secret
from inbox_ticketing.webhook import plugin
from live.fakes import of_kind, over_fakes
from live.record import Record, differences, report
from support.contexts import lend_context
from support.live_command import NAME, configured, make_live
from support.webhook_fake import Breach, Kept, Office
from support.webhook_fake_http import serve_receiver


@dataclass(frozen=True)
class Installation:
    config: Path
    office: Office


@pytest.fixture
async def installation(tmp_path: Path) -> AsyncIterator[Installation]:
    """A receiver that was checked when all was well, so that its later lies are for the trial to find."""
    async with serve_receiver(SECRET) as (url, office), lend_context(NAME) as context:
        settings = {"url": f"{url}/inbox/events", "read_url": f"{url}/inbox/lookup", "secrets": [Secret(SECRET)]}
        adapter = plugin.build(plugin.settings.model_validate(settings), context)
        await adapter.check()
        await adapter.aclose()
        table = (
            f'kind = "webhook"\nurl = "{url}/inbox/events"\nread_url = "{url}/inbox/lookup"\n'
            'secrets = [{ file = "webhook" }]\n'
        )
        yield Installation(configured(tmp_path, table, {"webhook": SECRET}), office)


async def test_a_good_installation_keeps_every_promise_and_its_ticket_is_closed_and_named_a_test(
    installation: Installation,
) -> None:
    office = installation.office

    async def agent(number: str) -> None:
        [ticket] = [one for one in office.cases.values() if not one.test]
        kept = office.keep_file(Kept("plano.pdf", "application/pdf", b"%PDF" * 100))
        office.write(
            ticket.id,
            "answer.added",
            role="agent",
            name="Luis",
            text="Respuesta de prueba: ñ 😀",
            visibility="public",
            files=[kept],
        )

    ended = await make_live(installation.config, agent, answer="20", limits="1")
    assert ended.code == 0, ended.text
    assert ended.text.endswith(f"{NAME}: every promise kept\n")
    assert ended.part("BROKEN PROMISES") == []
    assert ended.part("other than the fake") == []
    assert "an answer's words come back: whole" in ended.part("seen")
    assert "files of the answer: 1" in ended.part("seen")
    [ticket] = [one for one in office.cases.values() if not one.test]
    assert ticket.state == "closed"
    assert "Fue una prueba" in [line.text for line in office.lines if line.ticket == ticket.id and line.text][-1]


@pytest.mark.parametrize(
    ("breach", "words"),
    [
        (Breach.FINDS_NOTHING, "check: Credentials"),
        (Breach.FORGETS_KEY, "entry 'emoji' is not found within"),
        (Breach.FORGETS_REFERENCE, "the ticket is not found within"),
        (Breach.KEEPS_STATE, "a ticket that was closed is told as open"),
        (Breach.FORGETS_IDS, "the sheet says idempotency key, and a repeat"),
    ],
)
async def test_one_that_lies_fails_with_words_that_say_how(
    installation: Installation, breach: Breach, words: str
) -> None:
    installation.office.breaches = {breach}
    ended = await make_live(installation.config, patience="2")
    assert ended.code == 2, ended.text  # make says so of a command that failed
    assert any(line.startswith(words) for line in ended.part("BROKEN PROMISES")), ended.text
    assert "promises broken" in ended.text
    made = [case for case in installation.office.cases.values() if not case.test]
    if breach is not Breach.KEEPS_STATE:
        assert {case.state for case in made} <= {"closed"}, "whatever went wrong, what it made is closed"
    assert SECRET not in ended.text
    assert "Traceback" not in ended.text


async def test_nothing_but_its_own_ticket_is_touched(installation: Installation) -> None:
    office = installation.office
    other = office.cases.copy()
    before = {name: case.state for name, case in other.items()}
    assert (await make_live(installation.config)).code == 0
    assert {name: office.cases[name].state for name in before} == before
    assert len(office.cases) == len(before) + 1


async def test_a_name_that_is_not_configured_is_told_with_those_that_are(installation: Installation) -> None:
    wrong = installation.config.with_name("other.toml")
    wrong.write_text(
        installation.config.read_text("utf-8").replace(f'"{NAME}"', '"otra"').replace(f".{NAME}]", ".otra]")
    )
    ended = await make_live(wrong)
    assert ended.code != 0
    assert f"no destination {NAME!r}" in ended.text
    assert "otra" in ended.text


@pytest.mark.parametrize("kind", ["mail", "osticket", "ticketbook", "open311"])
async def test_every_kind_of_far_side_is_played_and_keeps_its_promises(kind: str) -> None:
    played = await over_fakes(kind, limits=False, answers=True)
    assert list(played) == [one.name for one in of_kind(kind)]
    for name, record in played.items():
        assert record.broken == [], name
        assert record.facts["an answer's words come back"] == "whole", name


def test_a_step_that_was_not_reached_is_a_difference() -> None:
    assert list(differences({"a": "1"}, {"a": "1", "b": "2"})) == [("b", "2", "not reached")]
    assert list(differences({"a": "1", "c": "3"}, {"a": "2"})) == [("a", "2", "1"), ("c", "not reached", "3")]


def test_the_report_names_what_the_instance_has_otherwise() -> None:
    here = Record(facts={"a": "1"}, broken=["that"])
    lines = list(report(here, {"x": Record(facts={"a": "2"})}, (plugin.capabilities, plugin.capabilities)))
    assert "other than the fake of the contract suite (x):" in lines
    assert "  - a: 2 in the fake, 1 here" in lines
    assert lines[-2:] == ["BROKEN PROMISES:", "  - that"]
