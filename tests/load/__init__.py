"""Benchmarks: figures to report, never tests that pass or fail by the clock."""

from __future__ import annotations
