"""What one destination that is fed by mail is configured with."""

from __future__ import annotations

from pydantic import Field, model_validator

from inbox_ticketing._by_mail.settings import CaseMailSettings, Recipient


class MailSettings(CaseMailSettings):
    """One `[destinations.NAME]` table of kind `mail`."""

    to: Recipient = Field(description="The office's address: every message of a citizen is mailed there.")
    swallows_repeats: bool = Field(
        default=False,
        description="Whether the system behind `to` takes a second mail with the same Message-ID for the first one "
        "(osTicket, FreeScout).",
    )

    @model_validator(mode="after")
    def _not_to_ourselves(self) -> MailSettings:
        if self.to.lower() == self.address:
            raise ValueError("address is our own: it is not the office's")
        return self
