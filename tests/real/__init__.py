"""Tests against real servers on loopback; each carries the marker `real`."""

from __future__ import annotations
