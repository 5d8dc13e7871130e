from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from inbox_daemon.identity.handles import canonical, masked, match_key, normalize, readable
from inbox_daemon.model import Handle, Proof

ADDRESSES = [
    ("ana@correo.example", "ana@correo.example"),
    ("Ana.Perez@Correo.Example", "ana.perez@correo.example"),
    (" ana@correo.example ", "ana@correo.example"),
    ("ana@correo.example.", "ana@correo.example"),
    ("<ana@correo.example>", "ana@correo.example"),
    ("Ana Pérez <ana@correo.example>", "ana@correo.example"),
    ('"Ana" <ana@x.test>', "ana@x.test"),
    ('"Pérez, Ana" <ana@x.test>', "ana@x.test"),
    ('"victima@gob.test" <x@evil.test>', "x@evil.test"),
    ("victima@gob.test <x@evil.test>", "x@evil.test"),
    ('"a \\" <b@c.test>" <x@evil.test>', "x@evil.test"),
    ("mailto:ana@x.test", "ana@x.test"),
    ("MAILTO:ana%2Bmesa@x.test?subject=hola&cc=b@y.test", "ana+mesa@x.test"),
    ("ana+tag@x.test", "ana+tag@x.test"),
    ("a.n.a@x.test", "a.n.a@x.test"),
    ("o'higgins@x.test", "o'higgins@x.test"),
    ("ana@ñandú.example", "ana@xn--and-6ma2c.example"),
    ("ana@ÑANDÚ.example", "ana@xn--and-6ma2c.example"),
    ("ana@n\u0303andu\u0301.example", "ana@xn--and-6ma2c.example"),
    ("ana@XN--and-6ma2c.example", "ana@xn--and-6ma2c.example"),
    ("ana@g\u043eb.test", "ana@xn--gb-fmc.test"),  # a Cyrillic o: another domain, and visibly so
    ("ñandú@x.test", "ñandú@x.test"),
    ("n\u0303andu\u0301@x.test", "ñandú@x.test"),
    ('"ana"@x.test', "ana@x.test"),
    ('"Ana Pérez"@x.test', '"ana pérez"@x.test'),
    ('"a\\b"@x.test', "ab@x.test"),
    ('"a@b"@x.test', '"a@b"@x.test'),
    ("a\u200bna@x.test", "ana@x.test"),
    ("ana@sub.dominio.x.test", "ana@sub.dominio.x.test"),
]

NO_ADDRESSES = [
    "@", "ana@", "@x.test", "ana@@x.test", "ana@x", "ana@.test", "ana@x..test", "ana@-x.test", "ana@x-.test",
    "ana @x.test", "ana perez@x.test", ".ana@x.test", "ana.@x.test", "a..na@x.test", "ana@x_y.test", "ana@[192.0.2.1]",
    "ana@192.0.2.1", "ana@x.test, eva@x.test", "ana@x.test;eva@x.test", "ana@x.test eva@x.test", '"ana@x.test',
    "<ana@x.test> <eva@x.test>", "Ana <ana@x.test", "a" * 65 + "@x.test", "ana@" + "a" * 64 + ".test",
    "ana@" + "a.b" * 90 + ".test", "mailto:", "mailto:?to=a@x.test", "\u212aarl@x.test", "İpek@x.test",
    "\uff41na@x.test\n@y.test", "alice@example.test)bob@evil.test", "<ana@x.test>bob@evil.test",
    "Ana <6@c.us>", '""@x.test',
]  # fmt: skip


@pytest.mark.parametrize(("text", "value"), ADDRESSES)
def test_one_form_for_each_address(text: str, value: str) -> None:
    read = normalize(text)
    assert (read.kind, read.value, read.valid, read.ambiguous) == ("email", value, True, False)
    assert normalize(value).value == value


@pytest.mark.parametrize("text", NO_ADDRESSES)
def test_what_is_not_exactly_one_address_is_invalid(text: str) -> None:
    read = normalize(text)
    assert (read.kind, read.valid, read.match_key) == ("email", False, "")


def test_imitations_stay_strangers() -> None:
    real = normalize("ana@gob.test").value
    for imitation in ("\u0430na@gob.test", "ana@g\u043eb.test", "a\u0301na@gob.test", "\uff41na@gob.test"):
        assert normalize(imitation).value != real


def test_tags_only_leave_the_match_key() -> None:
    assert normalize("Ana+Mesa@x.test").match_key == "ana@x.test"
    assert normalize("+54@x.test").match_key == "+54@x.test"
    assert match_key("email", '"a+b"@x.test') == '"a+b"@x.test'


@pytest.mark.parametrize("text", ["AR.134", "AR.ENT.abC9", "AR." + "a" * 128, "MX.0", " AR.1349876543210 "])
def test_a_bsuid_is_kept_whole(text: str) -> None:
    read = normalize(text)
    assert (read.kind, read.value, read.match_key, read.valid) == ("bsuid", text.strip(), text.strip(), True)


@pytest.mark.parametrize("text", ["AR.", "ar.134", "A.134", "ARG.134", "AR.a-b", "AR." + "a" * 129, "AR.1.2", "AR.ñ"])
def test_what_is_no_bsuid(text: str) -> None:
    assert normalize(text).kind == "unknown"


@settings(max_examples=400)
@given(st.text(max_size=80))
@example("\udc80@\udc80.com")
@example("0362 15 4123456" + "\ud800")
@example("a@" + "\u00ad.com")
@example("<" * 500 + "@")
@example('"' * 400 + "@x.test")
@example("9" * 5000)
@example("+" * 300 + "0" * 300)
def test_no_text_raises(text: str) -> None:
    read = normalize(text, default_area="362")
    assert read.raw == text
    assert bool(read.match_key) == read.valid
    assert repr(read) == f"NormalizedHandle(kind={read.kind!r}, ambiguous={read.ambiguous}, valid={read.valid})"


@given(st.emails())
def test_good_addresses_are_read_and_reading_again_changes_nothing(address: str) -> None:
    read = normalize(address)
    if read.valid:
        assert normalize(read.value).value == read.value
        assert normalize(f'"Ana" <{address}>').value == read.value


def handle(kind: str, value: str, proof: Proof = Proof.CHANNEL) -> Handle:
    return Handle(kind=kind, value=value, proof=proof)


@pytest.mark.parametrize(
    ("kind", "value", "shown", "hidden"),
    [
        ("phone", "+5493624123456", "+54 9 362 412-3456", "+54 9 362 …56"),
        ("phone", "+543624123456", "+54 362 412-3456", "+54 362 …56"),
        ("phone", "+5491141234567", "+54 9 11 4123-4567", "+54 9 11 …67"),
        ("phone", "+5493721412345", "+54 9 3721 41-2345", "+54 9 3721 …45"),
        ("phone", "+5493627123456", "+54 9 362 712-3456", "+54 9 362 …56"),
        ("phone", "+12025550123", "+1 202-555-0123", "+1 …23"),
        ("phone", "+5215512345678", "+52 15512345678", "+52 …78"),
        ("phone", "147", "147", "…"),
        ("phone", "", "", "…"),
        ("email", "ana@dominio.test", "ana@dominio.test", "a…@dominio.test"),
        ("email", '"a b"@dominio.test', '"a b"@dominio.test', "a…@dominio.test"),
        ("email", "ana", "ana", "…"),
        ("bsuid", "AR.1349876543210", "AR.1349876543210", "AR.…10"),
        ("psid", "24987654321", "Messenger 24987654321", "…21"),
        ("igsid", "17841400000", "Instagram 17841400000", "…00"),
        ("fb_user", "24987654321", "Facebook 24987654321", "…21"),
        ("session", "abc", "abc", "…"),
    ],
)
def test_forms_for_people_and_for_logs(kind: str, value: str, shown: str, hidden: str) -> None:
    assert readable(handle(kind, value)) == shown
    assert masked(handle(kind, value)) == hidden


@pytest.mark.parametrize(
    ("given_form", "expected"),
    [
        (handle("email", "Ana@X.test"), handle("email", "ana@x.test")),
        (handle("phone", "+5493624123456"), handle("phone", "+5493624123456")),
        (handle("phone", "+543624123456"), handle("phone", "+543624123456")),
        (handle("phone", "+5215512345678"), handle("phone", "+5215512345678")),
        (handle("phone", "0362 15 4123456", Proof.HINT), handle("phone", "+5493624123456", Proof.HINT)),
        (handle("phone", "147"), handle("phone", "147")),
        (handle("phone", "ana@x.test"), handle("phone", "ana@x.test")),
        (handle("bsuid", "AR.aB"), handle("bsuid", "AR.aB")),
        (handle("session", "+54 9 362 4123456"), handle("session", "+54 9 362 4123456")),
    ],
)
def test_canonical_changes_writing_only(given_form: Handle, expected: Handle) -> None:
    assert canonical(given_form) == expected
    assert canonical(expected) == expected


def test_match_keys_of_both_forms_meet() -> None:
    assert match_key("phone", "+5493624123456") == match_key("phone", "+543624123456") == "543624123456"
    assert match_key("phone", "147") == ""
    assert match_key("session", "24") == "24"
    assert {match_key(kind, "24987654321") for kind in ("psid", "igsid", "fb_user")} == {""}


@pytest.mark.parametrize("kind", ["psid", "igsid", "fb_user"])
def test_an_id_of_meta_s_is_read_by_its_kind(kind: str) -> None:
    found = normalize(f" {kind}:24987654321 ")
    assert (found.kind, found.value, found.match_key, found.valid) == (kind, "24987654321", "", True)
    for text in (f"{kind}:", f"{kind}:2a", f"{kind}:{'1' * 33}", f"{kind}24987654321"):
        assert normalize(text).kind != kind


def test_the_heavy_geocoder_is_not_loaded() -> None:
    code = "import sys, inbox_daemon.identity.handles; print([m for m in sys.modules if 'geo' in m])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
