"""An agent's HTML as a citizen reads it: no words lost, nothing hidden shown, no earlier mail, bounded work."""

from __future__ import annotations

import time
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inbox_daemon.pipeline.markup import to_channel

BOTH: tuple[Literal["text", "whatsapp"], ...] = ("text", "whatsapp")


def shown(html: str, markup: Literal["text", "whatsapp"] = "text") -> str:
    return to_channel(html, html=True, markup=markup)


def typed(text: str, markup: Literal["text", "whatsapp"] = "text") -> str:
    return to_channel(text, html=False, markup=markup)


@pytest.mark.parametrize(
    ("html", "expected"),
    [
        ("Uno<br>dos<br/><br>tres", "Uno\ndos\n\ntres"),
        ("<p>Uno</p><p>dos\n tres</p>", "Uno\n\ndos tres"),
        ("<div>Uno</div><div><br></div><div>dos</div>", "Uno\n\ndos"),
        ("a &amp; b &lt;c&gt; &eacute;&nbsp;&#128512;", "a & b <c> é 😀"),
        ("<ul><li>DNI<li><p>Foto</p><ul><li>copia</li></ul></li></ul>fin", "- DNI\n- Foto\n  - copia\n\nfin"),
        ("<ol><li>uno</li><li>dos</li></ol>", "1. uno\n2. dos"),
        ("<table><tr><th>Día</th><th>Hora</th></tr><tr><td><p>Lunes</p></td><td>8</td></tr></table>",
         "Día | Hora\nLunes | 8"),
        ("<table><tr><td><table><tr><td><p>Uno</p><p>dos</p></table></td><td></td></tr></table>", "Uno\n\ndos"),
        ("<pre>a  b\n c</pre>", "a  b\n c"),
        ("<h2>Turno</h2>El lunes", "Turno\n\nEl lunes"),
        ("Uno<p>&nbsp;</p><p>&nbsp;</p><br><br><br><br><br>dos", "Uno\n\n\ndos"),
        ("ca<b>sa</b>", "casa"),
        ("<img src=x alt='😀'><img src=x alt='Logo del ministerio'>hola", "😀hola"),
        ("<blockquote>Art. 5: uno</blockquote>Eso dice.", "> Art. 5: uno\n\nEso dice."),
        ("<p>a</p><blockquote><p>b</p><p>c</p></blockquote><p>d</p>", "a\n\n> b\n>\n> c\n\nd"),
    ],
)  # fmt: skip
def test_html_as_plain_text(html: str, expected: str) -> None:
    assert shown(html) == expected


@pytest.mark.parametrize(
    ("html", "expected"),
    [
        ("<b>Hola</b>", "*Hola*"),
        ("<strong> Hola </strong>Ana", "*Hola* Ana"),
        ("<b>Hola<br>Ana</b>", "*Hola*\n*Ana*"),
        ("<b>a <i>b</i></b> <em>c</em> <del>d</del> <code>e_f</code>", "*a _b_* _c_ ~d~ ```e_f```"),
        ("<span style='color:red;font-weight: bold'>Hola</span>", "*Hola*"),
        ("<h3>Turno</h3>lunes", "*Turno*\n\nlunes"),
        ("<b><a href='https://a.test/x'>Vea</a></b>", "*Vea: https://a.test/x*"),
        ("ca<b>sa</b> y <b>so</b>l", "casa y sol"),  # WhatsApp would show the signs
        ("<b>2*3</b> <b> </b><b>—</b>", "2*3 —"),
        ("(<b>Hola</b>)", "(*Hola*)"),
        ("<ul><li><b>DNI</b>: original</li></ul>", "- *DNI*: original"),
        ("<pre>a\nb</pre>", "```a```\n```b```"),
    ],
)
def test_html_in_whatsapp_s_own_form(html: str, expected: str) -> None:
    assert shown(html, "whatsapp") == expected


@pytest.mark.parametrize(
    ("html", "expected"),
    [
        ("<a href='https://a.test/x'>el trámite</a>", "el trámite: https://a.test/x"),
        ("<a href='https://a.test/x'>Vea:</a>", "Vea: https://a.test/x"),
        ("<a href='https://www.a.test/'>a.test</a>", "a.test"),
        ("<a href='https://evil.test/'>https://banco.test</a>", "https://banco.test: https://evil.test/"),
        ("<a href='https://a.test/x y'><img src=x></a>", "https://a.test/x%20y"),
        ("<a href='mailto:a@b.test?subject=x'>escriba</a>", "escriba: a@b.test"),
        ("<a href='mailto:a@b.test'>A@b.test</a>", "A@b.test"),
        ("<a href='tel:+54362-444'>(54 362) 444</a>", "(54 362) 444: +54362-444"),
        ("<a href=' JavaScript:alert(1)'>x</a><a href='data:text/html,a'>y</a><a href='#a'>z</a><a>w</a>", "xyzw"),
        ("<a href='https://a.test/" + "a" * 3000 + "'>x</a>", "x"),
    ],
)
def test_a_link_says_where_it_leads(html: str, expected: str) -> None:
    assert shown(html) == expected


@pytest.mark.parametrize("markup", BOTH)
@pytest.mark.parametrize(
    "html",
    [
        "<script>SECRETO</script>",
        "<style>SECRETO</style><title>SECRETO</title>",
        "<!-- SECRETO --><!--[if mso]>SECRETO<![endif]-->",
        "<div style='DISPLAY : none'>SECRETO</div>",
        "<p hidden>SECRETO</p>",
        "<span style='font-size:0px'>SECRETO</span>",
        "<textarea>SECRETO</textarea><template>SECRETO</template><iframe>SECRETO</iframe>",
        "<noscript>SECRETO</noscript><svg><text>SECRETO</text></svg>",
        "<div class='gmail_signature'>SECRETO</div><div data-signature='true'>SECRETO</div>",
        "<blockquote type='cite'>SECRETO</blockquote>",
        "<div class=gmail_quote>On Mon, 23 Nov, Ana wrote:<blockquote class=gmail_quote>SECRETO</blockquote></div>",
        "El lun, 23 nov 2026 a las 9:30,<br>Ana &lt;a@b.test&gt; escribió:<br><blockquote>SECRETO</blockquote>",
        "<hr><b>De:</b> Ana<br><b>Enviado el:</b> lunes<br><b>Para:</b> Mesa<br><b>Asunto:</b> SECRETO<br><br>SECRETO",
        "-----Original Message-----<br>SECRETO",
        "-- <br>SECRETO",
        "--&nbsp;<br>SECRETO<br>SECRETO<blockquote type=cite>SECRETO</blockquote>",
    ],
)
def test_what_is_no_answer_is_not_shown(html: str, markup: Literal["text", "whatsapp"]) -> None:
    assert shown(f"<p>Su turno es el lunes.</p>{html}", markup) == "Su turno es el lunes."


@pytest.mark.parametrize(
    ("html", "expected"),
    [
        ("El artículo dice:<blockquote>Nadie puede…</blockquote>", "El artículo dice:\n\n> Nadie puede…"),
        ("<blockquote type=cite>¿Cuándo?</blockquote>El lunes", "> ¿Cuándo?\n\nEl lunes"),
        (
            "<div class=gmail_quote>Ana wrote:<blockquote class=gmail_quote>¿Y?</blockquote>Sí</div>",
            "Ana wrote:\n\n> ¿Y?\n\nSí",
        ),
        ("<div class=gmail_signature>Dra. Gómez</div>", "Dra. Gómez"),
        ("<blockquote type=cite>Sí</blockquote>", "> Sí"),
        ("-- <br>Dra. Gómez", "--\nDra. Gómez"),
        ("De: Ana<br>Para: todos", "De: Ana\nPara: todos"),
        ("Uno<br>--<br>" + "dos<br>" * 13, "Uno\n--\n" + "\n".join(["dos"] * 13)),
    ],
)
def test_what_may_be_the_answer_is_kept(html: str, expected: str) -> None:
    assert shown(html) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Hola <b>Ana</b> & cía\r\n\ta_b@c.test  *ya*", "Hola <b>Ana</b> & cía\n\ta_b@c.test  *ya*"),
        ("a\x00b\x1b[31mc\x85d\u202ee\ufefff\ud800g", "ab[31mc\nd" + "efg"),
        ("👨‍👩‍👧 🏴󠁧󠁢󠁥󠁮󠁧󠁿", "👨‍👩‍👧 🏴󠁧󠁢󠁥󠁮󠁧󠁿"),
        ("a\n \n\t\n\n\n\nb\n\n", "a\n\n\nb"),
        ("El lunes.\n\nOn Mon, 23 Nov 2026, ana@b.test wrote:\n> ¿Cuándo?\n>\n> Ana", "El lunes."),
        ("El lunes.\n-- \nDra. Gómez\nSalud", "El lunes."),
        ("Requisitos:\n> 18 años", "Requisitos:\n> 18 años"),
        ("> ¿Cuándo?\nEl lunes", "> ¿Cuándo?\nEl lunes"),
        (" \n", ""),
        ("", ""),
    ],
)
def test_plain_text_stays_as_it_was_typed(text: str, expected: str) -> None:
    assert [typed(text, markup) for markup in BOTH] == [expected, expected]


def test_the_asterisk_of_a_footnote_makes_nothing_bold() -> None:
    assert typed("DNI (*) y foto (*)", "whatsapp") == "DNI (∗) y foto (∗)"
    assert typed("DNI (*) y foto (*)") == "DNI (*) y foto (*)"
    assert shown("DNI (*) y <b>foto (**)</b>", "whatsapp") == "DNI (∗) y *foto (∗∗)*"


def test_entities_bring_no_hidden_characters_back() -> None:
    assert shown("a&#x202e;b&#8203;c&#xad;d&#0;e") in {"abcde", "abcd\ufffde"}


@given(st.text(), st.sampled_from(BOTH))
def test_plain_text_of_any_kind_is_finished_text(text: str, markup: Literal["text", "whatsapp"]) -> None:
    once = typed(text, markup)
    assert "\n\n\n\n" not in once
    once.encode()


TAGS = ["<p>", "</p>", "<b>", "</b>", "<i>", "<br>", "<ul>", "<li>", "</ul>", "<table>", "<tr>", "<td>", "</table>",
        "<pre>", "</pre>", "<a href='https://a.test'>", "</a>", "<blockquote>", "</blockquote>", "<h1>", "<div>",
        "</div>", "<", "&amp;", "&#x0;", "\n", " ", "-- ", "*", "<!--", "<svg>", "<math>"]  # fmt: skip


@given(st.lists(st.sampled_from([*TAGS, "uno", "dos"]), max_size=60).map("".join), st.sampled_from(BOTH))
def test_broken_html_never_raises_and_is_finished_text(html: str, markup: Literal["text", "whatsapp"]) -> None:
    text = shown(html, markup)
    assert "\n\n\n\n" not in text
    assert "<b>" not in text


@given(st.lists(st.sampled_from(["uno", "dos ", " tres", "4"]), min_size=1, max_size=20), st.data())
def test_no_word_is_lost_by_emphasis(words: list[str], data: st.DataObject) -> None:
    tags = [data.draw(st.sampled_from(["b", "i", "s", "code", "span", "div", "p", "li", "td"])) for _ in words]
    html = "".join(f"<{tag}>{word}</{tag}>" for tag, word in zip(tags, words, strict=True))
    for markup in BOTH:
        assert "".join(char for char in shown(html, markup) if char.isalnum()) == "".join(words).replace(" ", "")


@pytest.mark.parametrize(
    "html",
    [
        "<div>" * 200_000 + "hola",
        "<b>" * 300_000 + "hola",
        "<a href='https://a.test/x'>hola " * 30_000,
        "<table><tr><td>hola</td><td>" * 30_000,
        "<b><p>hola" * 90_000,
        "<i>hola</i> " * 80_000,
        "<blockquote>" * 900 + "<p>hola</p>" * 80_000,
        "<ul><li>" * 400 + "<li>hola" * 100_000,
        "hola<br>" * 120_000,
        "hola " * 200_000,
        "<!--" * 250_000 + "hola",
        "<" * 1_000_000,
        "&#x202e;hola" * 80_000,
        "<script" * 140_000,
        "> hola<br>De: x<br>" * 50_000,
        "<img src='data:image/png;base64," + "A" * 3_000_000 + "'>hola",
    ],
    ids=lambda html: html[:20],
)
def test_a_megabyte_of_hostile_html_is_bounded_work(html: str) -> None:
    began = time.process_time()
    text = shown(html, "whatsapp")
    spent = time.process_time() - began
    assert spent < 15
    assert len(text) <= 2 * len(html)


def test_markup_too_deep_to_be_parsed_shows_its_words_and_no_script() -> None:
    assert shown("<style>NO</style>" + "<div>" * 1100 + "Su <b>turno</b><br>&amp; más<script>NO</script>") == (
        "Su turno\n& más"
    )


def test_pictures_inside_the_markup_hide_no_words() -> None:
    assert shown("<img src='data:image/png;base64," + "A" * 3_000_000 + "'>hola") == "hola"
