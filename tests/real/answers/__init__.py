"""The way back on real systems: what agents answer reaches the citizen who wrote, and nothing else ever does."""

from __future__ import annotations
