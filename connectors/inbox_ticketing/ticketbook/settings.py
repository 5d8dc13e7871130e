"""What one ticketbook destination is configured with."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from inbox_daemon.plugins import PluginSettings, Secret


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
        default=(), max_length=20, description="Who gets a mail with the link to each case; empty: nobody."
    )
    mail_subject: Annotated[Line, AfterValidator(_subject)] = Field(
        default="Caso {number} · {office}", description="Subject of that mail; {number} and {office} are filled in."
    )
    mail_each_message: bool = Field(
        default=True, description="Mail a fresh link for each further message, not only when a case is opened."
    )
    smtp_host: str = Field(default="", description="Mail server that takes these mails.")
    smtp_port: int = Field(default=587, ge=1, le=65535)
    smtp_tls: Literal["none", "starttls", "implicit"] = Field(
        default="starttls", description='How the connection is protected; "none" is for a server on this machine.'
    )
    smtp_user: str = Field(default="", description="User to log in as; empty: no log-in.")
    smtp_password: Secret | None = Field(default=None, description="Password of that user.")
    smtp_timeout_seconds: float = Field(default=10.0, gt=0, le=120, description="For the delivery of one mail.")
    from_address: MailAddress | None = Field(default=None, description="Address that these mails come from.")

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.mail_to and not (self.smtp_host and self.from_address):
            raise ValueError("mail_to needs smtp_host and from_address: add them, or take mail_to out")
        if bool(self.smtp_user) != (self.smtp_password is not None):
            raise ValueError("smtp_user and smtp_password go together: add the one that is missing, or take both out")
        return self
