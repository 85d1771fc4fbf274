"""What hides a value from a search and from no reader hides it from nobody; what only looks like one stays."""

import re
import unicodedata
from typing import Literal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from backend_adapter.egress.known.dictionary import Dictionary, Value
from backend_adapter.egress.known.forms import Kind
from backend_adapter.egress.known.skeleton import tokens

NAME = "Jörg Weißmüller"


def found(kind: Kind, value: str, text: str) -> list[str]:
    return [text[each.start : each.end] for each in Dictionary([Value(kind, value)]).find(text)]


@pytest.mark.parametrize(
    "written",
    [
        # Letters that look the same, or are not seen.
        "Jоrg Wеißmüllеr",
        "Jörg Wеissmuller",
        "Jörg Weiβmüller",
        "ЈÖRG WEIẞMÜLLER",
        "J\u0301\u0308\u0302org Weißm\u00fc\u0327\u0330ller",
        "J\u200dö\u200crg\u200e Weiß\u2060mül\ufeffler",
        "J\u202eörg\u202c Weißmüller",
        "Jörg\U000e0020 Weiß\U000e0061müller\ufe0f",
        "Jö\u115frg Weißm\u3164üller",
        "Jö\x00rg Weiß\x08müller",
        "Jo\u00a8rg Weißmu\u00a8ller",
        "𝓙ö𝓻𝓰 𝕎𝕖𝕚ß𝕞ü𝕝𝕝𝕖𝕣",
        "ⓙⓞⓡⓖ ⓦⓔⓘⓢⓢⓜⓤⓛⓛⓔⓡ",
        "🅙🅞🅡🅖 🅦🅔🅘🅢🅢🅜🅤🅛🅛🅔🅡",
        "ᴊᴏʀɢ ᴡᴇɪssᴍᴜʟʟᴇʀ",
        # What stands between.
        "Jörg\u2003Weißmüller",
        "Jörg\u2028Weißmüller",
        "Jörg\r\n\tWeißmüller",
        "Jörg·Weißmüller",
        "Jörg\\_Weißmüller",
        "JörgWeißmüller",
        "joergweissmueller",
        # Marks of how it is shown.
        "Jö**rg** Weißmüller",
        "Jörg ~~Weißmüller",
        "Jö`rg` Weißmüller",
        "Jörg <b>Weißmüller",
        "Jörg<br/>Weißmüller",
        "Jö<wbr>rg Weiß<!-- x -->müller",
        "Jörg</td><td class='x'>Weißmüller",
        "Jörg&nbsp;Weißmüller",
        "J&ouml;rg Wei&szlig;m&#252;ller",
        "J&#xf6;rg&#32;Weiß&shy;müller",
        "J%C3%B6rg%20Wei%C3%9Fm%C3%BCller",
        "J=C3=B6rg Wei=C3=9Fm=C3=BCller",
        "J=F6rg Wei=DFm=FCller",
        "Jörg Weiß=\r\nmüller",
        "JÃ¶rg WeiÃŸmÃ¼ller",
        # Divided, or letter by letter.
        "Jörg Weiß-\nmüller",
        "Jörg Weiß\u00ad\n  müller",
        "Jörg Weiß‐ \r\nmüller",
        "J ö r g  W e i ß m ü l l e r",
        "J ö r g W e i ß m ü l l e r",
        "J.ö.r.g W-e-i-ß-m-ü-l-l-e-r",
        # In other orders.
        "Weißmüller,Jörg",
        "WEISSMÜLLER, JÖRG",
        "Weißmüller; Jörg",
        "Weißmüller, Dr. Jörg",
        "Weißmüller, Prof. Dr.-Ing. Jörg",
        "Weißmüller, Herr Jörg",
    ],
)
@pytest.mark.parametrize("around", ["{}", "Es geht um {}.", "- {}\n- Anna"])
def test_a_name_is_found_however_it_is_written(written: str, around: str) -> None:
    assert found("person", NAME, around.format(written)) == [written]


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("Weißmüller, Jörg", "Jörg Weißmüller"),
        ("Dr. Jörg Weißmüller", "Jörg Weißmüller"),
        ("Frau Prof. Dr. med. Anna Lang", "Anna Lang"),
        ("Anna Lang-Weber", "Lang-Weber, Anna"),
        ("Anna Lang-Weber", "Anna LangWeber"),
        ("Hans-Peter Lang", "Hanspeter Lang"),
        ("Hans-Peter Lang", "Lang, Hans-Peter"),
        ("Hans-Peter Lang", "Lang, Hanspeter"),
        ("Sean O'Brien", "Sean OBrien"),
        ("Sean O’Brien", "O`Brien, Sean"),
        ("Anna von der Heide", "von der Heide, Anna"),
        ("Anna von der Heide", "Heide, Anna von der"),
        ("Gabriel García Márquez", "Garcia Marquez, Gabriel"),
        ("Anna Maria Lang", "Lang, Anna Maria"),
        ("Eva Emma Lang", "EvaEmmaLang"),
        ("Łukasz Żak", "Lukasz Zak"),
        ("Søren Bjørnsen", "Soeren Bjoernsen"),
        ("Søren Bjørnsen", "Soren Bjornsen"),
        ("Ayşe Yıldırım", "AYSE YILDIRIM"),
        ("İbrahim Çelik", "ibrahim celik"),
        ("Γιώργος Παπαδόπουλος", "ΓΙΏΡΓΟΣ ΠΑΠΑΔΌΠΟΥΛΟΣ"),
        ("Ηλίας Βενέζης", "ηλίας βενέζης"),
        ("Борис Гребенщиков", "БОРИС ГРЕБЕНЩИКОВ"),
        ("Борис Гребенщиков", "Гребенщиков, Борис"),
        ("李 小龙", "李 小龙"),
        ("राम शर्मा", "राम शर्मा"),
        ("Yahoo!", "Yahoo!"),
    ],
)
def test_a_name_is_found_as_others_write_it(name: str, written: str) -> None:
    assert found("person", name, f"Akte: {written}.") == [written]


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("Jörg Weißmüllersche Akte", "Jörg Weißmüller"),
        ("die JÖRG WEISSMÜLLERS", "JÖRG WEISSMÜLLER"),
        ("Jörg Weißmüllers", "Jörg Weißmüller"),
        ("Jörg Weißmüller-Stiftung", "Jörg Weißmüller"),
        ("JörgWeißmüllers Konto", "JörgWeißmüller"),
    ],
)
def test_what_is_put_behind_a_name_is_left(written: str, value: str) -> None:
    assert found("person", NAME, written) == [value]


@pytest.mark.parametrize(
    ("kind", "value", "written"),
    [
        ("text", "Gebr. Lindner & Söhne KG", "Gebr. Lindner und Söhne KG"),
        ("text", "Gebr. Lindner & Söhne KG", "Gebr. Lindner u. Söhne KG"),
        ("address", "Hauptstraße 12, 01069 Dresden", "Hauptstr. 12, 01069 Dresden"),
        ("address", "Hauptstr. 12, 01069 Dresden", "Hauptstrasse 12\n01069 Dresden"),
        ("address", "Hauptstraße 12 01069 Dresden", "Hauptstraße 12, 01069 Dresden"),
        ("email", "joerg.weiss@lindenau.example", "joerg.weiss (at) lindenau (dot) example"),
        ("email", "joerg.weiss@lindenau.example", "joerg.weiss[ät]lindenau[punkt]example"),
        ("email", "joerg.weiss@lindenau.example", "joerg.weiss&#64;lindenau.example"),
        ("email", "joerg.weiss@lindenau.example", "<b>joerg</b>.weiss@lindenau.example"[3:]),
        ("code", "1234567", "1.234.567"),
        ("code", "1234567", "1,234,567"),
        ("code", "1234567", "1'234'567"),
        ("code", "K-2024/00817", "K–2024–00817"),
        ("code", "4711", "٤٧١١"),
        ("iban", "DE89370400440532013000", "DE89 3704 0044 0532\n0130 00"),
        ("iban", "DE89 3704 0044 0532 0130 00", "D E 8 9 3 7 0 4 0 0 4 4 0 5 3 2 0 1 3 0 0 0"),
        ("iban", "DE89370400440532013000", "DE89&nbsp;3704&nbsp;0044&nbsp;0532&nbsp;0130&nbsp;00"),
        ("secret", "hunter2/xyz", "hunter2/xyz"),
        ("phone", "0351/4889988", "+49 351 48 89 98 8"),
        ("phone", "+49 351 4889988", "(0351) 4889988"),
        ("phone", "+1 212 555 0123", "(212) 555-0123"),
        ("phone", "+353 1 234 5678", "01 2345678"),
        ("phone", "+420 221 234 567", "221 234 567"),
        ("phone", "+43 1 2345678", "0043 1 234 56 78"),
        ("date", "1987-03-05", "5. Mrz 1987"),
        ("date", "1987-03-05", "5th of March 1987"),
        ("date", "1987-03-05", "March 5th, 1987"),
        ("date", "1987-03-05", "5. III. 1987"),
        ("date", "1987-03-05", "1987-Mar-05"),
        ("date", "1987-03-05", "05MAR1987"),
        ("date", "1987-03-05", "1987-W10-4"),
        ("date", "1987-03-05", "19870305"),
        ("date", "1987-03-05", "05.03.87"),
        ("date", "1987-03-05", "05 / 03 / 1987"),
    ],
)
@pytest.mark.parametrize("around", ["{}", "Donnerstag, {}.", '{{"x": "{}", "y": 1}}', "x, {}, y"])
def test_other_values_are_found_however_they_are_written(
    kind: Kind, value: str, written: str, around: str
) -> None:
    assert found(kind, value, around.format(written)) == [written]


@pytest.mark.parametrize("time", ["T00:00:00Z", "T12:30:00+01:00", "T120000", " 12:30"])
def test_a_time_after_a_date_is_no_part_of_it(time: str) -> None:
    assert found("date", "1987-03-05", f"1987-03-05{time}") == ["1987-03-05"]


@pytest.mark.parametrize("extension", ["-12", " -12", " App. 12"])
def test_an_extension_is_no_part_of_a_number(extension: str) -> None:
    assert found("phone", "0351 4889988", f"Tel. 0351 4889988{extension}") == ["0351 4889988"]


@pytest.mark.parametrize(
    ("kind", "value", "text"),
    [
        ("person", "Ina", "in a word, in.a, in<b>a</b>x"),
        ("person", "Isa Lu", "is a lu"),
        ("person", "Le Ben", "Das Leben"),
        ("person", "Eva Luat", "evaluat"),
        ("person", "Anna Lang", "Anna Langer, Annas Lang, Johanna Lang"),
        ("person", "Anna Lang", "Anna, Lang"),
        ("person", "Anna Lang", "Anna: Lang"),
        ("person", "Anna Lang", "Anna! Lang und breit"),
        ("person", "Frau Lang", "lang, Lang"),
        ("person", "Jörg Weißmüller", "J. Weißmüller, Herr Weißmüller; Frau Jörg"),
        ("text", "Lang KG", "Lang K G, Langs KG"),
        ("date", "1987-03-05", "5387, 050387, 5.3., März 1987, 5.3.1988"),
        ("date", "1987-03-05", "1987-03-05x, 1987-03-051"),
        ("date", "1987-02-30", "1987-02-30"),
        ("iban", "DE89370400440532013000", "DE89 3704 0044 0532 0130 01, DE893704004405320130000"),
        ("phone", "+49 351 4889988", "351 4889988, 4889988, 0351 48899880"),
        ("code", "AB12", "AB 123, XAB12"),
        ("secret", "12", "112, 120"),
        ("email", "a.lang@x.example", "a.lang@x.example2, b.a.lang, lang@x.example"),
    ],
)
def test_what_only_looks_like_a_value_is_left_alone(kind: Kind, value: str, text: str) -> None:
    assert found(kind, value, text) == []


@pytest.mark.parametrize(
    "text",
    [
        "Herr <b>x</b> und &amp; 5,000 *a*b*c* z. B. i. d. R. (at) [dot] 100 %25 a=b=C3",
        "Ã Â Å =20 &#xfffffff; &nosuch; <a href='x'>y</a> -\n- \u00ad\n%ff%fe",
        "&#0;&#55296;%00=C3",
    ],
)
def test_marks_alone_are_no_value(text: str) -> None:
    assert found("person", NAME, text) == []
    assert found("person", NAME, f"{text} {NAME} {text}") == [NAME]


MARKS = [
    "",
    " ",
    "**",
    "<b>",
    "</b>",
    "&nbsp;",
    "&shy;",
    "\u00ad",
    "-\n",
    "=\n",
    ",",
    "\u200b",
    "`",
    "%20",
    "Ã¼",
    "é",
]


@given(
    st.lists(st.sampled_from([*MARKS, "Anna", "Lang", "Anna Lang", "x", "5,000"]), max_size=12).map(
        "".join
    )
)
@example("x**Anna Lang")
def test_what_is_found_stands_there(text: str) -> None:
    for each in Dictionary([Value("person", "Anna Lang")]).find(text):
        there = text[each.start : each.end]
        assert re.match("(?i)anna|lang", there)
        assert not there[0].isspace()
        assert not there[-1].isspace()


@given(
    st.lists(
        st.sampled_from(["\u200b", "\u00ad", "\u0301", "\U000e0061", "*", "<i>", "</i>", "&shy;"]),
        min_size=14,
        max_size=14,
    ),
    st.sampled_from(["upper", "lower", "title"]),
    st.sampled_from(["NFC", "NFD", "NFKD"]),
)
def test_no_mark_between_letters_hides_a_name(
    marks: list[str], case: str, form: Literal["NFC", "NFD", "NFKD"]
) -> None:
    letters = unicodedata.normalize(form, getattr(NAME, case)())
    # An accent after a blank stands on it, and a mark of emphasis beside a blank is none within a word.
    written = letters[0]
    for number, letter in enumerate(letters[1:]):
        beside = " " in letters[number : number + 2]
        accent = unicodedata.combining(letter) > 0
        written += ("" if beside or accent else marks[number % len(marks)]) + letter
    text = f"Von {written}, gestern"
    [match] = Dictionary([Value("person", NAME)]).find(text)
    assert (match.start, match.end) == (4, 4 + len(written))


@given(st.text(), st.text())
@example("ü\u0308", "𝔄")
@example("a\u00adb", "日本")
def test_a_text_beyond_latin_has_the_same_words(text: str, more: str) -> None:
    # The short way for most texts, and the long one.
    assert tokens(text) + tokens(more) + tokens("日") == tokens(f"{text} {more} 日")
