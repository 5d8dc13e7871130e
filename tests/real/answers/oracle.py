"""What is wrong with a run, judged by what phones and mailboxes hold and what stands in the tickets. Pure.

Each judge gives complaints, one line each; a run is good when none has any.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from real.answers.script import Act, Case
from real.answers.tokens import NEVER_OUTSIDE, Token, tokens_in

Said = tuple[int, int]

RANKS = {"accepted": 1, "sent": 2, "delivered": 3, "read": 4}
_NOTES = {
    "accepted": re.compile(r"Respuesta aceptada por "),
    "sent": re.compile(r"Respuesta enviada por "),
    "delivered": re.compile(r"Respuesta recibida en "),
    "read": re.compile(r"Respuesta leída en "),
    "failed": re.compile(r"La respuesta NO llegó a la persona\. Motivo: \S.*\. Cómo sigue: \S"),
    "held": re.compile(r"La respuesta está en espera: \S"),
    "unknown": re.compile(r"No se sabe si la respuesta llegó"),
    "shared": re.compile(r"se unió con el de otra persona"),
}
PARKED = frozenset({"failed", "unknown", "shared"})
EXCUSES = PARKED | {"held"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One thing that came to somebody: all its words, its files' too. `told` is the last that the channel said of it;
    None: it never says anything.
    """

    text: str
    at: datetime
    template: bool = False
    told: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What a run left behind.

    `inboxes` by the citizen's name, in order of arrival; `notes` are the texts of all notes in tickets, in order;
    `joined` leads from an answer to the one that it went along with; `late` are withdrawals that came after the grace.
    `repeats` is how many notes may say again what the one before said: it is not known of a note under way when the
    daemon is killed what it said. `parked` are the lines of `parked list --json`, `case_numbers` tell whose they are.
    """

    cases: Sequence[Case]
    inboxes: Mapping[str, Sequence[Item]]
    notes: Sequence[str]
    parked: Sequence[Mapping[str, Any]]
    books: Sequence[Mapping[str, Any]]
    joined: Mapping[Said, Said] = field(default_factory=dict)
    repeats: int = 0
    late: frozenset[Said] = frozenset()
    case_numbers: Mapping[int, Sequence[str]] = field(default_factory=dict)

    def answers(self) -> Iterable[tuple[Case, Act, Token]]:
        """Every public answer."""
        for case in self.cases:
            for act in case.acts:
                if act.verb == "answers" and act.token is not None and act.token.kind == "answer":
                    yield case, act, act.token

    def told(self) -> dict[Said, list[str]]:
        """What the tickets were told of each answer, by the kind of note, in order."""
        found: dict[Said, list[str]] = defaultdict(list)
        for note in self.notes:
            about = [token for token in tokens_in(note) if token.kind in ("answer", "shared")]
            kinds = [kind for kind, words in _NOTES.items() if words.search(note)]
            if about and kinds:
                found[about[0].said] += kinds
        return found

    def leader(self, said: Said) -> Said:
        """The answer under whose name this one was told of."""
        while said in self.joined:
            said = self.joined[said]
        return said


def foreign(run: Evidence) -> list[str]:
    """Words of one citizen's case with another."""
    homes = {case.number: case.citizen.name for case in run.cases}
    return [
        f"{token} of {homes.get(token.case)} is with {name}"
        for name, items in run.inboxes.items()
        for item in items
        for token in tokens_in(item.text)
        if homes.get(token.case) != name
    ]


def inner(run: Evidence) -> list[str]:
    """Words outside that were for the office alone."""
    return [
        f"{token} ({token.kind}) is with {name}"
        for name, items in run.inboxes.items()
        for item in items
        for token in tokens_in(item.text)
        if token.kind in NEVER_OUTSIDE and token.said not in run.late
    ]


def doubled(run: Evidence) -> list[str]:
    """Parts of answers that came more than once, also to different people; and citizens told twice of one answer."""
    count = _arrived(run)
    found = [f"{token} came {number} times" for token, number in count.items() if number > 1]
    late = Counter(case.citizen.name for case in run.cases for act in case.acts if act.hours)
    for name, items in run.inboxes.items():
        templates = sum(item.template for item in items)
        if templates > late[name]:
            found.append(f"{name} was told {templates} times that there is an answer")
    return found


def _arrived(run: Evidence) -> Counter[Token]:
    return Counter(
        token
        for items in run.inboxes.values()
        for item in items
        for token in tokens_in(item.text)
        if token.kind in ("answer", "file")
    )


def undelivered(run: Evidence) -> dict[Said, str]:
    """Answers of which something is missing at the citizen's, each with the last that its ticket was told."""
    count, told = _arrived(run), run.told()
    return {
        token.said: next(reversed(told.get(run.leader(token.said), [])), "")
        for _, act, token in run.answers()
        if not all(count[part] for part in act.parts)
    }


def missing(run: Evidence) -> list[str]:
    """Answers that did not come, and whose ticket does not say why."""
    plots = {case.number: f"{case.office}, {case.citizen.way}, {case.plot}" for case in run.cases}
    return [
        f"answer {said} ({plots[said[0]]}) did not come, and its ticket says {why or 'nothing'}"
        for said, why in undelivered(run).items()
        if why not in EXCUSES
    ]


def unanswered_merges(run: Evidence) -> list[str]:
    """Answers into a ticket of two persons that nobody was told of."""
    told = run.told()
    return [
        f"{act.token} went to nobody, and no ticket says so"
        for case in run.cases
        for act in case.answers("shared")
        if act.verb == "answers" and act.token is not None and "shared" not in told.get(run.leader(act.token.said), [])
    ]


def unlisted(run: Evidence) -> list[str]:
    """Answers that are stopped by what their ticket says, and don't stand in `parked list` with a reason."""
    lines = [line for line in run.parked if line["reason"]]
    names = {case.number: case.citizen.name for case in run.cases}
    numbers_of: dict[str, list[str]] = defaultdict(list)  # a merged ticket is answered under another number of theirs
    for case, numbers in run.case_numbers.items():
        numbers_of[names[case]] += numbers
    found = []
    for said, why in undelivered(run).items():
        numbers = numbers_of[names[said[0]]]
        listed = any(f"send for case {number}" in line["what"] for number in numbers for line in lines)
        if why in PARKED and not listed:
            found.append(f"answer {said} is stopped ({why}), and the list of what is parked does not show it")
    return found + [f"{line['id']} is parked without a reason" for line in run.parked if not line["reason"]]


def disordered(run: Evidence) -> list[str]:
    """Answers of one case that came in another order than they were written; what was stopped or held may be late."""
    told = run.told()
    found = []
    for case in run.cases:
        arrivals: list[tuple[datetime, Token]] = [
            (item.at, token)
            for item in run.inboxes.get(case.citizen.name, ())
            for token in tokens_in(item.text)
            if token.case == case.number and token.kind == "answer"
        ]
        for place, (at, token) in enumerate(arrivals):
            for later_at, later in arrivals[place + 1 :]:
                stopped = EXCUSES.intersection(told.get(run.leader(later.said), ()))
                if later < token and later_at > at and (later.said == token.said or not stopped):
                    found.append(f"{later} came after {token}")
    return found


def wrong_statuses(run: Evidence) -> list[str]:
    """Tickets that were told something else of an answer than what became of it, or one state after a later one."""
    told, found = run.told(), []
    for said, kinds in told.items():
        ranks = [RANKS[kind] for kind in kinds if kind in RANKS]
        if ranks != sorted(ranks):
            found.append(f"of answer {said} was told {kinds}")
    again = [f"of answer {said} was told {kinds}" for said, kinds in told.items() if _repeats(kinds)]
    found += again if len(again) > run.repeats else []
    missed = undelivered(run)
    for group, items in _groups(run):
        if missed.keys() & group:
            continue
        kinds = [kind for said in sorted(group) for kind in told.get(said, ())]
        last = next((kind for kind in reversed(kinds) if kind in RANKS or kind == "unknown"), "nothing")
        expected = _expected(items)
        silent = any(not item.told for item in items)  # nothing but the answer to our own call said that it was taken
        if last not in expected and not (silent and last == "unknown"):
            found.append(f"answers {sorted(group)} are {expected}, and their ticket was told {kinds}")
    return found


def _repeats(kinds: Sequence[str]) -> bool:
    ranks = [kind for kind in kinds if kind in RANKS]
    return len(ranks) != len(set(ranks))


def _expected(items: Sequence[Item]) -> tuple[str, ...]:
    """What the last ordinary note may say: how far the slowest portion is; `sent` is no news after `accepted`."""
    slowest = min((item.told or "accepted" for item in items), key=lambda state: RANKS[state])
    return (slowest, "accepted") if slowest == "sent" else (slowest,)


def _groups(run: Evidence) -> list[tuple[set[Said], list[Item]]]:
    """Answers that came together in one message, with everything that carried them."""
    return [group for items in run.inboxes.values() for group in _groups_of(items)]


def _groups_of(items: Sequence[Item]) -> list[tuple[set[Said], list[Item]]]:
    groups: list[tuple[set[Said], list[Item]]] = []
    for item in items:
        said = {token.said for token in tokens_in(item.text) if token.kind in ("answer", "file")}
        if said:
            near = [group for group in groups if group[0] & said]
            groups = [group for group in groups if group not in near]
            everything = [*(one for group in near for one in group[1]), item]
            groups.append((said.union(*(group[0] for group in near)), everything))
    return groups


def unbalanced(run: Evidence) -> list[str]:
    """Lines of the books that don't come out even, or still wait for something."""
    return [f"{line}" for line in run.books if line["balance"] or line["pending"]]


Judge = Callable[[Evidence], list[str]]
JUDGES: dict[str, Judge] = {
    judge.__name__: judge
    for judge in (foreign, inner, doubled, missing, unanswered_merges, unlisted, disordered, wrong_statuses, unbalanced)
}


def complaints(run: Evidence) -> dict[str, list[str]]:
    """Of all judges that have any."""
    return {name: found for name, judge in JUDGES.items() if (found := judge(run))}
