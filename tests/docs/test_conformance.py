"""connectors/CONFORMANCE.md is about the adapters that are installed and the scenarios that the suite has."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest

from contract.conformance import PAGE, Outcomes, board_of, kind_of
from contract.conformance_page import FAILED, NOT_ASKED, PASSED, Adapter, Scenario, page, sheets
from contract.fault_list import FAULTS, UNIT, Listed
from contract.ticketing_providers import PROVIDERS
from docs.pages import ROOT, first_cells, section, text
from inbox_daemon import registry

REMEDY = "run: make conformance"
KINDS = sorted(registry.installed().ticketing)
REAL = {provider.name for provider in PROVIDERS if provider.real}
Cells = Mapping[str, Mapping[str, str]]


@pytest.fixture(scope="module")
def in_the_suite() -> Mapping[str, Mapping[str, int]]:
    """Cases by scenario and provider. In a process of its own: pytest does not collect inside of its own run."""
    command = (sys.executable, ROOT / "tests/contract/conformance.py", "--collect")
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    found: Mapping[str, Mapping[str, int]] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.fixture(scope="module")
def on_the_page() -> Cells:
    """Cells by scenario and heading, in bold where the product itself was played."""
    cells: dict[str, dict[str, str]] = {}
    for line in section(PAGE, "## Scenarios").splitlines():
        row = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("| scenario |"):
            headings = row
        elif line.startswith("| ") and not line.startswith("| ---"):
            assert row[0] not in cells
            cells[row[0]] = dict(zip(headings, row, strict=True))
    return cells


def test_it_names_the_installed_adapters() -> None:
    assert first_cells(section(PAGE, "## Adapters")) == [f"`{kind}`" for kind in KINDS], REMEDY


def test_it_names_the_scenarios_of_the_suite(on_the_page: Cells, in_the_suite: Mapping[str, Mapping[str, int]]) -> None:
    assert list(on_the_page) == list(in_the_suite), REMEDY
    for title, cases in in_the_suite.items():
        assert on_the_page[title]["cases"] in {str(count) for count in cases.values()}, f"{title}; {REMEDY}"


def test_it_has_a_column_for_every_provider(on_the_page: Cells) -> None:
    """Real products are there if they were to be had; without them the page is right as well."""
    for cells in on_the_page.values():
        shown = set(cells) - {"scenario", "cases"}
        plain = {name for name in shown if not name.startswith("**")}
        assert plain == {provider.name for provider in PROVIDERS} - REAL, REMEDY
        assert {name.strip("*") for name in shown - plain} <= REAL, REMEDY


def test_what_is_not_asked_is_what_the_suite_does_not_ask(
    on_the_page: Cells, in_the_suite: Mapping[str, Mapping[str, int]]
) -> None:
    for title, cells in on_the_page.items():
        asked = {name for name in cells if name not in {"scenario", "cases"} and not cells[name].startswith(NOT_ASKED)}
        for name in set(cells) - asked - {"scenario", "cases"}:
            assert re.fullmatch(rf"{NOT_ASKED} [a-zA-Z' ]+", cells[name]), f"{title}, {name}: it says why"
        assert {name.strip("*") for name in asked} == {
            name for name in in_the_suite[title] if name not in REAL or f"**{name}**" in cells
        }, f"{title}; {REMEDY}"
        for name in asked:
            assert re.fullmatch(rf"{PASSED}|{FAILED} \d+ of \d+", cells[name]), (title, name)


def test_only_who_passed_everything_is_called_supported(on_the_page: Cells) -> None:
    for line in section(PAGE, "## Adapters").splitlines()[2:]:
        if line.startswith("| `"):
            row = [cell.strip() for cell in line.strip("|").split("|")]
            columns = row[2].split(", ")
            seen = [cells[one] for cells in on_the_page.values() for one in columns if one in cells]
            assert (row[-1] == "supported") is (PASSED in seen and not any(FAILED in cell for cell in seen)), row[0]


@pytest.mark.parametrize("listed", FAULTS, ids=lambda one: one.fault)
def test_every_fault_is_played_where_the_page_says(
    listed: Listed, in_the_suite: Mapping[str, Mapping[str, int]]
) -> None:
    assert listed.scenarios or listed.own
    assert set(listed.scenarios) <= set(in_the_suite)
    for own in listed.own:
        place, _, function = own.partition("::")
        assert re.search(rf"^(?:async )?def {function}\(", text(ROOT / UNIT / place), re.MULTILINE), own
    assert f"| {listed.fault} |" in section(PAGE, "## Faults"), REMEDY


def test_the_capability_sheets_are_what_the_plugins_say() -> None:
    plugins = [registry.ticketing_plugin(kind) for kind in KINDS]
    said = sheets([Adapter(kind=one.kind, summary=one.summary, capabilities=one.capabilities) for one in plugins])
    assert section(PAGE, "## Capability sheets").strip() == said.strip(), REMEDY


def test_the_guide_leads_to_it() -> None:
    assert "](CONFORMANCE.md)" in text(ROOT / "connectors/README.md")
    assert "README.md#proof" in text(PAGE)


# ---------------------------------------------------------------- how outcomes are told

SCENARIO = Scenario(part="test_ticketing.py", about="What they do.", function="test_a_ticket_is_found")
FAKE = next(provider for provider in PROVIDERS if provider.name == "request_tracker-fake")
PRODUCT = next(provider for provider in PROVIDERS if provider.name == "request_tracker-real")


def played(fake: Sequence[str], product: Sequence[str]) -> Outcomes:
    """A run in which the cases of one scenario ended like this."""
    outcomes = Outcomes()
    for provider, ends in ((FAKE, fake), (PRODUCT, product)):
        for number, end in enumerate(ends):
            case = f"{provider.name}-{number}"
            outcomes.cases[case] = (SCENARIO, provider)
            if end != "not run":
                outcomes.ends[case] = set(end.split(" and "))
    return outcomes


@pytest.mark.parametrize(
    ("fake", "product", "row", "verdict"),
    [
        ("passed passed", "passed passed", "✓ | ✓", "supported"),
        ("passed failed", "passed passed", "✗ 1 of 2 | ✓", "not supported"),
        ("passed passed", "passed failed", "✓ | ✗ 1 of 2", "not supported"),
        ("passed passed", "skipped skipped", "✓", "supported"),
        ("passed passed", "passed skipped", "✓ | ✗ 1 of 2", "not supported"),
        ("skipped skipped", "passed passed", "✗ 0 of 2 | ✓", "not supported"),
        ("passed passed", "passed not_run", "✓ | ✗ 1 of 2", "not supported"),
        ("passed passed_and_failed", "passed passed", "✗ 1 of 2 | ✓", "not supported"),
    ],
)
def test_a_failure_a_skip_and_what_did_not_run_are_no_pass(fake: str, product: str, row: str, verdict: str) -> None:
    outcomes = played(*([end.replace("_", " ") for end in ends.split()] for ends in (fake, product)))
    made = page(board_of(outcomes))
    assert f"| a ticket is found | 2 | {row} |\n" in made
    assert re.search(rf"^\| `request_tracker` .* \| {verdict} \|$", made, re.MULTILINE)
    assert outcomes.failed() is (verdict != "supported")
    assert made == page(board_of(outcomes))


def test_who_was_not_played_is_not_supported() -> None:
    made = page(board_of(played(["passed"], ["passed"])))
    assert re.search(r"^\| `ticketbook` .* \| nothing \| 0 of 0 \| 0 of 0 \| not supported \|$", made, re.MULTILINE)


def test_a_provider_is_named_after_its_adapter() -> None:
    assert kind_of(PRODUCT, KINDS) == "request_tracker"
    with pytest.raises(SystemExit, match="no installed adapter"):
        kind_of(replace(FAKE, name="nobodys"), KINDS)
