"""The e-mail channel against a real Dovecot behind a real Postfix."""

from __future__ import annotations
