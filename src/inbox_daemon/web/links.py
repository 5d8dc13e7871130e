"""Signed, expiring addresses of case pages: who holds one may read that case and no other."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from enum import Enum
from urllib.parse import urlsplit

from itsdangerous import BadData, SignatureExpired, URLSafeTimedSerializer

from inbox_daemon.plugins import Secret

_PURPOSE = "inbox-daemon case page"
"""Part of the key, so that nothing else signed with the same secret is an address."""


class LinkFault(Enum):
    """Why a token opens nothing."""

    EXPIRED = "expired"
    FORGED = "forged"


class CaseLinks:
    """Makes and reads addresses. During a rotation `previous` still opens what it signed and signs nothing new."""

    def __init__(self, secret: Secret, base_url: str, days: int, *, previous: Secret | None = None) -> None:
        keys = [*([previous.reveal()] if previous else []), secret.reveal()]
        if not all(keys):
            raise ValueError("the secret of case links is empty")
        self._base_url = base_url.rstrip("/")
        self._serializer = URLSafeTimedSerializer(
            keys,  # the last one signs
            salt=_PURPOSE,
            signer_kwargs={"digest_method": hashlib.sha256, "key_derivation": "hmac"},
        )
        self.life = timedelta(days=days)
        self.host = urlsplit(base_url).netloc

    def address(self, case_id: str) -> str:
        """The address of a case's page, good from now on for `life`."""
        return f"{self._base_url}{self.path(case_id)}"

    def path(self, case_id: str) -> str:
        """`address` without the host."""
        token = self._serializer.dumps(case_id)
        return f"/case/{token if isinstance(token, str) else token.decode('ascii')}"

    def read(self, token: str) -> str | LinkFault:
        """The case id in a token that we signed (compared in constant time), or what is wrong with it."""
        try:
            case_id = self._serializer.loads(token, max_age=self.life.total_seconds())  # type: ignore[arg-type]
        except SignatureExpired:
            return LinkFault.EXPIRED
        except BadData:
            return LinkFault.FORGED
        return case_id if isinstance(case_id, str) else LinkFault.FORGED
