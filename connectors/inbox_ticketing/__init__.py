"""Ticketing plug-ins: one folder a product."""

from __future__ import annotations
