"""What one osTicket destination is configured with."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StringConstraints, model_validator

from inbox_daemon.plugins import BaseUrl, Secret
from inbox_ticketing._by_mail.settings import CaseMailSettings, Recipient

Ending = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9]{1,10}$", to_lower=True)]


class OsTicketSettings(CaseMailSettings):
    """One `[destinations.NAME]` table of kind `osticket`."""

    url: BaseUrl = Field(description="Where osTicket is, without /api.")
    key: Secret = Field(description="API key, made for this machine's address and with the right to create tickets.")
    to: Recipient = Field(description="A system address of osTicket: it decides on the department.")
    file_types: tuple[Ending, ...] = Field(
        default=(),
        description="Endings of files that osTicket is configured to take, without dots; empty: all. It drops others "
        "without a word.",
    )
    api_timeout_seconds: float = Field(default=30.0, gt=0, le=600, description="For one call, answer included.")

    @model_validator(mode="after")
    def _not_to_ourselves(self) -> OsTicketSettings:
        if self.to.lower() == self.address:
            raise ValueError("address is our own: it is not one of osTicket's")
        return self
