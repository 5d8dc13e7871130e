"""The e-mail channel without a server: settings, cursor, pages, refusals of odd servers."""

from __future__ import annotations
