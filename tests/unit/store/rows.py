"""Rows for tests of the store: conversations with steps, without the pipeline around them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, func, insert, select, update

from inbox_daemon.model import Attachment, Envelope, InstanceId, Ticket, TicketId
from inbox_daemon.store import attachments, conversations, envelopes, outbox, schema
from inbox_daemon.store.database import Database
from inbox_daemon.store.outbox import Step
from inbox_daemon.store.schema import citizen, dispatch

AT = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
LEASE = timedelta(seconds=30)
DAY = 20261123
INSTANCE = InstanceId("whatsapp-centro")


def envelope(words: str, *, received_at: datetime = AT) -> Envelope:
    """An envelope with a body of its own."""
    return Envelope(instance=INSTANCE, body=words.encode(), received_at=received_at, headers={"x-kept": "1"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """The outbox of one database, as one or more nodes use it."""

    database: Database
    destination: str = "salud"

    def ticket(self, conversation: int) -> None:
        """The destination now has a ticket for `conversation`."""
        ticket = Ticket(id=TicketId(str(conversation)), number=f"T{conversation}")
        self.database.run_now(lambda c: conversations.set_ticket(c, conversation, ticket, destination=self.destination))

    def conversation(self, *, ticket: bool = True) -> int:
        """A conversation, with a ticket unless told otherwise."""

        def work(connection: Connection) -> int:
            person = connection.execute(insert(citizen).values(created_at=AT).returning(citizen.c.id)).scalar_one()
            made = conversations.open_new(
                connection, citizen_id=person, destination=self.destination, matter="consulta", subject="Turno", at=AT
            )
            return made.id

        made = self.database.run_now(work)
        if ticket:
            self.ticket(made)
        return made

    def step(self, conversation: int, position: int, **more: Any) -> int:
        """One step; an ordered append unless told otherwise."""
        values: dict[str, Any] = {"kind": "append", "key": f"k{conversation}.{position}", "ordered": True} | more
        return self.database.run_now(
            lambda connection: outbox.add(
                connection,
                conversation_id=conversation,
                destination=self.destination,
                position=position,
                **values,
            )
        )

    def file(self, conversation: int) -> int:
        """An attachment to fetch, of a message of `conversation`."""

        def work(connection: Connection) -> int:
            envelopes.append(connection, [(envelope("with a file"), DAY)])
            parcel = connection.execute(select(func.max(schema.envelope.c.id))).scalar_one()
            message_id = conversations.add_message(
                connection,
                envelope_id=parcel,
                instance=INSTANCE,
                day=DAY,
                external_id=f"x{parcel}",
                citizen_id=conversations.read(connection, conversation).citizen_id,
                conversation_id=conversation,
                sent_at=AT,
                received_at=AT,
                details={},
                **dict.fromkeys(("fingerprint", "type", "content", "sender_name", "subject", "text", "quoted"), ""),
            )
            wanted = Attachment(filename="dni.pdf", media_type="application/pdf", remote="r1")
            return attachments.add(
                connection, message_id=message_id, envelope_id=parcel, instance=INSTANCE, file=wanted
            )

        return self.database.run_now(work)

    def many(self, order_of_arrival: Sequence[tuple[int, int]]) -> dict[int, list[int]]:
        """Steps as (conversation number, position), in order of arrival; the ids of each conversation in its order."""
        first = self.conversation()
        numbers = {number for number, _ in order_of_arrival}
        thread = {
            "citizen_id": 1,
            "destination": self.destination,
            "matter": "consulta",
            "subject": "",
            "ticket_id": "1",
        }
        step = {"destination": self.destination, "kind": "append", "ordered": True, "created_at": AT, "due_at": AT}

        def work(connection: Connection) -> list[tuple[int, int, int]]:
            connection.execute(
                insert(schema.conversation),
                [
                    {"id": first + n, "case_number": f"n{n}", "opened_at": AT, "last_message_at": AT} | thread
                    for n in sorted(numbers - {0})
                ],
            )
            connection.execute(
                insert(dispatch),
                [
                    {"conversation_id": first + n, "key": f"{n}.{position}", "position": position} | step
                    for n, position in order_of_arrival
                ],
            )
            columns = (dispatch.c.conversation_id, dispatch.c.position, dispatch.c.id)
            return [(row[0], row[1], row[2]) for row in connection.execute(select(*columns).order_by(*columns))]

        expected: dict[int, list[int]] = {}
        for conversation, _, step_id in self.database.run_now(work):
            expected.setdefault(conversation, []).append(step_id)
        return expected

    def claim(
        self, holder: str = "a", *, limit: int = 50, lease: timedelta = LEASE, settle: timedelta = timedelta(0)
    ) -> list[Step]:
        """What `holder` gets."""
        return self.database.run_now(
            lambda connection: outbox.claim(connection, self.destination, holder, lease, limit, settle=settle)
        )

    def ids(self, holder: str = "a", **more: Any) -> list[int]:
        """Ids of what `holder` gets."""
        return [one.id for one in self.claim(holder, **more)]

    def done(self, step: Step) -> bool:
        """Settle `step` as carried out."""
        return self.database.run_now(lambda connection: outbox.done(connection, step, "entry"))

    def unknown(self, step: Step) -> bool:
        """Settle `step` as perhaps carried out."""
        return self.database.run_now(lambda connection: outbox.unknown(connection, step, timedelta(0), "reset"))

    def park(self, step: Step) -> bool:
        """Settle `step` as stopped."""
        return self.database.run_now(lambda connection: outbox.park(connection, step, "refused"))

    def set(self, step_id: int, **values: Any) -> None:
        """Set columns of a step directly."""
        self.database.run_now(
            lambda connection: connection.execute(update(dispatch).where(dispatch.c.id == step_id).values(**values))
        )

    def states(self) -> list[str]:
        """States of all steps, by id."""
        return self.database.run_now(
            lambda connection: list(connection.execute(select(dispatch.c.state).order_by(dispatch.c.id)).scalars())
        )

    def column(self, step_id: int, name: str) -> Any:
        """One column of a step."""
        return self.database.run_now(
            lambda connection: connection.execute(select(dispatch.c[name]).where(dispatch.c.id == step_id)).scalar_one()
        )
