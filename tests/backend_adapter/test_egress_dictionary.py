"""Values that the site knows are found in every form that they take in a text, and nothing else is."""

import unicodedata

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from backend_adapter.egress.known.dictionary import Dictionary, Value
from backend_adapter.egress.known.forms import Kind
from backend_adapter.egress.known.skeleton import words, words_with_origins

PERSON = Value("person", "Jörg Weißmüller")
VALUES: dict[Kind, str] = {
    "person": "Jörg Weißmüller",
    "text": "Gebr. Lindner & Söhne KG",
    "code": "K-2024/00817",
    "iban": "DE89370400440532013000",
    "phone": "+49 351 4889988",
    "email": "joerg.weiss@lindenau.example",
    "date": "1987-03-05",
}


def found(value: Value, text: str) -> list[str]:
    return [text[each.start : each.end] for each in Dictionary([value]).find(text)]


@pytest.mark.parametrize(
    ("kind", "form"),
    [
        *((kind, text) for kind, text in VALUES.items()),
        ("person", "JÖRG WEISSMÜLLER"),
        ("person", "joerg weissmueller"),
        ("person", "Jorg Weissmuller"),
        ("person", "Jörg\u00a0Weißmüller"),
        ("person", "Jörg   Weißmüller"),
        ("person", "Jörg\nWeißmüller"),
        ("person", "Jörg-Weißmüller"),
        ("person", "jörg_weißmüller"),
        ("person", "jörg.weißmüller"),
        ("person", "Weißmüller, Jörg"),
        ("person", "Weißmüller Jörg"),
        ("person", unicodedata.normalize("NFD", "Jörg Weißmüller")),
        ("person", "J\u200börg Wei\u00adßmüll\u2060er"),
        ("person", "Ｊöｒｇ　Ｗｅｉßｍüｌｌｅｒ"),
        ("text", "gebr lindner & soehne kg"),
        ("code", "K 2024 00817"),
        ("code", "k202400817"),
        ("iban", "DE89 3704 0044 0532 0130 00"),
        ("iban", "de89-3704-0044-0532-0130-00"),
        ("phone", "0351 4889988"),
        ("phone", "0351/488 99 88"),
        ("phone", "(0351) 488-9988"),
        ("phone", "+49 (0)351 4889988"),
        ("phone", "0049 351 488 99 88"),
        ("email", "Joerg.Weiss@Lindenau.example"),
        ("date", "05.03.1987"),
        ("date", "5.3.87"),
        ("date", "5. März 1987"),
        ("date", "5. Mrz. 1987".replace("Mrz", "Mär")),
        ("date", "March 5, 1987"),
        ("date", "03/05/1987"),
        ("date", "1987/03/05"),
    ],
)
@pytest.mark.parametrize("around", ["{}", "Es geht um {}.", "({})", '{{"x": "{}"}}', "<b>{}</b>!"])
def test_a_value_is_found_in_the_form(kind: Kind, form: str, around: str) -> None:
    assert found(Value(kind, VALUES[kind]), around.format(form)) == [form]


@pytest.mark.parametrize("ending", ["s", "es", "n", "en", "ns"])
def test_an_ending_is_left_to_the_sentence(ending: str) -> None:
    assert found(PERSON, f"Jörg Weißmüller{ending} Akte") == ["Jörg Weißmüller"]


@pytest.mark.parametrize("text", ["Jörg Weißmüller's", "Jörg Weißmüller’s Akte"])
def test_an_apostrophe_is_too(text: str) -> None:
    assert found(PERSON, text) == ["Jörg Weißmüller"]


@pytest.mark.parametrize(
    ("kind", "value", "text"),
    [
        ("person", "Anna Lang", "Anna Langenfeld"),
        ("person", "Ali", "Kali und Salz, Alibi"),
        ("person", "Jörg Weißmüller", "Jörg traf Weißmüller"),
        ("person", "Jörg Weißmüller", "Jörg, Weißmüller"),
        ("text", "Amt", "Amtsgericht, Beamte"),
        ("code", "4711", "Bestellung 104711, 47112, 4711a"),
        ("phone", "+49 351 4889988", "Auftrag 9903514889988"),
        ("date", "1987-03-05", "Nummer 105.03.19870"),
    ],
)
def test_what_only_looks_like_it_is_left_alone(kind: Kind, value: str, text: str) -> None:
    assert found(Value(kind, value), text) == []


def test_the_longer_of_two_values_is_the_one() -> None:
    values = [Value("person", "Anna"), Value("person", "Anna Lang"), Value("text", "Lang KG")]
    text = "Anna Lang, Anna und die Lang KG"
    matches = Dictionary(values).find(text)
    assert [(text[m.start : m.end], m.value) for m in matches] == [
        ("Anna Lang", "Anna Lang"),
        ("Anna", "Anna"),
        ("Lang KG", "Lang KG"),
    ]


def test_a_value_without_a_letter_is_nowhere() -> None:
    assert (
        Dictionary([Value("text", " - "), Value("code", ""), Value("date", "x")]).find("a - b")
        == []
    )


@given(st.text())
@example("aee oe\u0308 ue ß ﬁ \u200b!? ")
def test_both_ways_to_a_skeleton_agree(text: str) -> None:
    skeleton = words_with_origins(text)
    assert skeleton.text == words(text)
    assert skeleton.origins == sorted(skeleton.origins)
    assert len(skeleton.origins) == len(skeleton.text)


LETTERS = st.text("abcdefghijklmnopqrstuvwxyzäöüßéèñçłABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÜ", min_size=2)
DISGUISES = [
    str.upper,
    str.lower,
    str.title,
    lambda name: unicodedata.normalize("NFD", name),
    lambda name: name.replace(" ", "  "),
    lambda name: name.replace(" ", "\u00a0"),
    lambda name: name.replace(" ", "-"),
    lambda name: "\u200b".join(name),
    lambda name: "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in name),
    lambda name: name.replace("ä", "ae").replace("ö", "oe").replace("ü", "ue").replace("ß", "ss"),
]


@given(
    st.lists(LETTERS, min_size=1, max_size=3).map(" ".join),
    st.sampled_from(DISGUISES),
    st.text(" .,;:!?\n()\"'", min_size=1),
    st.text(" .,;:!?\n()\"'", min_size=1),
)
def test_no_disguise_hides_a_name(name: str, disguise, before: str, after: str) -> None:  # type: ignore[no-untyped-def]
    hidden = disguise(name)
    # Case mapping may change what letters there are (İ, ſ); those that are written here stay.
    assume(words(hidden) == words(name))
    text = f"x{before}{hidden}{after}x"
    [match] = Dictionary([Value("person", name)]).find(text)
    assert text[match.start : match.end] == hidden
