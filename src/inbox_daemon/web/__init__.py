"""Two HTTP listeners: the public one (hooks, case pages) and the operations one (health, metrics, status)."""

from __future__ import annotations
