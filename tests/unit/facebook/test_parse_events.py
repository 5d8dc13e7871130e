"""One message is one, by webhook and by poll; echoes, states, edits, taps and what another app answers."""

from __future__ import annotations

import json
from typing import Any

import pytest

from inbox_daemon.model import (
    Content,
    EditEvent,
    Ignored,
    Message,
    ReactionEvent,
    RevokeEvent,
    SendState,
    StatusEvent,
    WatermarkEvent,
)
from unit.facebook.deliveries import (
    ACCOUNT,
    ANA,
    APP,
    MILLIS,
    NOW,
    PAGE,
    POST,
    body,
    comment,
    item,
    message_of,
    node,
    polled,
    read,
    said,
    with_files,
)

# ---------------------------------------------------------------- one by webhook and by poll


PAIRS = {
    "text": (said("hola"), node(message="hola")),
    "picture": (
        with_files(("image", {"url": "https://x.fbcdn.net/a.jpg?oh=1"})),
        node(
            message="",
            attachments={
                "data": [
                    {
                        "mime_type": "image/jpeg",
                        "name": "image-1",
                        "image_data": {"url": "https://x.fbcdn.net/a.jpg?oh=2"},
                    }
                ]
            },
        ),
    ),
    "document": (
        with_files(("file", {"url": "https://cdn.fbsbx.com/v/dni.pdf?oh=1"})),
        node(
            attachments={
                "data": [{"mime_type": "application/pdf", "name": "dni.pdf", "file_url": "https://cdn.fbsbx.com/v/9"}]
            }
        ),
    ),
    "sticker": (
        with_files(("sticker", {"url": "https://x.fbcdn.net/s.webp?oh=1", "sticker_id": 5})),
        node(sticker="https://x.fbcdn.net/s.webp?oh=2"),
    ),
    "link": (
        with_files(("fallback", {"url": "https://chaco.example/", "title": "Chaco"})),
        node(shares={"data": [{"link": "https://chaco.example/", "name": "Chaco"}]}),
    ),
}


@pytest.mark.parametrize("case", PAIRS)
def test_a_message_is_the_same_by_webhook_and_by_poll(case: str) -> None:
    told, fetched = PAIRS[case]
    pushed, asked = message_of(read(body([told]))), message_of(read(polled(fetched), page_id=PAGE))
    assert (pushed.external_id, pushed.fingerprint) == (asked.external_id, asked.fingerprint)
    assert (pushed.sent_at, pushed.content, pushed.text) == (asked.sent_at, asked.content, asked.text)
    assert pushed.sender.handles == asked.sender.handles
    assert dict(pushed.details) == dict(asked.details)
    files = [[(file.remote, file.media_type) for file in one.attachments] for one in (pushed, asked)]
    assert files[0] == files[1]


@pytest.mark.parametrize("parent", ["", "500000000000001_7"])
def test_a_comment_is_the_same_by_webhook_and_by_poll(parent: str) -> None:
    found = {
        "id": "500000000000001_1",
        "created_time": "2026-11-23T12:30:00+0000",
        "from": {"id": "21000000000000001", "name": "Ana Invento"},
        "message": "¿Dónde pago?",
    }
    row = {"kind": "comment", "post": POST, "item": found | ({"parent": {"id": parent}} if parent else {})}
    pushed = message_of(read(body(changes=[comment(1, parent_id=parent or POST)])))
    assert message_of(read(polled(row), page_id=PAGE)) == pushed
    assert (pushed.in_reply_to, pushed.thread) == (parent or POST, (POST,))


def test_an_instagram_comment_is_the_same_by_webhook_and_by_poll() -> None:
    who = {"from": {"id": "31000000000000001", "username": "ana.invento"}}
    value = {"id": "1785", "text": "¿Atienden?", "media": {"id": "1790"}, **who}
    told = body(changes=[{"field": "comments", "value": value}], page=ACCOUNT, object="instagram")
    fetched = {"id": "1785", "text": "¿Atienden?", "timestamp": "2026-11-23T12:30:00+0000", **who}
    row = {"kind": "comment", "post": "1790", "item": fetched}
    asked = {"platform": "instagram", "page_id": PAGE, "account_id": ACCOUNT}
    assert read(told, **asked) == read(polled(row, object="instagram"), **asked)


def test_the_pages_own_messages_in_a_poll_are_echoes_or_where_marked_ours_passed_over() -> None:
    theirs = node(sender=PAGE, to=ANA, message="Pase mañana")
    echo = message_of(read(polled(theirs), page_id=PAGE))
    assert echo.echo
    assert [handle.value for handle in echo.sender.handles] == [ANA]
    for ours in ({**theirs, "ours": True}, node(sender=PAGE, to=ANA, message="Pase mañana", ours=True)):
        assert read(polled(ours), page_id=PAGE) == [Ignored(reason="own", external_id=echo.external_id)]


def test_the_inbox_of_something_polled_may_be_named_beside_it() -> None:
    content = json.dumps({"object": "page", "id": PAGE, "polled": [node(message="hola")]}).encode()
    assert message_of(read(content)).sender.handles[0].scope == PAGE
    assert read(content, page_id="42") == [Ignored(reason="other_page")]


# ---------------------------------------------------------------- echoes, states, edits


def test_our_own_message_that_comes_back_settles_an_unknown_send() -> None:
    back = said("Pase", is_echo=True, app_id=int(APP), metadata="outbox:7")
    back |= {"sender": {"id": PAGE}, "recipient": {"id": ANA}}
    (sent,) = read(body([back]), app_id=APP)
    assert isinstance(sent, StatusEvent)
    assert (sent.target, sent.state, sent.tag) == ("m_1", SendState.SENT, "outbox:7")


def test_what_another_app_or_a_person_wrote_in_the_pages_name_is_never_a_citizens_message() -> None:
    for more in ({"app_id": 263902037430900}, {"app_id": "9", "metadata": "theirs"}, {}):
        back = said("Pase", is_echo=True, **more) | {"sender": {"id": PAGE}, "recipient": {"id": ANA}}
        echo = message_of(read(body([back]), app_id=APP))
        assert (echo.echo, echo.sender.handles[0].value) == (True, ANA)
    unmarked = said("Pase") | {"sender": {"id": PAGE}, "recipient": {"id": ANA}}
    assert message_of(read(body([unmarked]), page_id=PAGE)).echo


def test_what_instagram_says_was_read_is_that_message_and_all_before_it() -> None:
    state, mark = read(body([item(read={"mid": "m_out"})]))
    assert isinstance(state, StatusEvent)
    assert isinstance(mark, WatermarkEvent)
    assert (state.target, state.state) == ("m_out", SendState.READ)
    assert (mark.until, mark.to.value, mark.state) == (NOW, ANA, SendState.READ)


def test_each_edit_of_a_comment_is_its_own_and_a_repeat_of_it_is_not() -> None:
    def edit(text: str, **more: Any) -> EditEvent:
        (event,) = read(body(changes=[comment(1, text, verb="edited", **more)]))
        assert isinstance(event, EditEvent)
        return event

    first, again, second = edit("uno"), edit("uno"), edit("dos")
    assert (first.external_id, first.message.fingerprint) == (again.external_id, again.message.fingerprint)
    assert (first.external_id, first.message.fingerprint) != (second.external_id, second.message.fingerprint)
    assert edit("uno", created_time=MILLIS // 1000 + 60).external_id != first.external_id
    assert first.target == "500000000000001_1"


def test_a_reaction_that_is_taken_back_has_no_emoji_and_another_id() -> None:
    there, gone = (
        read(body([item(reaction={"mid": "m_out", "action": action, "emoji": "❤"})]))[0]
        for action in ("react", "unreact")
    )
    assert isinstance(there, ReactionEvent)
    assert isinstance(gone, ReactionEvent)
    assert (there.emoji, gone.emoji) == ("❤", "")
    assert there.external_id != gone.external_id


def test_a_tap_without_an_id_has_one_of_its_own_that_a_repeat_has_too() -> None:
    tap = item(postback={"title": "Pagar", "payload": "pay"})
    later = item(at=MILLIS + 1, postback={"title": "Pagar", "payload": "pay"})
    other = item(postback={"title": "Otro", "payload": "other"})
    ids = [message_of(read(body([one]))).external_id for one in (tap, tap, later, other)]
    assert ids[0] == ids[1]
    assert len(set(ids)) == 3
    assert ANA not in ids[0]


def test_while_another_app_answers_all_that_is_said_is_taken_in_by_either_road() -> None:
    items = [
        said("hola"),
        item(message={"mid": "m_2", "is_deleted": True}),
        item(message_edit={"mid": "m_1", "text": "x", "num_edit": 1}),
        item(postback={"mid": "m_3", "title": "Pagar"}),
        said("Pase", mid="m_4", is_echo=True) | {"sender": {"id": PAGE}, "recipient": {"id": ANA}},
    ]
    content = json.dumps({"object": "page", "entry": [{"id": PAGE, "time": MILLIS, "standby": items}]}).encode()
    first, withdrawn, edit, tap, echo = read(content)
    said_ids = [one.external_id for one in (first, edit, tap) if isinstance(one, Message | EditEvent)]
    assert said_ids == ["m_1", "m_1|1", "m_3"]
    assert isinstance(withdrawn, RevokeEvent)
    assert isinstance(echo, Message)
    assert echo.echo
    (fetched,) = read(polled(node("m_1", message="hola")), page_id=PAGE)
    assert isinstance(fetched, Message)
    assert isinstance(first, Message)
    assert (fetched.external_id, fetched.fingerprint) == (first.external_id, first.fingerprint)


def test_what_the_office_changed_or_took_back_is_about_its_own_words() -> None:
    sides = {"sender": {"id": PAGE}, "recipient": {"id": ANA}}
    change = item(message_edit={"mid": "m_out", "text": "Pase a las 9", "num_edit": 1}) | sides
    gone = item(message={"mid": "m_out", "is_deleted": True, "is_echo": True}) | sides
    edit, revoke = read(body([change, gone]))
    assert isinstance(edit, EditEvent)
    assert isinstance(revoke, RevokeEvent)
    assert (edit.target, edit.message.echo, revoke.target) == ("m_out", True, "m_out")
    assert edit.message.sender == revoke.sender
    assert [handle.value for handle in revoke.sender.handles] == [ANA]


def test_what_instagram_cannot_hand_over_is_shown_as_such_with_the_words_that_came() -> None:
    for told in (body([said("hola", is_unsupported=True)]), polled(node(message="hola", is_unsupported=True))):
        message = message_of(read(told))
        assert (message.content, message.text) == (Content.UNSUPPORTED, "hola")
