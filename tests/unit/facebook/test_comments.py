"""Answers to comments: one private message, never a word of it in public, and who the commenter turns out to be."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from inbox_daemon.errors import Permanent, Transient, Uncertain, WindowClosed
from inbox_daemon.model import ExternalId, Handle
from support.facebook_fake_book import ACCOUNT_ID, PAGE_ID
from support.graph_fake_faults import Fault
from unit.facebook.answers import BENITO, answer, refused, stored
from unit.facebook.conftest import Place

PUBLIC = "Le respondimos por privado. ¡Gracias por escribirnos!"
INVITE = "Escríbanos por mensaje privado y le respondemos."


def public(place: Place) -> list[str]:
    """What the page itself has written below comments, for everybody to read."""
    own = place.fake.book.own_id
    posts = place.fake.book.posts.values()
    rows = [one for post in posts for one in post.comments if one["from"]["id"] == own]
    return [one.get("message") or one["text"] for one in rows]


def reply_to(comment: dict[str, Any], text: str = "palabras privadas", **changes: Any) -> Any:
    return answer(text, to=BENITO, in_reply_to=ExternalId(comment["id"]), **changes)


async def test_a_comment_is_answered_in_private_and_who_it_was_is_learned(page: Place) -> None:
    comment = page.fake.comment("9001", "¿Dónde pago?")
    sent = await page.another(public_answer=PUBLIC).send(reply_to(comment))
    assert sent.learned == (Handle(kind="psid", value="89001", scope=PAGE_ID),)
    (got,) = page.fake.received("89001")
    assert got.body == {
        "recipient": {"comment_id": comment["id"]},
        "message": {"text": "palabras privadas", "metadata": "4F7K2-8.r1.1"},
    }
    assert public(page) == [PUBLIC]


async def test_without_a_neutral_text_nothing_stands_in_public(page: Place) -> None:
    await page.channel.send(reply_to(page.fake.comment("9001", "¿Dónde pago?")))
    assert public(page) == []


async def test_a_visitors_post_is_answered_as_a_post(page: Place) -> None:
    post = page.fake.book.post(page.fake.now, sender="9001", text="Hay un bache")
    await page.channel.send(answer(to=BENITO, in_reply_to=ExternalId(post.id)))
    assert page.fake.sent[0].body["recipient"] == {"post_id": post.id}


async def test_an_edited_comment_is_answered_as_the_comment(page: Place) -> None:
    comment = page.fake.comment("9001", "¿Dónde pago?")
    await page.channel.send(answer(to=BENITO, in_reply_to=ExternalId(f"{comment['id']}|edited|1763990000")))
    assert page.fake.sent[0].body["recipient"] == {"comment_id": comment["id"]}


async def test_on_instagram_too(account: Place) -> None:
    comment = account.fake.comment("9001", "¿Dónde pago?")
    commenter = Handle(kind="fb_user", value="9001", scope=ACCOUNT_ID)
    reply = answer(to=commenter, in_reply_to=ExternalId(comment["id"]))
    sent = await account.another(public_answer=PUBLIC).send(reply)
    assert sent.learned == (Handle(kind="igsid", value="89001", scope=ACCOUNT_ID),)
    assert public(account) == [PUBLIC]


async def test_a_second_private_reply_is_held_until_the_person_writes(page: Place) -> None:
    comment = page.fake.comment("9001", "¿Dónde pago?")
    channel = page.another(public_answer=PUBLIC, public_invite=INVITE)
    await channel.send(reply_to(comment))
    with refused(WindowClosed, "10900") as caught:
        await channel.send(reply_to(comment, tag="4F7K2-8.r2.1"))
    assert "privado" in caught.error.told
    assert public(page) == [PUBLIC], "no second neutral text"
    assert len(page.fake.sent) == 1


async def test_the_second_portion_names_no_comment_and_is_held_without_asking(page: Place) -> None:
    for target in (None, ExternalId("m_FAKE1"), ExternalId("../me")):
        with refused(WindowClosed):
            await page.channel.send(answer(to=BENITO, in_reply_to=target))
    assert page.fake.seen == []


async def test_notices_do_not_use_up_the_only_reply(page: Place) -> None:
    comment = page.fake.comment("9001", "¿Dónde pago?")
    with refused(Permanent) as caught:
        await page.channel.send(reply_to(comment, automatic=True))
    assert "avisos" in caught.error.told
    assert page.fake.seen == []


async def test_files_for_a_commenter_go_as_links(page: Place, tmp_path: Path) -> None:
    comment = page.fake.comment("9001", "¿Dónde pago?")
    file = stored(tmp_path, "boleta.pdf", "application/pdf")
    await page.channel.send(reply_to(comment, "", attachments=(file,)))
    (got,) = page.fake.sent
    assert got.text.startswith("boleta.pdf: http")
    assert page.fake.uploads == {}


@pytest.mark.parametrize("texts", [{"public_invite": INVITE}, {"public_answer": PUBLIC}])
async def test_where_no_private_reply_can_go_a_neutral_text_invites(page: Place, texts: dict[str, str]) -> None:
    comment = page.fake.comment("9001", "¿Dónde pago?")
    page.fake.fail("send", Fault(code=10902), Fault(code=10902))
    channel = page.another(**texts)
    for _ in range(2):
        with refused(Permanent, "10902"):
            await channel.send(reply_to(comment))
    assert public(page) == ([INVITE] if "public_invite" in texts else [])


async def test_a_comment_that_was_deleted_is_told_as_that(page: Place) -> None:
    comment = page.fake.comment("9001", "¿Dónde pago?")
    next(iter(page.fake.book.posts.values())).comments.clear()
    with refused(Permanent, "(code 100/33)") as caught:
        await page.another(public_invite=INVITE).send(reply_to(comment))
    assert "ya no está en Facebook" in caught.error.told
    assert public(page) == []


async def test_who_was_answered_in_private_is_not_invited_to_write_there(page: Place) -> None:
    comment = page.fake.comment("9001", "¿Dónde pago?")
    channel = page.another(public_invite=INVITE)
    await channel.send(reply_to(comment))
    with refused(WindowClosed, "10900"):
        await channel.send(reply_to(comment, tag="4F7K2-8.r2.1"))
    assert public(page) == []


async def test_after_seven_days_meta_refuses(page: Place) -> None:
    comment = page.fake.comment("9001", "¿Dónde pago?")
    page.fake.now += timedelta(days=8)
    with refused(WindowClosed):
        await page.another(public_invite=INVITE).send(reply_to(comment))
    assert public(page) == []


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (Fault(status=502, raw=b"", done=True), Uncertain),
        (Fault(wait_seconds=1.0), Uncertain),
        (Fault(code=4), Transient),
    ],
)
async def test_what_is_open_or_comes_later_says_nothing_in_public(
    page: Place, fault: Fault, kind: type[Uncertain | Transient]
) -> None:
    comment = page.fake.comment("9001", "¿Dónde pago?")
    page.fake.fail("send", fault)
    with refused(kind):
        await page.another(public_answer=PUBLIC, public_invite=INVITE).send(reply_to(comment))
    assert public(page) == []


@pytest.mark.parametrize("call", ["comments", "say"])
async def test_a_public_text_that_fails_changes_nothing_about_the_answer(page: Place, call: Any) -> None:
    comment = page.fake.comment("9001", "¿Dónde pago?")
    for fault in (Fault(code=200), Fault(wait_seconds=1.0)):
        page.fake.fail(call, fault)
    sent = await page.another(public_answer=PUBLIC).send(reply_to(comment))
    assert sent.id
    assert public(page) == []


async def test_a_public_text_that_stands_already_is_not_posted_again(page: Place) -> None:
    comment = page.fake.comment("9001", "¿Dónde pago?")
    post = next(iter(page.fake.book.posts.values()))
    page.fake.book.comment(post, PAGE_ID, PUBLIC, page.fake.now, parent=comment["id"])
    await page.another(public_answer=PUBLIC).send(reply_to(comment))
    assert public(page) == [PUBLIC]
