"""What Zammad does with tickets by its source and documentation (read 2026-11-23), in memory.

Its quirks are the point: unknown keys are dropped, a condition that it does not understand filters nothing, an append
reopens nothing, a merge leaves a public agents' note "merged" behind and articles without a trace, a taken login gets a
number. `zammad_fake_http` serves it.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

STATES = ("new", "open", "pending reminder", "closed", "merged", "pending close")
TYPES = ("email", "sms", "phone", "note", "web", "whatsapp message")
SENDERS = ("Agent", "Customer", "System")


def now() -> datetime:
    return datetime.now(UTC)


class Refused(Exception):
    """422, with Zammad's words."""


@dataclass(kw_only=True)
class User:
    id: int
    login: str
    firstname: str = ""
    lastname: str = ""
    email: str = ""
    token: str = ""
    agent: bool = False
    admin: bool = False
    groups: frozenset[str] = frozenset()
    read_only: frozenset[str] = frozenset()


@dataclass(kw_only=True)
class File:
    id: int
    name: str
    media_type: str
    content: bytes


@dataclass(kw_only=True)
class Article:
    id: int
    ticket: int
    kind: str
    sender: str
    body: str
    creator: int
    internal: bool = False
    subject: str | None = None
    message_id: str | None = None
    origin: int | None = None
    to: str | None = None
    content_type: str = "text/plain"
    preferences: dict[str, Any] = field(default_factory=dict)
    files: list[File] = field(default_factory=list)
    created: datetime = field(default_factory=now)
    updated: datetime = field(default_factory=now)


@dataclass(kw_only=True)
class Ticket:
    id: int
    number: str
    title: str
    group: str
    customer: int
    state: str = "new"
    pending: str | None = None
    fields: dict[str, str] = field(default_factory=dict)
    tags: list[str] = field(default_factory=list)
    updated: datetime = field(default_factory=now)


@dataclass(kw_only=True)
class ZammadState:
    """One Zammad: two groups, one made attribute, a service account, an agent and a lagging search index."""

    groups: tuple[str, ...] = ("Obras Públicas", "Reservada")
    attributes: tuple[str, ...] = ("inbox_reference",)
    users: dict[int, User] = field(default_factory=dict)
    tickets: dict[int, Ticket] = field(default_factory=dict)
    articles: dict[int, Article] = field(default_factory=dict)
    history: list[dict[str, Any]] = field(default_factory=list)
    ids: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    history_ids: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    maintenance: bool = False
    known_tags: frozenset[str] | None = None
    """Where new tags are not allowed, any other is dropped."""
    undoes_states: bool = False
    """A rule of the office puts every change of state back."""
    keeps_message_ids: bool = True
    ignores_conditions: bool = False
    finds_nothing: bool = False
    blind_to_case: bool = False
    """As MariaDB compares."""
    index_lag: timedelta = timedelta(seconds=30)

    def by_token(self, token: str) -> User | None:
        return next((user for user in self.users.values() if user.token and user.token == token), None)

    # ------------------------------------------------------------ people

    def customer(self, wanted: dict[str, str]) -> User:
        """By address, then by login, else a new one; all small letters."""
        email, login = wanted.get("email", "").lower(), wanted.get("login", "").lower()
        for known in self.users.values():
            if email and known.email == email:
                return known
        for known in self.users.values():
            if login and known.login == login:
                return known
        return self.new_user({**wanted, "email": email, "login": login})

    def new_user(self, wanted: dict[str, str]) -> User:
        """A taken login is no error: it gets a number. A taken address is one."""
        email = wanted.get("email", "")
        if email and any(user.email == email for user in self.users.values()):
            raise Refused(f"Email address '{email}' is already used for another user.")
        logins = {user.login for user in self.users.values()}
        wish = wanted.get("login") or email or f"auto-{next(self.ids)}"
        login = next(one for one in itertools.chain([wish], (f"{wish}{n}" for n in range(1, 99))) if one not in logins)
        user = User(
            id=1000 + len(self.users),
            login=login,
            firstname=wanted.get("firstname", ""),
            lastname=wanted.get("lastname", ""),
            email=email,
        )
        self.users[user.id] = user
        return user

    # ------------------------------------------------------------ tickets

    def create(self, user: User, body: dict[str, Any]) -> Ticket:
        """Ticket, customer and article, or nothing."""
        group = self.known("group", body.get("group"), self.groups)
        state = self.known("state", body.get("state", "new"), STATES)
        before = dict(self.users)
        try:
            given = body.get("customer")
            customer = self.customer(given).id if isinstance(given, dict) else int(body.get("customer_id") or 1)
            ticket = Ticket(
                id=(number := len(self.tickets) + 80),
                number=f"{10_000 + number}",
                title=" ".join(str(body.get("title", "")).split())[:250],
                group=group,
                customer=customer,
                state=state,
                tags=[one for one in str(body.get("tags") or "").split(",") if one and self.takes_tag(one)],
                fields={name: str(body[name]) for name in self.attributes if name in body},
            )
            article = self.checked(user, ticket, body["article"]) if "article" in body else None
        except Refused:
            self.users = before
            raise
        self.tickets[ticket.id] = ticket
        self.log(ticket, "created", user)
        if article is not None:
            self.keep(user, ticket, article)
        return ticket

    def update(self, user: User, ticket: Ticket, body: dict[str, Any]) -> None:
        group = self.known("group", body.get("group", ticket.group), self.groups)
        state = self.known("state", body.get("state", ticket.state), STATES)
        pending = str(body.get("pending_time") or "")
        if state.startswith("pending") and state != ticket.state and not pending:
            raise Refused("Missing required value for field 'pending_time'!")
        article = self.checked(user, ticket, body["article"]) if body.get("article") else None
        ticket.group = group
        self.turn(user, ticket, state)
        ticket.pending = pending or None
        for name in self.attributes:
            if name in body:
                ticket.fields[name] = str(body[name])
        if article is not None:
            self.keep(user, ticket, article)
        ticket.updated = now()

    def turn(self, user: User, ticket: Ticket, state: str) -> None:
        if state == ticket.state or self.undoes_states:
            return
        old, ticket.state = ticket.state, state
        ticket.updated = now()
        self.log(ticket, "updated", user, attribute="state", value_from=old, value_to=state)

    def takes_tag(self, tag: str) -> bool:
        return self.known_tags is None or tag in self.known_tags

    def known(self, what: str, name: Any, names: tuple[str, ...]) -> str:
        if name not in names:
            raise Refused(f"No lookup value found for '{what}': {str(name)!r}")
        return str(name)

    # ------------------------------------------------------------ articles

    def checked(self, user: User, ticket: Ticket, body: dict[str, Any]) -> Article:
        """An article that is not kept yet."""
        text = body.get("body")
        if not text:
            raise Refused('Need at least article: { body: "some text" }')
        if len(text) > 1_500_000:
            raise Refused(f"body of article is too large, {len(text)} chars - only 1500000 allowed")
        origin = body.get("origin_by_id")
        sender = self.known("sender", body.get("sender", "Agent" if user.agent else "Customer"), SENDERS)
        if sender == "Customer" and origin is None:
            origin = ticket.customer
        if origin is not None and origin != user.id:
            sender = "Customer"
        return Article(
            id=0,
            ticket=ticket.id,
            kind=self.known("type", body.get("type", "note"), TYPES),
            sender=sender if user.agent else "Customer",
            body=text,
            creator=user.id,
            internal=bool(body.get("internal", False)),
            subject=body.get("subject"),
            message_id=body.get("message_id") if self.keeps_message_ids else None,
            origin=origin,
            to=body.get("to"),
            content_type=body.get("content_type", "text/plain"),
            preferences=dict(body.get("preferences") or {}),
            files=body.get("attachments") or [],
        )

    def keep(self, user: User, ticket: Ticket, article: Article) -> Article:
        """Store an article. The state stays as it is."""
        article.id, article.ticket = next(self.ids) + 100, ticket.id
        article.created = article.updated = ticket.updated = now()
        self.articles[article.id] = article
        self.log(ticket, "created", user, object="Ticket::Article", o_id=article.id, related_o_id=ticket.id)
        return article

    def show(self, article: Article, *, internal: bool) -> None:
        """Change what customers may see: the one change of an article that touches its ticket."""
        if article.internal != internal:
            article.internal = internal
            article.updated = self.tickets[article.ticket].updated = now()

    def thread(self, ticket: int) -> list[Article]:
        return [one for one in self.articles.values() if one.ticket == ticket]

    # ------------------------------------------------------------ merges

    def merge(self, user: User, source: Ticket, target: Ticket) -> None:
        if target.state == "merged":
            raise Refused("It is not possible to merge into an already merged ticket.")
        stale = source.updated  # the source's own row of history bears the time of its last change
        for article in self.thread(source.id):
            article.ticket, article.updated = target.id, now()
        target.updated = now()
        self.log(target, "received_merge", user, id_to=target.id, id_from=source.id)
        self.log(source, "merged_into", user, at=stale, id_to=target.id, id_from=source.id)
        left = Article(id=0, ticket=source.id, kind="note", sender="Agent", body="merged", creator=user.id)
        self.keep(user, source, left)
        self.turn(user, source, "merged")

    def log(self, ticket: Ticket, kind: str, user: User, *, at: datetime | None = None, **more: Any) -> None:
        row = {"object": "Ticket", "o_id": ticket.id, "type": kind, "created_by_id": user.id, **more}
        self.history.append({"id": next(self.history_ids), "created_at": at or ticket.updated, **row})

    def history_of(self, ticket: int) -> list[dict[str, Any]]:
        """By time, as Zammad gives it: not in the order in which it happened."""
        mine = [row for row in self.history if ticket in {row.get("related_o_id"), row["o_id"]}]
        about = [row for row in mine if row["object"] == "Ticket::Article" or row["o_id"] == ticket]
        found = [row for row in about if row["object"] == "Ticket" or row["related_o_id"] == ticket]
        return sorted(found, key=lambda row: (row["created_at"], row["id"]))


def seeded() -> ZammadState:
    """A Zammad set up as the adapter's README says."""
    both = frozenset({"Obras Públicas", "Reservada"})
    users = [
        User(id=1, login="-"),
        User(id=3, login="inbox", token="zt-00ff00ff", agent=True, groups=frozenset({"Obras Públicas"})),
        User(id=5, login="emma@obras.example", firstname="Emma", lastname="Taylor", token="zt-0ff00ff0", agent=True),
    ]
    users[2].groups, users[2].admin = both, True
    return ZammadState(users={user.id: user for user in users})
