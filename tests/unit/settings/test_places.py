"""Lines of keys: every kind of TOML syntax, and every key that tomllib finds."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inbox_daemon.settings.places import KeyPath, Places

EVERYTHING = '''\
top = 1 # = not a key [nor a table]
"quoted key" = "a # b"
'literal.key' = 'c:\\path\\'
dotted.deep.key = true
multi = """
fake = 1
[fake]
\\""" still inside """
after_multi = 1
literal_multi = \'\'\'
"""
fake2 = 2\'\'\'
list = [
  1, # comment ]
  "two ]",
  [3,
   4],
]
inline = { a = 1, b.c = [ { d = 1 }, { d = 2 } ], "e f" = {} }
date = 1979-05-27 07:32:00
empty = []

[table]
key = 1
[table.sub . "x y"]
key = 2

[[array]]
key = 3
[array.sub]
key = 4
[[array]]
key = 5
[[array.inner]]
key = 6
[[array.inner]]
key = 7
"esc\\u0061ped\\t" = 8
'''

LINES: dict[KeyPath, int] = {
    ("top",): 1,
    ("quoted key",): 2,
    ("literal.key",): 3,
    ("dotted", "deep", "key"): 4,
    ("dotted", "deep"): 4,
    ("multi",): 5,
    ("after_multi",): 9,
    ("literal_multi",): 10,
    ("list",): 13,
    ("list", 0): 14,
    ("list", 1): 15,
    ("list", 2): 16,
    ("list", 2, 1): 17,
    ("inline", "a"): 19,
    ("inline", "b", "c", 1, "d"): 19,
    ("inline", "e f"): 19,
    ("date",): 20,
    ("empty",): 21,
    ("table",): 23,
    ("table", "key"): 24,
    ("table", "sub", "x y"): 25,
    ("table", "sub", "x y", "key"): 26,
    ("array", 0): 28,
    ("array", 0, "key"): 29,
    ("array", 0, "sub", "key"): 31,
    ("array", 1): 32,
    ("array", 1, "key"): 33,
    ("array", 1, "inner", 0, "key"): 35,
    ("array", 1, "inner", 1, "key"): 37,
    ("array", 1, "inner", 1, "escaped\t"): 38,
}


@pytest.mark.parametrize(("path", "line"), LINES.items(), ids=str)
def test_lines(path: KeyPath, line: int) -> None:
    assert Places(EVERYTHING).line(path) == line


def test_every_key_of_everything_has_a_place_and_nothing_else_has() -> None:
    assert Places(EVERYTHING).paths() == frozenset(_paths(tomllib.loads(EVERYTHING)))


def test_what_is_not_there_stands_where_its_table_does() -> None:
    places = Places(EVERYTHING)
    assert places.line(("table", "missing")) == 23
    assert places.line(("array", 1, "missing", "deep")) == 32
    assert places.line(("nowhere",)) is None


@given(st.text(alphabet="ab=\"'[]{}.,# \n\t\\1", max_size=60))
def test_no_text_stops_it(text: str) -> None:
    """And whatever tomllib takes is located in full."""
    places = Places(text)
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return
    assert places.paths() == frozenset(_paths(data))


def _paths(data: Any, path: KeyPath = ()) -> Iterator[KeyPath]:
    if path:
        yield path
    if isinstance(data, dict):
        for key, value in data.items():
            yield from _paths(value, (*path, key))
    elif isinstance(data, list):
        for index, value in enumerate(data):
            yield from _paths(value, (*path, index))
