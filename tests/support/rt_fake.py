"""What Request Tracker 5.0.3 does with tickets, as observed on a real one (2026-11-24), in memory.

Its quirks are the point: an unknown custom field is dropped on create and finds nothing, a merged ticket vanishes
from searches, correspondence to a deleted ticket reopens it, subjects are cut to 200 bytes. `rt_fake_http` serves it.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime

LIFECYCLE = ("new", "open", "stalled", "resolved", "rejected", "deleted")


@dataclass(kw_only=True)
class Attachment:
    id: int
    transaction: int
    content: bytes
    media_type: str = "text/plain"
    filename: str = ""
    message_id: str = ""
    creator: str = ""
    headers: str = ""
    created: datetime = field(default_factory=lambda: datetime.now(UTC))

    @property
    def searchable(self) -> str:
        """LIKE stops at a NUL."""
        return self.content.decode("utf-8", "replace").partition("\0")[0]


@dataclass(kw_only=True)
class Transaction:
    id: int
    ticket: int
    kind: str
    creator: str
    changed: str = ""
    old: str = ""
    new: str = ""
    created: datetime = field(default_factory=lambda: datetime.now(UTC))


@dataclass(kw_only=True)
class Ticket:
    id: int
    queue: str
    subject: str
    status: str = "new"
    effective: int
    requestors: list[str] = field(default_factory=list)
    fields: dict[str, str] = field(default_factory=dict)
    updated: datetime = field(default_factory=lambda: datetime.now(UTC))


@dataclass(kw_only=True)
class User:
    id: int
    name: str
    token: str = ""
    privileged: bool = True
    queues: frozenset[str] = frozenset()
    may_delete: bool = False


@dataclass(kw_only=True)
class RtState:
    """One RT: two queues, one applied custom field, a service account and an agent."""

    queues: dict[str, tuple[str, ...]] = field(
        default_factory=lambda: {"Atencion": ("InboxReference",), "Reservada": ()}
    )
    users: dict[str, User] = field(default_factory=dict)
    tickets: dict[int, Ticket] = field(default_factory=dict)
    transactions: list[Transaction] = field(default_factory=list)
    attachments: list[Attachment] = field(default_factory=list)
    transaction_ids: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    attachment_ids: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    finds_everything: bool = False
    finds_nothing: bool = False
    gate_open: bool = True
    """Whether Everyone may reply by mail."""

    def user_by_token(self, token: str) -> User | None:
        return next((user for user in self.users.values() if user.token and user.token == token), None)

    def load(self, number: int) -> Ticket | None:
        """A ticket by id, after merges: as RT's `Load`."""
        ticket = self.tickets.get(number)
        return self.tickets[ticket.effective] if ticket else None

    # ------------------------------------------------------------ changes

    def create(self, user: User, body: dict[str, object]) -> Ticket:
        queue = str(body["Queue"])
        number = len(self.tickets) + 1
        subject = "".join(str(body.get("Subject", "")).splitlines())
        given = body.get("CustomFields")
        known = self.queues[queue]
        requestor = str(body.get("Requestor") or "")
        ticket = Ticket(
            id=number,
            effective=number,
            queue=queue,
            subject=subject.encode()[:200].decode(errors="ignore"),
            requestors=[requestor] if requestor else [],
            fields={k: str(v) for k, v in given.items() if k in known} if isinstance(given, dict) else {},
        )
        self.tickets[number] = ticket
        transaction = self._transact(ticket, "Create", user.name)
        self._attach(transaction, str(body.get("Content", "")).encode(), message_id=f"rt-{transaction.id}@chaco.test")
        self._transact(ticket, "EmailRecord", "RT_System")
        return ticket

    def write(
        self,
        user: User,
        ticket: Ticket,
        kind: str,
        content: str,
        files: list[tuple[str, str, bytes]],
        *,
        media_type: str = "text/plain",
        message_id: str = "",
        headers: str = "",
    ) -> Transaction:
        """Correspond or Comment. Correspondence opens whatever is not open, deleted tickets included."""
        transaction = self._transact(ticket, kind, user.name)
        if files:
            self._attach(
                transaction, b"", media_type="multipart/mixed", message_id=message_id or f"rt-{transaction.id}"
            )
        self._attach(
            transaction,
            content.encode("utf-8", "replace"),
            media_type=media_type,
            message_id="" if files else message_id or f"rt-{transaction.id}",
            headers=headers,
        )
        for name, kind, data in files:
            if kind.startswith("text/"):  # RT re-encodes texts
                data = data.decode("utf-8", "ignore").encode() if _is_utf8(data) else data.decode("latin-1").encode()
            self._attach(transaction, data, media_type=kind, filename=name)
        if kind == "Correspond":
            self._transact(ticket, "EmailRecord", "RT_System")
            if ticket.status != "open":
                self.set_status(ticket, "open", "RT_System")
        return transaction

    def set_status(self, ticket: Ticket, status: str, by: str) -> None:
        old, ticket.status = ticket.status, status
        self._transact(ticket, "Status", by, changed="Status", old=old, new=status)

    def merge(self, ticket: Ticket, into: Ticket) -> None:
        uri = f"fsck.com-rt://chaco.test/ticket/{into.id}"
        for one in (ticket, into):  # the link is told at both of its ends
            self._transact(one, "AddLink", "RT_System", changed="MergedInto", new=uri)
        for other in self.tickets.values():
            if other.effective == ticket.id:
                other.effective = into.id
        into.requestors += ticket.requestors
        into.updated = datetime.now(UTC)

    def _transact(
        self, ticket: Ticket, kind: str, creator: str, *, changed: str = "", old: str = "", new: str = ""
    ) -> Transaction:
        transaction = Transaction(
            id=next(self.transaction_ids),
            ticket=ticket.id,
            kind=kind,
            creator=creator,
            changed=changed,
            old=old,
            new=new,
        )
        self.transactions.append(transaction)
        ticket.updated = transaction.created
        return transaction

    def _attach(
        self,
        transaction: Transaction,
        content: bytes,
        *,
        media_type: str = "text/plain",
        filename: str = "",
        message_id: str = "",
        headers: str = "",
    ) -> None:
        self.attachments.append(
            Attachment(
                id=next(self.attachment_ids),
                transaction=transaction.id,
                content=content,
                media_type=media_type,
                filename=filename,
                message_id=message_id,
                creator=transaction.creator,
                headers=f"{headers}Content-Type: {media_type}\nContent-Length: {len(content)}",
            )
        )

    def shred(self, number: int) -> None:
        """What `rt-shredder` does to a transaction: it and its texts were never there."""
        self.transactions = [one for one in self.transactions if one.id != number]
        self.attachments = [part for part in self.attachments if part.transaction != number]

    # ------------------------------------------------------------ questions

    def history(self, ticket: Ticket) -> list[Transaction]:
        members = {other.id for other in self.tickets.values() if other.effective == ticket.id}
        return [one for one in self.transactions if one.ticket in members]

    def parts(self, ticket: Ticket) -> list[Attachment]:
        wanted = {one.id for one in self.history(ticket)}
        return [part for part in self.attachments if part.transaction in wanted]

    def search(self, user: User, clauses: list[Callable[[Ticket], bool]], *, merged_too: bool) -> Iterator[Ticket]:
        for ticket in self.tickets.values():
            if self.finds_nothing or ticket.queue not in user.queues or ticket.status == "deleted":
                continue
            if ticket.effective != ticket.id and not merged_too:
                continue
            if self.finds_everything or all(clause(ticket) for clause in clauses):
                yield ticket


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def seeded() -> RtState:
    """An RT like the one that `request_tracker-start.sh` seeds."""
    both = frozenset({"Atencion", "Reservada"})
    users = [
        User(id=1, name="RT_System"),
        User(id=27, name="inbox", token="1-27-00ff00ff", queues=frozenset({"Atencion"})),
        User(id=29, name="agente", token="1-29-0ff00ff0", queues=both, may_delete=True),
    ]
    return RtState(users={user.name: user for user in users})
