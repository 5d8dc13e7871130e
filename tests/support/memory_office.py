"""What agents do in the ticketing system in memory, as a journal that `memory_adapter` tells from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from inbox_daemon.model import Attachment, EntryId, TicketId, TicketState, TicketUpdate

AGENT = "Agente"
ACCOUNT = "inbox"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewFile:
    """A file that an agent adds to an answer."""

    filename: str
    media_type: str
    content: bytes = field(repr=False)


@dataclass(slots=True, kw_only=True)
class Happening:
    """One line of the journal; it stays where it was made, whatever is merged later."""

    entry: EntryId
    ticket: str
    at: datetime
    author: str = AGENT
    text: str = ""
    public: bool = False
    own: bool = False
    automatic: bool = False
    html: bool = False
    files: tuple[NewFile, ...] = ()
    state: TicketState | None = None
    removed: bool = False


class Office:
    """Agents at work. Tickets are given by id; an entry's id is the same for ever."""

    def __init__(self) -> None:
        self.journal: list[Happening] = []
        self._merges: dict[str, tuple[str, int]] = {}
        """Ticket → where it went on, and how long the journal was then."""

    # ------------------------------------------------------------ what happens

    def say(
        self,
        ticket: str,
        text: str,
        *,
        public: bool = True,
        own: bool = False,
        automatic: bool = False,
        html: bool = False,
        files: Sequence[NewFile] = (),
    ) -> EntryId:
        """An agent (or, `own`, somebody under our account) writes; an internal note unless `public`."""
        made = self._happen(ticket, author=ACCOUNT if own else AGENT, text=text, public=public, own=own)
        made.automatic, made.html, made.files = automatic, html, tuple(files)
        return made.entry

    def wrote(self, ticket: str, entry: EntryId, text: str) -> None:
        """We wrote an entry."""
        self._happen(ticket, entry=entry, author=ACCOUNT, text=text, own=True)

    def hide(self, entry: EntryId) -> None:
        """A public entry becomes an internal one."""
        self.get(entry).public = False

    def remove(self, entry: EntryId) -> None:
        """An entry is deleted."""
        self.get(entry).removed = True

    def edit(self, entry: EntryId, text: str) -> None:
        """An agent changes the words of an entry."""
        self.get(entry).text = text

    def turn(self, ticket: str, state: TicketState, *, own: bool = False) -> EntryId:
        """The ticket's state changes."""
        return self._happen(ticket, author=ACCOUNT if own else AGENT, state=state, own=own).entry

    def merge(self, ticket: str, into: str) -> None:
        """`ticket` goes on in `into`."""
        assert self.final(ticket) != self.final(into)
        self._merges[self.final(ticket)] = (self.final(into), len(self.journal))

    def _happen(self, ticket: str, **values: object) -> Happening:
        made = Happening(entry=EntryId(f"e{len(self.journal) + 1}"), ticket=self.final(ticket), at=datetime.now(UTC))
        for name, value in values.items():
            setattr(made, name, value)
        self.journal.append(made)
        return made

    # ------------------------------------------------------------ what is told

    def final(self, ticket: str) -> str:
        """Where a ticket stands after merges."""
        while ticket in self._merges:
            ticket = self._merges[ticket][0]
        return ticket

    def get(self, entry: EntryId) -> Happening:
        """The line of an entry."""
        return next(one for one in self.journal if one.entry == entry)

    def told(self, known: Sequence[str], since: int = 0) -> Iterator[TicketUpdate]:
        """Lines from number `since` on, under each of the `known` tickets that they concern."""
        for number, one in enumerate(self.journal):
            if number < since or one.removed:
                continue
            for ticket in known:
                if self._concerns(number, one, ticket):
                    yield replace(update_of(one), ticket=TicketId(ticket))

    def _concerns(self, number: int, one: Happening, ticket: str) -> bool:
        after = 0
        while not (one.ticket == ticket and number >= after):
            if ticket not in self._merges:
                return False
            ticket, after = self._merges[ticket]
        return True


def update_of(one: Happening) -> TicketUpdate:
    """How a destination tells it."""
    return TicketUpdate(
        ticket=TicketId(one.ticket),
        entry=one.entry,
        at=one.at,
        author=one.author,
        text=one.text,
        html=one.html,
        public=one.public,
        own=one.own,
        automatic=one.automatic,
        state=one.state,
        attachments=tuple(
            Attachment(
                filename=file.filename,
                media_type=file.media_type,
                remote=f"{one.entry}#{number}",
                size=len(file.content),
            )
            for number, file in enumerate(one.files)
        ),
    )
