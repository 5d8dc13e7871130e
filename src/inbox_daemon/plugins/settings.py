"""Settings models of plug-ins: what every table has, and secrets that never stand in it."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, ConfigDict, GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema


class PluginSettings(BaseModel):
    """Root of every plug-in's settings model: frozen, and an unknown key is a mistake."""

    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True)


def _web_address(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.fragment:
        raise ValueError("give a web address such as https://tickets.obras.example, without #")
    if parts.username or parts.password:
        raise ValueError("take the user and password out of the address; other keys stand for them")
    return value


def _base_url(value: str) -> str:
    if urlsplit(value).query:
        raise ValueError("give the address without ?: more is put behind it")
    return value.rstrip("/")


def _zone_name(value: str) -> str:
    try:
        ZoneInfo(value)
    except (OSError, ValueError, KeyError) as error:
        raise ValueError("give a time zone by its name, such as UTC or America/Argentina/Cordoba") from error
    return value


WebAddress = Annotated[str, AfterValidator(_web_address)]
"""An address over http or https without user, password or fragment, as it was given."""
BaseUrl = Annotated[WebAddress, AfterValidator(_base_url)]
"""One that paths are put behind: no query, and no slash at its end."""
ZoneName = Annotated[str, AfterValidator(_zone_name)]
"""The name of a time zone that this machine knows."""


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
