"""The unit and what comes with it."""

from __future__ import annotations
