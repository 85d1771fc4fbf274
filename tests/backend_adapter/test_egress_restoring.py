"""However a model writes a pseudonym, and however its answer is cut, the value comes back; nothing else does."""

import html
import json
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend_adapter.egress.naming.codes import ALPHABET
from backend_adapter.egress.naming.iban import grouped
from backend_adapter.egress.pseudonyms import Pseudonyms
from backend_adapter.egress.quoting import Form
from backend_adapter.egress.restore import Restorable, Restoring

VALUES = {
    "Person-K7Q": "Max Müller",
    "Dame-B2C": "Anna Lang",
    "Anschrift-X4Z": "Am Markt 5\n01067 Dresden | Haus B",
    "Geheimnis-W3R": 'a"b\\c',
    "Nummer-M8PT": "K-2024/00817",
    "mail-d3f@example.invalid": "max@stadt.example",
}
NAMES = Restorable(VALUES)


def restored(
    text: str, cut: int | None = None, *, names: Restorable = NAMES, form: Form = "plain"
) -> str:
    restoring = Restoring(names, form=form)
    step = cut or max(1, len(text))
    said = "".join(
        restoring.feed(text[begin : begin + step]) for begin in range(0, len(text), step)
    )
    return said + restoring.end()


@pytest.mark.parametrize(
    ("written", "said"),
    [
        # Case, endings, compounds.
        ("PERSON-K7Q", "Max Müller"),
        ("person-k7q", "Max Müller"),
        ("Person-K7Qs Haus", "Max Müllers Haus"),
        ("PERSON-K7QS HAUS", "Max MüllerS HAUS"),
        ("Person-K7Q's house", "Max Müller's house"),
        ("Person-K7Q\u2019s", "Max Müller\u2019s"),
        ("des Person-K7Q", "des Max Müller"),
        ("Person-K7Q-Akte", "Max Müller-Akte"),
        ("Person-K7Qkonto", "Max Müllerkonto"),
        ("Personen Person-K7Q/Dame-B2C", "Personen Max Müller/Anna Lang"),
        # Other hyphens and blanks, and what nobody sees.
        ("Person K7Q", "Max Müller"),
        ("Person\u00a0K7Q", "Max Müller"),
        ("Person\u2011K7Q", "Max Müller"),
        ("Person \u2013 K7Q", "Max Müller"),
        ("Per\u00adson-K\u200b7Q", "Max Müller"),
        ("\uff30\uff45\uff52\uff53\uff4f\uff4e\uff0d\uff2b\uff17\uff31", "Max Müller"),
        ("Person-\nK7Q", "Max Müller"),
        ("> Person-\r\n> K7Q", "> Max Müller"),
        # Markdown.
        ("**Person-K7Q**", "**Max Müller**"),
        ("**Person**-K7Q", "**Max Müller**"),
        ("Person-**K7Q**", "**Max Müller**"),
        ("_Person-K7Q_", "_Max Müller_"),
        ("`Person-K7Q`", "`Max Müller`"),
        ("Person\\-K7Q", "Max Müller"),
        ("| Person-K7Q | x |", "| Max Müller | x |"),
        # As code and data write it.
        ("Person&#45;K7Q", "Max Müller"),
        ("Person&#x2011;K7Q", "Max Müller"),
        ("Person&nbsp;K7Q", "Max Müller"),
        ("q=Person%2DK7Q", "q=Max%20M%C3%BCller"),
        ("q=Person+K7Q", "q=Max+M%C3%BCller"),
        ("Person\\u2011K7Q", "Max Müller"),
        ("person_k7q = 1", "max_müller = 1"),
        ("PERSON_K7Q = 1", "MAX_MÜLLER = 1"),
        ("konto_person_k7q = 1", "konto_max_müller = 1"),
        ("Person_K7Q.pdf", "Max_Müller.pdf"),
        ("{personK7Q}", "{maxMüller}"),
        ('"person_k7q"', '"Max Müller"'),
        ("x_Person-K7Q", "x_Max Müller"),
        ("nummer_m8pt", "K-2024/00817"),
        # Another noun of a person, or a title in its place.
        ("Frau Dame-B2C", "Frau Anna Lang"),
        ("Frau B2C", "Frau Anna Lang"),
        ("Herrn K7Q", "Herrn Max Müller"),
        ("Mr. K7Q", "Mr. Max Müller"),
        ("Person-B2C", "Anna Lang"),
        ("Mann K7Q", "Max Müller"),
    ],
)
def test_however_it_is_written_it_comes_back(written: str, said: str) -> None:
    for cut in (1, 2, 3, None):
        assert restored(f"({written})", cut) == f"({said})"


@pytest.mark.parametrize(
    "text",
    [
        "Person-K7X",
        "Person-K7",
        "Person-K7Q2",
        "Person-K7QX",
        "Person-K7Q1",
        "person-k7qx",
        "xPerson-K7Q",
        "Personen-K7Q",
        "Nummer-K7Q",
        "Nummer-M8P",
        "Nummer-M8PTX",
        "Frau-K7X",
        "K7Q",
        "Person",
        "Person K7 Q",
        "mail-d3f@example.com",
        "mail-d3x@example.invalid",
        "an Person\n\nK7Q",
    ],
)
def test_what_only_looks_like_one_stays(text: str) -> None:
    for cut in (1, 2, None):
        assert restored(f"({text})", cut) == f"({text})"


@pytest.mark.parametrize("name", ["Mensch-K7Q", "Person-", "Max Müller", "", "Person-KKK-7"])
def test_what_is_no_pseudonym_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="no pseudonym"):
        Restorable({name: "x"})


SECRET = "Geheimnis-W3R"


@pytest.mark.parametrize(
    "said",
    [
        {"a": SECRET},
        {SECRET: [1, {"b": SECRET}]},
        {"a": json.dumps({"b": SECRET})},
        {"a": json.dumps([json.dumps({"b": f"x {SECRET}"})])},
        {"a": f"[x] {SECRET}"},
        {"a": f'"{SECRET}"'},
        {"a": f"\\ {SECRET} \\"},
        {"a": json.dumps({"b": "\u00fc\n"}) + SECRET},
        [json.dumps({"a": 1}), SECRET],
    ],
)
@pytest.mark.parametrize("ascii_only", [True, False])
def test_in_arguments_json_stays_json_however_deep(said: object, ascii_only: bool) -> None:
    def meant(value: object) -> object:
        if isinstance(value, dict):
            return {meant(key): meant(inner) for key, inner in value.items()}
        if isinstance(value, list):
            return [meant(inner) for inner in value]
        if not isinstance(value, str):
            return value
        try:
            inner = json.loads(value)
        except ValueError:
            return value.replace(SECRET, VALUES[SECRET])
        return meant(inner) if isinstance(inner, dict | list) else value.replace(SECRET, 'a"b\\c')

    def read(value: object) -> object:
        """With JSON within JSON read as well."""
        if isinstance(value, dict):
            return {key: read(inner) for key, inner in value.items()}
        if isinstance(value, list):
            return [read(inner) for inner in value]
        try:
            inner = json.loads(value) if isinstance(value, str) else value
        except ValueError:
            return value
        return read(inner) if isinstance(inner, dict | list) else value

    text = json.dumps(said, ensure_ascii=ascii_only)
    for cut in (1, 5, None):
        assert read(json.loads(restored(text, cut, form="json"))) == meant(said)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("| Anschrift-X4Z | x |\n", "| Am Markt 5 01067 Dresden \\| Haus B | x |\n"),
        ("a | Anschrift-X4Z", "a | Am Markt 5\n01067 Dresden | Haus B"),
        ("```\n| Anschrift-X4Z |\n```", "```\n| Am Markt 5\n01067 Dresden | Haus B |\n```"),
        (f'{{"a": "{SECRET}"}}', '{"a": "a\\"b\\\\c"}'),
        (
            f'Also:\n```json\n["{SECRET}"]\n```\n"{SECRET}"',
            'Also:\n```json\n["a\\"b\\\\c"]\n```\n"a"b\\c"',
        ),
        (f'```python\nx = "{SECRET}"\n```', '```python\nx = "a"b\\c"\n```'),
        (f'[link]: "{SECRET}"', '[link]: "a"b\\c"'),
        (f"[{SECRET}]", '[a"b\\c]'),
    ],
)
def test_in_an_answer_a_table_stays_one_and_so_does_json(text: str, said: str) -> None:
    for cut in (1, 4, None):
        assert restored(text, cut, form="markdown") == said


FORMS = [
    "{}",
    "**{}**",
    "({})",
    "{}s",
    "{}'s",
    "`{}`",
    "\n{}\n",
    "| {} |",
    '"{}"',
    "{},",
    "\u201e{}\u201c",
]
REWRITTEN = [
    lambda name: name,
    str.upper,
    str.lower,
    lambda name: name.replace("-", "\u2011"),
    lambda name: name.replace("-", "\u00a0"),
    lambda name: name.replace("-", "\\-"),
    lambda name: name.replace("-", "-\u200b"),
    lambda name: name.replace("-", "&#45;"),
]
LETTERS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=12)


@given(st.data())
def test_whatever_a_text_says_it_is_the_same_again(data: st.DataObject) -> None:
    """A text as it leaves, written again in other ways and in pieces."""
    people = data.draw(
        st.lists(st.text("abcABCäöüß '-", min_size=2, max_size=12), min_size=1, max_size=5)
    )
    pieces = data.draw(st.lists(st.one_of(st.sampled_from(people), LETTERS), max_size=12))
    between = [data.draw(LETTERS) for _ in pieces]
    pseudonyms = Pseudonyms(b"k" * 32, data.draw(st.sampled_from("abc")))
    for piece in between + pieces:
        pseudonyms.reserve(piece)
    said, meant = [], []
    for before, piece in zip(between, pieces, strict=True):
        form = data.draw(st.sampled_from(FORMS))
        name = pseudonyms.of("person", piece) if piece in people else piece
        value = pseudonyms.values.get(name, piece)
        if piece in people:
            name = data.draw(st.sampled_from(REWRITTEN))(name)
            # HTML has a value as HTML writes it.
            value = html.escape(value) if "&" in name else value
        said.append(f"{before} {form.format(name)} ")
        meant.append(f"{before} {form.format(value)} ")
    text = "".join(said)
    restoring, back, begin = Restoring(pseudonyms.restorable), "", 0
    for end in [*sorted(data.draw(st.sets(st.integers(0, len(text)), max_size=20))), len(text)]:
        back += restoring.feed(text[begin:end])
        assert restoring.held <= pseudonyms.restorable.longest
        begin = end
    assert back + restoring.end() == "".join(meant)


ACCOUNT, DAY = "DE89370400440532013000", "1980-03-05"
MANY = Pseudonyms(b"k" * 32, "many")
MANY.reserve("")
SAID = [
    MANY.of("person", "Max Müller"),
    MANY.of("iban", ACCOUNT),
    grouped(MANY.of("iban", ACCOUNT), " "),
    MANY.of("date", DAY),
    MANY.of("date", DAY, written="5. März 1980"),
    MANY.of("email", "max@stadt.example"),
    MANY.of("code", "K-1"),
]
BITS = st.one_of(
    st.sampled_from(SAID).flatmap(
        lambda said: st.sampled_from([said, said[:-1], f"{said}2", said[1:]])
    ),
    st.sampled_from(
        ["Person", "-", " ", "\n", "**", "_", "\\", "&#45;", "%2d", "s", "@", ".", "5.", "März"]
    ),
    st.text(ALPHABET, max_size=3),
    st.text(max_size=3),
)


@given(
    st.lists(BITS, max_size=14).map("".join),
    st.integers(1, 9),
    st.sampled_from(["plain", "json", "markdown"]),
)
def test_how_it_is_cut_makes_no_difference(text: str, cut: int, form: Form) -> None:
    whole = restored(text, names=MANY.restorable, form=form)
    assert restored(text, cut, names=MANY.restorable, form=form) == whole


@given(st.lists(BITS, max_size=14).map("".join))
def test_no_more_is_held_back_than_may_be_a_pseudonym(text: str) -> None:
    restoring = Restoring(MANY.restorable)
    for char in text:
        restoring.feed(char)
        assert restoring.held <= MANY.restorable.longest


@pytest.mark.parametrize(
    ("text", "held"),
    [
        ("Guten Tag ", 0),
        ("Person", 6),
        ("Person-K7Q", 10),
        # No code begins so, or none is as long.
        ("Person-K7QXX", 0),
        ("am 5", 0),
        ("eine Nummer-M8P", 10),
        ("zur Perso", 5),
        ("Persönlich", 0),
    ],
)
def test_it_is_held_back_for_as_long_as_it_may_be_one(text: str, held: int) -> None:
    restoring = Restoring(NAMES)
    restoring.feed(text)
    assert restoring.held == held


def test_two_places_of_an_answer_share_what_is_searched_for() -> None:
    one, other = Restoring(MANY.restorable), Restoring(MANY.restorable)
    assert one.feed("Per") + other.feed(f"{SAID[3]} ") == f"{date.fromisoformat(DAY)} "
    assert one.feed(SAID[0][3:]) + one.end() == "Max Müller"
