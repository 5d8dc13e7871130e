"""Reads `protocol.schema.json`: the few words of JSON Schema that it uses, and no other."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import inbox_ticketing.webhook as package

SCHEMA = json.loads((Path(package.__file__).parent / "protocol.schema.json").read_text("utf-8"))
TYPES: dict[str, Any] = {
    "object": dict,
    "array": list,
    "string": str,
    "boolean": bool,
    "integer": int,
    "null": type(None),
}
KNOWN = {
    "$ref",
    "type",
    "const",
    "enum",
    "pattern",
    "required",
    "properties",
    "items",
    "oneOf",
    "description",
    "minLength",
}


def problems(name: str, value: Any) -> list[str]:
    """What is wrong with `value` as a `name` of the protocol."""
    return list(_problems({"$ref": f"#/$defs/{name}"}, value, name))


def _problems(schema: dict[str, Any], value: Any, where: str) -> list[str]:
    assert set(schema) <= KNOWN, f"{where}: {set(schema) - KNOWN}"
    if "$ref" in schema:
        return _problems(SCHEMA["$defs"][schema["$ref"].removeprefix("#/$defs/")], value, where)
    if "oneOf" in schema:
        tried = [_problems(one, value, where) for one in schema["oneOf"]]
        fitting = sum(not one for one in tried)
        return [] if fitting == 1 else [f"{where}: {fitting} of the forms fit", *min(tried, key=len)]
    found = _plain(schema, value, where)
    if isinstance(value, dict) and not found:
        found += [f"{where}: no {name}" for name in schema.get("required", ()) if name not in value]
        for name, inner in schema.get("properties", {}).items():
            found += _problems(inner, value[name], f"{where}.{name}") if name in value else []
    if isinstance(value, list) and "items" in schema:
        for number, item in enumerate(value):
            found += _problems(schema["items"], item, f"{where}[{number}]")
    return found


def _plain(schema: dict[str, Any], value: Any, where: str) -> list[str]:
    kinds = schema.get("type", [])
    named = [kinds] if isinstance(kinds, str) else kinds
    found = []
    if named and type(value) not in {TYPES[one] for one in named}:
        return [f"{where}: is no {named}"]
    if "const" in schema and value != schema["const"]:
        found.append(f"{where}: is not {schema['const']!r}")
    if "enum" in schema and value not in schema["enum"]:
        found.append(f"{where}: is none of {schema['enum']}")
    if isinstance(value, str) and not re.search(schema.get("pattern", ""), value):
        found.append(f"{where}: is not of the form {schema['pattern']}")
    if isinstance(value, str) and len(value) < schema.get("minLength", 0):
        found.append(f"{where}: is too short")
    return found
