"""What a `send` step speaks of: the replies, whom they go to, and how far they are. Reads the store, writes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row

from inbox_daemon.model import CaseNumber, Choice, ExternalId, Reply, SendState, StoredFile
from inbox_daemon.store import conversations, portions, replies, targets
from inbox_daemon.store.conversations import Conversation
from inbox_daemon.store.outbox import Step
from inbox_daemon.store.targets import Target


@dataclass(frozen=True, slots=True, kw_only=True)
class Sending:
    """A step with all it speaks of.

    `replies` are the leader and what goes with it, in order; `target` is None where nobody can be answered. `route` are
    the portions of the present try at one address. `shared`: the entry was filed for several people; `elsewhere`:
    another way than to who wrote last was taken already. `said` is the citizen's last message there, `thread` what the
    channel calls it and what stands before it, the nearest first.
    """

    step: Step
    conversation: Conversation
    replies: Sequence[Row[Any]]
    target: Target | None
    route: Sequence[Row[Any]]
    shared: bool
    elsewhere: bool
    said: Row[Any] | None
    thread: Sequence[ExternalId]

    @property
    def leader(self) -> Row[Any]:
        """The reply that the step was made for."""
        return next(one for one in self.replies if one.id == self.step.reply_id)

    @property
    def is_answer(self) -> bool:
        """Whether an agent wrote it."""
        return bool(self.leader.origin == replies.ANSWER)

    @property
    def choices(self) -> tuple[Choice, ...]:
        """The lines of a menu."""
        return tuple(Choice(**one) for one in self.leader.choices)

    def portions(self, *states: str) -> list[Row[Any]]:
        """Portions of the present try that are in one of these states."""
        return [one for one in self.route if one.state in states]

    @property
    def wrote_since(self) -> bool:
        """Whether they wrote, where it goes to, after all that went came too late there."""
        last = None if self.target is None else self.target.last_at
        return last is not None and all(one.tried_at < last for one in self.portions(portions.CLOSED))

    @property
    def begun(self) -> bool:
        """Whether something of the answer itself (no template) has gone to the present address."""
        return any(one.state != "planned" and one.template is None for one in self.route)


_BEGUN = frozenset({"trying", *portions.OUT})


def load(connection: Connection, step: Step) -> Sending:
    """Read what `step` speaks of."""
    assert step.reply_id is not None
    conversation = conversations.read(connection, step.conversation_id)
    together = replies.read_together(connection, step.reply_id)
    leader = next(one for one in together if one.id == step.reply_id)
    last = target = targets.last(connection, conversation.id)
    if leader.handle_id is not None and leader.instance is not None:
        target = targets.at(connection, leader.instance, leader.handle_id)
    rows = portions.latest(portions.of_step(connection, step.id))
    begun = [row for row in rows if row.template is None and row.state in _BEGUN]
    if begun:  # what has gone, or may have, goes on to where it is aimed, wherever the citizen writes now
        onward = next((row for row in rows if row.template is None and row.state == "planned"), begun[0])
        target = targets.at(connection, onward.instance, onward.handle_id)
    said, thread, route = None, list[str](), []
    if target is not None:
        ways = {_place(target), *((row.instance, row.handle_id) for row in begun)}
        route = [row for row in rows if (row.instance, row.handle_id) in ways]
        said = conversations.last_said(connection, conversation.id, target.instance)
        before = [] if said is None else conversations.external_ids(connection, conversation.id, target.instance)
        before += portions.sent_before(connection, conversation.id, target.instance)
        thread = [id_ for _, id_ in sorted(before, reverse=True)]
    return Sending(
        step=step,
        conversation=conversation,
        replies=together,
        target=target,
        route=route,
        shared=any(
            one.entry_id is not None and replies.of_several(connection, one.destination, one.entry_id)
            for one in together
        ),
        elsewhere=_place(target) != _place(last),
        said=said,
        thread=[ExternalId(one) for one in thread],
    )


def _place(target: Target | None) -> tuple[str, int] | None:
    return None if target is None else (target.instance, target.handle_id)


def reply_of(sending: Sending, portion: Row[Any], *, menu: bool) -> Reply:
    """The call that brings this portion; `menu`: the channel shows the choices itself, below the last one."""
    assert sending.target is not None
    said = sending.said
    is_last = portion.number == max(one.number for one in sending.route)
    return Reply(
        tag=portion.tag,
        to=sending.target.handle,
        case_number=sending.conversation.case_number if sending.conversation.filed else CaseNumber(""),
        text=portion.text,
        subject=sending.conversation.subject,
        in_reply_to=None if said is None or portion.number > 1 else ExternalId(said.external_id),
        thread=tuple(sending.thread),
        quoted="" if said is None else said.text,
        quoted_at=None if said is None else said.sent_at,
        attachments=tuple(StoredFile(**file) for file in portion.files),
        template=portion.template,
        parameters=(sending.conversation.case_number,) if portion.template else (),
        choices=sending.choices if menu and is_last and not portion.template else (),
        automatic=not sending.is_answer or portion.template is not None,
    )


def standing(route: Sequence[Row[Any]]) -> tuple[str, Row[Any]] | None:
    """Where an answer stands by its portions (as far as its slowest), and which one says so; None: not all are out."""
    answer = [one for one in route if one.template is None]
    failed = [one for one in answer if one.state == SendState.FAILED]
    if failed:
        return SendState.FAILED.value, failed[0]
    if not answer or any(one.state not in portions.OUT for one in answer):
        return None
    slowest = min(answer, key=lambda one: SendState(one.state).rank)
    return str(slowest.state), slowest
