"""Kinds of value in the settings of every channel of Meta: secrets, the Graph API's address, hosts, ids."""

from __future__ import annotations

import re
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, ValidationInfo

from inbox_daemon.plugins import Secret

_HOST = re.compile(r"\.?[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*")

INSTANCE_NAME = r"^([a-z0-9][a-z0-9-]{0,62})?$"
"""The name of another table, or nothing."""


def secret_given(value: Secret) -> Secret:
    """Refuse a secret that is empty, or holds more than itself."""
    secret = value.reveal()
    if not secret:
        raise ValueError("is missing or empty: give it by reference, { credential = … }, { file = … } or { env = … }")
    if not secret.isprintable() or secret != secret.strip():
        raise ValueError("has a line break or a space at its end: its source must hold the secret only, on one line")
    return value


def _given_unless_shared(value: Secret, info: ValidationInfo) -> Secret:
    """Deliveries that come to another instance's address are proven there."""
    return value if info.data.get("webhook_of") and not value.reveal() else secret_given(value)


def _token(value: Secret) -> Secret:
    if not value.reveal().isascii() or " " in value.reveal():
        raise ValueError("has signs in it that no access token has: copy it again")
    return value


def _graph_address(value: str) -> str:
    address = urlsplit(value)
    loopback = address.hostname in ("127.0.0.1", "localhost", "::1")
    if not address.hostname or address.scheme not in ("https", "http") or address.query or address.username:
        raise ValueError("is no address such as https://graph.facebook.com")
    if address.scheme == "http" and not loopback:
        raise ValueError("must be https: the access token travels in it (http only to this machine itself)")
    return value.rstrip("/")


def _host(value: str) -> str:
    if not _HOST.fullmatch(value.lower()):
        raise ValueError("is no bare host name such as lookaside.fbsbx.com")
    return value.lower()


GivenSecret = Annotated[Secret, AfterValidator(secret_given)]

OwnSecret = Annotated[Secret, AfterValidator(_given_unless_shared)]
"""May be missing where `webhook_of`, which stands before it in the model, names another instance."""

AccessToken = Annotated[GivenSecret, AfterValidator(_token)]
GraphAddress = Annotated[str, AfterValidator(_graph_address)]

HostName = Annotated[str, AfterValidator(_host)]
"""One that begins with a dot stands for every name below that domain."""
