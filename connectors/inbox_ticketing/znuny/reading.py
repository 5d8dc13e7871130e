"""Reading tickets, their history and their merges from Znuny or OTOBO.

An id that is not there and one that we may not see are refused alike (`AccessDenied`), and a ticket that was merged
answers as itself: where it went on stands in its history.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from zoneinfo import ZoneInfo

from inbox_daemon.errors import Credentials, Gone, Permanent, Transient
from inbox_daemon.model import Reference, Ticket, TicketState
from inbox_ticketing.znuny import parse
from inbox_ticketing.znuny.lineage import Merge
from inbox_ticketing.znuny.rest import Answer, Client
from inbox_ticketing.znuny.settings import ZnunySettings

AT_ONCE = 20
"""Tickets asked for in one request."""
MOST_MERGES = 20
"""How many merges in a row are followed; agents make none that go in a ring, but the database would hold them."""
_BY_TYPE = {
    "new": TicketState.OPEN,
    "pending reminder": TicketState.WAITING,
    "pending auto": TicketState.WAITING,
    "closed": TicketState.CLOSED,
    "removed": TicketState.DELETED,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """One ticket that goes on, all that was merged into it, and which of these ids we opened."""

    row: parse.Row
    history: tuple[parse.Line, ...]
    merges: Mapping[str, Merge] = field(default_factory=dict)
    ours: frozenset[str] = frozenset()
    histories: Mapping[str, tuple[parse.Line, ...]] = field(default_factory=dict)


class Several(Permanent):
    """More than one ticket carries the reference: these, the first opened first."""

    def __init__(self, message: str, tickets: tuple[Ticket, ...]) -> None:
        super().__init__(message, told="hay dos casos con la misma referencia")
        self.tickets = tickets


@dataclass(frozen=True, slots=True, kw_only=True)
class Carrying:
    """The tickets that carry one reference: those with an article of ours, and those that a creation left `empty`."""

    rows: Mapping[str, parse.Row]
    empty: tuple[parse.Row, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Merged:
    merge: Merge
    reference: str


class Reader:
    """Reads; keeps only what never changes (a merge that was made)."""

    def __init__(self, settings: ZnunySettings, client: Client) -> None:
        self._settings = settings
        self._client = client
        self._merged: dict[str, _Merged] = {}
        self.shape = parse.Shape(
            reference_field=settings.reference_field,
            message_field=settings.message_field,
            zone=ZoneInfo(settings.time_zone),
        )

    def state_of(self, row: parse.Row) -> TicketState:
        """What a ticket's state means; of one that nobody configured, what its type says."""
        known = self._settings.states.get(row.state)
        if row.state_type == "removed":
            return TicketState.DELETED
        return known or _BY_TYPE.get(row.state_type, TicketState.IN_PROGRESS)

    # ------------------------------------------------------------ tickets

    async def search(self, by: Mapping[str, object], *, limit: int) -> tuple[list[str], Answer]:
        """Ids of tickets. Without a limit of one's own the product answers 500, and says nothing of the others."""
        body = {**by, "Limit": str(limit), "SearchInArchive": "AllTickets"}
        answer = await self._client.read("TicketSearch", body)
        found = answer.data.get("TicketID", None if answer.data else [])  # none found: an empty object, and no other
        if not isinstance(found, list):
            raise Transient(f"{self._client.where} answered a search without a list of tickets")
        return [str(one) for one in found], answer

    async def rows(self, numbers: Sequence[str], *, articles: bool = False) -> list[parse.Row]:
        """These tickets, without those that are not there or out of sight."""
        found: list[parse.Row] = []
        for start in range(0, len(numbers), AT_ONCE):
            some = numbers[start : start + AT_ONCE]
            answer = await self._client.read("TicketGet", wanted(some, articles=articles), accept=("AccessDenied",))
            if answer.refusal and len(some) > 1:  # one of them: which, is not said
                for number in some:
                    found += await self.rows([number], articles=articles)
            elif answer.refusal is None:
                found += self._read_rows(answer)
        return found

    async def row(self, number: str, *, articles: bool = False) -> parse.Row:
        """One ticket, as itself also where it was merged. Raises `Gone`."""
        rows = await self.rows([number], articles=articles) if parse.is_number(number) else []
        if not rows:
            raise Gone(
                f"{self._client.where}: ticket {number[:20]!r} is not there, or in a queue closed to us",
                reason="deleted",
            )
        return rows[0]

    def _read_rows(self, answer: Answer) -> list[parse.Row]:
        try:
            return [parse.read_row(one, self.shape) for one in answer.data["Ticket"]]
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise Transient(f"{self._client.where} answered something else than tickets") from error

    async def final(self, number: str, *, articles: bool = False) -> parse.Row:
        """The ticket that `number` goes on in, after merges. Raises `Gone`."""
        for _ in range(MOST_MERGES):
            row = await self.row(number, articles=articles)
            if row.state_type != "merged":
                return row
            number = (await self._merge_of(row)).merge.target
        raise Gone(f"{self._client.where}: ticket {number} was merged without an end", reason="merged")

    async def carrying(self, reference: Reference) -> Carrying:
        """Tickets that carry exactly `reference`, as they go on after merges, without removed ones.

        One without any article of ours is told apart: a creation that failed half-way leaves it, and the citizen's
        words are not in it.

        Raises `Credentials` where other tickets come, too: then the filter was ignored, as it is for a dynamic field
        that is not there or not valid, and a case that is not there yet could not be told from one that is.
        """
        name = f"DynamicField_{self._settings.reference_field}"
        numbers, _ = await self.search({name: {"Equals": reference}}, limit=50)
        rows = await self.rows(numbers, articles=True)
        us = await self._client.user()
        if any(row.reference.lower() != reference.lower() for row in rows):
            raise Credentials(
                f"{self._client.where} ignores the filter on {self._settings.reference_field!r} and answers other "
                "tickets. Make that dynamic field (object ticket, type text) valid"
            )
        finals: dict[str, parse.Row] = {}
        empty: list[parse.Row] = []
        for row in rows:
            if row.reference != reference:
                continue
            last = await self.final(row.id, articles=True) if row.state_type == "merged" else row
            if self.state_of(last) is TicketState.DELETED:
                continue
            if any(parse.is_whole(one, us) for one in last.articles):
                finals[last.id] = last
            elif last is row:
                empty.append(row)
        return Carrying(rows=finals, empty=tuple(empty))

    # ------------------------------------------------------------ history and merges

    async def histories(self, numbers: Sequence[str]) -> dict[str, tuple[parse.Line, ...]]:
        """Each ticket's history, oldest first."""
        found: dict[str, tuple[parse.Line, ...]] = {}
        for start in range(0, len(numbers), AT_ONCE):
            body = {"TicketID": ",".join(numbers[start : start + AT_ONCE])}
            answer = await self._client.read("TicketHistoryGet", body, accept=("AccessDenied",))
            if answer.refusal:  # moved out of sight between two requests: the next look does without it
                raise Transient(f"{self._client.where}: a ticket went out of sight while it was read")
            try:
                for one in answer.data["TicketHistory"]:
                    lines = tuple(parse.read_line(line, self.shape) for line in one["History"])
                    found[str(one["TicketID"])] = lines
            except (KeyError, TypeError, ValueError, AttributeError) as error:
                raise Transient(f"{self._client.where} answered something else than a history") from error
        return found

    async def family(self, row: parse.Row) -> Family:
        """`row` (with its articles), and what was merged into it."""
        histories = await self.histories([row.id])
        merges: dict[str, Merge] = {}
        ours = {row.id} if row.reference else set()
        todo = [row.id]
        for number in todo:
            for source in _sources(histories.get(number, ()), number):
                known = None if source in merges or len(merges) > 200 else await self._merged_ticket(source)
                if known is None or known.merge.target != number:
                    continue
                merges[source] = known.merge
                if known.reference:
                    ours.add(source)
                histories |= await self.histories([source])
                todo.append(source)
        return Family(row=row, history=histories[row.id], merges=merges, ours=frozenset(ours), histories=histories)

    async def _merged_ticket(self, number: str) -> _Merged | None:
        """Where `number` went on; None where it is out of sight, or an agent has put it into another state again."""
        if number in self._merged:
            return self._merged[number]
        try:
            row = await self.row(number)
            return await self._merge_of(row) if row.state_type == "merged" else None
        except Gone:
            return None

    async def _merge_of(self, row: parse.Row) -> _Merged:
        if row.id not in self._merged:
            line = _merged_away(row.id, (await self.histories([row.id])).get(row.id, ()))
            if line is None:
                raise Gone(f"{self._client.where}: ticket {row.id} was merged, nobody says where", reason="merged")
            whole = await self.row(row.id, articles=True)
            merge = Merge(
                source=row.id,
                target=line[1],
                at=line[0].at,
                by=line[0].by,
                first=whole.articles[0].number if whole.articles else None,
            )
            self._merged[row.id] = _Merged(merge=merge, reference=row.reference)
        return self._merged[row.id]

    async def changed_ends(self, merged: Sequence[str], newer: Mapping[str, object]) -> list[str]:
        """Of the tickets in which these merged ones go on, those that changed since (`newer` is part of a search).

        Each merge is looked up once. One that goes on further changes when it does so, and is found by that.
        """
        for number in merged:
            if number not in self._merged:
                with suppress(Gone):  # removed since, or out of sight
                    await self.final(number)
        ends = {self._end(number) for number in merged if number in self._merged}
        if not ends:
            return []
        # A version that does not know this filter answers all that changed: so it is done here once more.
        found, _ = await self.search({**newer, "TicketID": sorted(ends, key=int)}, limit=20_000)
        last: set[str] = set()
        for row in await self.rows([one for one in found if one in ends]):
            with suppress(Gone):
                last.add((await self.final(row.id)).id if row.state_type == "merged" else row.id)
        return sorted(last, key=int)

    def _end(self, number: str) -> str:
        for _ in range(MOST_MERGES):
            known = self._merged.get(number)
            if known is None:
                break
            number = known.merge.target
        return number


def wanted(numbers: Sequence[str], *, articles: bool) -> dict[str, object]:
    """What TicketGet is asked with. Contents of files come only where they are asked for."""
    body: dict[str, object] = {"TicketID": ",".join(numbers), "DynamicFields": "1"}
    if articles:
        body |= {"AllArticles": "1", "Attachments": "1", "GetAttachmentContents": "0"}
    return body


def _sources(history: Iterable[parse.Line], number: str) -> list[str]:
    pairs = [pair for line in history if (pair := parse.merged_tickets(line))]
    return [source for source, target in pairs if target == number and source != number]


def _merged_away(number: str, history: Iterable[parse.Line]) -> tuple[parse.Line, str] | None:
    """The last line that says where `number` went on."""
    found = None
    for line in history:
        pair = parse.merged_tickets(line)
        if pair and pair[0] == number and pair[1] != number:
            found = (line, pair[1])
    return found
