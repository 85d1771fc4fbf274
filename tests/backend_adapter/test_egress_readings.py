"""Values that the site knows are found where marks, escapes and quoting stand in and around them."""

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend_adapter.egress.known.dictionary import Dictionary, Value

NAME = "Jörg Weißmüller"
VALUES = Dictionary(
    [
        Value("person", NAME),
        Value("text", "Projekt Morgenröte"),
        Value("iban", "DE89370400440532013000"),
        Value("phone", "0351 4889988"),
        Value("date", "1987-03-05"),
        Value("code", "4711889922"),
        Value("code", "KD-778899-X"),
        Value("address", "Lindenstraße 5, 01069 Dresden"),
    ]
)
BASE64 = base64.b64encode(NAME.encode()).decode()


def found(text: str) -> list[str]:
    return [text[each.start : each.end] for each in VALUES.find(text)]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        # JSON within a text, lines of JSON, a program's way to write a text.
        (r'Log: {"a": "von\nJörg Weißmüller\nEnde"}', NAME),
        (r'Log: {"a": "\tJörg Weißmüller"}', NAME),
        (r'{"a": "von\nJörg Weißmüller"}' + '\n{"a": "x"}', NAME),
        (r"[{'text': 'von\nJörg Weißmüller', 'x': None}]", NAME),
        (r'Log: "Jörg\nWeißmüller"', r"Jörg\nWeißmüller"),
        (r'Log: "Konto:\nDE89370400440532013000\n"', "DE89370400440532013000"),
        (r'Log: "Konto:\nDE89 3704 0044 0532 0130 00\n"', "DE89 3704 0044 0532 0130 00"),
        (r'Log: "Tel.\n0351 4889988\n"', "0351 4889988"),
        (r'Log: "am\n05.03.1987\n"', "05.03.1987"),
        (r'Log: "Nr\nKD-778899-X\n"', "KD-778899-X"),
        (r'Log: "\nLindenstraße 5\n01069 Dresden\n"', r"Lindenstraße 5\n01069 Dresden"),
        (r"^Jörg\sWeißmüller$", r"Jörg\sWeißmüller"),
        # Letters by their numbers, alone and after another escape.
        (r"\nJ\u00f6rg Wei\u00dfm\u00fcller", r"J\u00f6rg Wei\u00dfm\u00fcller"),
        (r"\ud83d\ude42 J\u00f6rg Wei\u00dfm\u00fcller", r"J\u00f6rg Wei\u00dfm\u00fcller"),
        (r"J\xf6rg Wei\xdfm\xfcller", r"J\xf6rg Wei\xdfm\xfcller"),
        (r"J\u{f6}rg Wei\u{df}m\u{fc}ller", r"J\u{f6}rg Wei\u{df}m\u{fc}ller"),
        (r"J\U000000f6rg Weißmüller", r"J\U000000f6rg Weißmüller"),
        (r"J\303\266rg Wei\303\237m\303\274ller", r"J\303\266rg Wei\303\237m\303\274ller"),
        # In addresses.
        ("?n=J%C3%B6rg+Wei%C3%9Fm%C3%BCller", "J%C3%B6rg+Wei%C3%9Fm%C3%BCller"),
        ("?n=J%F6rg+Wei%DFm%FCller", "J%F6rg+Wei%DFm%FCller"),
        ("?n=J%u00F6rg%20Wei%u00DFm%u00FCller", "J%u00F6rg%20Wei%u00DFm%u00FCller"),
        # In mails.
        ("J=C3=B6rg Wei=C3=\n=9Fm=C3=BCller", "J=C3=B6rg Wei=C3=\n=9Fm=C3=BCller"),
        (f"Von: =?UTF-8?B?{BASE64}?= <x@y.example>", f"=?UTF-8?B?{BASE64}?="),
        (f"Datei: data:text/plain;base64,{BASE64} lesen", f"data:text/plain;base64,{BASE64}"),
        ("> im Projekt\n> Morgenröte", "Projekt\n> Morgenröte"),
        ("> > im Projekt\n> > Morgenröte", "Projekt\n> > Morgenröte"),
        ("> Tel. 0351\n> 4889988 an", "0351\n> 4889988"),
        ("> Konto DE89 3704 0044\n> 0532 0130 00", "DE89 3704 0044\n> 0532 0130 00"),
        ("# Jörg\n# Weißmüller", "Jörg\n# Weißmüller"),
        (r'"> im Projekt\n> Morgenröte"', r"Projekt\n> Morgenröte"),
        ("> Weiß-\n> müller, Jörg", "Weiß-\n> müller, Jörg"),
        # Links around a part.
        ("[Jörg](https://x.example/a) Weißmüller", "Jörg](https://x.example/a) Weißmüller"),
        ("Jörg [Weißmüller](https://x.example)", "Jörg [Weißmüller"),
        ("Projekt [Morgenröte][1]", "Projekt [Morgenröte"),
        ("Jörg[^1] Weißmüller", "Jörg[^1] Weißmüller"),
        # Tags as programs for offices write them.
        ('Jörg <span title="a>b">Weißmüller</span>', 'Jörg <span title="a>b">Weißmüller'),
        (f"<b style='{'x:1;' * 200}'>Jörg</b> Weißmüller", "Jörg</b> Weißmüller"),
        # Written to what stands beside it.
        ("IBANDE89370400440532013000", "DE89370400440532013000"),
        ("DE89370400440532013000BIC", "DE89370400440532013000"),
        ("Rechnung4711889922.pdf", "4711889922"),
        # A terminal's colours, a calendar's date, a long comment.
        ("\x1b[1mJörg Weißmüller\x1b[0m", NAME),
        ("DTSTART:19870305T120000Z", "19870305"),
        ("on the 5th of March, 1987", "5th of March, 1987"),
        (f"Jörg <!-- {'x' * 1000} --> Weißmüller", f"Jörg <!-- {'x' * 1000} --> Weißmüller"),
    ],
)
def test_a_value_is_found_under(text: str, value: str) -> None:
    assert found(text) == [value]


@given(
    before=st.text(st.characters(exclude_categories=["Cs", "L", "N", "M", "Cf"]), max_size=8),
    after=st.sampled_from(["", "\n", "\t", " ist da", '"', "\\", "\r\n> "]),
    ascii_only=st.booleans(),
    depth=st.integers(1, 3),
    around=st.sampled_from(["{}", "Log: {}", "```json\n{}\n```", '{}\n{{"a": 1}}']),
)
def test_json_hides_nothing_wherever_it_stands_and_however_deep(
    before: str, after: str, ascii_only: bool, depth: int, around: str
) -> None:
    text = f"{before} {NAME}{after}"
    for _ in range(depth):
        text = json.dumps({"text": text.replace(f" {NAME}", f"\n{NAME}")}, ensure_ascii=ascii_only)
    assert found(around.format(text))


@pytest.mark.parametrize(
    "text",
    [
        r"C:\Projekt\Morgen",
        "> Projekt.\n> Morgenrötliches",
        "Projekt](a) [b](c) Morgenröte",
        "a4711889922333b",
        r"\n4711889922333",
    ],
)
def test_what_only_looks_like_it_is_left_alone(text: str) -> None:
    assert found(text) == []


@pytest.mark.parametrize(
    "mark",
    ["\\", "\\u0041", "\\n", "<!--", '<a ="', '="', "](", "[^", "a-\n> ", "=?a?b?", "=C3=\n"],
)
def test_a_text_of_nothing_but_marks_is_looked_through_to_its_end(mark: str) -> None:
    """Were each of them looked at as often as there are marks before it, this would take hours."""
    assert found(mark * (200_000 // len(mark)) + f" \n\n{NAME}") == [NAME]
