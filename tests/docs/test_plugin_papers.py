"""What every plug-in folder holds, and that the guide for new ones can be followed."""

from __future__ import annotations

import hashlib
import hmac
import re
import tomllib
from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from docs.pages import ROOT, blocks, first_cells, headings, section, text
from inbox_daemon import errors, registry
from inbox_daemon.cli.main import COMMANDS
from inbox_daemon.errors import Credentials, EdgeError, Permanent, Transient, Uncertain
from inbox_daemon.model import Envelope, InstanceId, Message, Proof, Reply
from inbox_daemon.plugins import (
    ChannelPlugin,
    Pushed,
    Replying,
    Secret,
    SendingRules,
    TicketingAdapter,
    TicketingPlugin,
    WebhookRequest,
)
from support.contexts import lend_context

GUIDE = ROOT / "connectors/README.md"
FOLDERS = sorted(one.parent for one in (ROOT / "connectors").glob("inbox_*/[!_]*/__init__.py"))
EVERY = pytest.mark.parametrize("folder", FOLDERS, ids=lambda one: one.name)
NOW = datetime(2026, 11, 23, 12, 30, tzinfo=UTC)


def plugin_of(folder: Path) -> ChannelPlugin[Any] | TicketingPlugin[Any]:
    channel = folder.parent.name == "inbox_channels"
    return registry.channel_plugin(folder.name) if channel else registry.ticketing_plugin(folder.name)


def test_folders_and_installed_kinds_are_the_same() -> None:
    kinds = registry.installed()
    assert sorted(one.name for one in FOLDERS) == sorted({*kinds.channels, *kinds.ticketing})


@EVERY
def test_the_page_has_the_headings_that_people_look_for(folder: Path) -> None:
    found = headings(folder / "README.md")
    assert found[0].startswith("# ")
    assert {"## Keys", "## Limits", "## Not there yet"} <= set(found)


@EVERY
def test_every_key_has_its_row_and_every_row_its_key(folder: Path) -> None:
    rows = first_cells(section(folder / "README.md", "## Keys"))
    assert sorted(rows) == sorted(f"`{key}`" for key in plugin_of(folder).settings.model_fields)


@EVERY
def test_the_sample_is_the_one_that_is_printed(folder: Path) -> None:
    sample = text(folder / "sample.toml")
    assert plugin_of(folder).sample == sample
    [tables] = tomllib.loads(sample).values()
    assert [table["kind"] for table in tables.values()] == [folder.name]


@EVERY
def test_what_reads_has_recorded_cases(folder: Path) -> None:
    cases = [one for one in folder.glob("testcases/**/*") if one.is_file()]
    assert bool(cases) == (folder / "parse.py").exists()


# ---------------------------------------------------------------- the guide


def test_the_guide_names_modules_that_are_shared() -> None:
    shared = ROOT / "connectors/inbox_channels/_graph"
    rows = first_cells(section(GUIDE, "### What plug-ins share"))
    assert sorted(rows) == sorted(f"`{one.stem}`" for one in shared.glob("[!_]*.py"))


def test_the_guide_names_entry_points_that_are_looked_for() -> None:
    groups = {
        group
        for block in blocks(GUIDE, "toml")
        for group in tomllib.loads(block).get("project", {}).get("entry-points", {})
    }
    assert groups == {registry.CHANNELS, registry.TICKETING}


def test_the_guide_names_files_that_are_there() -> None:
    for path in re.findall(r"`(tests/[\w/.]+)`", text(GUIDE)):
        assert (ROOT / path).exists(), path
    assert "PROVIDERS" in text(ROOT / "tests/contract/ticketing_providers.py")
    assert "SIDES" in text(ROOT / "tests/contract/channel_sides.py")


def test_the_guide_names_every_rule_of_sending() -> None:
    [rules, follows] = re.split(r"^\| `send` raises", section(GUIDE, "### Answering"), flags=re.MULTILINE)
    assert first_cells(rules) == [f"`{field.name}`" for field in fields(SendingRules)]
    raised = re.findall(r"^\| `(\w+)` \|", follows, re.MULTILINE)
    assert [name for name in raised if not issubclass(getattr(errors, name), errors.EdgeError)] == []
    assert {"Transient", "Uncertain", "Permanent", "Credentials"} <= set(raised)
    named = set(re.findall(r"`(window|address|send)\(", rules))
    assert named == {name for name in vars(Replying) if not name.startswith("_")} - {"check", "aclose", "rules"}
    for name in re.findall(r"`reply\.(\w+)`", rules):
        assert name in Reply.__dataclass_fields__


def test_the_guide_names_calls_that_adapters_have() -> None:
    calls = first_cells(section(GUIDE, "### Answers of agents"))
    assert [name for name in calls if not hasattr(TicketingAdapter, name.strip("`"))] == []
    assert len(calls) == 6


def test_the_example_of_the_guide_works() -> None:
    source, _ = blocks(GUIDE, "python")
    space: dict[str, Any] = {"__name__": "webform"}
    exec(compile(source, "connectors/README.md", "exec", dont_inherit=True), space)
    plugin: ChannelPlugin[Any] = space["plugin"]
    own = plugin.settings(secret=Secret("invented"))
    body = b'{"id": "f-1", "at": "2026-11-23T09:30:00-03:00", "phone": "+543624000001", "text": "Hola"}'

    def envelope(body: bytes) -> Envelope:
        return Envelope(instance=InstanceId("form"), body=body, received_at=NOW)

    [message] = plugin.parse(envelope(body), plugin.settings.model_construct())
    assert isinstance(message, Message)
    assert message.text == "Hola"
    assert [handle.proof for handle in message.sender.handles] == [Proof.CLAIM]
    for broken in (b"", b"[]", b"{}", b'{"id": 1, "at": "x"}', b"\xff"):
        with pytest.raises(Permanent):
            plugin.parse(envelope(broken), own)

    channel = space["FormChannel"](own, None)
    assert isinstance(channel, Pushed)
    right = hmac.new(b"invented", body, hashlib.sha256).hexdigest()
    channel.authenticate(WebhookRequest(method="POST", query={}, headers={"x-signature": right}, body=body))
    for wrong in ({}, {"x-signature": right[:-1]}, {"x-signature": "ñ"}):
        with pytest.raises(Credentials):
            channel.authenticate(WebhookRequest(method="POST", query={}, headers=wrong, body=body))


@pytest.mark.parametrize(
    ("status", "answer", "error"),
    [
        (201, '{"id": 7}', None),
        (201, "<html>login</html>", Uncertain),
        (302, "", Permanent),
        (403, "{}", Credentials),
        (422, "{}", Permanent),
        (429, "{}", Transient),
        (503, "{}", Uncertain),
    ],
)
async def test_the_example_of_a_call_works(status: int, answer: str, error: type[EdgeError] | None) -> None:
    async def desk(request: web.Request) -> web.Response:
        assert request.headers["Authorization"] == "Bearer invented"
        assert await request.json() == {"subject": "Bache"}
        return web.Response(status=status, text=answer)

    _, source = blocks(GUIDE, "python")
    space: dict[str, Any] = {"__name__": "desk"}
    exec(compile(source, "connectors/README.md", "exec", dont_inherit=True), space)
    app = web.Application()
    app.router.add_post("/tickets", desk)
    async with TestServer(app, host="127.0.0.1") as server, lend_context() as context:
        made = space["Desk"](str(server.make_url("")).rstrip("/"), "invented", context)
        if error is None:
            assert (await made.open({"subject": "Bache"})).part("id") == 7
            return
        with pytest.raises(error) as raised:
            await made.open({"subject": "Bache"})
        assert type(raised.value) is error


# ---------------------------------------------------------------- changes


def test_the_changes_name_the_commands_and_the_version() -> None:
    changes = text(ROOT / "CHANGELOG.md")
    version = tomllib.loads(text(ROOT / "pyproject.toml"))["project"]["version"]
    assert f"To become {version}." in changes or f"## [{version}]" in changes
    assert [name for name in COMMANDS if f"`{name}`" not in changes] == []
