"""Pseudonyms say nothing without the key, stay the same in a chat, and come back as what they stand for."""

import json
import re
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend_adapter.egress.found import Found
from backend_adapter.egress.known.forms import Kind
from backend_adapter.egress.naming.codes import Gender
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
    names = [pseudonyms.of("person", f"Person {number}") for number in range(15_000)]
    assert len({name.casefold() for name in names}) == 15_000
    assert all(FORM.fullmatch(name) for name in names)
    assert max(map(len, names)) < len("Person-") + 10
    codes = {name.removeprefix("Person-").lower() for name in names}
    # Next to letters, none can be taken for the beginning of another one.
    assert not any(code[:end] in codes for code in codes for end in range(1, len(code)))
    # None is a word or a number.
    assert not any(code.isdigit() or code.isalpha() for code in codes)


def test_what_a_chat_has_is_kept_when_it_goes_on() -> None:
    before = Pseudonyms(KEY, "a")
    name = before.of("person", "Max Müller")
    after = Pseudonyms(KEY, "a", before.values)
    assert after.of("person", "max mueller") == name
    assert after.values == {name: "Max Müller"}


@pytest.mark.parametrize(("gender", "noun"), [("f", "Dame"), ("m", "Mann"), (None, "Person")])
def test_a_person_keeps_the_gender_that_is_known(gender: Gender | None, noun: str) -> None:
    pseudonyms = Pseudonyms(KEY, "a")
    name = pseudonyms.of("person", "Anna Lang", gender=gender)
    assert re.fullmatch(rf"{noun}-[{ALPHABET}]{{3}}", name)
    # One value is one pseudonym all through a chat.
    assert pseudonyms.of("person", "anna lang") == name
    assert pseudonyms.of("text", "Bergamt", gender=gender).startswith("Name-")


@pytest.mark.parametrize(
    ("kind", "value", "spelling"),
    [
        ("person", "Anna Lang", "Lang, Anna"),
        ("phone", "0351 488 9988", "+49 (0)351 / 4889988"),
        ("phone", "0351 488 9988", "0049 351 4889988"),
        ("address", "Hauptstraße 5", "Hauptstr. 5"),
        ("email", "max.m@stadt.example", "Max.M@Stadt.example"),
        ("iban", "DE89370400440532013000", "de89 3704 0044 0532 0130 00"),
        ("date", "1980-03-05", "5. März 1980"),
        ("date", "1980-03-05", "March 5th, 1980"),
        ("code", "K-2024/00817", "K 2024 00817"),
    ],
)
def test_two_spellings_of_any_kind_have_one(kind: Kind, value: str, spelling: str) -> None:
    pseudonyms = Pseudonyms(KEY, "a")
    pseudonyms.reserve("")
    name = pseudonyms.of(kind, value, written=value)
    pseudonyms.of(kind, spelling, written=spelling)
    assert len(pseudonyms.values) == 1
    assert pseudonyms.of(kind, value, written=value) == name


@pytest.mark.parametrize(
    ("kind", "one", "other"),
    [
        ("email", "a.b@stadt.example", "ab@stadt.example"),
        ("secret", "Sesam1", "sesam1"),
        ("phone", "0351 488 9988", "0351 488 9989"),
        ("date", "1980-03-05", "1980-05-03"),
    ],
)
def test_two_values_that_look_alike_have_two(kind: Kind, one: str, other: str) -> None:
    pseudonyms = Pseudonyms(KEY, "a")
    pseudonyms.reserve("")
    assert pseudonyms.of(kind, one) != pseudonyms.of(kind, other)


@pytest.mark.parametrize(
    "spelling", ["{}", "{}X", "person {}", "**PERSON**-{}", "person_{}", "Nummer-{}", "Frau {}"]
)
def test_what_stands_in_the_text_is_nobodys_pseudonym(spelling: str) -> None:
    first = of("Max Müller")
    pseudonyms = Pseudonyms(KEY, "a")
    written = spelling.format(first if spelling[:2] == "{}" else first.partition("-")[2])
    pseudonyms.reserve(f"Die {written} ist schon da.")
    second = pseudonyms.of("person", "Max Müller")
    assert second != first
    assert not second.startswith(first)
    assert restored_at_once(f"Die {written}.", pseudonyms) == f"Die {written}."
    assert restored_at_once(f"Die {second}.", pseudonyms) == "Die Max Müller."


def test_one_that_was_left_in_an_address_is_still_the_one() -> None:
    """It is not restored there, so that the next request of the chat has it in its history."""
    name = of("Max Müller")
    pseudonyms = Pseudonyms(KEY, "a")
    pseudonyms.reserve(f"![x](https://a.example/{name}) said the model")
    assert pseudonyms.of("person", "Max Müller") == name


def test_who_finds_a_pseudonym_has_found_no_value() -> None:
    pseudonyms = Pseudonyms(KEY, "a")
    pseudonyms.reserve("geboren am 5. März 1980")
    said = [
        pseudonyms.of("person", "Max Müller"),
        pseudonyms.of("iban", "DE89370400440532013000", written="DE89 3704 0044 0532 0130 00"),
        pseudonyms.of("email", "max@stadt.example"),
        pseudonyms.of("date", "1980-03-05", written="5. März 1980"),
    ]
    before = dict(pseudonyms.values)
    kinds: list[Kind] = ["text", "iban", "email", "date"]
    assert [pseudonyms.of(*each) for each in zip(kinds, said, strict=True)] == said
    assert pseudonyms.values == before


def test_what_is_found_within_a_pseudonym_is_no_value() -> None:
    pseudonyms = Pseudonyms(KEY, "a")
    pseudonyms.reserve("geboren am 5. März 1980")
    said = "; ".join(
        [
            pseudonyms.of("person", "Max Müller"),
            pseudonyms.of("iban", "DE89370400440532013000", written="DE89 3704 0044 0532 0130 00"),
            pseudonyms.of("date", "1980-03-05", written="5. März 1980"),
            "Anna Lang",
        ]
    )
    # As if the site knew numbers and dates that these happen to have.
    words = [Found(*match.span(), "code", match[0]) for match in re.finditer(r"\w+", said)]
    whole = Found(0, len(said), "text", said)
    assert [each.value for each in pseudonyms.others(said, [*words, whole])] == [
        "Anna",
        "Lang",
        said,
    ]
    assert pseudonyms.others("5. März 1980", [Found(0, 12, "date", "1980-03-05")]) != []
    assert Pseudonyms(KEY, "a").others(said, [whole]) == [whole]


def test_every_code_is_as_likely_as_another() -> None:
    names = [of(f"Person {number}").removeprefix("Person-") for number in range(8_000)]
    drawn = [code for code in names if len(code) == 3]
    assert len(drawn) > 7_900
    for place in range(3):
        for letters in (ALPHABET[:8], ALPHABET[8:]):
            counts = Counter(code[place] for code in drawn if code[place] in letters)
            mean = counts.total() / len(letters)
            # Pearson's chi-squared; of 100,000 true rows one is beyond this for 17 degrees of freedom.
            assert sum((counts[each] - mean) ** 2 / mean for each in letters) < 50


def test_without_the_key_two_chats_have_nothing_in_common() -> None:
    values = [f"Person {number}" for number in range(1_000)]
    here, there, elsewhere = (
        [of(value, chat=chat, key=key) for value in values]
        for chat, key in (("a", KEY), ("b", KEY), ("a", b"x" * 32))
    )
    for other in (there, elsewhere):
        # As many as chance has it: one in 11,232.
        assert sum(one == two for one, two in zip(here, other, strict=True)) <= 3


@given(st.lists(st.text(min_size=1, max_size=8), max_size=30), st.text(max_size=40))
def test_no_two_are_the_same_to_one_who_does_not_mind_case(values: list[str], text: str) -> None:
    pseudonyms = Pseudonyms(KEY, "a")
    pseudonyms.reserve(text)
    for value in values:
        pseudonyms.of("person", value)
        pseudonyms.of("email", value)
    names = [name.casefold() for name in pseudonyms.values]
    assert len(set(names)) == len(names)
    assert not any(name in text.casefold() for name in names)


def restored_at_once(text: str, pseudonyms: Pseudonyms) -> str:
    restoring = Restoring(pseudonyms.restorable)
    return restoring.feed(text) + restoring.end()


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
        most, begin = max(most, restoring.held), end
    return said + restoring.end(), most


@given(TEXTS, st.booleans(), st.data())
def test_how_it_is_cut_makes_no_difference(text: str, addresses: bool, data: st.DataObject) -> None:
    places = sorted(data.draw(st.sets(st.integers(0, len(text)))))
    said, most = restored(text, places, addresses=addresses)
    assert said == restored(text, [], addresses=addresses)[0]
    # In whatever way it is written: with emphasis, escapes, characters that are not seen.
    assert most <= NAMES.restorable.longest


@pytest.mark.parametrize("after", ["x", " x", "s ", ".", "\n", "-", ", "])
def test_of_plain_text_no_more_than_a_pseudonym_and_a_blank_is_held_back(after: str) -> None:
    for name in VALUES:
        restoring = Restoring(NAMES.values)
        most = 0
        for char in f"Frau {name}{after} ist da. ":
            restoring.feed(char)
            most = max(most, restoring.held)
        assert most <= len(name) + 1
        assert restoring.held == 0


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
