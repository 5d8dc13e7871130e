"""`make conformance`: the ticketing contract suite over every adapter, as a table, printed and in CONFORMANCE.md.

    python tests/contract/conformance.py             play, print, write connectors/CONFORMANCE.md
    python tests/contract/conformance.py --fakes     without real servers
    python tests/contract/conformance.py --collect   what would be played, as JSON; nothing is played or written
    pytest --conformance=PAGE                        all tests; the page is written of what they did anyway (`.ci/run`)

A real server that can't be had leaves its column out; with INBOX_REQUIRE_REAL=1 it fails. Ends with 1 when anything
failed, and with pytest's own code, writing nothing, when the suite could not be played to its end.
"""

from __future__ import annotations

import argparse
import inspect
import json
import sys
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import pytest

from contract.conformance_page import Adapter, Board, Column, Scenario, Score, page, printed
from contract.ticketing_model import Provider
from inbox_daemon import registry

TESTS = Path(__file__).parents[1]
SUITE = sorted((TESTS / "contract").glob("test_ticketing*.py"))
PAGE = TESTS.parent / "connectors" / "CONFORMANCE.md"
NO_ADAPTERS = {"memory"}
"""Providers that are played so that the pipeline's tests may rely on them; nobody can configure them."""
PLAYED = (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED)


@dataclass(slots=True, eq=False)
class Outcomes:
    """A pytest plug-in that remembers how each case of each scenario ended, for each provider."""

    cases: dict[str, tuple[Scenario, Provider]] = field(default_factory=dict)
    ends: defaultdict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    lacks: dict[Scenario, Mapping[str, str]] = field(default_factory=dict)

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        for item in session.items:
            if isinstance(item, pytest.Function) and item.path in SUITE and hasattr(item, "callspec"):
                about = (inspect.getdoc(item.module) or "").partition("\n")[0]
                scenario = Scenario(part=item.path.name, about=about, function=item.originalname)
                provider = item.callspec.params["under_test"]
                assert isinstance(provider, Provider)
                self.cases[item.nodeid] = (scenario, provider)
                self.lacks[scenario] = vars(item.function)["not_asked"]

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """One report each for setup, call and teardown: what failed in any has not passed."""
        if report.when == "call" or not report.passed:
            self.ends[report.nodeid].add(report.outcome)

    def passed(self, case: str) -> bool:
        return self.ends[case] == {"passed"}

    def left_out(self) -> set[str]:
        """Real products that were not to be had: everything about them was skipped."""
        ends: defaultdict[str, set[str]] = defaultdict(set)
        for case, (_, provider) in self.cases.items():
            if provider.real:
                ends[provider.name] |= self.ends[case] or {"not run"}
        return {name for name, those in ends.items() if those == {"skipped"}}

    def failed(self) -> bool:
        """Whether anything of what counts has not passed; a skip is no proof either."""
        left_out = self.left_out()
        return any(not self.passed(case) for case, (_, provider) in self.cases.items() if provider.name not in left_out)


@dataclass(slots=True, kw_only=True, eq=False)
class Recorder(Outcomes):
    """The same in a run of all tests (`pytest --conformance=PAGE`): prints the table and writes the page at its end."""

    page: Path

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter, exitstatus: int) -> None:
        if exitstatus in PLAYED:
            board = board_of(self)
            terminalreporter.section("conformance")
            for line in printed(board):
                terminalreporter.write_line(line)
            self.page.write_text(page(board), encoding="utf-8")


def kind_of(provider: Provider, kinds: Sequence[str]) -> str:
    """The adapter that a provider is for, by its name: the kind alone or the kind and what is particular."""
    for kind in sorted(kinds, key=len, reverse=True):
        if provider.name == kind or provider.name.startswith(f"{kind}-"):
            return kind
    raise SystemExit(f"provider {provider.name!r} is named after no installed adapter: call it KIND or KIND-something")


def board_of(outcomes: Outcomes) -> Board:
    """Adapters from the installed plug-ins, everything else from what was played."""
    kinds = sorted(registry.installed().ticketing)
    plugins = [registry.ticketing_plugin(kind) for kind in kinds]
    left_out = outcomes.left_out() | NO_ADAPTERS
    providers = {provider.name: provider for _, provider in outcomes.cases.values() if provider.name not in left_out}
    columns = {name: Column(kind=kind_of(one, kinds), provider=one) for name, one in providers.items()}
    cases: Counter[tuple[Scenario, Column]] = Counter()
    passed: Counter[tuple[Scenario, Column]] = Counter()
    for case, (scenario, provider) in outcomes.cases.items():
        if provider.name in columns:
            cases[scenario, columns[provider.name]] += 1
            passed[scenario, columns[provider.name]] += outcomes.passed(case)
    return Board(
        adapters=[Adapter(kind=one.kind, summary=one.summary, capabilities=one.capabilities) for one in plugins],
        columns=sorted(columns.values(), key=lambda one: (one.kind, one.provider.real, one.name)),
        scenarios=list(dict.fromkeys(scenario for scenario, _ in outcomes.cases.values())),
        scores={cell: Score(passed=passed[cell], cases=count) for cell, count in cases.items()},
        lacks=outcomes.lacks,
    )


def collected(outcomes: Outcomes) -> str:
    """For each scenario by its title, how many cases each provider's column has of it, as JSON."""
    found: dict[str, Counter[str]] = {}
    for scenario, provider in outcomes.cases.values():
        if provider.name not in NO_ADAPTERS:
            found.setdefault(scenario.title, Counter())[provider.name] += 1
    return json.dumps(found)


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="make conformance", description="Ticketing adapters by contract scenarios.")
    parser.add_argument("--fakes", action="store_true", help="leave real servers out")
    parser.add_argument("--collect", action="store_true", help="only tell what would be played, as JSON")
    parser.add_argument("--page", type=Path, default=PAGE, help="where the page is written")
    chosen = parser.parse_args(arguments)
    outcomes = Outcomes()
    how = ["--no-header", "-p", "no:cacheprovider", f"--rootdir={TESTS.parent}", "--tb=short"]
    how += ["-m", "not real"] if chosen.fakes else []
    how += ["--collect-only", "-qqq", "--no-summary"] if chosen.collect else ["-q"]
    code = pytest.main([*how, *map(str, SUITE)], plugins=[outcomes])
    if code not in PLAYED:
        return int(code)
    if chosen.collect:
        print(collected(outcomes))
        return 0
    board = board_of(outcomes)
    for line in printed(board):
        print(line)
    for name in sorted(outcomes.left_out()):
        print(f"{name}: not to be had here, its column is left out")
    chosen.page.write_text(page(board), encoding="utf-8")
    print(f"written: {chosen.page}")
    return int(outcomes.failed() or code != pytest.ExitCode.OK)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
