"""What operators see: log, metrics, health, service manager, local duties."""

from __future__ import annotations
