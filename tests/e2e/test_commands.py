"""The commands as an operator types them: exit codes, what is printed where, and what they do to a running daemon."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from e2e.world import ANA, BENITO, HOOK, SECRETS, assert_nobody_in, case_of, deliver, now, office
from inbox_daemon.cli.main import main
from support.daemon import Daemon, eventually
from support.graph_fake_citizens import body, sign


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    with office(tmp_path_factory.mktemp("commands")) as daemon:
        yield daemon


Cli = Callable[..., "Done"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What a command came to."""

    returncode: int
    stdout: bytes
    stderr: bytes


@pytest.fixture
def cli(monkeypatch: pytest.MonkeyPatch, capsysbinary: pytest.CaptureFixture[bytes]) -> Cli:
    """Runs a command on a daemon's configuration, in this process: starting another one is most of a command's time."""

    def run(daemon: Daemon, *args: str) -> Done:
        for name, value in daemon.environ.items():
            monkeypatch.setenv(name, value)
        capsysbinary.readouterr()
        code = main(["--config", str(daemon.config), *args])
        printed = capsysbinary.readouterr()
        return Done(returncode=code, stdout=printed.out, stderr=printed.err)

    return run


def said(done: Done | subprocess.CompletedProcess[bytes]) -> str:
    """Everything it printed; never a traceback or a secret."""
    text = (done.stdout + done.stderr).decode()
    assert "Traceback" not in text
    assert_nobody_in(text, *SECRETS)
    return text


def printed(cli: Cli, daemon: Daemon, *args: str) -> str:
    """What a command prints that goes well."""
    done = cli(daemon, *args)
    assert done.returncode == 0, said(done)
    return bytes(done.stdout).decode()


def test_status(cli: Cli, running: Daemon, tmp_path: Path) -> None:
    done = cli(running, "status")
    assert done.returncode == 0
    assert said(done).startswith("ready, version ")
    assert "whatsapp-centro" in said(done)
    assert "salud" in said(done)
    status = json.loads(printed(cli, running, "status", "--json"))
    assert status["ready"] is True
    assert status["destinations"]["salud"]["state"] == "up"
    down = cli(office(tmp_path), "status")
    assert down.returncode == 69
    assert "is the daemon running?" in said(down)


def test_check_offline_and_online(cli: Cli, running: Daemon) -> None:
    done = cli(running, "check")
    assert done.returncode == 0
    assert "OK: 1 channel, 2 destinations, 1 route" in said(done)
    online = cli(running, "check", "--online")
    assert online.returncode == 69, "nobody listens where Meta should be"
    assert "salud: fine" in said(online)
    assert "whatsapp-centro: checking the number: no connection to 127.0.0.1" in said(online)


def test_check_names_all_mistakes_with_place_and_remedy(cli: Cli, tmp_path: Path) -> None:
    daemon = office(tmp_path)
    text = daemon.config.read_text("utf-8")
    text = text.replace('default = "salud"', 'default = "salut"').replace(
        "[attachments]\nmax_bytes", "[attachments]\nmax_byte"
    )
    daemon.config.write_text(text, "utf-8")
    for command in (["check"], ["run"], ["ledger"]):
        done = cli(daemon, *command)
        assert done.returncode == 78
        assert "inbox.toml:" in said(done)
        assert "attachments.max_byte" in said(done)
        assert "routing.default" in said(done)
        assert said(done).count("remedy: ") == 2


def test_everything_can_be_asked_before_the_first_run(cli: Cli, tmp_path: Path) -> None:
    done = cli(office(tmp_path), "check", "--online")
    assert done.returncode == 69  # there is no Meta here
    assert "salud: fine" in said(done)


def test_a_configuration_that_is_not_there(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "inbox_daemon", "--config", str(tmp_path / "no.toml"), "check"],
        capture_output=True,
        check=False,
    )
    assert done.returncode == 78
    assert str(tmp_path / "no.toml") in said(done)


def test_simulate_goes_the_whole_way_and_one_id_is_one_message(cli: Cli, running: Daemon) -> None:
    for _ in range(2):
        done = cli(
            running,
            "simulate",
            "whatsapp-centro",
            "--from",
            ANA.number or "",
            "--name",
            "Ana Prueba",
            "--text",
            "¿Turno?",
            "--id",
            "rep-1",
        )
        assert done.returncode == 0
        assert said(done).strip() == "1 message taken"
    running.settled(seconds=10, messages=1)
    paths = running.sql("SELECT count(*) FROM message WHERE text = '¿Turno?'")
    assert paths == [(1,)]
    many = cli(running, "simulate", "whatsapp-centro", "--count", "25")
    assert many.returncode == 0
    assert "25 messages taken" in said(many)
    running.settled(seconds=15, messages=26)


def test_simulate_says_what_is_wrong(cli: Cli, running: Daemon, tmp_path: Path) -> None:
    unknown = cli(running, "simulate", "whatsapp-otro")
    assert unknown.returncode == 64
    assert "use one of: whatsapp-centro" in said(unknown)
    assert cli(office(tmp_path), "simulate", "whatsapp-centro").returncode == 69


def test_the_parked_are_listed_shown_retried_and_discarded(cli: Cli, running: Daemon) -> None:
    garbage = [b"garbage one, Ana", b"garbage two, Ana"]
    half = body([BENITO.text("Bien", at=now()), BENITO.message("text", {"nothing": 1}, at=now())])
    for content in (*garbage, half):
        assert running.post(HOOK, content, sign(content)) == 200
    case_of(running, BENITO)

    def parked() -> list[dict[str, str]]:
        lines = [json.loads(line) for line in printed(cli, running, "parked", "list", "--json").splitlines()]
        return lines if len(lines) == 3 else []

    items = eventually(parked)
    assert [one["id"][0] for one in items] == ["E", "E", "M"]
    first, second, item = (one["id"] for one in items)
    listed = cli(running, "parked", "list")
    assert all(one in said(listed) for one in (first, second, item))
    assert_nobody_in(said(listed), "garbage", "Ana")

    shown = cli(running, "parked", "show", first)
    assert shown.returncode == 0
    assert json.loads(said(shown))["id"] == first
    assert "garbage" not in said(shown)
    assert said(cli(running, "parked", "show", first.lower(), "--raw")).endswith("garbage one, Ana")

    assert cli(running, "parked", "discard", first, item).returncode == 0
    assert said(cli(running, "parked", "retry", second)) == f"{second}: goes on\n"
    eventually(lambda: running.sql("SELECT state FROM envelope WHERE id = ?", int(second[1:])) == [("parked",)])
    left = [json.loads(line)["id"] for line in printed(cli, running, "parked", "list", "--json").splitlines()]
    assert left == [second], "it was read again, and is as unreadable as before"
    for wrong in ("E999999", first, "X1", "E", "1"):
        refused = cli(running, "parked", "discard", wrong)
        assert refused.returncode == 64
        assert "is not parked" in said(refused)
    assert cli(running, "parked", "retry").returncode == 64
    assert cli(running, "replay", "E999999").returncode == 64
    [books] = [json.loads(line) for line in printed(cli, running, "ledger", "--json").splitlines()]
    assert (books["balance"], books["parked"], books["ignored"]["discarded"]) == (0, 1, 2)


def test_ledger_tells_the_books_and_cries_out_when_they_do_not_balance(cli: Cli, running: Daemon) -> None:
    assert deliver(running, ANA.text("Para los libros", at=now())) == 200
    eventually(lambda: all(not one["pending"] for one in running.status()["ledger"]))
    done = cli(running, "ledger")
    assert done.returncode == 0
    assert "DOES NOT BALANCE" not in said(done)
    assert "whatsapp-centro" in said(done)
    [(one,)] = running.sql("SELECT max(id) FROM envelope WHERE state = 'done'")
    running.sql("UPDATE envelope SET events = events + 1 WHERE id = ?", one)
    wrong = cli(running, "ledger")
    assert wrong.returncode == 70
    assert "DOES NOT BALANCE: +1" in said(wrong)
    assert json.loads(cli(running, "ledger", "--json").stdout)["balance"] == 1
    running.sql("UPDATE envelope SET events = events - 1 WHERE id = ?", one)
    assert cli(running, "ledger", "--days", "36500").returncode == 0


def test_replay_reads_again_what_a_mended_configuration_can_now_place(cli: Cli, tmp_path: Path) -> None:
    daemon = office(tmp_path)
    right = daemon.config.read_text("utf-8")
    with daemon:
        assert deliver(daemon, ANA.text("Uno", at=now())) == 200
        content = b"not yet readable"
        assert daemon.post(HOOK, content, sign(content)) == 200
        daemon.settled(seconds=10, messages=1)
        eventually(lambda: daemon.status()["channels"]["whatsapp-centro"]["parked"] == 1)
        # as if the parser could not read what it now can
        good = body([ANA.text("Dos, con demora", at=now())])
        daemon.sql("UPDATE envelope SET body = ? WHERE state = 'parked'", good)
        done = cli(daemon, "replay", "--parked", "--wait")
        assert done.returncode == 0
        assert "1 envelope to be read again" in said(done)
        daemon.settled(seconds=10, messages=2)
        assert cli(daemon, "replay", "--instance", "whatsapp-centro", "--since", "1h", "--wait").returncode == 0
        daemon.settled(seconds=10, messages=2)
        assert case_of(daemon, ANA, entries=2)[1].entries() == ["Uno", "Dos, con demora"], "nothing came twice"
        assert json.loads(printed(cli, daemon, "ledger", "--json"))["balance"] == 0
        for usage in (["replay"], ["replay", "12"], ["replay", "--since", "ayer"]):
            assert cli(daemon, *usage).returncode == 64
        # a channel is renamed while one of its envelopes is not read yet: it waits for the name to come back
        daemon.kill()
        daemon.sql(
            "INSERT INTO envelope (instance, day, received_at, headers, body, due_at)"
            " SELECT instance, day, received_at, headers, ?, 0 FROM envelope WHERE id = 1",
            body([ANA.text("Tres", at=now())]),
        )
    daemon.config.write_text(right.replace("whatsapp-centro]", "whatsapp-nuevo]"), "utf-8")
    with daemon:
        eventually(lambda: "unknown_instance" in daemon.log.read_text("utf-8") or daemon.books()[0]["pending"] == 1)
        daemon.kill()
    daemon.config.write_text(right, "utf-8")
    with daemon:
        assert cli(daemon, "replay", "--since", "1d").returncode == 0
        daemon.sql("UPDATE envelope SET due_at = 0 WHERE state = 'new'")
        daemon.settled(seconds=10, messages=3)
        assert case_of(daemon, ANA, entries=3)[1].entries()[2] == "Tres"


def test_migrate(cli: Cli, tmp_path: Path) -> None:
    daemon = office(tmp_path)
    assert "migrated to revision" in said(cli(daemon, "migrate"))
    assert "already at revision" in said(cli(daemon, "migrate"))
    daemon.sql("UPDATE alembic_version SET version_num = '9999'")
    for command in ("migrate", "run", "ledger"):
        newer = cli(daemon, command)
        assert newer.returncode == 78
        assert "newer" in said(newer)
        assert "remedy:" in said(newer)
