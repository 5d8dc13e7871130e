"""The loop firewall: what two machines say to each other stops after a few messages, what a person says passes.

It stands in two places: before something goes to a citizen, and where something comes in.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection

from inbox_daemon.model import Automatic, Message
from inbox_daemon.pipeline.loops import Outgoing, body_hash, is_machine, is_short, verdict
from inbox_daemon.pipeline.routing import fold
from inbox_daemon.pipeline.sending import Sending
from inbox_daemon.pipeline.texts import Texts
from inbox_daemon.settings.dialogue import Loops
from inbox_daemon.store import loops
from inbox_daemon.store.portions import Planned

ECHO = timedelta(minutes=10)
"""How long what we sent, and comes back word for word, is taken for an echo."""
DAY = timedelta(days=1)
"""How far back a loop is looked for."""
HOUR = timedelta(hours=1)


class LoopFirewall:
    """Judges by the configured measure. `texts` are the agents' texts."""

    def __init__(self, settings: Loops, texts: Texts) -> None:
        self._settings = settings
        self._texts = texts

    # ------------------------------------------------------------ before something goes

    def verdict(self, connection: Connection, sending: Sending, planned: Sequence[Planned]) -> str | None:
        """Why what is `planned` does not go, in the agents' language; None: it goes. Who let it go is obeyed."""
        if sending.target is None or sending.step.released:
            return None
        now = datetime.now(UTC)
        said = loops.history(connection, sending.target.handle_id, now - DAY)
        sent = loops.portions_of(connection, sending.conversation.id, now - HOUR)
        leader = sending.leader
        outgoing = Outgoing(body_hash=planned[0].body_hash, written_at=min(leader.at, leader.learnt_at))
        stop = verdict(said, sent, outgoing, self._settings)
        return None if stop is None else self._texts.say(stop.key, **{stop.place: stop.number})

    def body_hash(self, text: str) -> str:
        """By what a text is known again when some machine sends it back."""
        return body_hash(text)

    # ------------------------------------------------------------ when something comes in

    def is_own_id(self, connection: Connection, instance: str, message: Message) -> bool:
        """Whether the channel calls something of ours by this id: it was brought back as if it were a citizen's."""
        return loops.is_sent(connection, instance, message.external_id)

    def refusal(self, connection: Connection, handle_id: int | None, message: Message, at: datetime) -> str | None:
        """Why a message received `at` is not taken in: it is an echo of ours, or a machine's that never stops.

        An echo is word for word what we sent: a number that differs makes it a person's. What somebody forwards is
        said by them, and files are always worth a look.
        """
        if handle_id is None or message.attachments or message.details.get("forwarded") or is_short(message.text):
            return None
        sent = loops.sent_to(connection, handle_id, at - HOUR)
        if not sent:
            return None
        words = fold(message.text)
        if any(tried_at >= at - ECHO and fold(text) == words for tried_at, text in sent):
            return "own"
        said = loops.history(connection, handle_id, at - HOUR)
        new = loops.Said(ours=False, at=at, written_at=message.sent_at, told_at=at, text=message.text)
        return "loop" if is_machine(said, new, self._settings) else None

    def is_enough(self, connection: Connection, conversation_id: int, message: Message, at: datetime) -> bool:
        """Whether a mailbox has answered by itself often enough in this conversation today."""
        if message.automatic is not Automatic.AUTO_REPLY:
            return False
        heard = loops.automatic_messages(connection, conversation_id, Automatic.AUTO_REPLY.value, at, DAY)
        return heard >= self._settings.max_hops
