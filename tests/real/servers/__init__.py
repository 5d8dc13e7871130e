"""Start and stop scripts of the real servers that tests use, and the fixtures that lend them (`fixtures.py`)."""

from __future__ import annotations
