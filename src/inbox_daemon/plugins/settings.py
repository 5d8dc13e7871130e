"""Settings models of plug-ins: what every table has, and secrets that never stand in it."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema


class PluginSettings(BaseModel):
    """Root of every plug-in's settings model: frozen, and an unknown key is a mistake."""

    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True)


class Secret:
    """A secret as configured: a reference in TOML, resolved by the core before the plug-in sees it.

    In TOML it is one of `{ credential = "name" }` (systemd's $CREDENTIALS_DIRECTORY), `{ file = "/path" }` and
    `{ env = "NAME" }`. A literal string is refused. Its value is read with `reveal()`, and nothing else shows it.
    """

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The secret itself: to be put into a request or an HMAC, never into a log, an error or a URL."""
        return self._value

    def __repr__(self) -> str:
        return "Secret(…)"

    __str__ = __repr__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)

    def __reduce__(self) -> tuple[type[Secret], tuple[str]]:
        return Secret, (self._value,)  # settings travel to the parsing worker

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(
            cls._validate, serialization=core_schema.plain_serializer_function_ser_schema(repr)
        )

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: Any) -> dict[str, Any]:
        one = [
            {
                "type": "object",
                "properties": {key: {"type": "string"}},
                "required": [key],
                "additionalProperties": False,
            }
            for key in ("credential", "file", "env")
        ]
        return {"description": "A reference to a secret, never the secret itself.", "oneOf": one}

    @classmethod
    def _validate(cls, value: object) -> Secret:
        if isinstance(value, Secret):
            return value
        raise ValueError(
            'a secret is given by reference: { credential = "name" }, { file = "/path" } or { env = "NAME" }'
        )
