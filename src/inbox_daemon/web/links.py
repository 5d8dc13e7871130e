"""Signed, expiring addresses: of a case's page for its office, of one file for the citizen it was sent to."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from datetime import timedelta
from enum import Enum
from typing import Any, Final
from urllib.parse import urlsplit

from itsdangerous import BadData, SignatureExpired, URLSafeTimedSerializer

from inbox_daemon.model import StoredFile
from inbox_daemon.plugins import Secret

# Each is a part of the key, so that what was signed for one purpose opens nothing of another.
_CASE: Final = "inbox-daemon case page"
_FILE: Final = "inbox-daemon file of an answer"

_SHA256: Final = re.compile(r"[0-9a-f]{64}")
_NAME_CHARS: Final = 100
"""Of a file's name: a citizen's telephone shows a link whole, and some mail programs cut long ones."""


class LinkFault(Enum):
    """Why a token opens nothing."""

    EXPIRED = "expired"
    FORGED = "forged"


class _Tokens:
    """Signs and reads tokens for one purpose. `previous` still opens what it signed and signs nothing new."""

    def __init__(self, purpose: str, secret: Secret, days: int, previous: Secret | None) -> None:
        keys = [*([previous.reveal()] if previous else []), secret.reveal()]
        if not all(keys):
            raise ValueError("the secret that signs links is empty")
        self._serializer = URLSafeTimedSerializer(
            keys,  # the last one signs
            salt=purpose,
            signer_kwargs={"digest_method": hashlib.sha256, "key_derivation": "hmac"},
        )
        self.life = timedelta(days=days)

    def sign(self, content: str | list[str]) -> str:
        token = self._serializer.dumps(content)
        return token if isinstance(token, str) else token.decode("ascii")

    def read(self, token: str) -> Any:
        """What was signed (compared in constant time), or a `LinkFault`."""
        try:
            return self._serializer.loads(token, max_age=self.life.total_seconds())  # type: ignore[arg-type]  # itsdangerous says int
        except SignatureExpired:
            return LinkFault.EXPIRED
        except BadData:
            return LinkFault.FORGED


class CaseLinks:
    """Makes and reads addresses of case pages. `previous` is the secret before this one, during a rotation."""

    def __init__(self, secret: Secret, base_url: str, days: int, *, previous: Secret | None = None) -> None:
        self._base_url = base_url.rstrip("/")
        self._tokens = _Tokens(_CASE, secret, days, previous)
        self.host = urlsplit(base_url).netloc

    @property
    def life(self) -> timedelta:
        """How long an address is good from its making."""
        return self._tokens.life

    def address(self, case_id: str) -> str:
        """The address of a case's page, good from now on for `life`."""
        return f"{self._base_url}{self.path(case_id)}"

    def path(self, case_id: str) -> str:
        """`address` without the host."""
        return f"/case/{self._tokens.sign(case_id)}"

    def read(self, token: str) -> str | LinkFault:
        """The case id in a token that we signed, or what is wrong with it."""
        case_id = self._tokens.read(token)
        return case_id if isinstance(case_id, str | LinkFault) else LinkFault.FORGED


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkedFile:
    """What a file's link says: which content, and how it was called. Whether it is still kept is another matter."""

    sha256: str
    filename: str = field(default="", repr=False)
    media_type: str = ""


class FileLinks:
    """Makes and reads addresses of agents' files that a channel could not take. Rotates as `CaseLinks` does."""

    def __init__(self, secret: Secret, base_url: str, days: int, *, previous: Secret | None = None) -> None:
        self._base_url = base_url.rstrip("/")
        self._tokens = _Tokens(_FILE, secret, days, previous)

    @property
    def life(self) -> timedelta:
        """How long an address is good from its making."""
        return self._tokens.life

    def address(self, file: StoredFile) -> str:
        """The address under which anybody who holds it may download `file`, good from now on for `life`."""
        content = [file.sha256, _shortened(file.filename), file.media_type[:_NAME_CHARS]]
        return f"{self._base_url}/file/{self._tokens.sign(content)}"

    def read(self, token: str) -> LinkedFile | LinkFault:
        """The file in a token that we signed, or what is wrong with it."""
        match self._tokens.read(token):
            case LinkFault() as fault:
                return fault
            case [str(sha256), str(filename), str(media_type)] if _SHA256.fullmatch(sha256):
                return LinkedFile(sha256=sha256, filename=filename, media_type=media_type)
            case _:
                return LinkFault.FORGED


def _shortened(filename: str) -> str:
    """The name with its ending, by which a telephone knows what opens it; whatever is no text is left out."""
    name = filename.encode("utf-8", "ignore").decode("utf-8")
    stem, dot, ending = name.rpartition(".")
    if not dot or len(ending) > 10:
        return name[:_NAME_CHARS]
    return f"{stem[: _NAME_CHARS - len(ending) - 1]}.{ending}"
