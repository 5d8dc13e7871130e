"""Finds the line of every key of a TOML text, which tomllib does not tell. Pure."""

from __future__ import annotations

import re
from contextlib import suppress

KeyPath = tuple[str | int, ...]
"""A dotted key as a tuple; items of arrays by number from 0."""

_BLANK = re.compile(r"(?:[ \t\r\n]+|#[^\n]*)*")
_BARE = re.compile(r"[A-Za-z0-9_-]+")
_STRING = re.compile(
    r'"""(?:\\.|[^\\])*?"{3,5}|\'\'\'.*?\'{3,5}|"(?:\\.|[^"\\\n])*"|\'[^\'\n]*\'',
    re.DOTALL,
)
_PLAIN = re.compile(r"[^,\]}#\n]+")  # numbers, dates, booleans
_ESCAPE = re.compile(r"\\(?:u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8})|(.))", re.DOTALL)
_ESCAPED = {"b": "\b", "t": "\t", "n": "\n", "f": "\f", "r": "\r"}


class Places:
    """Lines of the keys, tables and array items of one *valid* TOML text; of an invalid one, as many as can be read."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._lines: dict[KeyPath, int] = {}
        self._lengths: dict[KeyPath, int] = {}  # arrays of tables
        with suppress(_Unreadable):
            self._document()

    def line(self, path: KeyPath) -> int | None:
        """The line where `path` stands, else that of the nearest thing around it; None when nothing is known."""
        for length in range(len(path), 0, -1):
            if path[:length] in self._lines:
                return self._lines[path[:length]]
        return None

    def paths(self) -> frozenset[KeyPath]:
        """Everything that has a place."""
        return frozenset(self._lines)

    def _document(self) -> None:
        table: KeyPath = ()
        while self._skip():
            if self._take("[["):
                table = self._item(self._resolve(self._key()))
                self._need("]]")
            elif self._take("["):
                line = self._line()
                table = self._resolve(self._key())
                self._lines[table] = line  # a header tells more than the dotted key of a child before it
                self._need("]")
            else:
                self._pair(table)

    def _item(self, array: KeyPath) -> KeyPath:
        index = self._lengths.get(array, 0)
        self._lengths[array] = index + 1
        self._mark(array)
        self._mark((*array, index))
        return (*array, index)

    def _resolve(self, keys: tuple[str, ...]) -> KeyPath:
        """The path of a header: a name of an array of tables means its last item."""
        path: KeyPath = ()
        for position, key in enumerate(keys):
            path = (*path, key)
            self._mark(path)
            if path in self._lengths and position < len(keys) - 1:
                path = (*path, self._lengths[path] - 1)
        return path

    def _pair(self, table: KeyPath) -> None:
        line = self._line()
        path = table
        for key in self._key():
            path = (*path, key)
            self._lines.setdefault(path, line)
        self._need("=")
        self._value(path)

    def _value(self, path: KeyPath) -> None:
        self._skip()
        if self._take("["):
            index = 0
            while self._more("]"):
                self._mark((*path, index))
                self._value((*path, index))
                index += 1
        elif self._take("{"):
            while self._more("}"):
                self._pair(path)
        else:
            self._scalar()

    def _more(self, end: str) -> bool:
        """Whether another item follows before `end`; passes the comma, or the end."""
        self._skip()
        self._take(",")
        if not self._skip():
            raise _Unreadable
        return not self._take(end)

    def _scalar(self) -> None:
        found = _STRING.match(self._text, self._at) or _PLAIN.match(self._text, self._at)
        if not found:
            raise _Unreadable
        self._at = found.end()

    def _key(self) -> tuple[str, ...]:
        keys = []
        while True:
            self._skip()
            if found := _BARE.match(self._text, self._at):
                keys.append(found[0])
            elif found := _STRING.match(self._text, self._at):
                keys.append(_unquote(found[0]))
            else:
                raise _Unreadable
            self._at = found.end()
            self._skip()
            if not self._take("."):
                return tuple(keys)

    def _skip(self) -> bool:
        """Pass blanks and comments; whether anything follows."""
        found = _BLANK.match(self._text, self._at)
        self._at = found.end() if found else self._at
        return self._at < len(self._text)

    def _take(self, token: str) -> bool:
        if not self._text.startswith(token, self._at):
            return False
        self._at += len(token)
        return True

    def _need(self, token: str) -> None:
        self._skip()
        if not self._take(token):
            raise _Unreadable

    def _mark(self, path: KeyPath) -> None:
        self._lines.setdefault(path, self._line())

    def _line(self) -> int:
        return self._text.count("\n", 0, self._at) + 1


class _Unreadable(Exception):
    """The text is not TOML here; what was found before it stays."""


def _unquote(quoted: str) -> str:
    if quoted[0] == "'":
        return quoted[1:-1]
    return _ESCAPE.sub(
        lambda found: chr(int(found[1] or found[2], 16)) if found[1] or found[2] else _ESCAPED.get(found[3], found[3]),
        quoted[1:-1],
    )
