"""What one osTicket destination is configured with."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StringConstraints, model_validator

from inbox_daemon.plugins import BaseUrl, Secret
from inbox_ticketing._by_mail.settings import CaseMailSettings, Recipient

Ending = Annotated[str, StringConstraints(pattern=r"^([A-Za-z0-9]{1,10}|\*)$", to_lower=True)]
ANY = "*"
DEFAULT_FILE_TYPES = ("doc", "pdf", "jpg", "jpeg", "gif", "png", "xls", "docx", "xlsx", "txt")
"""What osTicket takes as it is installed: `allowed_filetypes`, as dumps of installations have it (read 2026-11-24)."""


class OsTicketSettings(CaseMailSettings):
    """One `[destinations.NAME]` table of kind `osticket`."""

    url: BaseUrl = Field(description="Where osTicket is, without /api.")
    key: Secret = Field(description="API key, made for this machine's address and with the right to create tickets.")
    to: Recipient = Field(description="A system address of osTicket: it decides on the department.")
    file_types: tuple[Ending, ...] = Field(
        default=DEFAULT_FILE_TYPES,
        description='Endings of files that osTicket is configured to take, without dots, txt among them; ["*"]: all. '
        "It drops others without a word.",
    )
    api_timeout_seconds: float = Field(default=30.0, gt=0, le=600, description="For one call, answer included.")

    @model_validator(mode="after")
    def _not_to_ourselves(self) -> OsTicketSettings:
        if self.to.lower() == self.address:
            raise ValueError("address is our own: it is not one of osTicket's")
        return self

    @model_validator(mode="after")
    def _whole_texts_are_taken(self) -> OsTicketSettings:
        if not {ANY, "txt"} & set(self.file_types):
            raise ValueError("file_types needs txt: texts that osTicket would cut go as such a file, too")
        return self

    def takes(self, name: str) -> bool:
        """Whether osTicket keeps a file of this name. It looks at the ending, and drops a file without one."""
        _, dot, ending = name.rpartition(".")
        return ANY in self.file_types or (dot == "." and ending.lower() in self.file_types)
