"""Events of the log keep to one grammar, so that they can be searched for: noun.verb, without data."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[3]
LEVELS = {"debug", "info", "warning", "error", "exception", "critical"}
GRAMMAR = re.compile(r"[a-z][a-z0-9_]*(?:\.[a-z][a-z0-9_]*)+")


def logged() -> Iterator[tuple[str, ast.expr]]:
    """Where something is logged, and its first argument: calls of `log`, `_log`, `self._log`, `context.log` …"""
    for folder in ("src", "connectors"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if (
                    isinstance(node, ast.Call)
                    and isinstance(node.func, ast.Attribute)
                    and node.func.attr in LEVELS
                    and ast.unparse(node.func.value).split(".")[-1] in {"log", "_log", "logger"}
                    and node.args
                ):
                    yield f"{path.relative_to(ROOT)}:{node.lineno}", node.args[0]


def text_of(expression: ast.expr) -> str:
    """The literal; each inserted value of an f-string stands as one word, as `StateLog` inserts nouns and verbs."""
    if isinstance(expression, ast.JoinedStr):
        return "".join(str(part.value) if isinstance(part, ast.Constant) else "word" for part in expression.values)
    return str(expression.value) if isinstance(expression, ast.Constant) else ""


def test_something_is_logged_at_all() -> None:
    assert len(list(logged())) > 10


def test_every_event_is_named_by_the_grammar() -> None:
    wrong = [f"{place}: {ast.unparse(name)}" for place, name in logged() if not GRAMMAR.fullmatch(text_of(name))]
    assert wrong == []
