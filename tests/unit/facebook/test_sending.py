"""Portions of answers to people on Messenger and Instagram: what goes, for how long, and what Meta says against it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from inbox_daemon.errors import Credentials, EdgeError, Permanent, Transient, Uncertain, WindowClosed
from inbox_daemon.model import Choice, ExternalId, Handle, SendState
from inbox_daemon.plugins import Secret
from support.graph_fake_faults import Fault
from unit.facebook.answers import ANA, BENITO, INES, answer, refused, stored
from unit.facebook.conftest import Place


async def test_a_text_goes_as_a_response_with_our_tag_what_it_answers_and_proof_of_the_app(page: Place) -> None:
    said = page.fake.write("7001", "Hola")
    sent = await page.channel.send(answer("Ya está.", in_reply_to=ExternalId(said["id"])))
    (got,) = page.fake.received("7001")
    assert (sent.id, sent.state, sent.learned) == (got.mid, SendState.ACCEPTED, ())
    assert got.body == {
        "recipient": {"id": "7001"},
        "messaging_type": "RESPONSE",
        "message": {"text": "Ya está.", "metadata": "4F7K2-8.r1.1"},
        "reply_to": {"mid": said["id"]},
    }
    (seen,) = page.fake.seen
    assert (seen.authorized, seen.proven, seen.path) == (True, True, "/v26.0/100000000000011/messages")


async def test_an_id_that_is_no_message_is_answered_without_quoting_it(page: Place) -> None:
    page.fake.write("7001", "Hola")
    await page.channel.send(answer(in_reply_to=ExternalId("500000001_700000002")))
    assert "reply_to" not in page.fake.sent[0].body


async def test_without_the_apps_secret_calls_go_without_proof(page: Place) -> None:
    page.fake.write("7001", "Hola")
    sharing = page.another(webhook_of="otra", app_secret=Secret(""), verify_token=Secret(""))
    await sharing.send(answer())
    assert "appsecret_proof" not in page.fake.seen[0].query
    page.fake.insists = True
    with refused(Credentials, "give app_secret"):
        await sharing.send(answer())


async def test_a_secret_that_was_reset_stops_the_instance_and_parks_no_answer(page: Place, tmp_path: Path) -> None:
    """Meta says of it no more than of a request that it can't read: code 100."""
    page.fake.write("7001", "Hola")
    comment = page.fake.comment("9001", "¿Dónde pago?")
    wrong = page.another(app_secret=Secret("before it was reset"), public_invite="Escríbanos.")
    for reply in (
        answer(),
        answer("", attachments=(stored(tmp_path, "a.pdf", "application/pdf"),)),
        answer(to=BENITO, in_reply_to=ExternalId(comment["id"])),
    ):
        with refused(Credentials, "app_secret is not that of the token's app"):
            await wrong.send(reply)
    assert page.fake.sent == []
    await page.channel.send(answer())


@pytest.mark.parametrize(
    ("fault", "kind", "words"),
    [
        (Fault(status=503, raw=b""), Transient, "asking why"),
        (Fault(wait_seconds=1.0), Transient, "asking why"),
        (Fault(code=1), Transient, "asking why"),
        (Fault(code=190), Credentials, "page_token"),
        (Fault(status=200, raw=b'{"id":"7"}'), Credentials, "not of the page"),
        (Fault(code=100, subcode=33), Credentials, "not of the page"),
        (Fault(status=404, raw=b"<html>"), Permanent, "code 100"),
        (Fault(), Permanent, "code 100"),
    ],
)
@pytest.mark.parametrize("subcode", [0, 33])
async def test_what_may_be_the_tokens_fault_is_the_answers_only_once_the_token_is_proven(
    page: Place, fault: Fault, kind: type[EdgeError], words: str, subcode: int
) -> None:
    page.fake.fail("send", Fault(code=100, subcode=subcode))
    page.fake.fail("me", fault)
    with refused(kind, words):
        await page.channel.send(answer())
    assert [seen.call for seen in page.fake.seen] == ["send", "me"]


# ---------------------------------------------------------------- how long


async def test_after_a_day_nothing_goes_until_the_person_writes(page: Place) -> None:
    page.fake.write("7001", "Hola")
    page.fake.now += timedelta(hours=25)
    with refused(WindowClosed, "10/2018278") as caught:
        await page.channel.send(answer())
    assert "Facebook" in caught.error.told
    assert page.fake.sent == []


async def test_where_human_agent_is_granted_a_person_answers_for_seven_days(page: Place) -> None:
    page.fake.human_agent = True
    channel = page.another(human_agent=True)
    said = page.fake.now
    page.fake.write("7001", "Hola")
    await channel.send(answer("pronto", quoted_at=said))
    page.fake.now += timedelta(hours=25)
    await channel.send(answer("tarde", quoted_at=said))
    await channel.send(answer("sin saber cuándo escribió"))
    assert [one.body["messaging_type"] for one in page.fake.sent] == ["RESPONSE", "MESSAGE_TAG", "MESSAGE_TAG"]
    assert page.fake.sent[1].body["tag"] == "HUMAN_AGENT"
    assert len(page.fake.seen) == 4, "only who doesn't know tries a response first"
    with refused(WindowClosed):
        await channel.send(answer("aviso", automatic=True, quoted_at=said))
    page.fake.now += timedelta(days=7)
    with refused(WindowClosed):
        await channel.send(answer("muy tarde", quoted_at=said))


async def test_a_response_of_unknown_outcome_is_never_followed_by_a_second_try(page: Place) -> None:
    page.fake.human_agent = True
    page.fake.write("7001", "Hola")
    page.fake.fail("send", Fault(status=502, raw=b"", done=True))
    with refused(Uncertain):
        await page.another(human_agent=True).send(answer())
    assert len(page.fake.sent) == 1


async def test_windows(page: Place, account: Place) -> None:
    now = page.fake.now
    for channel, handle, hours in (
        (page.channel, ANA, 24),
        (page.another(human_agent=True), ANA, 7 * 24),
        (page.channel, BENITO, 7 * 24),
        (account.channel, INES, 24),
    ):
        until = channel.window(handle, now).open_until
        assert until == now + timedelta(hours=hours, minutes=-15)


def test_whom_it_writes_to(page: Place, account: Place) -> None:
    elsewhere = Handle(kind="psid", value="7001", scope="99")
    assert page.channel.address([BENITO, ANA]) == ANA
    assert page.channel.address([INES, elsewhere, BENITO]) == BENITO
    assert page.channel.address([INES, elsewhere]) is None
    assert account.channel.address([ANA, BENITO, INES]) == INES


# ---------------------------------------------------------------- what fits


async def test_menus_are_quick_replies_and_long_titles_are_written_out(page: Place) -> None:
    page.fake.write("7001", "Hola")
    short = (Choice(id="salud", title="Salud"), Choice(id="gob", title="Gobierno"))
    await page.channel.send(answer("¿Con quién?", choices=short))
    message = page.fake.sent[0].body["message"]
    assert message["quick_replies"] == [
        {"content_type": "text", "title": "Salud", "payload": "salud"},
        {"content_type": "text", "title": "Gobierno", "payload": "gob"},
    ]
    long = (Choice(id="a", title="Fiduciaria del Norte S.A."), Choice(id="b", title="Salud"))
    await page.channel.send(answer("¿Con quién?", choices=long))
    message = page.fake.sent[1].body["message"]
    assert message["text"] == "¿Con quién?\n\n1. Fiduciaria del Norte S.A.\n2. Salud"
    assert [(one["title"], one["payload"]) for one in message["quick_replies"]] == [("1", "a"), ("2", "b")]


async def test_instagram_counts_bytes(account: Place) -> None:
    account.fake.write("7002", "Hola")
    await account.channel.send(answer("ñ" * 500, to=INES))
    with refused(Permanent, "more than 1000 bytes"):
        await account.channel.send(answer("ñ" * 501, to=INES))
    assert [one.to for one in account.fake.sent] == ["7002"]
    assert account.channel.rules.max_bytes == 1000


@pytest.mark.parametrize(
    ("name", "media_type", "kind"),
    [
        ("plano.png", "image/png; x=1", "image"),
        ("acto.mp4", "video/mp4", "video"),
        ("voz.mp3", "audio/mpeg", "audio"),
        ("nota.odt", "application/vnd.oasis.opendocument.text", "file"),
        ("raro", "ni idea", "file"),
    ],
)
async def test_a_file_is_uploaded_and_sent_by_its_id(
    page: Place, tmp_path: Path, name: str, media_type: str, kind: str
) -> None:
    page.fake.write("7001", "Hola")
    await page.channel.send(answer("", attachments=(stored(tmp_path, name, media_type, b"%PDF"),)))
    ((given, uploaded),) = page.fake.uploads.items()
    assert uploaded == (kind, name, b"%PDF")
    message = page.fake.sent[0].body["message"]
    assert message["attachment"] == {"type": kind, "payload": {"attachment_id": given}}
    assert message["metadata"] == "4F7K2-8.r1.1"


@pytest.mark.parametrize(
    ("name", "on_messenger", "on_instagram"),
    [
        ("Resolución N° 12; año.pdf", "Resolución N° 12; año.pdf", "Resolucion N 12; ano.pdf"),
        ("日本.pdf", "日本.pdf", "archivo.pdf"),
        ('a"b\\c/d\r\nX-Evil: 1\ud800.pdf', "a_b_c_d__X-Evil: 1_.pdf", "a_b_c_d__X-Evil: 1_.pdf"),
        (" . ", "archivo", "archivo"),
        ("ñ", "ñ", "n"),
    ],
)
async def test_a_files_name_arrives_as_it_was(
    page: Place, account: Place, tmp_path: Path, name: str, on_messenger: str, on_instagram: str
) -> None:
    page.fake.write("7001", "Hola")
    account.fake.write("7002", "Hola")
    file = replace(stored(tmp_path, "a.pdf", "application/pdf"), filename=name)
    await page.channel.send(answer("", attachments=(file,)))
    await account.channel.send(answer("", to=INES, attachments=(file,)))
    assert [one[1] for one in page.fake.uploads.values()] == [on_messenger]
    assert [one[1] for one in account.fake.uploads.values()] == [on_instagram]


async def test_instagram_takes_fewer_kinds_and_names_an_upload_otherwise(account: Place, tmp_path: Path) -> None:
    account.fake.write("7002", "Hola")
    await account.channel.send(answer("", to=INES, attachments=(stored(tmp_path, "a.pdf", "application/pdf"),)))
    (given,) = account.fake.uploads
    assert account.fake.sent[0].body["message"]["attachment"] == {"type": "MEDIA_SHARE", "payload": {"id": given}}
    with refused(Permanent) as caught:
        await account.channel.send(answer("", to=INES, attachments=(stored(tmp_path, "a.odt", "application/odt"),)))
    assert "tipo" in caught.error.told


async def test_a_failed_upload_proves_that_nothing_was_sent(page: Place, tmp_path: Path) -> None:
    page.fake.write("7001", "Hola")
    for fault in (Fault(status=502, raw=b""), Fault(wait_seconds=1.0), Fault(code=1)):
        page.fake.fail("upload", fault)
        with refused(Transient):
            await page.channel.send(answer("", attachments=(stored(tmp_path, "a.pdf", "application/pdf"),)))
    assert page.fake.sent == []


@pytest.mark.parametrize(
    "changes",
    [
        {"text": ""},
        {"text": "x" * 2000},
        {"template": "aviso"},
        {"to": Handle(kind="phone", value="+5493624000001")},
        {"tag": "t" * 1000},
        {"choices": tuple(Choice(id=str(n), title=str(n)) for n in range(14))},
    ],
)
async def test_what_does_not_fit_is_refused_before_anything_leaves(page: Place, changes: dict[str, object]) -> None:
    with refused(Permanent):
        await page.channel.send(answer(**changes))  # type: ignore[arg-type]  # wrong ones are the case
    assert page.fake.seen == []


# ---------------------------------------------------------------- what Meta says


@pytest.mark.parametrize(
    ("code", "subcode", "kind"),
    [
        (190, 460, Credentials),
        (10, 0, Credentials),
        (200, 2018028, Credentials),
        (10, 1893063, Credentials),
        (200, 2534041, Credentials),
        (368, 0, Credentials),
        (551, 0, Permanent),
        (551, 1545041, Permanent),
        (200, 1545041, Permanent),
        (10, 2018108, Permanent),
        (100, 2018001, Permanent),
        (100, 2534014, Permanent),
        (10, 2018300, Permanent),
        (100, 2534037, Permanent),
        (100, 2018008, Permanent),
        (100, 2018047, Permanent),
        (100, 2018109, Permanent),
        (100, 2018294, Permanent),
        (9000001, 0, Permanent),
        (100, 0, Permanent),
        (10, 2018065, WindowClosed),
        (10, 2534022, WindowClosed),
        (613, 2534040, Transient),
        (613, 2018338, Transient),
        (4, 0, Transient),
        (80001, 0, Transient),
        (80006, 0, Transient),
        (1, 1357046, Uncertain),
        (2, 0, Uncertain),
    ],
)
async def test_each_code_means_what_it_proves(page: Place, code: int, subcode: int, kind: type[EdgeError]) -> None:
    page.fake.fail("send", Fault(code=code, subcode=subcode))
    with refused(kind, f"code {code}") as caught:
        await page.channel.send(answer())
    if isinstance(caught.error, Permanent):
        assert caught.error.told
    asked_why = ["me"] if (code, subcode) == (100, 0) else []
    assert [seen.call for seen in page.fake.seen] == ["send", *asked_why]


@pytest.mark.parametrize(
    "fault",
    [
        Fault(status=502, raw=b"", done=True),
        Fault(wait_seconds=1.0, done=True),
        Fault(cut_after=0, done=True),
        Fault(status=200, raw=b"{}", done=True),
        Fault(code=1, subcode=1357046, done=True),
    ],
)
async def test_an_answer_that_is_lost_leaves_it_open_and_the_echo_tells_the_tag(page: Place, fault: Fault) -> None:
    page.fake.write("7001", "Hola")
    page.fake.fail("send", fault)
    with refused(Uncertain):
        await page.channel.send(answer())
    (got,) = page.fake.received("7001")
    assert got.tag == "4F7K2-8.r1.1"


@pytest.mark.parametrize("status", [401, 404, 429])
async def test_an_answer_that_is_not_metas_names_our_own_setting(page: Place, status: int) -> None:
    page.fake.fail("send", Fault(status=status, raw=b"<html>a proxy</html>"))
    kind: type[EdgeError] = {401: Credentials, 404: Permanent, 429: Transient}[status]
    with refused(kind, f"HTTP {status}") as caught:
        await page.channel.send(answer())
    assert "access_token" not in str(caught.error)
    assert ("page_token" in str(caught.error)) == (status == 401)


async def test_instagram_speaks_of_itself(account: Place) -> None:
    with refused(Permanent) as caught:
        await account.channel.send(answer(to=INES))
    assert "Instagram" in caught.error.told
