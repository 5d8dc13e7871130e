"""What the contract suite found, as the page `connectors/CONFORMANCE.md` and as a table for a terminal. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields

from contract.fault_list import FAULTS, UNIT
from contract.ticketing_model import Provider
from inbox_daemon.plugins import Capabilities

PASSED, FAILED, NOT_ASKED = "✓", "✗", "–"
FLAGS = ("network", "by_mail", "lies", "rich", "hints", "closes")
HEAD = f"""\
# Conformance

Made by `make conformance`, which plays the ticketing contract suite (`tests/contract/test_ticketing*.py`) over every
adapter; not edited by hand. How an adapter comes in: [Write your own](README.md#proof).

{PASSED} passed in all its cases · {FAILED} failed, with how many of its cases passed · {NOT_ASKED} not asked, and why:
the capability sheet, or what the column's far side has (both below), says that there is nothing to ask for

A column in bold was played against the product itself, started on the test machine; any other against the fakes of
`tests/support`, or without a far side where the adapter has none. An adapter is *supported* only when every scenario
passed in every one of its columns; figures count every column.

Where only a fake was to be had, [`make live`](README.md#against-a-real-installation) says what is other in a real one.
"""


FAULTS_ABOUT = f"""\
What ticketing systems were seen to do wrong, and where it is played. The fakes do what their products do; what only one
product does is in its own tests, below `{UNIT}`. *A look up that lies …* finds all, then nothing, in each column that
has it (in open311 nothing, and what lies outside of the time that was asked for); only those of Zammad and Request
Tracker also drop the reference.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One provider of one adapter."""

    kind: str
    provider: Provider

    @property
    def name(self) -> str:
        return self.provider.name

    @property
    def heading(self) -> str:
        return f"**{self.name}**" if self.provider.real else self.name


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """How many cases of a scenario passed, of how many."""

    passed: int
    cases: int

    def __str__(self) -> str:
        return PASSED if self.whole else f"{FAILED} {self.passed} of {self.cases}"

    @property
    def whole(self) -> bool:
        return self.passed == self.cases


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """One test function; `part` is its module, `about` what the module says of itself."""

    part: str
    about: str
    function: str

    @property
    def title(self) -> str:
        return self.function.removeprefix("test_").replace("_", " ")


@dataclass(frozen=True, slots=True, kw_only=True)
class Adapter:
    """What an installed plug-in says of itself."""

    kind: str
    summary: str
    capabilities: Capabilities


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    """Everything the page is made of. No score for a scenario and a column: it was not asked there."""

    adapters: Sequence[Adapter]
    columns: Sequence[Column]
    scenarios: Sequence[Scenario]
    scores: Mapping[tuple[Scenario, Column], Score] = field(repr=False)
    lacks: Mapping[Scenario, Mapping[str, str]] = field(repr=False, default_factory=dict)
    """Why a scenario was not asked of a column, by its name."""

    def scores_of(self, kind: str) -> list[Score]:
        return [score for (_, column), score in self.scores.items() if column.kind == kind]

    def supported(self, kind: str) -> bool:
        scores = self.scores_of(kind)
        return bool(scores) and all(score.whole for score in scores)

    def cell(self, scenario: Scenario, column: Column) -> str:
        score = self.scores.get((scenario, column))
        if score is not None:
            return str(score)
        lack = self.lacks.get(scenario, {}).get(column.name, "")
        return f"{NOT_ASKED} {lack}" if lack else NOT_ASKED


def page(board: Board) -> str:
    """The whole of CONFORMANCE.md; the same board gives the same page."""
    parts = [HEAD, "## Adapters\n", verdicts(board), "## Scenarios\n"]
    for part in dict.fromkeys(scenario.part for scenario in board.scenarios):
        of_part = [scenario for scenario in board.scenarios if scenario.part == part]
        parts += [f"### {part}\n", f"{of_part[0].about}\n", _scenarios(board, of_part)]
    parts += ["## Faults\n", FAULTS_ABOUT, faults()]
    parts += ["## Capability sheets\n", sheets(board.adapters), "## Columns\n", columns(board)]
    return "\n".join(parts)


def verdicts(board: Board) -> str:
    """One row for each installed adapter."""
    rows = []
    for adapter in board.adapters:
        scores = board.scores_of(adapter.kind)
        played = [column.heading for column in board.columns if column.kind == adapter.kind]
        rows.append(
            (
                f"`{adapter.kind}`",
                adapter.summary,
                ", ".join(played) or "nothing",
                f"{sum(score.whole for score in scores)} of {len(scores)}",
                f"{sum(score.passed for score in scores)} of {sum(score.cases for score in scores)}",
                "supported" if board.supported(adapter.kind) else "not supported",
            )
        )
    return _table(("adapter", "what it connects", "played over", "scenarios passed", "cases passed", "verdict"), rows)


def _scenarios(board: Board, scenarios: Sequence[Scenario]) -> str:
    headings = ("scenario", "cases", *(column.heading for column in board.columns))
    return _table(
        headings,
        [
            (scenario.title, cases_of(board, scenario), *(board.cell(scenario, column) for column in board.columns))
            for scenario in scenarios
        ],
    )


def cases_of(board: Board, scenario: Scenario) -> str:
    """How many cases a scenario has: one number, as every column plays the same."""
    return " / ".join(sorted({str(score.cases) for (one, _), score in board.scores.items() if one == scenario}))


def faults() -> str:
    """Where each fault that was seen is played."""
    rows = [
        (one.fault, "; ".join(one.scenarios) or NOT_ASKED, ", ".join(f"`{own}`" for own in one.own) or NOT_ASKED)
        for one in FAULTS
    ]
    return _table(("fault", "scenarios above", "tests of single products"), rows)


def sheets(adapters: Sequence[Adapter]) -> str:
    """The capability sheets as the plug-ins state them, one column for each adapter."""
    rows = [
        (f"`{one.name}`", *(_plain(getattr(adapter.capabilities, one.name)) for adapter in adapters))
        for one in fields(Capabilities)
    ]
    return _table(("", *(f"`{adapter.kind}`" for adapter in adapters)), rows)


def columns(board: Board) -> str:
    """What each column's far side has, as far as scenarios ask, and where it departs from the adapter's sheet."""
    stated = {adapter.kind: adapter.capabilities for adapter in board.adapters}
    rows = [
        (
            column.heading,
            f"`{column.kind}`",
            "the real product" if column.provider.real else "a fake, or nothing needed",
            *(_plain(getattr(column.provider, flag)) for flag in FLAGS),
            ", ".join(_departures(stated[column.kind], column.provider.capabilities)) or NOT_ASKED,
        )
        for column in board.columns
    ]
    asked = (
        "HTTP to fail",
        "mail to fail",
        "can be made to lie",
        "answers with files and HTML",
        "hints",
        "tickets that close",
    )
    return _table(("column", "adapter", "played against", *asked, "other than the sheet"), rows)


def _departures(stated: Capabilities, played: Capabilities) -> Iterator[str]:
    for one in fields(Capabilities):
        if getattr(stated, one.name) != getattr(played, one.name):
            yield f"`{one.name}` {_plain(getattr(played, one.name))}"


def _plain(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:g}"
    return "no limit" if value is None else str(value)


def _table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [headings, ["---"] * len(headings), *rows]
    return "".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |\n" for line in lines)


def printed(board: Board) -> Iterator[str]:
    """The same for a terminal: columns by number, so that fourteen of them have room."""
    for number, column in enumerate(board.columns, 1):
        yield f"{number:3} {column.name}{' (the real product)' if column.provider.real else ''}"
    width = max((len(scenario.title) for scenario in board.scenarios), default=0)
    yield ""
    yield f"{'':{width}} " + "".join(f"{number:>3}" for number in range(1, len(board.columns) + 1))
    for scenario in board.scenarios:
        marks = (board.cell(scenario, column)[0] for column in board.columns)
        yield f"{scenario.title:{width}} " + "".join(f"{mark:>3}" for mark in marks)
    yield ""
    for adapter in board.adapters:
        scores = board.scores_of(adapter.kind)
        verdict = "supported" if board.supported(adapter.kind) else "NOT supported"
        yield f"{adapter.kind}: {sum(score.whole for score in scores)} of {len(scores)} scenarios, {verdict}"
