"""500 conversations to and fro, by WhatsApp and real mail, with the book, a real Request Tracker and a faulty one.

Agents answer, take back, note, close, reopen and merge; Meta and one office's line misbehave; the daemon is killed 30
times. The run is one, and each test judges one side of it, by what came to phones and mailboxes.
"""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from real.answers import oracle
from real.answers.building import town
from real.answers.oracle import Evidence
from real.answers.script import BOOK, FAULTY, PLOTS, TRACKER, play
from real.answers.town import Servers
from real.servers.fixtures import DOMAIN, Dovecot, Postfix
from real.servers.request_tracker import RequestTrackerServer

pytestmark = pytest.mark.real

KILLS = 30
SIZES = ((BOOK, 280), (TRACKER, 100), (FAULTY, 120))
OPENING_SECONDS = 75.0
"""Within this time all conversations begin."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What was seen."""

    evidence: Evidence
    starts: int
    spoilt: Counter[str]
    uncertain: int


@pytest.fixture(scope="module")
def run(
    tmp_path_factory: pytest.TempPathFactory,
    request_tracker: RequestTrackerServer,
    dovecot: Dovecot,
    postfix: Postfix,
) -> Run:
    servers = Servers(tracker=request_tracker, dovecot=dovecot, postfix=postfix)
    return asyncio.run(_play(tmp_path_factory.mktemp("town"), servers))


async def _play(home: Path, servers: Servers) -> Run:
    async with town(home, servers, follow=2) as made:
        cases = play(seed=3, run=made.mailbox.user.partition("@")[0][-8:], domain=DOMAIN, sizes=SIZES)
        answers = [token for case in cases for act in case.answers("answer") if (token := act.token)]
        spoiling = asyncio.create_task(made.spoil())
        killing = asyncio.create_task(made.kill(KILLS, seed=4))
        try:
            await made.live(cases, within=OPENING_SECONDS)
            await killing
        finally:
            spoiling.cancel()
            await asyncio.gather(spoiling, return_exceptions=True)
        await made.settled(answers, seconds=120)
        evidence = replace(await made.evidence(cases), repeats=KILLS // 3)
        assert await asyncio.to_thread(made.daemon.stop) == 0
        spoilt = Counter({fault.value: number for fault, number in made.line.seen.items()})
        return Run(evidence=evidence, starts=made.daemon.starts, spoilt=spoilt, uncertain=len(made.moods.uncertain))


@pytest.mark.parametrize("judge", oracle.JUDGES.values(), ids=oracle.JUDGES)
def test_nothing_is_wrong(run: Run, judge: oracle.Judge) -> None:
    found = judge(run.evidence)
    assert not found, "\n".join(found[:20])


def test_everything_happened_that_was_to_happen(run: Run) -> None:
    evidence = run.evidence
    assert run.starts >= KILLS + 1
    assert len(evidence.cases) == 500
    assert {case.plot for case in evidence.cases} == {*PLOTS, "merges own", "merges two"}
    assert min(run.spoilt[kind] for kind in ("latency", "drop_response", "error_500")) >= 5, run.spoilt
    told = Counter(kind for kinds in evidence.told().values() for kind in kinds)
    assert min(told[kind] for kind in ("accepted", "delivered", "read", "failed", "held", "unknown", "shared")) >= 3, (
        told
    )
    assert sum(item.template for items in evidence.inboxes.values() for item in items) >= 5
    taken_back = {act.token.said for case in evidence.cases for act in case.answers("withdrawn") if act.token}
    assert len(taken_back - evidence.late) >= 10, "agents were too slow to take answers back within the grace"


def test_most_answers_came_on_every_way(run: Run) -> None:
    """What is stopped has a reason; this sees that stopping is no way out."""
    evidence = run.evidence
    missed = oracle.undelivered(evidence)
    total, came = Counter[tuple[str, str]](), Counter[tuple[str, str]]()
    for case, _, token in evidence.answers():
        way = case.office, case.citizen.way
        total[way] += case.plot not in ("bounces", "late")
        came[way] += case.plot not in ("bounces", "late") and token.said not in missed
    assert all(came[way] >= 0.85 * number for way, number in total.items()), (came, total)
    whys = Counter(missed.values())
    assert whys["unknown"] <= run.uncertain + 3 * KILLS, whys


def test_the_judges_see_it_when_something_is_wrong(run: Run) -> None:
    """The same run with one thing changed in it: each judge that it concerns complains."""
    evidence = run.evidence
    name, items = next((name, items) for name, items in evidence.inboxes.items() if len(items) > 2)
    other = next(one for one in evidence.inboxes if one != name)
    inboxes = dict(evidence.inboxes)
    twice = replace(evidence, inboxes=inboxes | {name: [*items, *items]})
    assert oracle.doubled(twice)
    swapped = replace(evidence, inboxes=inboxes | {name: inboxes[other], other: items})
    assert oracle.foreign(swapped)
    lost = replace(evidence, inboxes=defaultdict(list), notes=())
    assert len(oracle.missing(lost)) > 500
    assert oracle.unanswered_merges(lost)
    silent = replace(evidence, notes=[note.replace("No se sabe", "Se sabe") for note in evidence.notes])
    assert oracle.missing(silent) or oracle.wrong_statuses(silent)
    backwards = replace(evidence, notes=evidence.notes[::-1])
    assert oracle.wrong_statuses(backwards)
    unlisted = replace(evidence, parked=())
    assert oracle.unlisted(unlisted)
