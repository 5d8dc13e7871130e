"""The files that an administrator imports: they can be loaded, and say what the adapter and the hints use."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from inbox_ticketing.znuny.settings import ZnunySettings
from support.znuny_fake_http import OPERATIONS

FOLDER = Path(__file__).parents[3] / "connectors/inbox_ticketing/znuny"
SCALAR = re.compile(r"'(?:[^'\n]|'')*'|[A-Za-z/][A-Za-z0-9_/-]*")
"""Without quotes only words that YAML can take for nothing but text."""


def load(name: str) -> Any:
    """Read the block style that these files keep to: any YAML reader does; none is installed with this project."""
    lines = (FOLDER / name).read_text("ascii").splitlines()
    assert lines.pop(0) == "---"
    assert all(line.strip() and "\t" not in line and line == line.rstrip() for line in lines)
    value, rest = _block(lines, 0)
    assert rest == []
    return value


def _block(lines: list[str], indent: int) -> tuple[Any, list[str]]:
    if lines[0].startswith(" " * indent + "- "):
        return _sequence(lines, indent)
    made: dict[str, Any] = {}
    while lines and len(lines[0]) - len(lines[0].lstrip()) == indent and not lines[0].lstrip().startswith("- "):
        key, colon, value = lines.pop(0).strip().partition(":")
        assert colon
        assert re.fullmatch(r"\w+", key), key
        assert key not in made, "twice"
        if value:
            made[key] = _scalar(value[1:])
        else:
            inner = len(lines[0]) - len(lines[0].lstrip())
            assert inner > indent or lines[0].lstrip().startswith("- ")
            made[key], lines = _block(lines, inner)
    return made, lines


def _sequence(lines: list[str], indent: int) -> tuple[list[Any], list[str]]:
    made: list[Any] = []
    while lines and lines[0].startswith(" " * indent + "- "):
        lines[0] = lines[0].replace("- ", "  ", 1)
        if ":" in lines[0]:
            item, lines = _block(lines, indent + 2)
            made.append(item)
        else:
            made.append(_scalar(lines.pop(0).strip()))
    return made, lines


def _scalar(text: str) -> str:
    assert SCALAR.fullmatch(text), text
    return text[1:-1].replace("''", "'") if text.startswith("'") else text


def test_the_service_has_each_operation_under_its_own_route_by_post_alone() -> None:
    provider = load("InboxDaemon.yml")["Provider"]
    types = {name: one["Type"].partition("::") for name, one in provider["Operation"].items()}
    assert sorted(types) == sorted(OPERATIONS)
    assert all(kind == name and area in {"Session", "Ticket"} for name, (area, _, kind) in types.items())
    transport = provider["Transport"]
    assert transport["Type"] == "HTTP::REST"
    routes = transport["Config"]["RouteOperationMapping"]
    assert {name: (one["Route"], one["RequestMethod"]) for name, one in routes.items()} == {
        name: (f"/{name}", ["POST"]) for name in OPERATIONS
    }


def test_the_service_is_named_as_its_file_and_takes_the_largest_file() -> None:
    fields = ZnunySettings.model_fields
    assert fields["web_service"].default == "InboxDaemon"
    largest = int(load("InboxDaemon.yml")["Provider"]["Transport"]["Config"]["MaxLength"])
    assert fields["max_attachment_bytes"].default < largest * 3 / 4


@pytest.mark.parametrize(("name", "kind"), [("Znuny", "Generic::Tunnel"), ("OTOBO", "Generic::PassThrough")])
def test_hints_are_posted_with_basic_authentication_over_https(name: str, kind: str) -> None:
    requester = load(f"InboxHint{name}.yml")["Requester"]
    [(invoker, made)] = requester["Invoker"].items()
    assert made["Type"] == kind
    assert {one["Event"] for one in made["Events"]} == {"ArticleCreate", "TicketMerge", "TicketStateUpdate"}
    assert all(one["Asynchronous"] == "1" for one in made["Events"]), "an agent must not wait for us"
    config = requester["Transport"]["Config"]
    assert config["Host"].startswith("https://")
    assert config["InvokerControllerMapping"][invoker] == {"Command": "POST", "Controller": "/hooks/salud-znuny"}
    assert config["Authentication"]["AuthType"] == "BasicAuth"
    assert config["Authentication"]["BasicAuthUser"] == ZnunySettings.model_fields["hint_user"].default
