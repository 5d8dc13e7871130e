from __future__ import annotations

import random

import phonenumbers
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from inbox_daemon.identity.handles import match_key, normalize

MOBILE = "+5493624123456"
UNMARKED = "+543624123456"

MARKED_FORMS = """
0362 15 412-3456
0362-15-4123456
0362 154123456
0362-154123456
(0362) 154-123456
(0362) 15-4123456
(0362)154123456
(0362) 154 - 123456
0362154123456
362 15 4123456
362-15-412-3456
362.15.412.3456
362/15/4123456
362154123456
(362) 15 412 3456
15 362 4123456
15-362-412-3456
0 15 362 4123456
015 362 4123456
9 362 4123456
9 0362 4123456
0362 9 4123456
362 9 412 3456
9 362 15 4123456
03624-15-123456
03624 15 123456
(03624) 15-123456
3624 15 123456
3624-15-12-3456
362415123456
03624-15123456
+54 9 362 4123456
+54 9 362 412-3456
+54 9 (362) 412-3456
+54 (9) 362 412-3456
(+54) 9 362 412-3456
(+54 9 362) 4123456
+5493624123456
+54-9-362-412-3456
+54.9.362.412.3456
+54 9 3624 123456
+54 9 3624-12-3456
+54 9 0362 4123456
+549 0362 412-3456
+54 9 (0362) 412-3456
+54 9 362 15 412-3456
+54 9 0362 15 4123456
+54 9 3624 15 123456
+54 9 03624 15 123456
+54 362 15 4123456
+54 0362 15 412-3456
+54 (0362) 15-4123456
+54 (0)362 15 4123456
+54 03624 15-123456
+54 15 362 4123456
+54 9 15 362 4123456
+54 362 9 4123456
0054 9 362 4123456
00 54 9 362 412 3456
0054 362 15 4123456
0054 9 0362 15 4123456
54 9 362 4123456
5493624123456
54 9 0362 4123456
54 362 15 4123456
54 9 362 15 4123456
54 (0362) 15 4123456
054 9 362 4123456
5493624123456@c.us
5493624123456@s.whatsapp.net
5493624123456:7@s.whatsapp.net
wa.me/5493624123456
https://wa.me/5493624123456
https://wa.me/+5493624123456?text=Hola%20%2B54
https://api.whatsapp.com/send?phone=5493624123456&text=Hola
https://api.whatsapp.com/send/?text=hola&phone=5493624123456
tel:+5493624123456
tel:+54-9-362-412-3456
tel:0362-15-4123456
TEL:+54 9 362 4123456
whatsapp:+5493624123456
sms:+5493624123456?body=hola
sip:+5493624123456@pbx.test
Cel: 0362 15 4123456
celular 362 15 4123456
WhatsApp: +54 9 362 412-3456
Tel. 0362 15-4123456
0362–15–4123456
0362—15—412—3456
0362‑15‑4123456
0362\u00a015\u00a0412\u00a03456
0362\u202f15\u202f4123456
\u202a+54 9 362 412-3456\u202c
\u200b0362 15 4123456\ufeff
٠٣٦٢ ١٥ ٤١٢٣٤٥٦
０３６２ １５ ４１２３４５６
०३६२ १५ ४१२३४५६
\uff0b54 9 362 4123456
[0362] 15 412-3456
0362·15·4123456
  0362 15 4123456 .
""".strip("\n").splitlines()

UNMARKED_FORMS = """
362 4123456
3624123456
3624-123456
3624 12-3456
0362 412-3456
(0362) 4123456
(0362)412-3456
0362-4123456
0362/4123456
03624-123456
03624123456
+54 362 4123456
+543624123456
+54 (362) 412-3456
+54 0362 4123456
+54 (0362) 412-3456
+54 (0)362 412-3456
0054 362 4123456
54 362 4123456
543624123456
54 0362 4123456
543624123456@c.us
wa.me/543624123456
tel:+543624123456
tel:0362-4123456
Tel: (0362) 412-3456
Teléfono 362 4123456
362.412.3456
362–412–3456
""".strip().splitlines()

ELSEWHERE_IN_THE_COUNTRY = [
    ("011 15 4123-4567", "+5491141234567", False),
    ("11 15 4123 4567", "+5491141234567", False),
    ("15 11 4123 4567", "+5491141234567", False),
    ("+54 9 11 4123-4567", "+5491141234567", False),
    ("+54 9 11 15 4123-4567", "+5491141234567", False),
    ("(011) 4123-4567", "+541141234567", True),
    ("11 4123 4567", "+541141234567", True),
    ("0364 15 4412345", "+5493644412345", False),
    ("03644 15 412345", "+5493644412345", False),
    ("3644 15 412345", "+5493644412345", False),
    ("03644-412345", "+543644412345", True),
    ("0379 15 4123456", "+5493794123456", False),
    ("03794-15-123456", "+5493794123456", False),
    ("(03794) 123456", "+543794123456", True),
    ("0351 15 3123456", "+5493513123456", False),
    ("351 153-123456", "+5493513123456", False),
    ("03721 15 412345", "+5493721412345", False),
    ("3721 15-412345", "+5493721412345", False),
    ("+54 9 3721 412345", "+5493721412345", False),
    ("3721 412345", "+543721412345", True),
    ("03731 15 412345", "+5493731412345", False),
    ("3731-412345", "+543731412345", True),
    ("03735 15 412345", "+5493735412345", False),
    ("+54 3735 15 412345", "+5493735412345", False),
    ("03718 15 412345", "+5493718412345", False),
    ("0385 15 4123456", "+5493854123456", False),
    ("03854 15 412345", "+5493854412345", False),
    ("0385 15 4412345", "+5493854412345", False),  # 385 and 3854 are both areas: the ten digits are the same
    ("5493627123456", "+5493627123456", False),  # a range the library doesn't know yet, with the country code: believed
]

FOREIGN = [
    ("+5215512345678", "+5215512345678"),
    ("5215512345678", "+5215512345678"),
    ("5215512345678@c.us", "+5215512345678"),
    ("+52 55 1234 5678", "+525512345678"),
    ("551187654321", "+551187654321"),
    ("+55 11 8765-4321", "+551187654321"),
    ("551187654321@s.whatsapp.net", "+551187654321"),
    ("+5511987654321", "+5511987654321"),
    ("595981123456", "+595981123456"),
    ("595 981 123456", "+595981123456"),
    ("+595 981 123 456", "+595981123456"),
    ("00595 981 123456", "+595981123456"),
    ("59899123456", "+59899123456"),
    ("56912345678", "+56912345678"),
    ("+44 (0)20 7946 0958", "+442079460958"),
    ("+1 (202) 555-0123", "+12025550123"),
    ("+39 06 1234 5678", "+390612345678"),
    ("whatsapp:+14155238886", "+14155238886"),
    ("99912345678@c.us", "+99912345678"),  # no such country code: still what the channel said
    ("55118765432199@s.whatsapp.net", "+55118765432199"),
    ("54362412345@c.us", "+54362412345"),
    ("5480012345678@c.us", "+5480012345678"),
]

SERVICES_AND_SLIPS = """
105
147
911
144
107
100
101
135
102
137
*105
0800-888-9222
0800 888 9222
08008889222
0810 222 3333
0810-333-4444
0600 123 4567
+54 800 888 9222
4123456
412-3456
15 4123456
15-412-3456
412345
3624 15 4123456
362 15 412345
362 412345
362 41234567
36241234567
36249123456
3624 9 123456
0362 4123 45678
351512345678
+54 362 412345
+54 9 362 412345
+54 9 362 41234567
+54 4123456
15 15 4123456
0362 15 15 4123456
0000000000
1111111111
000000
+266696687
1234567890
0123456789
3624123456 / 3624654321
3624123456 3624654321
362 4123456, 362 4654321
3624123456 o 3624654321
3624123456 y 3624654321
+543624123456 +543624654321
4123456/4123457
4912345 4912346
12345678901234567890
""".strip().splitlines()

NO_PHONES = [
    "anonymous", "unknown", "private", "s", "0", "", " ", "-", "+", "()", "O362 4I23456", "0362 l5 4123456",
    "30.123.456", "20-30123456-7", "23/11/2026", "2026-11-23", "123456789012345@lid", "120363040404040404@g.us",
    "6@c.us", "a@c.us.", "0000000000@c.us",
    "Ministerio de Salud", "llamar al 105", "caso 4F7K2-8", "12",
]  # fmt: skip


@pytest.mark.parametrize("form", MARKED_FORMS)
def test_a_mobile_mark_anywhere_gives_the_mobile_form(form: str) -> None:
    read = normalize(form)
    assert (read.kind, read.value, read.match_key) == ("phone", MOBILE, "543624123456")
    assert (read.ambiguous, read.valid, read.raw) == (False, True, form)


@pytest.mark.parametrize("form", UNMARKED_FORMS)
def test_without_a_mark_the_number_keeps_its_form_and_is_ambiguous(form: str) -> None:
    read = normalize(form)
    assert (read.kind, read.value, read.match_key) == ("phone", UNMARKED, "543624123456")
    assert (read.ambiguous, read.valid) == (True, True)


@pytest.mark.parametrize(("form", "value", "ambiguous"), ELSEWHERE_IN_THE_COUNTRY)
def test_other_areas(form: str, value: str, ambiguous: bool) -> None:
    read = normalize(form)
    assert (read.kind, read.value, read.ambiguous, read.valid) == ("phone", value, ambiguous, True)
    assert read.match_key == "54" + value[-10:]


@pytest.mark.parametrize(("form", "value"), FOREIGN)
def test_foreign_numbers_stay_as_given(form: str, value: str) -> None:
    read = normalize(form)
    assert (read.kind, read.value, read.match_key) == ("phone", value, value[1:])
    assert (read.ambiguous, read.valid) == (False, True)


@pytest.mark.parametrize("form", SERVICES_AND_SLIPS)
def test_services_slips_and_pairs_are_nobody(form: str) -> None:
    read = normalize(form)
    assert (read.valid, read.match_key, read.ambiguous) == (False, "", False)
    assert read.kind == "phone" or form.startswith("*")


@pytest.mark.parametrize("form", NO_PHONES)
def test_what_is_no_number_is_unknown(form: str) -> None:
    read = normalize(form)
    assert (read.kind, read.valid, read.match_key) == ("unknown", False, "")


@pytest.mark.parametrize(
    ("form", "area", "value", "ambiguous"),
    [
        ("15 4123456", "362", MOBILE, False),
        ("15-412-3456", "362", MOBILE, False),
        ("154123456", "0362", MOBILE, False),
        ("4123456", "362", UNMARKED, True),
        ("412-3456", "362", UNMARKED, True),
        ("541-2345", "362", "+543625412345", True),
        ("15 41234567", "11", "+5491141234567", False),
        ("4123-4567", "11", "+541141234567", True),
        ("15 412345", "3721", "+5493721412345", False),
        ("41-2345", "3721", "+543721412345", True),
        ("379 4123456", "362", "+543794123456", True),
        ("0379 15 4123456", "362", "+5493794123456", False),
    ],
)
def test_a_default_area_completes_local_numbers_only(form: str, area: str, value: str, ambiguous: bool) -> None:
    read = normalize(form, default_area=area)
    assert (read.value, read.ambiguous, read.valid) == (value, ambiguous, True)


@pytest.mark.parametrize(
    "form", ["105", "911", "147", "412345", "15 412345", "41234567", "0800-888-9222", "30.123.456"]
)
def test_a_default_area_makes_no_number_of_anything_else(form: str) -> None:
    assert not normalize(form, default_area="362").valid


@pytest.mark.parametrize(
    ("form", "value", "extension"),
    [
        ("0362 4123456 int. 203", UNMARKED, "203"),
        ("0362 4123456 int 203", UNMARKED, "203"),
        ("0362 4123456 ext 5", UNMARKED, "5"),
        ("0362 4123456 ext. 5", UNMARKED, "5"),
        ("0362-4123456, interno 12", UNMARKED, "12"),
        ("0362-4123456 interno n° 12", UNMARKED, "12"),
        ("0362-4123456 Extensión 12", UNMARKED, "12"),
        ("0362-4123456 x5", UNMARKED, "5"),
        ("0362-4123456x5", UNMARKED, "5"),
        ("0362 4123456 #203", UNMARKED, "203"),
        ("tel:+54-362-412-3456;ext=203", UNMARKED, "203"),
        ("tel:412-3456;phone-context=+54362", "", ""),
        ("+54 9 362 412-3456 anexo 7", MOBILE, "7"),
    ],
)
def test_an_extension_is_cut_off_and_kept_apart(form: str, value: str, extension: str) -> None:
    read = normalize(form)
    assert read.extension == extension
    assert (read.value == value and read.valid) if value else not read.valid


@pytest.mark.parametrize(
    ("form", "country", "value"),
    [("0981 123456", "PY", "+595981123456"), ("020 7946 0958", "gb", "+442079460958"), ("123", "PY", "123")],
)
def test_another_country_s_habits(form: str, country: str, value: str) -> None:
    assert normalize(form, country=country).value == value


def test_the_end_of_a_long_text_is_not_overlooked() -> None:
    assert normalize("0362 15 4123456" + "\u200b" * 300).valid
    assert not normalize("0362 15 4123456" + "\u200b" * 600 + " / 4123457").valid


def test_an_unknown_country_never_raises() -> None:
    assert not normalize("0981 123456", country="??").valid


@pytest.mark.parametrize("area", ["11", "362", "364", "379", "351", "3721", "3731", "3735"])
def test_every_writing_of_drawn_numbers_means_the_same(area: str) -> None:
    draw = random.Random(area)
    checked = 0
    while checked < 40:
        local = "".join(draw.choices("0123456789", k=10 - len(area)))
        if not phonenumbers.is_valid_number(phonenumbers.parse(f"+549{area}{local}")):
            continue
        checked += 1
        marked = [f"{p}{area}{s}15{s}{local}" for p in ("", "0", "+54 ", "+54 9 ", "54 9 0") for s in ("", " ", "-")]
        marked += [f"+549{area}{local}", f"15 {area} {local}", f"549{area}{local}@c.us", f"9 {area} {local}"]
        if len(area) == 3:
            marked += [f"0{area}{local[0]}-15-{local[1:]}", f"{area}{local[0]} 15 {local[1:]}"]
        assert {normalize(m).value for m in marked} == {f"+549{area}{local}"}
        bare = [f"0{area} {local}", f"{area}{local}", f"+54 {area} {local}", f"(0{area}) {local[:-4]}-{local[-4:]}"]
        assert {(normalize(b).value, normalize(b).ambiguous) for b in bare} == {(f"+54{area}{local}", True)}


@given(st.text(alphabet="0123456789", min_size=1, max_size=16))
def test_digits_never_gain_a_subscriber(digits: str) -> None:
    """Whatever is read out of digits ends in the very digits that were written, but for the marks."""
    read = normalize(digits)
    assert read.kind in {"phone", "unknown"}
    if read.valid:
        assert digits.endswith(read.value[-6:])
        assert match_key("phone", read.value) == read.match_key


@given(st.text(alphabet="0123456789+-() ./x", max_size=24), st.sampled_from([None, "362", "11", "3721", "x", ""]))
@example("+", None)
@example("+54 9 15", "362")
def test_reading_again_changes_nothing(text: str, area: str | None) -> None:
    read = normalize(text, default_area=area)
    if read.valid:
        again = normalize(read.value, default_area=area)
        assert (again.value, again.match_key, again.ambiguous) == (read.value, read.match_key, read.ambiguous)
