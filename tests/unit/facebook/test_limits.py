"""How near the limit of calls is, read from headers that anybody may have written."""

from __future__ import annotations

import json

import pytest

from inbox_channels._graph.limits import used

PAGE_USAGE = json.dumps({"100": [{"type": "pages", "call_count": 12, "total_cputime": 91, "total_time": 3}]})


@pytest.mark.parametrize(
    ("headers", "percent"),
    [
        ({}, 0),
        ({"X-Business-Use-Case-Usage": PAGE_USAGE}, 91),
        ({"X-App-Usage": '{"call_count": 7, "total_time": 30}'}, 30),
        ({"X-App-Usage": '{"call_count": 7}', "X-Business-Use-Case-Usage": PAGE_USAGE}, 91),
        ({"X-App-Usage": '{"call_count": 99.5}'}, 99),
        ({"X-App-Usage": "{", "X-Page-Usage": "[]"}, 0),
        ({"X-App-Usage": '{"call_count": "many", "total_time": null, "total_cputime": -4}'}, 0),
        ({"X-Business-Use-Case-Usage": '{"100": [5, {"call_count": true}, {"call_count": 1e99}]}'}, 0),
    ],
)
def test_the_highest_percentage_counts(headers: dict[str, str], percent: int) -> None:
    assert used(headers) == percent
