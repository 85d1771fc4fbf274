"""Whether a text can still become one JSON object, held against the json module."""

import json
from itertools import product

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from backend_adapter.chat.json_prefix import ObjectPrefix, is_object

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=8,
)
OBJECTS = st.dictionaries(st.text(max_size=4), VALUES, max_size=4)
# What could follow any beginning of a value: the rest of an escape, string, word or number, and a value.
ENDS = ("", "0", "0000", "000", "00", "rue", "ue", "e", "alse", "lse", "se", "ull", "ll", "l", "n")
AFTER = ("", '"', '":0', ":0", "0", '"":0')


@given(OBJECTS, st.booleans(), st.sampled_from([None, 2]), st.data())
def test_every_beginning_of_an_object_is_accepted(
    value: dict[str, object], ascii_only: bool, indent: int | None, data: st.DataObject
) -> None:
    text = json.dumps(value, ensure_ascii=ascii_only, indent=indent)
    cut = data.draw(st.integers(0, len(text)))
    prefix = ObjectPrefix()

    assert prefix.feed(text[:cut]) is None
    assert prefix.complete == (cut == len(text))
    assert bool(prefix.missing) == (cut < len(text))
    assert prefix.feed(text[cut:]) is None
    assert prefix.complete


def brackets(text: str) -> str:
    """What would close the brackets that are open outside strings."""
    open_brackets: list[str] = []
    in_string = escaped = False
    for char in text:
        if in_string:
            in_string = escaped or char != '"'
            escaped = char == "\\" and not escaped
        elif char == '"':
            in_string = True
        elif char in "{[":
            open_brackets.append("}" if char == "{" else "]")
        elif char in "}]" and open_brackets:
            open_brackets.pop()
    return "".join(reversed(open_brackets))


def _no_constant(name: str) -> float:
    raise ValueError(name)


def can_become_an_object(text: str) -> bool:
    for end, after in product(ENDS, AFTER):
        whole = text + end + after
        try:
            if isinstance(json.loads(whole + brackets(whole), parse_constant=_no_constant), dict):
                return True
        except (ValueError, TypeError):
            continue
    return not text.strip(" \t\r\n")


PIECES = st.sampled_from(
    [
        "{",
        "}",
        "[",
        "]",
        '"',
        ",",
        ":",
        '"a"',
        '"a":',
        "true",
        "tr",
        "null",
        "false",
        "-",
        "0",
        "12",
        ".5",
        "e",
        "E+",
        "\\",
        "\\u",
        "0a",
        "\\n",
        "é",
        "'",
        "x",
        "1,",
        "}}",
    ]
) | st.sampled_from(" \n\x01")


@given(st.lists(PIECES, max_size=9).map(lambda pieces: "{" + "".join(pieces)))
@example('{"a":-0.5e+1}')
@example('{"a":01')
@example('{"a":"\\u00g')
@example('{"a":[1,]')
@example('{"a":1}  x')
def test_the_first_character_that_cannot_be_is_named(text: str) -> None:
    impossible = ObjectPrefix().feed(text)

    assert can_become_an_object(text[:impossible])
    if impossible is not None:
        assert not can_become_an_object(text[: impossible + 1])


@given(st.lists(PIECES, max_size=9).map(lambda pieces: "{" + "".join(pieces)), st.integers(0, 20))
def test_the_verdict_does_not_depend_on_how_the_text_is_cut(text: str, cut: int) -> None:
    prefix = ObjectPrefix()
    first = prefix.feed(text[:cut])
    second = prefix.feed(text[cut:]) if first is None else None
    position = (
        first if first is not None else None if second is None else min(cut, len(text)) + second
    )

    assert position == ObjectPrefix().feed(text)


@given(OBJECTS, st.data())
def test_closing_brackets_complete_what_lacks_only_them(
    value: dict[str, object], data: st.DataObject
) -> None:
    text = json.dumps(value)
    cut = data.draw(st.integers(0, len(text)))
    prefix = ObjectPrefix()
    prefix.feed(text[:cut])

    if prefix.closers is not None:
        assert isinstance(json.loads(text[:cut] + prefix.closers), dict)


@pytest.mark.parametrize(
    ("text", "closers"),
    [
        ('{"a":1', "}"),
        ('{"a":[1,{"b":"c"', "}]}"),
        ('{"a":true', "}"),
        ('{"a":1}', ""),
        ('{"a":"b', None),
        ('{"a":', None),
        ('{"a"', None),
        ('{"a":1,', None),
        ('{"a":[', None),
        ('{"a":1.', None),
        ('{"a":tru', None),
        ("{", None),
        ("", None),
    ],
)
def test_only_brackets_are_ever_added(text: str, closers: str | None) -> None:
    prefix = ObjectPrefix()
    prefix.feed(text)

    assert prefix.closers == closers


@pytest.mark.parametrize("text", ["[]", '"a"', "1", "null", "{}{}", '{"a":NaN}', "{'a':1}", ""])
def test_what_is_not_one_object_is_none(text: str) -> None:
    assert not is_object(text)
