"""Pure: handles in their three forms, and whether two of them are one citizen."""

from __future__ import annotations
