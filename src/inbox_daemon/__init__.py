"""The core of inbox-daemon: receives, recognizes, delivers once. Knows no channel and no ticketing product."""

from __future__ import annotations
