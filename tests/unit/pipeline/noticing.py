"""An office that tells citizens things, for tests of the notices."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import select, update

from inbox_daemon.model import Envelope, Handle, Proof, Sender, TicketState
from inbox_daemon.pipeline.hours import ServiceHours
from inbox_daemon.pipeline.receive import day_in
from inbox_daemon.pipeline.routing import compile_rule
from inbox_daemon.pipeline.telling import Telling
from inbox_daemon.pipeline.texts import Texts
from inbox_daemon.plugins import SendingRules
from inbox_daemon.settings.dialogue import Notices, Service
from inbox_daemon.store import conversations, envelopes
from inbox_daemon.store.database import Database
from inbox_daemon.store.schema import dispatch, message, reply
from support.pipes import INSTANCE, ZONE
from unit.pipeline.scripted import Office, holding, says

ALL = Notices(acknowledgement=True, out_of_hours=True, closed=True, down_after_minutes=120)
EVERY_DAY = Service(days=("mon", "tue", "wed", "thu", "fri", "sat", "sun"), opens="00:00", closes="24:00")
ALWAYS = ServiceHours.of(EVERY_DAY, ZONE, [])
NEVER = ServiceHours.of(EVERY_DAY.model_copy(update={"days": ()}), ZONE, [])
OFFICE = ServiceHours.of(Service(), ZONE, [])
TEXTS = Texts.load("es-AR", {}, ZONE)
HOUR = timedelta(hours=1)
MONDAY_NIGHT = datetime(2026, 11, 23, 22, 0, tzinfo=ZONE).astimezone(UTC)
DENUNCIA = compile_rule(name="denuncia", destination="gobierno", keywords=["denuncia"], matter="denuncia")
PUBLIC = (TicketState.SOLVED, TicketState.CLOSED)


def now() -> datetime:
    """By the machine's clock."""
    return datetime.now(UTC)


class Desk(Office):
    """An office whose citizens are told things; its clock can be set, and goes else."""

    def __init__(
        self,
        database: Database,
        *,
        notices: Notices = ALL,
        hours: ServiceHours = ALWAYS,
        rules: SendingRules | None = None,
        public: Collection[TicketState] = PUBLIC,
    ) -> None:
        self.database = database
        self.at: datetime | None = None
        self.number = 0
        self.telling = Telling(
            settings=notices,
            hours=hours,
            texts=TEXTS,
            rules={INSTANCE: rules or SendingRules()},
            public_states={"gobierno": public},
            clock=lambda: self.at or now(),
        )
        super().__init__(database, telling=self.telling, rules=[DENUNCIA])

    async def hears(self, text: str = "hola", *, ago: timedelta = timedelta(0), **more: Any) -> None:
        """Somebody wrote this; it is taken in now."""
        self.number += 1
        at = self.at or now()
        one = replace(says(text, self.number, **more), sent_at=at - ago)
        content = Envelope(instance=INSTANCE, body=holding(one), received_at=at)
        await self.database.run(lambda c: envelopes.append(c, [(content, day_in(ZONE)(at))]))
        await self.pipes.take_in()

    async def told(self) -> list[tuple[str, str]]:  # type: ignore[override]
        """(kind, text) of what was said."""
        rows = await self.database.read(lambda c: c.execute(select(reply).order_by(reply.c.id)).all())
        lanes = await self.database.read(
            lambda c: list(c.execute(select(dispatch.c.destination).where(dispatch.c.kind == "send")).scalars())
        )
        assert lanes == [INSTANCE] * len(rows)
        return [(row.origin, row.text) for row in rows]

    async def kinds(self) -> list[str]:
        """Kinds of what was said."""
        return [kind for kind, _ in await self.told()]

    async def set(self, table: Any, **values: Any) -> None:
        """Set columns of all rows."""
        await self.database.run(lambda c: c.execute(update(table).values(**values)))

    async def turns(self, state: TicketState, number: int = 1) -> None:
        """The ticket of the `number`-th conversation comes into this state."""
        await self.database.run(lambda c: self.telling.turned(c, conversations.read(c, number), state))

    async def goes_down(self, *, for_: timedelta, **more: Any) -> int:
        """All that waits has waited so long, in vain; how many are told."""
        began = now() - for_
        await self.set(message, received_at=began, sent_at=began)
        tried = {"first_tried_at": began, "due_at": now() + HOUR, "attempts": 9, "reason": "refused"}
        await self.set(dispatch, created_at=began, **tried | more)
        return await self.looks()

    async def looks(self, since: datetime | None = None) -> int:
        """The job that tells of an outage comes round."""
        return await self.database.run(lambda c: self.telling.down(c, "gobierno", since))

    async def delivers_all(self) -> None:
        """The destination is up again, and takes what waits."""
        await self.set(dispatch, state="done", done_at=now())


def mail(address: str, proof: Proof = Proof.CHANNEL) -> Sender:
    """Somebody who writes mail."""
    return Sender(handles=(Handle(kind="email", value=address, proof=proof),))
