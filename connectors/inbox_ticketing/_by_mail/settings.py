"""What is configured of the mailbox that answers come to."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from inbox_daemon.plugins import PluginSettings, Secret

_LOCAL = r"[A-Za-z0-9.!#$%&'*/=?^_`{|}~-]+"
"""Without `+`: that is where the case's own part begins."""
_DOMAIN = r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)+"


def _lower(value: str) -> str:
    return value.lower()


Recipient = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+@" + _DOMAIN + "$")]
OwnAddress = Annotated[str, StringConstraints(pattern=f"^{_LOCAL}@{_DOMAIN}$", max_length=120), AfterValidator(_lower)]
Allowed = Annotated[
    str, StringConstraints(pattern=r"^(?:[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+)?@" + _DOMAIN + "$"), AfterValidator(_lower)
]
FolderName = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^\r\n\x00]+$")]


class CaseMailSettings(PluginSettings):
    """The mailbox that cases are answered to, and whose mails in it are answers."""

    address: OwnAddress = Field(
        description="Address of our own mailbox: mails come from it, and answers go to it (`address+CASE@…`)."
    )
    plus: bool = Field(
        default=True,
        description="Whether mail to `address+anything@…` arrives in the mailbox; without it answers are told apart by "
        "their In-Reply-To and References only.",
    )
    agents: tuple[Allowed, ...] = Field(
        min_length=1,
        description="Whose mails are answers: addresses, and domains written as `@obras.example`.",
    )
    authentication: Literal["dmarc", "none"] = Field(
        default="dmarc",
        description='"dmarc": an answer counts only where the mail server found that its sender is no forgery; "none": '
        "for a mailbox into which nobody but the office can mail.",
    )
    authserv_id: str = Field(
        default="", description="The name that our mail server writes first into Authentication-Results."
    )
    bulk_is_automatic: bool = Field(
        default=True,
        description="Whether `Precedence: bulk` marks a program's mail. (Request Tracker's answers bear it, too.)",
    )
    host: str = Field(min_length=1, description="IMAP server of the mailbox.")
    port: int = Field(default=993, ge=1, le=65_535, description="Its port.")
    tls: Literal["implicit", "starttls", "none"] = Field(
        default="implicit", description='"none" is for a server on this machine.'
    )
    ca_file: Path | None = Field(default=None, description="Certificates to trust instead of the machine's.")
    user: str = Field(min_length=1, description="User of the mailbox.")
    password: Secret = Field(description="Its password.")
    folder: FolderName = Field(default="INBOX", description="Folder that answers arrive in.")
    book_folder: FolderName = Field(
        default="inbox-daemon", description="Folder that keeps a copy of each mail sent; made where it is missing."
    )
    max_attachment_bytes: int = Field(
        default=10_000_000, gt=0, description="Largest file that is mailed; in the mail it is a third longer."
    )
    max_answer_bytes: int = Field(
        default=40_000_000, gt=0, description="Largest mail that is read; of a larger one nothing is passed on."
    )
    timeout_seconds: float = Field(default=30.0, gt=0, le=600, description="For each answer of the IMAP server.")
    connect_timeout_seconds: float = Field(default=10.0, gt=0, le=120, description="For the connection to it.")
    probe_seconds: float = Field(
        default=20.0,
        ge=0,
        le=300,
        description="How long `check --online` waits for a mail of its own to come back; 0: none is sent.",
    )

    @model_validator(mode="after")
    def _safe(self) -> Self:
        if self.authentication == "dmarc" and not self.authserv_id:
            raise ValueError(
                "give authserv_id, the first word of the Authentication-Results that your mail server writes, or set "
                'authentication = "none" where nobody but the office can mail into this mailbox'
            )
        if self.folder == self.book_folder:
            raise ValueError("folder and book_folder are to be two folders")
        if self.address in self.agents:
            raise ValueError("address is our own: it is no agent's")
        return self
