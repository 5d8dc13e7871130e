"""The way of a message through the daemon, one verb a module."""

from __future__ import annotations
