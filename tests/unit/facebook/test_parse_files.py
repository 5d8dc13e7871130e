"""Files: what they are called, of which type, and that their address is found again by a name that never changes."""

from __future__ import annotations

import json
from typing import Any

import pytest

from inbox_channels.facebook.parse_files import attachment_url, attachments, behind, of_message
from inbox_daemon.model import Message
from unit.facebook.deliveries import ANA, PAGE, body, comment, node, polled, read, said, with_files

CDN = "https://scontent.xx.fbcdn.net/v/t1"


def files_of(content: bytes) -> list[tuple[str, str, str]]:
    events = [event for event in read(content, page_id=PAGE) if isinstance(event, Message)]
    return [(file.filename, file.media_type, file.remote) for event in events for file in event.attachments]


@pytest.mark.parametrize(
    ("kind", "path", "name", "media_type"),
    [
        ("image", "1_n.jpg", "imagen.jpg", "image/jpeg"),
        ("image", "1_n.GIF", "imagen.gif", "image/gif"),
        ("image", "", "imagen.jpg", "image/jpeg"),
        ("audio", "clip.mp4", "audio.mp4", "audio/mp4"),
        ("audio", "clip.ogg", "audio.ogg", "audio/ogg"),
        ("video", "v.mov", "video.mov", "video/quicktime"),
        ("file", "dni.pdf", "dni.pdf", "application/pdf"),
        ("file", "Nota%20%C3%B1.docx", "Nota ñ.docx", None),
        ("file", "sin_punto", "sin_punto.bin", "application/octet-stream"),
        ("file", "..%2F..%2Fetc%2Fpasswd", "_.._etc_passwd", "application/octet-stream"),
        ("file", "a%00b%E2%80%AEfdp.exe", "ab_fdp.exe", "application/octet-stream"),
        ("file", "x" * 300 + ".pdf", "x" * 116 + ".pdf", "application/pdf"),
        ("sticker", "s.png", "sticker.png", "image/png"),
    ],
)
def test_names_and_types(kind: str, path: str, name: str, media_type: str | None) -> None:
    ((filename, found, _),) = files_of(body([with_files((kind, {"url": f"{CDN}/{path}?oh=1"}))]))
    assert filename == name
    assert media_type is None or found == media_type


def test_a_signature_that_changes_leaves_the_name_of_a_file_as_it_was() -> None:
    first, second = (body([with_files(("image", {"url": f"{CDN}/1.jpg?oh={n}"}))]) for n in (1, 2))
    assert files_of(first) == files_of(second)
    assert attachment_url(first, "m_1#1") == f"{CDN}/1.jpg?oh=1"
    assert attachment_url(second, "m_1#1") == f"{CDN}/1.jpg?oh=2"


def test_a_sticker_told_twice_is_one_file_and_two_pictures_are_two() -> None:
    once = with_files(
        ("image", {"url": f"{CDN}/s.png?1", "sticker_id": 5}), ("sticker", {"url": f"{CDN}/s.png?2", "sticker_id": 5})
    )
    assert [name for name, _, _ in files_of(body([once]))] == ["sticker.png"]
    twice = with_files(("image", {"url": f"{CDN}/a.jpg"}), ("image", {"url": f"{CDN}/a.jpg"}))
    assert [remote for _, _, remote in files_of(body([twice]))] == ["m_1#1", "m_1#2"]


def test_places_count_only_what_has_an_address() -> None:
    message = with_files(("image", None), ("image", {"url": "ftp://x/y"}), ("image", {"url": f"{CDN}/b.jpg"}))
    content = body([message])
    assert [remote for _, _, remote in files_of(content)] == ["m_1#1"]
    assert attachment_url(content, "m_1#1") == f"{CDN}/b.jpg"


def test_addresses_are_found_among_many_and_beside_broken_ones() -> None:
    items = [None, 7, {"message": "x"}, said("hola", mid="m_0"), with_files(("image", {"url": f"{CDN}/1.jpg"}))]
    content = body(items, changes=[None, {"value": 3}, comment(5, photo=f"{CDN}/c.jpg")])
    assert attachment_url(content, "m_1#1") == f"{CDN}/1.jpg"
    assert attachment_url(content, "500000000000001_5#1") == f"{CDN}/c.jpg"


def test_addresses_are_found_in_what_was_polled() -> None:
    row = node(attachments={"data": [{"image_data": {"url": f"{CDN}/1.jpg"}}, {"file_url": f"{CDN}/2.pdf"}]})
    media = {"type": "photo", "media": {"image": {"src": f"{CDN}/c.jpg"}}}
    content = polled(None, row, {"kind": "comment", "item": {"id": "5_5", "attachment": media}})
    assert attachment_url(content, "m_1#2") == f"{CDN}/2.pdf"
    assert attachment_url(content, "5_5#1") == f"{CDN}/c.jpg"


@pytest.mark.parametrize(
    "remote", ["", "#", "m_1", "m_1#", "m_1#0", "m_1#2", "m_1#-1", "m_1#½", "m_1#1#1", "m_2#1", "#1", "m_1#999999999"]
)
def test_a_file_that_is_not_there_has_no_address(remote: str) -> None:
    assert attachment_url(body([with_files(("image", {"url": f"{CDN}/1.jpg"}))]), remote) is None


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b'{"entry":7,"polled":"x"}', b'{"entry":[7,{"changes":7}]}'])
def test_a_body_of_any_other_shape_has_no_address(content: bytes) -> None:
    assert attachment_url(content, "m_1#1") is None


@pytest.mark.parametrize("url", ["https://[::1", "http://", "//x", "javascript:alert(1)", "x", 7, None, []])
def test_what_is_no_address_is_no_file(url: Any) -> None:
    found = of_message({"attachments": [{"type": "image", "payload": {"url": url}}]})
    assert attachments("m_1", found) == ()


def test_what_is_shared_is_a_file_only_where_meta_keeps_it() -> None:
    kept, elsewhere = f"{CDN}/r.mp4", "https://www.facebook.com/reel/1"
    assert [name for name, _, _ in files_of(body([with_files(("reel", {"url": kept}))]))] == ["video.mp4"]
    assert files_of(body([with_files(("reel", {"url": elsewhere}))])) == []
    assert files_of(body([with_files(("fallback", {"url": kept}))])) == []
    assert files_of(body([with_files(("share", {"url": "https://evil.fbcdn.net.example/x"}))])) == []


def test_nobody_is_named_by_a_file() -> None:
    content = body([with_files(("image", {"url": f"{CDN}/1.jpg"}))])
    assert ANA not in json.dumps(files_of(content))


def test_an_entry_that_is_itself_a_single_change_brings_files_too() -> None:
    told = with_files(("image", {"url": f"{CDN}/1.jpg"}))
    content = json.dumps({"object": "instagram", "entry": [{"id": PAGE, "field": "messages", "value": told}]}).encode()
    (message,) = read(content)
    assert isinstance(message, Message)
    assert [attachment_url(content, file.remote) for file in message.attachments] == [f"{CDN}/1.jpg"]


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ("https://l.facebook.com/l.php?u=https%3A%2F%2Fchaco.example%2Fn%3Fa%3D1&h=AT0", "https://chaco.example/n?a=1"),
        ("https://l.facebook.com/l.php?u=https%3A%2F%2Fchaco.example%2F%00", "https://chaco.example/"),
        ("https://l.facebook.com/l.php?u=javascript%3Aalert(1)", None),
        ("https://l.facebook.com/l.php?h=AT0", None),
        ("https://l.facebook.com/l.php?" + "a=1&" * 3000, None),
        ("https://l.facebook.com.example/l.php?u=https%3A%2F%2Fchaco.example%2F", None),
        ("https://chaco.example/?u=https%3A%2F%2Fother.example%2F", None),
    ],
)
def test_a_link_that_meta_wrapped_is_told_as_what_it_leads_to(given: str, found: str | None) -> None:
    assert behind(given) == (found or given)
