"""The page of a case on a real socket: what it shows, what it takes, and what it refuses."""

from __future__ import annotations

import asyncio
import re
import time
from html import unescape
from itertools import pairwise
from pathlib import Path
from typing import Any
from unittest import mock
from urllib.parse import quote_from_bytes
from zoneinfo import ZoneInfo

import pytest

from inbox_daemon.model import CaseNumber, InstanceId, MessageKey, Reference, StoredFile
from inbox_daemon.web.case import Cases
from inbox_daemon.web.pages import MAX_ANSWER_CHARS, SHOWN_ENTRIES
from unit.web.desk import ATTACK, Office, State
from unit.web.wire import request, serving

POLICY = "default-src 'none'; style-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"


async def test_the_conversation_is_shown_as_text_with_strict_headers(office: Office) -> None:
    answer = await office.get(office.path)
    html = answer.body.decode()
    assert answer.headers["content-security-policy"] == POLICY
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["x-robots-tag"].startswith("noindex")
    assert answer.headers["referrer-policy"] == "same-origin"
    assert "<script" not in html
    assert "<img" not in html
    assert html.count(ATTACK) == 0
    assert unescape(html).count(ATTACK) == 3
    assert "Fiduciaria del Norte" in html
    assert "C-7K3M-2" in html
    assert 'lang="es-AR"' in html
    assert not re.search(r"<style|<[^>]+\s(style|on\w+)=|javascript:|https?://", html), (
        "nothing inline, nothing from elsewhere"
    )


async def test_times_are_the_offices_wall_clock(office: Office) -> None:
    html = await office.page()
    shown = re.findall(r'<time datetime="([^"]+)">(\d\d)/(\d\d)/(\d{4}) (\d\d):(\d\d)</time>', html)
    assert shown
    for stamp, day, _, _, hour, _ in shown:
        assert (int(stamp[11:13]) - int(hour)) % 24 == 3, "Argentina is three hours behind UTC"
        assert abs(int(stamp[8:10]) - int(day)) in {0, 1, 27, 28, 29, 30}


async def test_headings_are_in_order_and_every_field_has_a_label(office: Office) -> None:
    html = await office.page()
    levels = [int(level) for level in re.findall(r"<h([1-6])", html)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    for name in re.findall(r'<textarea id="([^"]+)"', html):
        assert f'<label for="{name}">' in html
    for landmark in ("<header", "<main", "<footer"):
        assert html.count(landmark) == 1


async def test_the_stylesheet_is_kept_for_good_under_the_name_of_its_content(office: Office) -> None:
    found = re.search(r'href="(/assets/case\.css\?v=[0-9a-f]+)"', await office.page())
    assert found
    answer = await office.get(found[1])
    assert answer.headers["content-type"] == "text/css; charset=utf-8"
    assert "immutable" in answer.headers["cache-control"]
    assert (await office.get("/assets/case.css?v=old")).headers["cache-control"] == "no-cache"


async def test_an_answer_is_written_once_however_often_it_is_sent(office: Office) -> None:
    form = {"once": await office.once(), "text": "Sí, puede.\r\nSaludos\x00 👍"}
    answers = await asyncio.gather(*[office.post(f"{office.path}/answer", form) for _ in range(5)])
    assert {answer.status for answer in answers} == {303}
    assert (await office.entries())[1:] == [("agent", "Sí, puede.\nSaludos 👍")]
    page = await office.get(answers[0].headers["location"])
    assert "La respuesta quedó registrada" in page.body.decode()
    assert "Sale 20 segundos después de que usted la envía" in page.body.decode()


async def test_a_corrected_text_from_the_same_page_is_another_answer(office: Office) -> None:
    once = await office.once()
    for text in ("Lunes.", "Martes."):
        await office.post(f"{office.path}/answer", {"once": once, "text": text})
    assert [body for _, body in await office.entries()][1:] == ["Lunes.", "Martes."]


@pytest.mark.parametrize("text", ["", "  \r\n ", "x" * (MAX_ANSWER_CHARS + 1)])
async def test_an_answer_that_cannot_be_saved_is_shown_again_with_the_reason(office: Office, text: str) -> None:
    answer = await office.post(f"{office.path}/answer", {"once": await office.once(), "text": text})
    html = answer.body.decode()
    assert answer.status == 422
    assert 'aria-invalid="true"' in html
    assert text.strip() in html
    assert len(await office.entries()) == 1


async def test_the_longest_answer_of_the_widest_characters_fits(office: Office) -> None:
    text = "😀" * MAX_ANSWER_CHARS
    answer = await office.post(f"{office.path}/answer", {"once": await office.once(), "text": text})
    assert answer.status == 303
    assert (await office.entries())[1] == ("agent", text)


async def test_a_form_without_its_token_loses_no_text(office: Office) -> None:
    answer = await office.post(f"{office.path}/answer", {"text": "Mi respuesta larga"})
    assert answer.status == 422
    assert "Mi respuesta larga" in answer.body.decode()
    assert "Not saved" not in answer.body.decode()


async def test_closing_and_reopening(office: Office) -> None:
    assert (await office.post(f"{office.path}/close", {})).status == 303
    assert (await office.post(f"{office.path}/close", {})).status == 303
    html = await office.page()
    assert "Cerrado" in html
    assert "Se cerró el caso." in html
    assert 'action="' + office.path + '/reopen"' in html
    answer = await office.post(f"{office.path}/reopen", {})
    assert "El caso quedó abierto." in (await office.get(answer.headers["location"])).body.decode()
    assert [entry for entry in await office.entries() if entry[0] == "system"] == [
        ("system", "closed"),
        ("system", "open"),
    ]


FOREIGN = [
    {"Sec_Fetch_Site": "cross-site"},
    {"Sec_Fetch_Site": "same-site", "Origin": "https://inbox.example"},
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
    {"Origin": "https://inbox.example.evil.example"},
]


@pytest.mark.parametrize("headers", FOREIGN)
async def test_a_form_from_elsewhere_is_refused(office: Office, log: list[Any], headers: dict[str, str]) -> None:
    written = {"entry": str(await office.answer(state=State("waiting")))}
    for action, form in (
        ("answer", {"once": await office.once(), "text": "hola"}),
        ("close", {}),
        ("withdraw", written),
    ):
        answer = await office.post(f"{office.path}/{action}", form, **headers)
        assert answer.status == 403
    assert (await office.entries())[1:] == [("agent", "Sí, puede.")]
    assert [line["reason"] for line in log] == ["foreign_form"]


@pytest.mark.parametrize("headers", [{"Origin": "https://inbox.example"}, {"Sec_Fetch_Site": "same-origin"}, {}])
async def test_a_form_of_our_own_page_is_taken(office: Office, headers: dict[str, str]) -> None:
    assert (await office.post(f"{office.path}/close", {}, **headers)).status == 303


BAD_FORMS = [
    (b"{}", {"Content_Type": "application/json"}, 400),
    (b"--x", {"Content_Type": "multipart/form-data; boundary=x"}, 400),
    (b"a=1&" * 50, {}, 400),
    (b"x" * 300_000, {}, 413),
    (b"text=" + quote_from_bytes(b"\xff\xfe").encode(), {}, 422),
    (b"\xff\xfe\x00", {}, 422),
]


@pytest.mark.parametrize(("body", "headers", "status"), BAD_FORMS)
async def test_bad_forms(office: Office, body: bytes, headers: dict[str, str], status: int) -> None:
    headers = {"Content_Type": "application/x-www-form-urlencoded"} | headers
    answer = await office.served.say(request("POST", f"{office.path}/answer", body, **headers))
    assert answer.status == status
    assert len(await office.entries()) == 1


async def test_an_expired_link_says_how_to_get_another(office: Office, log: list[Any]) -> None:
    with mock.patch("itsdangerous.timed.time.time", return_value=time.time() - 31 * 86_400):
        old = office.links.path(office.case.id)
    for path in (old, f"{old}/file/1"):
        answer = await office.get(path)
        assert answer.status == 410
        assert "El enlace venció" in answer.body.decode()
        assert "C-7K3M-2" not in answer.body.decode()
    assert (await office.post(f"{old}/answer", {"text": "x", "once": "12345678"})).status == 410
    assert len(await office.entries()) == 1
    assert [line["reason"] for line in log] == ["expired_link"]
    assert old.split("/")[2] not in repr(log)


@pytest.mark.parametrize("path", ["/case/x", "/case/IjEi.abc.def", "/case/x/file/1", "/case/%2e%2e%2f", "/case/"])
async def test_a_forged_link_is_404(office: Office, path: str) -> None:
    answer = await office.get(path)
    assert answer.status == 404
    assert b"C-7K3M-2" not in answer.body


async def test_a_case_that_is_no_longer_there_is_404(office: Office) -> None:
    assert (await office.get(office.links.path("4711"))).status == 404


@pytest.mark.parametrize("path", ["", "/answer", "/withdraw", "/close", "/file/1"])
async def test_wrong_methods_are_405(office: Office, path: str) -> None:
    method = "PUT" if path in {"", "/file/1"} else "GET"
    answer = await office.served.say(request(method, f"{office.path}{path}"))
    assert answer.status == 405
    assert answer.headers["allow"]


async def test_a_file_is_a_download_that_no_browser_opens(office: Office, tmp_path: Path) -> None:
    kept = tmp_path / "ab12"
    kept.write_bytes(b"<script>alert(1)</script>")
    name = 'año "2026"\r\nX-Evil: 1/../página.html'
    file = StoredFile(filename=name, media_type="text/html", size=25, sha256="ab12", path=str(kept))
    entry = await office.book.add_file(office.case.id, key=MessageKey("f1"), file=file)
    html = await office.page()
    assert f'href="{office.path}/file/{entry}"' in html
    assert "25 bytes" in html
    answer = await office.get(f"{office.path}/file/{entry}")
    assert answer.status == 200
    assert answer.body == kept.read_bytes()
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["content-security-policy"].endswith("sandbox")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "x-evil" not in answer.headers
    disposition = answer.headers["content-disposition"]
    assert disposition.startswith('attachment; filename="a_o _2026_')
    assert "filename*=UTF-8''a%C3%B1o" in disposition
    kept.unlink()
    assert (await office.get(f"{office.path}/file/{entry}")).status == 404


async def test_a_file_of_another_case_is_not_handed_out(office: Office, tmp_path: Path) -> None:
    kept = tmp_path / "ab12"
    kept.write_bytes(b"x")
    other = await office.book.open_case(
        office=InstanceId("fiduciaria"),
        number=CaseNumber("C-2"),
        reference=Reference("C-2/pruebas"),
        subject="",
        key=MessageKey("m1"),
        heading="",
        body="",
    )
    file = StoredFile(filename="dni.pdf", media_type="application/pdf", size=1, sha256="ab12", path=str(kept))
    entry = await office.book.add_file(other.id, key=MessageKey("f1"), file=file)
    assert (await office.get(f"{office.path}/file/{entry}")).status == 404
    assert (await office.get(f"{office.links.path(other.id)}/file/{entry}")).status == 200
    for odd in ("0", "-1", "x", "1e3", "%2e%2e%2fpasswd"):
        assert (await office.get(f"{office.path}/file/{odd}")).status == 404


async def test_a_long_conversation_shows_the_newest_and_the_rest_on_demand(office: Office) -> None:
    for number in range(SHOWN_ENTRIES + 4):
        key = MessageKey(f"n{number}")
        await office.book.add_entry(office.case.id, key=key, direction="note", heading="", body=f"línea-{number}.")
    html = await office.page()
    assert "línea-0." not in html
    assert f"línea-{SHOWN_ENTRIES + 3}." in html
    assert "Ver los 5 mensajes anteriores" in html
    assert "línea-0." in (await office.get(f"{office.path}?all=1")).body.decode()


async def test_the_pages_speak_another_language_where_configured(office: Office) -> None:
    cases = Cases(office.book, office.links, "Office", ZoneInfo("UTC"), language="en", graces={"fiduciaria": 0.0})
    async with serving(cases=cases) as served:
        answer = await served.say(request("GET", f"{office.path}?done=answer"))
    html = answer.body.decode()
    assert 'lang="en"' in html
    assert (
        "The answer was recorded in the case. The person gets it on the channel they used. It leaves at once." in html
    )
