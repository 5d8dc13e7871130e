"""What concerns nobody outside is planted everywhere, and then looked for in everything that left.

Internal notes and files, entries by our own account and by machines, answers taken back, answers into a ticket of two
persons, words hidden in an agent's HTML, and other citizens' words and files.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from contract.request_tracker_provider import HINT_SECRET
from real.answers import oracle
from real.answers.building import town
from real.answers.offices import Tracker
from real.answers.oracle import Evidence
from real.answers.script import BOOK, FAULTY, TRACKER, Case, play
from real.answers.tokens import NEVER_OUTSIDE, Token, tokens_in
from real.answers.town import Servers, Town
from real.servers.fixtures import DOMAIN, Dovecot, Postfix
from real.servers.request_tracker import RequestTrackerServer
from support.graph_fake_citizens import body, sign

pytestmark = pytest.mark.real

SIZES = ((BOOK, 16), (TRACKER, 16), (FAULTY, 16))
AGENTS_NAMES = ("agente@chaco.test", "Agente", "RT_System", "inbox@chaco.test")
COMMANDS = (("parked", "list"), ("ledger",), ("status",), ("check", "--online"), ("explain", "estado"))
_PLANTED = 90
"""Serials from here on are not of the play."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """Everything that left. `places` are texts by where they were seen, `pages` those of cases by their number."""

    evidence: Evidence
    places: Mapping[str, str]
    pages: Mapping[int, str]
    inside: Sequence[str]


@pytest.fixture(scope="module")
def left(
    tmp_path_factory: pytest.TempPathFactory,
    request_tracker: RequestTrackerServer,
    dovecot: Dovecot,
    postfix: Postfix,
) -> Left:
    servers = Servers(tracker=request_tracker, dovecot=dovecot, postfix=postfix)
    return asyncio.run(_drive(tmp_path_factory.mktemp("town"), servers))


async def _drive(home: Path, servers: Servers) -> Left:
    async with town(home, servers, calm=True) as made:
        cases = play(seed=144, run=made.mailbox.user.partition("@")[0][-8:], domain=DOMAIN, sizes=SIZES)
        spoiling = asyncio.create_task(made.spoil())
        try:
            await made.live(cases, within=8)
            planted = [answer for case in cases if (answer := await _plant(made, case))]
        finally:
            spoiling.cancel()
            await asyncio.gather(spoiling, return_exceptions=True)
        said = [token for case in cases for act in case.answers("answer") if (token := act.token)]
        await made.settled([*said, *planted], seconds=90)
        webhooks = await asyncio.to_thread(_webhooks, made, cases)
        evidence = await made.evidence(cases)
        pages = {case.number: page for case in cases if case.office == BOOK and (page := await _page(made, case))}
        inside = [part for agents in made.agents.values() for part in await agents.everything()]
        places = await asyncio.to_thread(_places, made)
        return Left(evidence=evidence, places=places | {"webhooks": webhooks}, pages=pages, inside=inside)


async def _plant(made: Town, case: Case) -> Token | None:
    """What the play has not: files for colleagues only, words that HTML hides; a citizen's own file."""
    phone, where = case.citizen.phone, made.where(case)
    if phone is not None and where is not None and case.plot == "plain":
        content = f"%PDF-1.4\n% {Token(case.number, _PLANTED, 1, 'citizen')}\n%%EOF\n".encode()
        file = made.graph.add_file(content, "application/pdf") | {"filename": f"dni-{case.number}.pdf"}
        made.graph.write(phone.media("document", file, at=made.graph.now))
    agents = made.agents[case.office]
    if not isinstance(agents, Tracker) or where is None or case.plot not in ("plain", "html", "files", "quick"):
        return None
    notes = [Token(case.number, _PLANTED + 1, part, "note") for part in range(1, 6)]
    answer = Token(case.number, _PLANTED + 2, 1, "answer")
    await agents.notes_with(where, f"{notes[0]}", (f"{notes[1]}.pdf", "application/pdf", f"% {notes[2]}".encode()))
    html = (
        f"<!-- {notes[3]} --><p>{answer} Hay turno.</p>"
        f'<div style="display:none">{notes[4]}</div><style>.x{{content:"{notes[3]}"}}</style>'
    )
    await agents.answers(where, html, html=True)
    return answer


def _webhooks(made: Town, cases: Sequence[Case]) -> str:
    """What Meta, and whoever pretends to be it or a ticketing system, gets to read."""
    case, phone = next((case, case.citizen.phone) for case in cases if case.citizen.phone is not None)
    words = f"Hola {Token(case.number, _PLANTED + 3, 1, 'citizen')}"
    content = body([phone.text(words, at=made.graph.now)])
    cut = content[:-9]
    asked = [
        made.daemon.ask("POST", "/hooks/whatsapp-centro", content, sign(content)),
        made.daemon.ask("POST", "/hooks/whatsapp-centro", content, sign(content, "wrong")),
        made.daemon.ask("POST", "/hooks/whatsapp-centro", cut, sign(cut)),
        made.daemon.ask("POST", f"/hooks/{TRACKER}", content, {"X-Inbox-Signature": "sha256=00"}),
        made.daemon.ask("POST", f"/hooks/{BOOK}", content, {}),
        made.daemon.ask("GET", "/hooks/whatsapp-centro?hub.verify_token=x&hub.challenge=y"),
        made.daemon.ask("GET", "/case/forged"),
        made.daemon.ask("GET", "/file/forged"),
    ]
    assert [one.status for one in asked[:2]] == [200, 401], [one.status for one in asked]
    return "\n".join(f"{one.status} {one.headers} {one.text}" for one in asked)


async def _page(made: Town, case: Case) -> str:
    where = made.where(case)
    if where is None:
        return ""
    return (await asyncio.to_thread(made.daemon.ask, "GET", f"{where.path}?all=1")).text


def _places(made: Town) -> dict[str, str]:
    graph = made.graph
    uploads = "\n".join(f"{name} {kind} {content.decode('latin-1')}" for name, kind, content in graph.uploads)
    places = {
        "meta": json.dumps([*graph.sent, *(dict(one.body) for one in graph.seen)], ensure_ascii=False) + uploads,
        "log": made.daemon.log.read_text("utf-8"),
    }
    for path in ("/status", "/metrics", "/healthz", "/readyz", "/nothing"):
        places[path] = made.daemon.ask("GET", path, operations=True).text
    for command in COMMANDS:
        done = made.daemon.cli(*command)
        places[" ".join(command)] = (done.stdout + done.stderr).decode()
    return places


OPERATORS = ("log", "/status", "/metrics", "/healthz", "/readyz", "/nothing", "webhooks")


def test_what_was_planted_is_in_the_tickets_and_answers_went_out(left: Left) -> None:
    """Else nothing found outside would prove nothing."""
    inside = {token.kind for text in left.inside for token in tokens_in(text)}
    assert inside >= NEVER_OUTSIDE | {"answer", "citizen"}
    planted = {token for text in left.inside for token in tokens_in(text) if token.serial >= _PLANTED}
    assert {token.part for token in planted if token.kind == "note"} >= {1, 3, 4, 5}
    assert any(token.kind == "citizen" for token in planted)
    outside = {token.kind for token in tokens_in(left.places["meta"])}
    assert outside >= {"answer", "file"}
    assert len(left.pages) > 10


@pytest.mark.parametrize("judge", [oracle.foreign, oracle.inner, oracle.doubled], ids=lambda judge: judge.__name__)
def test_nobody_has_what_is_not_theirs(left: Left, judge: oracle.Judge) -> None:
    assert not judge(left.evidence), "\n".join(judge(left.evidence)[:20])


def test_nothing_internal_went_to_meta_in_whatever_field(left: Left) -> None:
    found = [token for token in tokens_in(left.places["meta"]) if token.kind in NEVER_OUTSIDE]
    assert not [token for token in found if token.said not in left.evidence.late]
    assert not [token for token in tokens_in(left.places["meta"]) if token.kind == "citizen"]


def test_agents_are_not_named(left: Left) -> None:
    texts = [left.places["meta"], *(item.text for items in left.evidence.inboxes.values() for item in items)]
    assert not [name for name in AGENTS_NAMES for text in texts if name in text]


@pytest.mark.parametrize("place", [*OPERATORS, *(" ".join(command) for command in COMMANDS)])
def test_operators_see_nobodys_words_and_nobodys_address(left: Left, place: str) -> None:
    text = left.places[place]
    assert not tokens_in(text)
    handles = [
        handle
        for case in left.evidence.cases
        for handle in (
            [case.citizen.address]
            if case.citizen.phone is None
            else [case.citizen.phone.number, case.citizen.phone.bsuid, case.citizen.phone.username]
        )
        if handle
    ]
    assert not [handle for handle in handles if handle.lower() in text.lower()]
    assert HINT_SECRET not in text


def test_the_page_of_a_case_holds_that_case_only(left: Left) -> None:
    homes = {case.number: case.citizen.name for case in left.evidence.cases}
    wrong = [
        (number, str(token))
        for number, page in left.pages.items()
        for token in tokens_in(page)
        if homes.get(token.case) != homes[number]
    ]
    assert not wrong
    assert all(tokens_in(page) for page in left.pages.values())
