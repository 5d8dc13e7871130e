"""Migrations on both engines: they make exactly the schema of the program, once, whoever comes first."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import URL, Connection, inspect, text

from inbox_daemon.errors import SettingsError
from inbox_daemon.store import migrate as module
from inbox_daemon.store.database import Database
from inbox_daemon.store.migrate import HEAD, migrate, version
from inbox_daemon.store.schema import metadata

CHILD = Path(__file__).parent / "migrate_child.py"


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.real)])
def empty(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """A database without a schema, on each engine."""
    if request.param == "postgresql":
        url: URL = request.getfixturevalue("postgresql").empty()
    else:
        url = URL.create("sqlite", database=str(tmp_path / "inbox.sqlite3"))
    with Database(url) as database:
        yield database


def _differences(connection: Connection) -> list[object]:
    """What Alembic would write into a new revision."""
    return list(compare_metadata(MigrationContext.configure(connection), metadata))


def _shape(connection: Connection) -> dict[str, object]:
    """Everything that the database itself tells of its tables."""
    look = inspect(connection)
    shape: dict[str, object] = {}
    for name in sorted(look.get_table_names()):
        if name == "alembic_version":
            continue
        columns = [one | {"type": str(one["type"])} for one in look.get_columns(name)]
        keys = [look.get_pk_constraint(name), *look.get_foreign_keys(name), *look.get_unique_constraints(name)]
        shape[name] = (columns, _sorted(keys), _sorted(look.get_indexes(name)))
    return shape


def _sorted(parts: Sequence[Mapping[str, Any]]) -> list[str]:
    return sorted(str({key: str(_plain(value)) for key, value in sorted(part.items())}) for part in parts)


def _plain(value: Any) -> Any:
    return {key: str(one) for key, one in value.items()} if isinstance(value, dict) else value


def test_the_program_knows_the_newest_revision() -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(module.__file__).parent / "migrations"))
    assert ScriptDirectory.from_config(config).get_heads() == [HEAD]


def test_migrations_make_the_schema_of_the_program(empty: Database) -> None:
    migrate(empty)
    migrated = empty.run_now(_shape)
    assert len(migrated) == len(metadata.tables)
    assert empty.run_now(_differences) == []
    metadata.drop_all(empty.engine)
    metadata.create_all(empty.engine)
    assert empty.run_now(_shape) == migrated


@pytest.mark.parametrize(
    "change",
    [
        "ALTER TABLE lease ADD COLUMN surprise INTEGER",
        "DROP INDEX ix_dispatch_open",
        "ALTER TABLE envelope RENAME COLUMN reason TO why",
    ],
)
def test_control_a_difference_would_be_seen(database: Database, change: str) -> None:
    before = database.run_now(_shape)
    database.run_now(lambda c: c.execute(text(change)))
    assert database.run_now(_shape) != before
    assert database.run_now(_differences)


def test_an_empty_database_is_migrated_once(empty: Database) -> None:
    assert empty.run_now(version) is None
    assert migrate(empty)
    assert empty.run_now(version) == HEAD
    assert not migrate(empty)
    assert empty.run_now(_differences) == []


def test_a_newer_database_is_refused_and_left_alone(empty: Database) -> None:
    migrate(empty)
    empty.run_now(lambda c: c.execute(text("UPDATE alembic_version SET version_num = '9999'")))
    with pytest.raises(SettingsError, match="newer than this program's") as told:
        migrate(empty)
    assert told.value.key == "database.url"
    assert told.value.remedy
    assert empty.run_now(version) == "9999"


def test_nodes_that_start_together_migrate_once(empty: Database) -> None:
    address = empty.url.render_as_string(hide_password=False)
    nodes = [
        subprocess.Popen([sys.executable, CHILD, address], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    for node in nodes:
        assert node.stdout is not None
        assert node.stdout.readline() == "ready\n"
    for node in nodes:  # all are up: now at once
        assert node.stdin is not None
        node.stdin.write("go\n")
        node.stdin.flush()
    told = [node.communicate(timeout=60)[0] for node in nodes]
    assert [node.returncode for node in nodes] == [0, 0, 0, 0]
    assert set(told) <= {"True\n", "False\n"}
    assert "True\n" in told
    assert empty.run_now(_differences) == []
