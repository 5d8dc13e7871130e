"""The only code that speaks SQL: one schema, two engines (SQLite, PostgreSQL)."""

from __future__ import annotations
