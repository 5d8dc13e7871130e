"""What one ticketbook destination is configured with."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints

from inbox_daemon.plugins import PluginSettings


def _subject(value: str) -> str:
    try:
        value.format(number="", office="")
    except (KeyError, IndexError, ValueError, AttributeError):
        raise ValueError("only {number} and {office} can stand in the subject") from None
    return value


Line = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$")]
MailAddress = Annotated[str, StringConstraints(max_length=254, pattern=r"^[^@\s<>,;\"]+@[A-Za-z0-9.-]+$")]


class TicketbookSettings(PluginSettings):
    """One `[destinations.NAME]` table of kind `ticketbook`."""

    office_name: Line = Field(description="Name of the office, as its people read it.")
    mail_to: tuple[MailAddress, ...] = Field(
        default=(),
        max_length=20,
        description="Who gets a mail with the link to each case, by the server of [smtp]; empty: nobody.",
    )
    mail_subject: Annotated[Line, AfterValidator(_subject)] = Field(
        default="Caso {number} · {office}", description="Subject of that mail; {number} and {office} are filled in."
    )
    mail_each_message: bool = Field(
        default=True, description="Mail a fresh link for each further message, not only when a case is opened."
    )
