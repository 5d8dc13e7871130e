"""What a trial found: broken promises, facts to compare with a fake's, times, and what a person has to see."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields

from inbox_daemon.plugins import Capabilities


@dataclass(slots=True)
class Record:
    """`facts` are words, so that two trials can be compared; `seconds` are what was measured and are not."""

    broken: list[str] = field(default_factory=list)
    facts: dict[str, str] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    to_see: list[str] = field(default_factory=list)

    def expect(self, holds: bool, otherwise: str) -> bool:
        """Note a broken promise unless it holds."""
        if not holds:
            self.broken.append(otherwise)
        return holds


def differences(here: Mapping[str, str], fake: Mapping[str, str]) -> Iterator[tuple[str, str, str]]:
    """(fact, the fake's, here) of those that are not the same; a step that was not reached has none."""
    for name in dict.fromkeys((*fake, *here)):
        one, other = fake.get(name, "not reached"), here.get(name, "not reached")
        if one != other:
            yield name, one, other


def nearest(here: Record, fakes: Mapping[str, Record]) -> str | None:
    """The fake that a trial resembles most: an adapter may have several, for versions of its product."""
    return min(fakes, key=lambda name: len(list(differences(here.facts, fakes[name].facts))), default=None)


def departures(sheet: Capabilities, here: Capabilities) -> Iterator[tuple[str, object, object]]:
    """(field, the plug-in's sheet, as configured) where an instance's own sheet says something else."""
    for one in fields(Capabilities):
        if getattr(sheet, one.name) != getattr(here, one.name):
            yield one.name, getattr(sheet, one.name), getattr(here, one.name)


def report(here: Record, fakes: Mapping[str, Record], sheets: tuple[Capabilities, Capabilities]) -> Iterator[str]:
    """The whole of what is printed at the end, line by line."""
    yield from _part("seen", [f"{name}: {value}" for name, value in here.facts.items()])
    yield from _part("measured", [f"{name}: {value:.2f} s" for name, value in here.seconds.items()])
    yield from _part(
        "this instance's sheet departs from the plug-in's",
        [f"{name}: {one} in the sheet, {other} here" for name, one, other in departures(*sheets)],
    )
    name = nearest(here, fakes)
    if name is not None:
        found = differences(here.facts, fakes[name].facts)
        yield from _part(
            f"other than the fake of the contract suite ({name})",
            [f"{fact}: {one} in the fake, {other} here" for fact, one, other in found],
        )
    yield from _part("to be seen by a person", here.to_see)
    yield from _part("BROKEN PROMISES", here.broken)


def _part(title: str, lines: Sequence[str]) -> Iterator[str]:
    yield f"{title}: {'' if lines else 'nothing'}".rstrip()
    for line in lines:
        yield f"  - {line}"
