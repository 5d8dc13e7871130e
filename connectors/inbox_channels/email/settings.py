"""The table `[channels.<name>]` of one folder of one mailbox."""

from __future__ import annotations

import ipaddress
from datetime import date
from pathlib import Path
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field, model_validator

from inbox_channels.email.wording import Language
from inbox_daemon.plugins import PluginSettings, Secret


def _address(value: str) -> str:
    local, _, domain = value.rpartition("@")
    if not local or not domain or any(sign in value for sign in " <>,;"):
        raise ValueError(f'is no plain address: write it as "mesa@organismo.gob.ar", not {value!r}')
    return value.lower()


def _zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (KeyError, ValueError, OSError):
        raise ValueError('is no time zone: use a name of the IANA list, such as "America/Argentina/Cordoba"') from None
    return value


def _given(value: str) -> str:
    if not value:
        raise ValueError("is empty: write the value that the mail administrator gave")
    return _one_line(value)


def _one_line(value: str) -> str:
    if any(ord(sign) < 32 or ord(sign) == 127 for sign in value):  # a line break would end the IMAP command
        raise ValueError("has a line break or another control character in it: remove it")
    return value


def _secret(value: Secret) -> Secret:
    secret = value.reveal()
    if not secret:
        raise ValueError("is empty: put the password into the credential, file or variable that it names")
    if any(sign in secret for sign in "\r\n\0"):
        raise ValueError("has a line break in it: the file must hold the password only, on one line")
    return value


def is_loopback(host: str) -> bool:
    """Whether `host` is this machine by its very name; no look-up is made."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


Given = Annotated[str, AfterValidator(_given)]


class EmailSettings(PluginSettings):
    """One folder of one mailbox; `sample.toml` explains each key. What only parsing needs has a default."""

    host: Given
    port: Annotated[int, Field(ge=1, le=65535)] | None = None
    tls: Literal["implicit", "starttls", "none"] = "implicit"
    ca_file: Path | None = None
    user: Given
    password: Annotated[Secret, AfterValidator(_secret)]
    folder: Given = "INBOX"
    addresses: tuple[Annotated[str, AfterValidator(_address)], ...] = ()
    authserv_id: str | None = None
    timezone: Annotated[str, AfterValidator(_zone)] = "America/Argentina/Cordoba"
    import_since: date | None = None
    rescan_days: Annotated[int, Field(ge=1, le=3650)] = 30
    poll_seconds: Annotated[float, Field(ge=5, le=3600)] = 300.0
    idle_minutes: Annotated[float, Field(ge=1, le=29)] = 9.0
    max_message_bytes: Annotated[int, Field(ge=65_536, le=26_214_400)] = 26_214_400
    after: Literal["nothing", "seen", "move"] = "nothing"
    move_to: str = ""
    from_address: Annotated[str, AfterValidator(_address)] | None = None
    from_name: Annotated[str, AfterValidator(_one_line)] = ""
    language: Language = "es-AR"
    answer_unproven: bool = True
    max_reply_file_bytes: Annotated[int, Field(ge=0, le=26_214_400)] = 7_000_000

    @model_validator(mode="after")
    def _fits_together(self) -> EmailSettings:
        if self.tls == "none" and not is_loopback(self.host):
            raise ValueError('tls = "none" would send the password in the clear: use "implicit" or "starttls"')
        if self.after == "move" and not self.move_to:
            raise ValueError('after = "move" needs move_to = "…", the folder that takes what was received')
        if self.move_to and self.after != "move":
            raise ValueError('move_to is only used with after = "move": add that, or remove move_to')
        if self.move_to and self.move_to == self.folder:
            raise ValueError("move_to names the folder that is read: name another one")
        return self

    @property
    def imap_port(self) -> int:
        """The port as configured, or the usual one of the kind of TLS."""
        return self.port or (993 if self.tls == "implicit" else 143)

    @property
    def own_addresses(self) -> tuple[str, ...]:
        """Addresses at which this office writes: mail from them is our own."""
        user: str = getattr(self, "user", "")  # absent when nothing was validated (`explain`)
        named = self.addresses or ((user.lower(),) if "@" in user else ())
        return tuple(dict.fromkeys((*named, self.from_address))) if self.from_address else named

    @property
    def sending_address(self) -> str:
        """The address that answers come from; empty where none is known."""
        return self.from_address or next(iter(self.own_addresses), "")
