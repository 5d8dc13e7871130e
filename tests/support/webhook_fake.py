"""A small ticketing system that keeps the protocol of the webhook destination, and the ways in which one breaks it."""

from __future__ import annotations

import base64
import itertools
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any


class Breach(StrEnum):
    """What a receiver does that it should not."""

    TAKES_ANY_SIGNATURE = "takes any signature"
    FINDS_EVERYTHING = "the look-up ignores what is asked"
    FINDS_NOTHING = "200 with empty lists, whatever is asked"
    FORGETS_REFERENCE = "the reference is dropped without a word"
    FORGETS_KEY = "the key is dropped without a word"
    SAYS_NOTHING = "202 without a body"
    DOES_NOTHING = "200 with a ticket, and nothing kept"
    SIGNS_OFF = "410"
    SLOWS_DOWN = "429"
    NO_LOOK_UP = "404 to each look-up"
    SAYS_OK = "200 with the word ok"
    FORGETS_IDS = "the same webhook-id again is done again"
    KEEPS_STATE = "state.changed is taken, and changes nothing"
    TWO_OF_EACH = "each event is done twice"


@dataclass
class Case:
    id: str
    references: list[str]
    subject: str
    state: str = "open"
    test: bool = False
    merged_into: str = ""
    merged_after: int = 0


@dataclass
class Line:
    """One entry; `ticket` is where it was made, whatever was merged later."""

    number: int
    ticket: str
    kind: str
    role: str
    name: str
    at: datetime
    key: str = ""
    text: str = ""
    html: bool = False
    visibility: str = "internal"
    state: str = ""
    automatic: bool = False
    files: list[str] = field(default_factory=list)

    @property
    def id(self) -> str:
        return f"e{self.number}"


@dataclass(frozen=True)
class Kept:
    name: str
    media_type: str
    content: bytes


class Refused(Exception):
    """The office refuses an event."""

    def __init__(self, status: int, word: str) -> None:
        super().__init__(word)
        self.status = status
        self.word = word


class Office:
    """Everything that it knows."""

    def __init__(self, queues: tuple[str, ...] = ("", "Reclamos")) -> None:
        self.queues = queues
        self.cases: dict[str, Case] = {}
        self.lines: list[Line] = []
        self.files: dict[str, Kept] = {}
        self.links: list[str] = []
        self.done: dict[str, dict[str, Any]] = {}
        self.breaches: set[Breach] = set()
        self.page_size = 3
        self._numbers = itertools.count(1)

    # ------------------------------------------------------------ events

    def take(self, event_id: str, event: dict[str, Any]) -> dict[str, Any]:
        """What one event comes to; the same id gets the same answer again."""
        if event_id in self.done and Breach.FORGETS_IDS not in self.breaches:
            return self.done[event_id]
        data = event["data"]
        if event["type"] == "inbox.ping":
            self._known_queue(data)
            return {}
        doing = {
            "ticket.opened": self._open,
            "entry.added": self._add,
            "file.added": self._add,
            "note.added": self._add,
            "state.changed": self._turn,
        }[event["type"]]
        answer = doing(event["type"], data)
        if Breach.TWO_OF_EACH in self.breaches:
            answer = doing(event["type"], data)
        self.done[event_id] = answer
        return answer

    def _known_queue(self, data: dict[str, Any]) -> None:
        if data["queue"] not in self.queues:
            raise Refused(422, "unknown_queue")

    def _open(self, kind: str, data: dict[str, Any]) -> dict[str, Any]:
        self._known_queue(data)
        said = data["ticket"]
        reference = [] if Breach.FORGETS_REFERENCE in self.breaches else [said["reference"]]
        case = Case(str(next(self._numbers)), reference, said["subject"], test=data["test"])
        self.cases[case.id] = case
        return self._answer(case, self._keep(case, kind, data))

    def _add(self, kind: str, data: dict[str, Any]) -> dict[str, Any]:
        case = self.living(data["ticket"]["id"])
        reopened = False
        if case.state in {"closed", "solved"} and data["if_closed"] != "stay":
            if data["if_closed"] == "refuse":
                raise Refused(409, "closed")
            case.state, reopened = "in_progress", True
        return {**self._answer(case, self._keep(case, kind, data)), "reopened": reopened}

    def _turn(self, kind: str, data: dict[str, Any]) -> dict[str, Any]:
        case = self.living(data["ticket"]["id"])
        if case.state != data["state"] and Breach.KEEPS_STATE not in self.breaches:
            case.state = data["state"]
            self.write(case.id, kind, role="inbox", name="inbox", state=case.state)
        return {"ticket": self.ticket_json(case)}

    def _keep(self, case: Case, kind: str, data: dict[str, Any]) -> Line:
        said = data["entry"]
        parts = (said["heading"], said["body"], f"[ref:{said['key']}]")
        files = [self._file(data["file"])] if "file" in data else []
        key = "" if Breach.FORGETS_KEY in self.breaches else said["key"]
        text = "\n\n".join(part for part in parts if part)
        return self.write(case.id, kind, role="inbox", name=said["author_name"], key=key, text=text, files=files)

    def _file(self, said: dict[str, Any]) -> str:
        if "url" in said:
            self.links.append(said["url"])
            return self.keep_file(Kept(said["name"], said["media_type"], b""))
        content = base64.b64decode(said["content"], validate=True)
        assert len(content) == said["size"]
        return self.keep_file(Kept(said["name"], said["media_type"], content))

    def keep_file(self, file: Kept) -> str:
        number = f"f{next(self._numbers)}"
        self.files[number] = file
        return number

    def _answer(self, case: Case, line: Line) -> dict[str, Any]:
        return {"ticket": self.ticket_json(case), "entry": line.id}

    # ------------------------------------------------------------ what agents do

    def write(self, ticket: str, kind: str, **rest: Any) -> Line:
        """A new entry, by whomever."""
        last = self.lines[-1].at if self.lines else datetime.min.replace(tzinfo=UTC)
        at = max(datetime.now(UTC), last + timedelta(milliseconds=1))
        line = Line(len(self.lines) + 1, ticket, kind, at=at, **rest)
        self.lines.append(line)
        return line

    def living(self, ticket: str) -> Case:
        """The ticket after merges. Raises `Refused` when it is deleted or never was."""
        case = self.cases.get(ticket)
        while case is not None and case.merged_into:
            case = self.cases.get(case.merged_into)
        if case is None or case.state == "deleted":
            raise Refused(409, "deleted")
        return case

    def merge(self, ticket: str, into: str) -> None:
        merged, target = self.cases[ticket], self.living(into)
        merged.merged_into, merged.merged_after = target.id, len(self.lines)
        target.references += merged.references

    # ------------------------------------------------------------ look-ups

    def find(self, reference: str) -> list[Case]:
        """Tickets with exactly this reference."""
        alive = [one for one in self.cases.values() if not one.merged_into and one.state != "deleted"]
        if Breach.FINDS_EVERYTHING in self.breaches:
            return alive
        return [one for one in alive if reference in one.references]

    def lines_for(self, ticket: str) -> list[Line]:
        """What was written to the citizen of this ticket: there, and after a merge where it went on."""
        try:
            self.living(ticket)
        except Refused:
            return []
        found, case, after = [], self.cases.get(ticket), 0
        while case is not None:
            end = case.merged_after if case.merged_into else len(self.lines)
            found += [one for one in self.lines if one.ticket == case.id and after < one.number <= end]
            after, case = max(after, case.merged_after), self.cases.get(case.merged_into)
        return found

    def merged_with(self, ticket: str) -> list[str]:
        """This ticket and all that stand in the same one by now; none when it is deleted."""
        standing: dict[str, str] = {}
        for number in self.cases:
            with suppress(Refused):
                standing[number] = self.living(number).id
        return [one for one, where in standing.items() if where == standing.get(ticket)]

    def by_key(self, key: str) -> list[Line]:
        """Entries of ours with exactly this key."""
        if Breach.FINDS_EVERYTHING in self.breaches:
            return self.lines
        return [one for one in self.lines if one.key and one.key == key]

    # ------------------------------------------------------------ shapes

    def ticket_json(self, case: Case) -> dict[str, Any]:
        return {
            "id": case.id,
            "number": f"OP-{case.id}",
            "url": f"https://sistema.obras.example/t/{case.id}",
            "state": case.state,
            "references": case.references,
        }

    def entry_json(self, line: Line, ticket: str) -> dict[str, Any]:
        return {
            "id": line.id,
            "ticket": ticket,
            "type": line.kind,
            "at": line.at.isoformat(),
            "author": {"role": line.role, "name": line.name},
            "key": line.key or None,
            "text": line.text,
            "format": "html" if line.html else "text",
            "visibility": line.visibility,
            "automatic": line.automatic,
            "state": line.state or None,
            "files": [self._file_json(one) for one in line.files],
        }

    def _file_json(self, number: str) -> dict[str, Any]:
        file = self.files[number]
        return {"id": number, "name": file.name, "media_type": file.media_type, "size": len(file.content)}
