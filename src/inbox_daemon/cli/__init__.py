"""The command line: one command, one module."""

from __future__ import annotations
