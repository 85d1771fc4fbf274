"""Tells where a text is an address: what stands there may be sent to a stranger by whoever shows the text.

A page loads the pictures of an answer by itself, so a model could have a value that was restored in an address sent
to any host. Only what is certainly no address any more counts as such.

Sources: WHATWG URL Standard (backslashes are slashes, tabs and line breaks are nothing), WHATWG HTML 13.1.2.3
(attributes), CommonMark 6.3 and 4.7 (destinations, definitions), GitHub Flavored Markdown 6.9 (addresses that are
made links).
"""

import re

_SLASH = r"(?:[/\\]|&(?:#0*47|#x0*2f|#0*92|#x0*5c|sol|bsol);?)"
_NOTHING = r"[\t\r\n]*"
_COLON = r"(?::|&(?:#0*58|#x0*3a|colon);?)"
_DOT = r"[.\u3002\uff0e\uff61]"
# What begins an address, by the name of what it is.
_ANYWHERE = (
    # Two slashes: of any scheme, or of the page's own.
    rf"(?P<slashes>{_SLASH}{_NOTHING}{_SLASH})"
    # The schemes for which a page needs no slashes.
    rf"|(?P<scheme>(?<![^\W_])(?:https?|wss?|ftp){_COLON})"
    r"|(?P<www>(?<![^\W_])www\.)"
    # evil.example/, 192.0.2.1:80
    rf"|(?P<host>(?<![^\W_])(?:(?:[^\W_][\w-]{{0,62}}{_DOT}){{1,8}}[^\W\d_][\w-]{{1,62}}"
    rf"|(?:[0-9]{{1,3}}\.){{3}}[0-9]{{1,3}}){_DOT}?(?:[/?\#\\]|:[0-9]))"
    r"|(?P<destination>\]\()"
    # In a list or a quotation as well; with a circumflex it is a footnote.
    r"|(?P<definition>[\r\n][ \t>*+.)0-9-]{0,24}\[(?!\^)(?:[^\]\[\\]|\\.){1,200}\]:)"
)
_BEGINS = re.compile(rf"{_ANYWHERE}|(?P<tag><[a-z][^\s<>=/:]{{0,64}}[\s/])", re.IGNORECASE)
# Within a tag, or what looks like one.
_IN_TAG = re.compile(rf"(?P<attribute>=)|(?P<close>>)|{_ANYWHERE}", re.IGNORECASE)
_MARKS = re.compile(r"[/\\:(?#=>;&<]|w\.|:[0-9]", re.IGNORECASE)
_TAG_LENGTH, _ENTITY_LENGTH, _SCHEME_LENGTH = 70, 16, 32
# How an address is quoted, and what ends it then; spaces within belong to it.
_QUOTES = {'"': '"', "'": "'", "`": "`", "<": ">"}
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*:\s*$", re.IGNORECASE)
_BARE = re.compile(r"[\s<]")
_UNQUOTED = re.compile(r"[\s>]")
_QUOTED = {quote: re.compile(rf"[{quote}\r\n]") for quote in _QUOTES.values()}
_IN_QUOTES = {quote: re.compile(quote) for quote in "\"'"}
# In Markdown what is in a destination but a blank belongs to it.
_DESTINATION = re.compile(r"\s")
_BLANK = re.compile(r"\s+")
# A host's name is no longer, nor a label with what stands around it.
_LOOKED_BACK = 300


class Addresses:
    """Follows a text, piece by piece; `inside` tells whether it stands within an address now."""

    def __init__(self) -> None:
        # A text begins with a line.
        self._before = "\n"
        self._ends: re.Pattern[str] | None = None
        # What an address goes on as after its end: in Markdown, a quotation mark ends none.
        self._then: re.Pattern[str] | None = None
        # As what an address is expected that has not begun yet, but for blanks.
        self._awaited: str | None = None
        self._in_tag = False
        # Whether a tag begins within an address: it may be none after all.
        self._tag_within = False
        # How the address ended so far: if as another one begins, it may have been none.
        self._last = ""

    @property
    def inside(self) -> bool:
        return self._ends is not None

    def follow(self, text: str) -> None:
        """The text goes on with this."""
        place = 0
        while place < len(text):
            place = (
                self._within(text, place) if self._ends is not None else self._without(text, place)
            )

    def _within(self, text: str, place: int) -> int:
        """Up to the end of the address; the place after that."""
        assert self._ends is not None  # noqa: S101 - looked at by the caller
        if self._awaited:
            if blank := _BLANK.match(text, place):
                return blank.end()
            awaited, self._awaited = self._awaited, None
            if text[place] == "<" and awaited != "attribute":
                self._ends, self._then = _QUOTED[">"], _BARE
                return place + 1
            if text[place] in _IN_QUOTES and awaited == "attribute":
                self._ends, self._then = _IN_QUOTES[text[place]], _UNQUOTED
                return place + 1
        end = self._ends.search(text, place)
        within = text[place : len(text) if end is None else end.start()]
        if "<" in within or ">" in within:
            self._tag_within = within.rfind("<") > within.rfind(">")
        self._last = (self._last + within)[-2:]
        if end is None:
            return len(text)
        self._in_tag, self._tag_within = self._in_tag or self._tag_within, False
        last, self._last = self._last, ""
        if last in ("](", "]:"):
            # What looked like an address was none, and one begins here.
            self._ends, self._then, self._awaited = _DESTINATION, None, last
            return end.start() + (not end[0].isspace())
        over = end[0] in "\r\n" or self._then is None
        self._ends, self._then, self._before = None if over else self._then, None, ""
        # What ends it may begin something else, or end what it is in.
        return end.start() if over and end[0] in "<>\r\n" else end.end()

    def _without(self, text: str, place: int) -> int:
        """Up to the beginning of an address; the place after that."""
        whole, before = self._before + text[place:], len(self._before)
        if self._may_begin(text, place):
            # Of all that begins one, only a definition has a blank in it.
            begin = self._before.rfind(" ") + 1
            if "[" in whole:
                begin = 0
            pattern = _IN_TAG if self._in_tag else _BEGINS
            if (match := _first_to_end(pattern, whole, begin, before)) is not None:
                self._begins(match, whole)
                # Nothing that begins before it ends after it, but for how an address is quoted.
                self._before = whole[: match.end()][-_SCHEME_LENGTH:]
                return place + match.end() - before
        self._before = whole[-_LOOKED_BACK:]
        return len(text)

    def _may_begin(self, text: str, place: int) -> bool:
        """Whether anything in the text can end what begins an address; most text is only looked at here."""
        before = self._before[-_TAG_LENGTH:]
        return (
            _MARKS.search(text, place) is not None
            or before.endswith((":", "w", "W"))
            or "&" in before[-_ENTITY_LENGTH:]
            or "<" in before
        )

    def _begins(self, match: re.Match[str], whole: str) -> None:
        what = match.lastgroup
        if what == "tag":
            self._in_tag = True
        elif what == "close":
            self._in_tag = False
        elif what == "attribute":
            self._ends, self._awaited = _UNQUOTED, what
        elif what in ("destination", "definition"):
            self._ends, self._awaited = _DESTINATION, what
        else:
            opened = _SCHEME.sub("", whole[: match.start()][-_SCHEME_LENGTH:]).rstrip()[-1:]
            closing = _QUOTES.get(opened)
            if what in ("slashes", "scheme") and closing is not None:
                self._ends, self._then = _QUOTED[closing], _BARE
            else:
                self._ends = _BARE


def _first_to_end(
    pattern: re.Pattern[str], text: str, begin: int, after: int
) -> re.Match[str] | None:
    """Of all matches that end after a place the one that ends first, as if the text came letter by letter."""
    first, limit = None, len(text)
    while (match := pattern.search(text, begin, limit)) is not None:
        if match.end() > after:
            first, limit = match, match.end() - 1
        else:
            begin = match.start() + 1
    return first
