"""What Znuny and OTOBO do with tickets, as read in their sources and observed on a real OTOBO, in memory.

Its quirks are the point: a merge moves articles and says so only in their change time, leaves a note for customers
behind, and nothing is reopened or refused by itself. `znuny_fake_http` serves it as a web service.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

ZONE = ZoneInfo("America/Argentina/Cordoba")
STATES = {
    "new": "new",
    "open": "open",
    "pending reminder": "pending reminder",
    "closed successful": "closed",
    "closed unsuccessful": "closed",
    "merged": "merged",
    "removed": "removed",
}
QUEUES = ("Atencion", "Reservada")
PRIORITIES = ("1 very low", "3 normal", "5 very high")
CHANNELS = ("Email", "Phone", "Internal", "Chat")


@dataclass(kw_only=True)
class File:
    name: str
    media_type: str
    content: bytes = field(repr=False)


@dataclass(kw_only=True)
class Article:
    id: int
    ticket: int
    sender: str
    visible: bool
    channel: str
    subject: str
    body: str
    sent_by: str
    created: datetime
    created_by: int
    changed: datetime
    changed_by: int
    fields: dict[str, str] = field(default_factory=dict)
    files: list[File] = field(default_factory=list)


@dataclass(kw_only=True)
class Line:
    """A line of the history; `article` 0 for none."""

    ticket: int
    kind: str
    name: str
    by: int
    at: datetime
    article: int = 0


@dataclass(kw_only=True)
class Ticket:
    id: int
    number: str
    title: str
    queue: str
    state: str
    customer: str
    created: datetime
    changed: datetime
    fields: dict[str, str] = field(default_factory=dict)

    @property
    def state_type(self) -> str:
        return STATES[self.state]


@dataclass(kw_only=True)
class User:
    id: int
    login: str
    password: str
    name: str
    queues: frozenset[str]


@dataclass(kw_only=True)
class ZnunyState:
    """One installation: two queues, a field for tickets and one for articles, a service account and an agent."""

    users: dict[str, User] = field(default_factory=dict)
    tickets: dict[int, Ticket] = field(default_factory=dict)
    articles: dict[int, Article] = field(default_factory=dict)
    history: list[Line] = field(default_factory=list)
    sessions: dict[str, User] = field(default_factory=dict)
    ticket_fields: set[str] = field(default_factory=lambda: {"InboxReference"})
    article_fields: set[str] = field(default_factory=lambda: {"InboxMessage"})
    article_ids: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    skew: timedelta = timedelta()
    """How far this server's clock has gone ahead: whole seconds are all that it tells times in."""
    finds_nothing: bool = False
    frozen: bool = False
    """An event module puts every state back."""
    breaks_articles: bool = False
    breaks_files: bool = False
    """The database fails after what came before it was written."""
    asks_to_slow_down: bool = False
    largest_request: int = 100_000_000
    default_limit: int = 500

    def now(self) -> datetime:
        return (datetime.now(UTC) + self.skew).replace(microsecond=0)

    def later(self, seconds: int = 10) -> None:
        """Let time pass."""
        self.skew += timedelta(seconds=seconds)

    # ------------------------------------------------------------ changes

    def open(self, *, title: str, queue: str, state: str, customer: str, fields: dict[str, str], by: int) -> Ticket:
        number = len(self.tickets) + 1
        made = Ticket(
            id=number,
            number=f"2026112310{number:06}",
            title=title,
            queue=queue,
            state=state,
            customer=customer,
            created=self.now(),
            changed=self.now(),
            fields=fields,
        )
        self.tickets[number] = made
        self.note(number, "NewTicket", f"%%{made.number}%%{queue}%%3 normal%%{state}%%{number}", by)
        return made

    def write(
        self,
        ticket: int,
        *,
        by: int,
        sender: str,
        visible: bool,
        body: str,
        kind: str,
        subject: str = "x",
        channel: str = "Internal",
        sent_by: str = "",
        fields: dict[str, str] | None = None,
    ) -> Article:
        now = self.now()
        made = Article(
            id=next(self.article_ids),
            ticket=ticket,
            sender=sender,
            visible=visible,
            channel=channel,
            subject=subject,
            body=body,
            sent_by=sent_by,
            created=now,
            created_by=by,
            changed=now,
            changed_by=by,
            fields=fields or {},
        )
        self.articles[made.id] = made
        self.note(ticket, kind, "%%", by, article=made.id)
        self.touch(ticket)
        return made

    def note(self, ticket: int, kind: str, name: str, by: int, *, article: int = 0) -> None:
        self.history.append(Line(ticket=ticket, kind=kind, name=name, by=by, at=self.now(), article=article))

    def touch(self, ticket: int) -> None:
        self.tickets[ticket].changed = self.now()

    def set_state(self, ticket: int, state: str, by: int) -> None:
        one = self.tickets[ticket]
        if one.state == state:
            return
        self.note(ticket, "StateUpdate", f"%%{one.state}%%{state}", by)
        if not self.frozen:
            one.state = state
        self.touch(ticket)

    def hide(self, article: int, by: int, *, visible: bool = False) -> None:
        """An agent changes whether customers see it."""
        one = self.articles[article]
        one.visible, one.changed, one.changed_by = visible, self.now(), by

    def merge(self, source: int, into: int, by: int) -> None:
        """As `TicketMerge`; agents take their time before and after it."""
        self.later()
        for article in self.articles.values():
            if article.ticket == source:
                article.ticket, article.changed, article.changed_by = into, self.now(), by
        for line in self.history:
            if line.ticket == source and line.article:
                line.ticket = into
        note = "Merged Ticket to another."
        self.write(source, by=by, sender="agent", visible=True, body=note, kind="AddNote")
        one, other = self.tickets[source], self.tickets[into]
        for number in (source, into):
            self.note(number, "Merged", f"%%{one.number}%%{source}%%{other.number}%%{into}", by)
        self.touch(into)
        self.set_state(source, "merged", by)
        self.later()

    # ------------------------------------------------------------ questions

    def user_number(self, login: str) -> int:
        return self.users[login].id

    def articles_of(self, ticket: int) -> list[Article]:
        return [one for one in self.articles.values() if one.ticket == ticket]

    def visible_to(self, user: User) -> Iterator[Ticket]:
        return (one for one in self.tickets.values() if one.queue in user.queues)


def seeded() -> ZnunyState:
    """One with a service account that sees one queue, and an agent that sees both."""
    users = [
        User(id=7, login="inbox", password="una clave inventada", name="Inbox", queues=frozenset({"Atencion"})),
        User(id=9, login="agente", password="otra clave", name="Agente Pérez", queues=frozenset(QUEUES)),
    ]
    return ZnunyState(users={one.login: one for one in users})
