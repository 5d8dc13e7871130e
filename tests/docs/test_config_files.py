"""config/inbox.toml and its schema say what the models and the plug-ins' samples say, and the file works."""

from __future__ import annotations

import json
import os
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from inbox_daemon import reference_files, registry
from inbox_daemon.plugins import ChannelPlugin, TicketingPlugin
from inbox_daemon.settings import Settings, Source, credentials, load, warnings
from inbox_daemon.settings.places import Places
from inbox_daemon.settings.source import dotted
from inbox_daemon.settings.tables import Route

CONFIG = Path(__file__).parents[2] / "config"
REMEDY = "run: python -m inbox_daemon.reference_files config"
DEFAULT_LINE = re.compile(r"^# (?=\[\w+\]$|[a-z_0-9]+ = )", re.MULTILINE)


@pytest.fixture(autouse=True)
def _credentials(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.upper().startswith("INBOX_") or name == "STATE_DIRECTORY":
            monkeypatch.delenv(name)
    text = (CONFIG / "inbox.toml").read_text(encoding="utf-8")
    for name in re.findall(r'credential = "([^"]+)"', text):
        (tmp_path / name).write_text("invented")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))


KINDS = registry.installed()


def _plugin(kind: str) -> ChannelPlugin[Any] | TicketingPlugin[Any]:
    return registry.channel_plugin(kind) if kind in KINDS.channels else registry.ticketing_plugin(kind)


def _plugins() -> Iterator[ChannelPlugin[Any] | TicketingPlugin[Any]]:
    yield from map(_plugin, (*KINDS.channels, *KINDS.ticketing))


def test_the_example_is_current() -> None:
    assert (CONFIG / "inbox.toml").read_text(encoding="utf-8") == reference_files.example(), REMEDY


def test_the_schema_is_current() -> None:
    assert (CONFIG / "inbox.schema.json").read_text(encoding="utf-8") == reference_files.schema(), REMEDY


def test_the_example_holds_every_sample_to_the_letter() -> None:
    text = (CONFIG / "inbox.toml").read_text(encoding="utf-8")
    assert all(plugin.sample.strip() in text for plugin in _plugins())


def test_the_example_works() -> None:
    settings = load(CONFIG / "inbox.toml")
    instances = registry.resolve(settings)
    assert {one.plugin.kind for one in instances.channels.values()} == set(KINDS.channels)
    assert {one.plugin.kind for one in instances.destinations.values()} == set(KINDS.ticketing)
    assert warnings(settings) == []


def test_what_is_commented_out_is_the_default(tmp_path: Path) -> None:
    """Except where a default can't be written down."""
    text = (CONFIG / "inbox.toml").read_text(encoding="utf-8")
    (tmp_path / "open.toml").write_text(DEFAULT_LINE.sub("", text), encoding="utf-8")

    given = tomllib.loads((tmp_path / "open.toml").read_text(encoding="utf-8"))

    for name, field in Settings.model_fields.items():
        model = credentials.bare(field.annotation)
        if isinstance(model, type) and issubclass(model, BaseModel) and name != "routing":
            assert given[name].keys() == model.model_fields.keys(), f"[{name}] is not complete"
            for key, value in given[name].items():
                if dotted((name, key)) not in reference_files.EXAMPLES:
                    default = model.model_fields[key].default
                    assert value == (list(default) if isinstance(default, tuple) else default), dotted((name, key))
    assert given["routes"][-1].keys() == Route.model_fields.keys()


@pytest.mark.parametrize("kind", [*KINDS.channels, *KINDS.ticketing])
def test_a_sample_is_a_right_table_with_every_key(kind: str) -> None:
    """As it stands, and with its comments opened."""
    plugin = _plugin(kind)
    opened = tomllib.loads(DEFAULT_LINE.sub("", plugin.sample))
    ((group, tables),) = opened.items()
    assert group == ("channels" if isinstance(plugin, ChannelPlugin) else "destinations")
    (table,) = tables.values()
    assert table.pop("kind") == plugin.kind
    table.pop("enabled", None)
    assert table.keys() == plugin.settings.model_fields.keys()

    (as_is,) = tomllib.loads(plugin.sample)[group].values()
    as_is.pop("kind")
    source = Source(file=Path("sample.toml"), data={}, places=Places(""))
    problems: list[str] = []
    resolved = {
        key: credentials.resolve(data, plugin.settings, source, (), lambda *told: problems.append(str(told)))
        for key, data in (("opened", table), ("as_is", as_is))
    }
    assert not problems
    assert plugin.settings.model_validate(resolved["as_is"])
    assert not _wrong_keys(plugin.settings, resolved["opened"])


def _wrong_keys(model: type[BaseModel], data: Any) -> list[str]:
    """Keys with a wrong value; that some exclude each other is fine here."""
    try:
        model.model_validate(data)
    except ValidationError as error:
        return [str(detail["loc"]) for detail in error.errors() if detail["loc"]]
    return []


def test_the_schema_knows_every_key_of_every_kind() -> None:
    schema = json.loads((CONFIG / "inbox.schema.json").read_text(encoding="utf-8"))
    for plugin in _plugins():
        table, model = (
            ("channels", "ChannelTable") if isinstance(plugin, ChannelPlugin) else ("destinations", "DestinationTable")
        )
        part = schema["$defs"][f"{table}.{plugin.kind}"]
        assert part["properties"].keys() >= plugin.settings.model_fields.keys() | {"kind", "enabled"}
        assert part["additionalProperties"] is False
        assert plugin.kind in schema["$defs"][model]["properties"]["kind"]["enum"]


def test_every_reference_of_the_schema_leads_somewhere() -> None:
    text = (CONFIG / "inbox.schema.json").read_text(encoding="utf-8")
    references = set(re.findall(r'"\$ref": "#/\$defs/([^"]+)"', text))
    assert references
    assert references <= json.loads(text)["$defs"].keys()
    assert "Secret(" not in text
