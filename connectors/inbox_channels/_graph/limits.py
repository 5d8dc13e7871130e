"""How near the limit of calls is, as Meta's answers say it beside what was asked. Pure.

Source: developers.facebook.com/docs/graph-api/overview/rate-limiting (2026): percentages, throttled at 100.
"""

from __future__ import annotations

from collections.abc import Mapping

import orjson

from inbox_channels._graph.reading import Json, children

_HEADERS = ("X-Business-Use-Case-Usage", "X-App-Usage", "X-Page-Usage")
_KEYS = ("call_count", "total_cputime", "total_time")


def used(headers: Mapping[str, str]) -> int:
    """How much of the limit of calls is used up, in percent: the highest number of the usage headers, else 0."""
    return max(_percentages(headers), default=0)


def _percentages(headers: Mapping[str, str]) -> list[int]:
    found: list[int] = []
    for name in _HEADERS:
        try:
            usage = orjson.loads(headers.get(name, ""))
        except orjson.JSONDecodeError:
            continue
        if isinstance(usage, dict):
            rows = [usage, *(row for key in usage for row in children(usage, key))]
            found += [_whole(row, key) for row in rows for key in _KEYS]
    return found


def _whole(row: Json, key: str) -> int:
    value = row.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return 0
    return int(value) if 0 <= value < 1e6 else 0
