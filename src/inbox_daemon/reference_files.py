"""Makes config/inbox.toml and config/inbox.schema.json from the settings' models and the plug-ins' samples.

`python -m inbox_daemon.reference_files config` writes both; a test holds the files to what this makes.
"""

from __future__ import annotations

import json
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from inbox_daemon import registry
from inbox_daemon.plugins import PluginSettings, Secret
from inbox_daemon.settings import Settings, credentials
from inbox_daemon.settings.tables import ChannelTable, DestinationTable, Instance, Route

_HEAD = """\
## The configuration of inbox-daemon, complete. `##` is explanation, `#` a key with its default: take the # away to
## change it. Whatever is left out keeps its default.
##
##   inbox-daemon check             is this file right? Tells line, key and remedy of everything that is not
##   inbox-daemon check --online    also logs in to every channel and ticketing system
##
## Secrets never stand here. Each is a reference: { credential = "name" } (LoadCredential= of systemd),
## { file = "/path" } (readable by its owner only) or { env = "NAME" }.
## Every key can be overridden by a variable: INBOX_DAEMON__NAME, INBOX_CHANNELS__WHATSAPP_CENTRO__ENABLED
## (two underlines between table and key; one stands for a dash in a name).
## Editors that know JSON Schema complete and check this file by inbox.schema.json.
#:schema ./inbox.schema.json
"""
_CHANNELS = """\
## ---------------------------------------------------------------------------------------------- channels
## One table for each source of messages. Its name is yours (small letters, digits, dashes); it is stored with every
## message, so it is never changed or given to another later. `enabled = false` checks a table without running it.
"""
_DESTINATIONS = """\
## ------------------------------------------------------------------------------------------ destinations
## One table for each ministry's ticketing system; names as above. Every one may also have
##   enabled = true          false: checked, but not run
##   parallel = 8            tries at a time
##   on_unknown = "park"     as in [delivery]
##   grace_seconds = 20.0    as in [answers]
##   on_failed = "note"      as in [answers]
##   refer_to = ""           destination that takes its cases when this one is not competent
##   public_states = […]     states that its citizens may learn (default: open to reopened)
"""
EXAMPLES = {
    "daemon.state_dir": '"/var/lib/inbox-daemon"',
    "database.password": '{ credential = "database-password" }',
    "public.url": '"https://mensajes.gobierno.example"',
    "public.link_secret": '{ credential = "link-secret" }',
    "service.calendar": '"feriados.ics"',
    "notices.texts": '{ acknowledgement = "Recibimos su mensaje. Su caso es el {case}." }',
    "triage.options": (
        '[{ title = "Salud", destination = "salud-rt", keywords = ["turno", "hospital"] }, '
        '{ title = "Otro tema", destination = "fiduciaria" }]'
    ),
    "smtp.host": '"mail.gobierno.example"',
    "smtp.password": '{ credential = "smtp-password" }',
    "smtp.from_address": '"no-responder@gobierno.example"',
}
"""Keys whose default can't be written down or says nothing, with a value in its place."""
_ROUTING = """\
## ----------------------------------------------------------------------------------------------- routing
## Rules are tried in order; the first whose conditions all hold decides. What none takes goes to the default.
[routing]
default = "{default}"

[[routes]]
name = "salud"
destination = "{target}"
keywords = ["hospital", "turno médico", "vacuna"]
"""


def example() -> str:
    """The text of config/inbox.toml."""
    kinds = registry.installed()
    parts = [_HEAD]
    for name, field in Settings.model_fields.items():
        model = credentials.bare(field.annotation)
        if isinstance(model, type) and issubclass(model, BaseModel) and name != "routing":
            parts.append("\n".join(_table(name, model, optional=field.default is None)) + "\n")
    parts += [_CHANNELS, *(registry.channel_plugin(kind).sample for kind in kinds.channels)]
    parts += [_DESTINATIONS, *(registry.ticketing_plugin(kind).sample for kind in kinds.ticketing)]
    routing = _ROUTING.format(default=_name_in_sample("ticketbook"), target=_name_in_sample("request_tracker"))
    parts.append(routing + "\n".join(_route_keys()) + "\n")
    return "\n".join(part.rstrip("\n") + "\n" for part in parts)


def schema() -> str:
    """The text of config/inbox.schema.json."""
    made = Settings.model_json_schema()
    made = {"$schema": "https://json-schema.org/draft/2020-12/schema", **made}
    definitions = made["$defs"]
    kinds = registry.installed()
    for table, model, plugins in (
        ("channels", ChannelTable, [registry.channel_plugin(kind) for kind in kinds.channels]),
        ("destinations", DestinationTable, [registry.ticketing_plugin(kind) for kind in kinds.ticketing]),
    ):
        made["properties"][table]["additionalProperties"] = False  # a name that fits no pattern
        core = definitions[model.__name__]
        core["properties"]["kind"]["enum"] = [plugin.kind for plugin in plugins]
        core["allOf"] = []
        for plugin in plugins:
            name = f"{table}.{plugin.kind}"
            definitions[name] = _plugin_schema(name, model, plugin.settings, definitions)
            condition = {"properties": {"kind": {"const": plugin.kind}}}
            core["allOf"].append({"if": condition, "then": {"$ref": f"#/$defs/{name}"}})
    return json.dumps(_without_secret_defaults(made), ensure_ascii=False, indent=2, sort_keys=True) + "\n"


def main() -> None:
    """Write both files into the folder named on the command line."""
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "config")
    (folder / "inbox.toml").write_text(example(), encoding="utf-8")
    (folder / "inbox.schema.json").write_text(schema(), encoding="utf-8")


def _table(name: str, model: type[BaseModel], *, optional: bool) -> Iterator[str]:
    yield f"## {model.__doc__}"
    yield f"# [{name}]" if optional else f"[{name}]"
    for key, field in model.model_fields.items():
        yield f"## {field.description}"
        yield f"# {key} = {EXAMPLES.get(f'{name}.{key}') or _literal(field.default)}"


def _name_in_sample(kind: str) -> str:
    (name,) = tomllib.loads(registry.ticketing_plugin(kind).sample)["destinations"]
    return str(name)


def _route_keys() -> Iterator[str]:
    shown = {"name", "destination", "keywords"}
    for key, field in Route.model_fields.items():
        if key not in shown:
            yield f"## {field.description}"
            yield f"# {key} = {_literal(field.default)}"


def _literal(value: object) -> str:
    """A default as TOML writes it; JSON writes texts, numbers, booleans and lists alike."""
    return json.dumps(value, ensure_ascii=False)


def _plugin_schema(
    name: str, core: type[Instance], plugin: type[PluginSettings], definitions: dict[str, Any]
) -> dict[str, Any]:
    """The schema of one kind's table: the plug-in's keys and the core's; its own definitions join the others."""
    made = plugin.model_json_schema(ref_template=f"#/$defs/{name}.{{model}}")
    for inner, definition in made.pop("$defs", {}).items():
        definitions[f"{name}.{inner}"] = definition
    made["properties"] = {**made.get("properties", {}), **dict.fromkeys(sorted(core.CORE_KEYS), True)}
    return made


def _without_secret_defaults(part: Any) -> Any:
    if isinstance(part, dict):
        return {
            key: _without_secret_defaults(value)
            for key, value in part.items()
            if not (key == "default" and value == repr(Secret("")))
        }
    return [_without_secret_defaults(item) for item in part] if isinstance(part, list) else part


if __name__ == "__main__":
    main()
