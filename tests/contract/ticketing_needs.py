"""What scenarios need of a provider, and what stands in the table's cell of one that lacks it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from contract.ticketing_model import Provider


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """`lack` is why a scenario can't be played over a provider for which `met` is false: a few words."""

    lack: str
    met: Callable[[Provider], bool] = field(repr=False)


HTTP = Need(lack="no HTTP on the way", met=lambda one: one.network)
MAIL = Need(lack="no mail on the way", met=lambda one: one.by_mail)
BY_SMTP = Need(lack="nothing goes out by mail", met=lambda one: one.by_mail and not one.network)
LOOK_UP_BY_HTTP = Need(lack="looks up over no HTTP", met=lambda one: one.network and not one.by_mail)
CLOCK_OF_ITS_OWN = Need(lack="signs with the time", met=lambda one: one.name != "webhook")
"""A signature that is older than some minutes is refused, and the error names the clocks."""
ACTS_ON_404 = Need(lack="takes repeats for one", met=lambda one: one.name != "osticket")
"""osTicket's adapter stops at a 404 instead: its one address is wrong then, and repeating does no harm there."""
PLACES = Need(lack="no place to look up", met=lambda one: one.network and not one.by_mail)
LIES = Need(lack="can't be made to lie", met=lambda one: one.lies)
SEARCHED = Need(lack="can't be searched", met=lambda one: one.capabilities.find != "none")
NO_KEYS = Need(lack="does nothing twice", met=lambda one: one.capabilities.idempotency == "none")
KEYS = Need(lack="knows no repeat", met=lambda one: one.capabilities.idempotency != "none")
NOTES = Need(lack="no notes", met=lambda one: one.capabilities.note)
FILES = Need(lack="no files", met=lambda one: one.capabilities.attach != "none")
FILE_LIMIT = Need(lack="no limit", met=lambda one: one.capabilities.max_attachment_bytes is not None)
STATES = Need(lack="no states", met=lambda one: one.capabilities.states)
STATES_MISSING = Need(lack="takes every state", met=lambda one: one.name != "memory")
CLOSING = Need(lack="never closed", met=lambda one: one.closes)
REOPENING = Need(lack="never reopened", met=lambda one: one.capabilities.reopen != "never")
MERGES = Need(lack="no merges", met=lambda one: one.capabilities.merges != "none")
POLLED = Need(lack="not asked for answers", met=lambda one: one.capabilities.updates in {"poll", "both"})
RICH = Need(lack="no HTML or files in answers", met=lambda one: one.rich)
HINTS = Need(lack="no hints", met=lambda one: one.hints)
