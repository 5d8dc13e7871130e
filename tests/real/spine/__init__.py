"""The whole spine on real systems."""

from __future__ import annotations
