"""Channel plug-ins: one folder a kind."""

from __future__ import annotations
