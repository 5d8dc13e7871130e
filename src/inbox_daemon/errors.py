"""What can go wrong, named after what the core does next.

    InboxError
    ├── SettingsError        the configuration is wrong: do not start (exit 78)
    └── EdgeError            something at the edge (a channel's or a ticketing system's side) failed
        ├── Transient        provably not done: do it again later, by the outbox's clock
        ├── Uncertain        may have been done: wait, look our marker up, only then do it again
        ├── Permanent        will never work as it is: park this item, go on with the rest
        │   └── WindowClosed the channel takes nothing but a template for this person now: hold the answer
        ├── Credentials      this instance is not allowed in: stop the instance, keep its queue, alert
        └── Gone             the target no longer takes it (closed, deleted): open a new one, linked to the old

A plug-in raises these and nothing else on purpose; whatever else escapes it is handled as `Uncertain` while a
request may have been on its way, and as `Permanent` while parsing.

Messages are read by people and written to logs: they name the instance's place and the remedy, and never carry
a citizen's words, a full identifier or a secret.
"""

from __future__ import annotations

from datetime import timedelta


class InboxError(Exception):
    """Root of everything this program raises on purpose."""


class EdgeError(InboxError):
    """A call across the edge failed; the subclass says what follows."""


class Transient(EdgeError):
    """Provably nothing happened on the other side (DNS, connect refused, TLS, 429, a known 4xx "busy").

    `retry_after` is the peer's own wish, when it gave one. `only_this`: the reason lies in this item (one person's
    limit), so that nothing else of the instance has to wait.
    """

    def __init__(self, message: str, *, retry_after: timedelta | None = None, only_this: bool = False) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        self.only_this = only_this


class Uncertain(EdgeError):
    """The other side may have done it (time-out after sending, reset, 5xx, garbage): look before doing it again."""


class Permanent(EdgeError):
    """This item can't succeed as it is; a person or a fix is needed.

    `told` is the reason in a few words of the office's language, for the note that its agents read; may be empty.
    """

    def __init__(self, message: str, *, told: str = "") -> None:
        super().__init__(message)
        self.told = told


class WindowClosed(Permanent):
    """The channel says that the time for free answers to this person is over, whatever we reckoned."""


class Credentials(EdgeError):
    """The instance's token, password or right is refused: nothing of this instance can work until it is mended."""


class Gone(EdgeError):
    """The ticket is closed for good, or deleted; `reason` is a short word for the new ticket's note."""

    def __init__(self, message: str, *, reason: str = "gone") -> None:
        super().__init__(message)
        self.reason = reason


class SettingsError(InboxError):
    """A mistake in the configuration, told so that it can be mended without reading code.

    `place` is `file:line` where known, `key` the dotted TOML key, `remedy` an imperative sentence.
    """

    def __init__(self, problem: str, *, key: str = "", place: str = "", remedy: str = "") -> None:
        super().__init__(problem)
        self.problem = problem
        self.key = key
        self.place = place
        self.remedy = remedy

    def __str__(self) -> str:
        head = ": ".join(part for part in (self.place, self.key, self.problem) if part)
        return f"{head}\n    remedy: {self.remedy}" if self.remedy else head


class SettingsErrors(SettingsError):
    """Several `SettingsError`s found in one reading, so that they can be mended in one go."""

    def __init__(self, errors: list[SettingsError]) -> None:
        super().__init__("; ".join(error.problem for error in errors))
        self.errors = errors

    def __str__(self) -> str:
        return "\n".join(str(error) for error in self.errors)
