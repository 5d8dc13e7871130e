"""`explain`: one line for every file, in order, whatever is in it; never a traceback."""

from __future__ import annotations

import io
import json
import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from inbox_daemon.cli.main import main
from support.graph_fake_citizens import Phone, body

ANA = Phone(number="5493624000001", bsuid="AR.1001", name="Ana Invento")
AT = datetime(2026, 11, 23, 12, 30, tzinfo=UTC)
MAIL = (
    b"From: Ana <ana@correo.example>\r\nTo: centro@oficina.test\r\nSubject: =?utf-8?b?wr9UdXJub3M/?=\r\n"
    b"Date: Mon, 23 Nov 2026 09:30:00 -0300\r\nMessage-ID: <a1@correo.example>\r\n\r\nHola\r\n"
)
ODDITIES = {
    "empty": b"",
    "NUL": b"\x00" * 100,
    "random": os.urandom(3000),
    "deep": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    "deep list": b"[" * 200_000,
    "surrogate": b'{"object":"whatsapp_business_account","entry":[{"changes":[{"value":{"x":"\\ud800"}}]}]}',
    "not UTF-8": b'{"object":"\xff\xfe"}',
    "null": b"null",
    "number": b"1e999",
    "header only": b"Subject: =?utf-8?b?/////?= =?x?y?z?=\r\nFrom: \xff\xfe <a@b>\r\nDate: never\r\n\r\n",
    "broken mime": b"From: a@b.test\r\nContent-Type: multipart/mixed; boundary=\r\n\r\n--\r\n\r\n----\r\n",
    "japanese": b"From: a@b.test\r\nSubject: =?iso-2022-jp?b?GyRCJDMkcxsoQg==?=\r\n\r\n\x1b$B$3",
}


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    """Good and broken inputs of both kinds, in turn, and two that can't be read at all."""
    contents = dict(ODDITIES)
    contents |= {"good hook": body([ANA.text("Buen día", at=AT)]), "good mail": MAIL}
    names = []
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
        names.append(str(tmp_path / name))
    return [*names, str(tmp_path), str(tmp_path / "not there"), names[-2], names[-1]]


def lines(printed: str) -> list[dict[str, Any]]:
    """What was printed, one JSON document a line."""
    return [json.loads(line) for line in printed.splitlines()]


@pytest.mark.parametrize("kind", ["whatsapp", "email"])
def test_many_files_of_both_kinds(kind: str, files: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    code = main(["explain", kind, "--json", *files])
    printed = capfd.readouterr()
    found = lines(printed.out)
    assert len(found) == len(files)
    assert "Traceback" not in printed.out + printed.err
    for one in found:
        assert set(one) in ({"events"}, {"parked"})
        assert one.get("parked") != ""
    assert found[-4] == {"parked": "the file can't be read: Is a directory"}
    assert found[-3] == {"parked": "the file can't be read: No such file or directory"}
    assert code == 64
    good = found[-2] if kind == "whatsapp" else found[-1]
    [event] = good["events"]
    assert (event["type"], event["content"], event["text"]) == (
        "message",
        "text",
        "Buen día" if kind == "whatsapp" else "Hola",
    )
    assert datetime.fromisoformat(event["sent_at"]) == AT
    assert found[0].keys() == {"parked"}


def test_the_shape_that_others_rely_on(files: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "whatsapp", "--json", files[-2]]) == 0
    [found] = lines(capfd.readouterr().out)
    [event] = found["events"]
    assert event["sender"] == {
        "name": "Ana Invento",
        "handles": [
            {"kind": "bsuid", "value": "AR.1001", "proof": "channel"},
            {"kind": "phone", "value": "+5493624000001", "proof": "channel"},
        ],
    }
    wanted = {"external_id", "quoted", "subject", "attachments", "in_reply_to", "automatic"}
    assert wanted <= event.keys()


def test_for_people_each_file_is_named(files: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "email", files[-1]]) == 0
    printed = capfd.readouterr().out
    assert printed.startswith(f"{files[-1]}:\n{{\n")
    assert "¿Turnos?" in printed


def test_handles_one_a_line(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    raw = ["+54 9 362 412-3456", "03624-15-112233", "ana@correo.example", "AR.ABC123", "\x0bnada\u2028", "412-3456"]
    path = tmp_path / "numbers.txt"
    path.write_bytes(b"\xef\xbb\xbf" + "\r\n".join(raw).encode() + b"\n\n")
    assert main(["explain", "handles", "--json", "--area", "362", str(path)]) == 0
    found = lines(capfd.readouterr().out)
    assert [one["raw"] for one in found] == raw
    assert all(set(one) == {"raw", "kind", "value", "match_key", "ambiguous", "valid"} for one in found)
    assert [one["kind"] for one in found] == ["phone", "phone", "email", "bsuid", "unknown", "phone"]
    assert found[0]["value"] == found[0]["value"].replace(" ", "") == "+5493624123456"
    assert found[0]["match_key"] == found[-1]["match_key"]


def test_standard_input(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"ana@correo.example\n")))
    assert main(["explain", "handles", "--json", "-"]) == 0
    assert lines(capfd.readouterr().out)[0]["valid"] is True


def test_an_unknown_kind_is_told_with_the_known_ones(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "fax", "x"]) == 64
    said = capfd.readouterr().err
    assert "whatsapp" in said
    assert "handles" in said
