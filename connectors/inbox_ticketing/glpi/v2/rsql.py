"""Filters (RSQL) and questions (GraphQL) of the high-level API; pure.

GLPI's RSQL has no escape for the quote that a value stands in (`RSQL/Parser::parse` only takes the outer ones off), and
takes an unquoted value that begins with 0 for none (`empty()` in `RSQL/Lexer::tokenize`): every value is quoted here.
"""

from __future__ import annotations

import json

from inbox_daemon.errors import Permanent


def literal(value: str | int) -> str:
    """A value in quotes that it does not hold itself. Raises `Permanent` where it holds both kinds."""
    text = str(value)
    for quote in ('"', "'"):
        if quote not in text:
            return f"{quote}{text}{quote}"
    raise Permanent("GLPI cannot search for a text with both kinds of quotes")


def equals(field: str, value: str | int) -> str:
    """`field` is `value`; letters' case and accents are the database's affair."""
    return f"{field}=={literal(value)}"


def above(field: str, value: int) -> str:
    """`field` is more than `value`."""
    return f"{field}=gt={literal(value)}"


def holds(field: str, part: str) -> str:
    """`part` stands somewhere in `field`. `%` and `_` in it match any character, `*` any text: compare what comes."""
    return f"{field}=like={literal(f'*{part}*')}"


def every(*filters: str) -> str:
    """All of them."""
    return ";".join(filters)


def question(type_name: str, condition: str, fields: str) -> str:
    """A GraphQL query for all rows of one type. Without a limit: a part of the rows is an error there
    (`GraphQL::processRequest` takes the 206 of its own search for one)."""
    return f"query {{ {type_name}(filter: {json.dumps(condition, ensure_ascii=False)}) {{ {fields} }} }}"
