"""The stage itself: Markdown goes in in pieces, what no renderer loads or links comes out.

Nothing of the text is understood more than it must be. What may load or link has few beginnings, and
each is escaped where it stands unless it is plainly allowed. Renderers differ on what is code, so where
they could, the text is made to mean the same for all of them: what is not surely code is escaped, what
surely is gets one form of its fence.
The rules are those of CommonMark 0.31, GFM, and Open WebUI 0.12.4 (marked with its own extensions).
"""

import html
import re
from collections.abc import Collection
from dataclasses import dataclass

from backend_adapter.egress.defuse import code, tags
from backend_adapter.egress.defuse.code import ZERO_WIDTH
from backend_adapter.egress.defuse.hosts import URL, Hosts

# How many characters are waited for until something counts as what is safe.
_FENCE_LINE = 256
_SPAN = 1024
_TAG = 1024
_ADDRESS = 2048
LONGEST_HELD = 4096

_SPECIAL = re.compile(
    "[\n`\\\\<\\]$&\u25c1]|~~~|:::|\\{\\{|(?:https?|ftp)://|www\\.|//", re.IGNORECASE
)
_MAY_BE_SPECIAL = re.compile(
    r"(?:https?:?/?|htt?|h|ftp?:?/?|f|w{1,3}|/|\{|~~?|::?)\Z", re.IGNORECASE
)
_PREFIX = re.compile(r"(?:[ \t]|>|(?:[-*+]|[0-9]{1,9}[.)])(?=[ \t]))*")
_MAY_BE_PREFIX = re.compile(r"[-*+]|[0-9]{1,9}[.)]?|`{1,2}|~{1,2}|:{1,3}")
_FENCE_PREFIX = re.compile(
    r"((?: {0,3}> ?)*)((?: *(?:[-*+]|[0-9]{1,9}[.)]) +)* *)",
)
_FENCE = re.compile(r"`{3,}|~{3,}")
_DELIMITERS = re.compile(r"[ \t>]*[-|:][-|: \t]*")
_LINK = re.compile(
    rf"""\]\([ \t]*(?:({URL})|<({URL})>)(?:[ \t]+"[^"\\\n<>&`\[\]()$|]*")?[ \t]*\)""",
    re.IGNORECASE | re.ASCII,
)
# After `]:` two words are no definition: only one address and a title may follow.
_WORDS = re.compile(r"[ \t]+[^\s<]+[ \t]+\w")
_MAY_BE_WORDS = re.compile(r"[ \t]+(?:[^\s<]+[ \t]*)?")
_ADDRESS_END = re.compile(r"[\s<]")
_TRAILING = re.compile(r"""[)\]}.,;:!?"'*_~]+\Z""")
# What of an address is shown as code: nothing that could end code, a cell or a formula.
_SHOWN = re.compile(r"""[^\s<>"'`|\[\](){}*~\\$^]+""")
# What a backtick becomes that is none of code: marked counts even those that are escaped.
_GRAVE = "\u02cb"
_EMPHASIS = frozenset("*_~[<")
_COMMAND = re.compile(r"\\([A-Za-z]+)")
_LINKING_COMMANDS = frozenset(
    ["href", "url", "includegraphics", "htmlData", "htmlClass", "htmlId", "htmlStyle"]
)
_ENTITY = re.compile(r"&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,30});")
_MAY_BE_ENTITY = re.compile(r"&(?:#[0-9]{0,7}|#[xX][0-9a-fA-F]{0,6}|[A-Za-z][A-Za-z0-9]{0,30})?")
_PUNCTUATION = frozenset("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~")
_CITATION_OPEN = re.compile(r"\[[0-9][^\[\]\n]*#[^\]\s,]*\Z")
_OPENS_MATH = {"(": "\\)", "[": "\\]"}
_CUTS_CELL = re.compile(r"(?<!\\)\||\\\\\|")


@dataclass(frozen=True)
class _Fence:
    run: str
    quotes: int
    # What stands before its lines, after the marks of quotes; in columns.
    indent: int

    @property
    def before(self) -> str:
        return "> " * self.quotes


class Defusing:
    """Takes pieces of a text and gives what may be shown of it; `hosts` are those whose addresses stay.

    See `hosts.Hosts` for how a host is written. The result does not depend on how the text is cut. At most
    `LONGEST_HELD` characters are held back; prose, tables and code come at once.
    """

    def __init__(self, hosts: Collection[str] = ()) -> None:
        self._hosts = Hosts(hosts)
        self._held = ""
        self._return = False
        self._said: list[str] = []
        # Of the line: what it ends with so far, and what was seen in it.
        self._fresh = True
        self._line = ""
        self._last = ""
        self._empty_before = True
        self._row = False
        self._piped_now = self._piped = self._table = False
        # Of the paragraph: what would close a formula that may be open.
        self._closers: set[str] = set()
        # What emphasis, links and tags may have begun with.
        self._seen: set[str] = set()
        # Of the whole: whether a formula that began before may end within code.
        self._display = False
        self._display_open = False
        self._fence: _Fence | None = None
        self._ticked = False

    def feed(self, piece: str) -> str:
        """What can be shown now."""
        if self._return:
            piece = "\r" + piece
        self._return = piece.endswith("\r")
        self._held += _lines(piece[:-1] if self._return else piece)
        return self._run(over=False)

    def end(self) -> str:
        """What was held back, at the end of the text."""
        if self._return:
            self._held, self._return = self._held + "\n", False
        said = self._run(over=True)
        if self._fence is None:
            return said
        # What is appended to a text that was cut off must not be read as the rest of the code.
        closed = self._fence.before + " " * self._fence.indent + self._fence.run + "\n"
        fresh, self._fence, self._fresh = self._fresh, None, True
        return said + (closed if fresh else "\n" + closed)

    def _run(self, *, over: bool) -> str:
        text, at = self._held, 0
        while at < len(text):
            if self._fence is not None:
                then = self._code_line(text, at, over, self._fence)
            elif self._fresh:
                then = self._line_start(text, at, over)
            else:
                then = self._inline(text, at, over)
            if then is None:
                break
            at = then
        self._held = text[at:]
        said = "".join(self._said)
        self._said.clear()
        return said

    def _say(self, text: str) -> None:
        if text:
            self._said.append(text)
            self._line = (self._line + text)[-512:]
            self._last = text[-1]
            self._seen |= _EMPHASIS.intersection(text)

    # Lines

    def _line_start(self, text: str, at: int, over: bool) -> int | None:
        if self._piped:
            row = _DELIMITERS.match(text, at)
            if row and row.end() - at < _FENCE_LINE:
                if row.end() == len(text) and not over:
                    return None
                if row.end() == len(text) or text[row.end()] == "\n":
                    # With a row of dashes below it, a pipe in code would divide the line above into cells.
                    lead = len(row[0]) - len(row[0].lstrip(" \t>"))
                    self._say(row[0][:lead] + "\\" + row[0][lead:])
                    self._fresh = False
                    return row.end()
        prefix = _PREFIX.match(text, at)
        assert prefix is not None  # noqa: S101 - it matches nothing as well
        rest = text[prefix.end() : prefix.end() + 16]
        short = prefix.end() - at < _FENCE_LINE
        if short and not over and (not rest or _MAY_BE_PREFIX.fullmatch(rest)):
            return None
        if fence := _FENCE.match(text, prefix.end()):
            line_end = text.find("\n", fence.start())
            far = (len(text) if line_end < 0 else line_end) - fence.start() >= _FENCE_LINE
            if line_end < 0 and not over and not far:
                return None
            stop = len(text) if line_end < 0 else line_end
            if short and not far:
                return self._fence_line(text, prefix[0], fence, stop)
        self._fresh = False
        self._row = rest.startswith("|")
        self._say(prefix[0])
        return prefix.end()

    def _fence_line(self, text: str, prefix: str, fence: re.Match[str], stop: int) -> int:
        info = text[fence.end() : stop]
        self._fresh = False
        parts = _FENCE_PREFIX.fullmatch(prefix.expandtabs(4))
        if parts is None or (fence[0][0] == "`" and "`" in info):
            self._say(prefix)
            if parts is None:
                self._say(_GRAVE * len(fence[0]) if fence[0][0] == "`" else "\\~" * len(fence[0]))
                return fence.end()
            return fence.start()
        opened = _Fence(fence[0], parts[1].count(">"), len(parts[2]))
        if not self._empty_before:
            # In a paragraph some fences begin nothing; marked 9 takes all for a heading up to a line of dashes.
            self._say(opened.before.rstrip() + "\n")
        self._say(opened.before + parts[2] + opened.run + code.info(info))
        if stop < len(text):
            self._say("\n")
            stop += 1
        self._fence, self._fresh, self._ticked, self._line = opened, True, False, ""
        self._closers.clear()
        self._seen.clear()
        self._piped = self._piped_now = self._table = False
        self._display = self._display or self._display_open
        return stop

    def _code_line(self, text: str, at: int, over: bool, fence: _Fence) -> int | None:
        if not self._fresh:
            return self._code(text, at, over, fence)
        begin = at
        for _ in range(fence.quotes):
            mark = re.compile(r" {0,3}>[ \t]?").match(text, begin)
            if mark is None or (mark.end() == len(text) and not over):
                rest = text[begin : begin + 4]
                if mark or (len(rest) < 4 and not rest.strip(" ") and not over):
                    return None
                # The quote is over, and the code with it: said for those who would read on.
                self._say(fence.before + " " * fence.indent + fence.run + "\n\n")
                self._fence, self._empty_before, self._line = None, True, ""
                return at
            begin = mark.end()
        content = begin
        while content < len(text) and text[content] in " \t" and content - begin < _FENCE_LINE:
            content += 1
        if content == len(text) and not over:
            return None
        lead = text[begin:content]
        width = len(lead.expandtabs(4))
        sign = fence.run[0]
        closing = re.compile(rf"{sign}+[`~]*[ \t]*").match(text, content)
        if closing and closing.end() - content < _FENCE_LINE:
            if closing.end() == len(text) and not over:
                return None
            run = len(closing[0]) - len(closing[0].lstrip(sign))
            ends = closing.end() == len(text) or text[closing.end()] == "\n"
            if ends and run >= len(fence.run) and width < fence.indent + 4:
                self._say(fence.before + " " * fence.indent + fence.run)
                self._fence, self._fresh, self._empty_before = None, False, False
                return closing.end()
        self._fresh = False
        blank = content == len(text) or text[content] == "\n"
        if fence.indent and not blank:
            # Less than this would end a list, and the code with it, for some.
            lead = " " * fence.indent if width < fence.indent else lead.expandtabs(4)
        self._say((fence.before.rstrip() if blank else fence.before) + lead)
        return content

    def _code(self, text: str, at: int, over: bool, fence: _Fence) -> int | None:
        line_end = text.find("\n", at)
        stop = len(text) if line_end < 0 else line_end
        if line_end < 0 and not over:
            begins = code.BEGINS.search(text, max(at, stop - code.LONGEST))
            stop = begins.start() if begins else stop
            if stop == at:
                return None
        forbidden = code.FORBIDDEN_IN_MATH if self._display else code.FORBIDDEN_BESIDE_TICKS
        said = at
        for match in forbidden.finditer(text, at):
            if match.start() >= stop:
                break
            ticks = self._ticked or "`" in text[at : match.start()]
            begins_details = code.DETAILS.match(text, match.start())
            if begins_details and not ticks and not self._display:
                continue
            if code.ELEMENTS.match(text, match.start()) and fence.run[0] == "`":
                continue
            end = min(match.end(), stop)
            self._said.append(text[said:end] + ZERO_WIDTH)
            said = end
        self._said.append(text[said:stop])
        self._ticked = self._ticked or "`" in text[at:stop]
        if stop == line_end:
            self._said.append("\n")
            self._fresh, self._ticked, stop = True, False, stop + 1
        return stop

    # Within a line

    def _inline(self, text: str, at: int, over: bool) -> int | None:
        special = _SPECIAL.search(text, at)
        if special is None:
            stop = len(text)
            if not over and (open_end := _MAY_BE_SPECIAL.search(text, max(at, stop - 8))):
                stop = open_end.start()
            self._say(text[at:stop])
            return stop if stop > at else None
        if special.start() > at:
            self._say(text[at : special.start()])
            return special.start()
        sign = special[0]
        if sign == "\n":
            return self._newline(at)
        if sign == "`":
            return self._ticks(text, at, over)
        if sign == "\\":
            return self._backslash(text, at, over)
        if sign == "<":
            return self._angle(text, at, over)
        if sign == "]":
            return self._bracket(text, at, over)
        if sign == "$":
            return self._dollar(text, at, over)
        if sign == "&":
            return self._entity(text, at, over)
        if sign == ":::":
            # An escape does not do: Open WebUI looks for such a block from a second character on.
            self._say(":" + ZERO_WIDTH + "::")
            return at + 3
        if sign == "~~~":
            self._say("\\~\\~\\~")
            return at + 3
        if sign == "\u25c1":
            self._say(sign + ZERO_WIDTH)
            return at + 1
        if sign == "{{":
            if len(text) - at < 8 and not over:
                return None
            self._say("{" + ZERO_WIDTH if _file(text, at) else "{")
            return at + 1
        return self._address(text, at, over, sign)

    def _newline(self, at: int) -> int:
        self._empty_before = not self._line.strip("> \t")
        if self._empty_before:
            self._closers.clear()
            self._seen.clear()
            self._table = False
        elif "|" in self._line and _DELIMITERS.fullmatch(self._line):
            self._table = True
        self._say("\n")
        self._fresh, self._line, self._row = True, "", False
        self._piped, self._piped_now = self._piped_now, False
        return at + 1

    def _ticks(self, text: str, at: int, over: bool) -> int | None:
        run_end = at
        while run_end < len(text) and text[run_end] == "`":
            run_end += 1
        run = text[at:run_end]
        window = text[at : at + _SPAN]
        if run_end == len(text) and not over and len(window) < _SPAN:
            return None
        line_end = window.find("\n")
        line = window if line_end < 0 else window[:line_end]
        closing = re.compile(f"(?<!`){run}(?!`)").search(line, len(run))
        if (
            line_end < 0
            and len(line) < _SPAN
            and not over
            and (closing is None or closing.end() == len(line))
        ):
            return None
        if closing is None or (closing.end() == _SPAN and line_end < 0):
            self._say(_GRAVE * len(run))
            return run_end
        content = line[len(run) : closing.start()]
        if self._is_doubtful(content):
            within = Defusing()
            within._hosts, within._fresh, within._line = self._hosts, False, self._line
            within._row, within._table, within._closers = self._row, self._table, self._closers
            within._seen = self._seen
            self._say(_GRAVE * len(run))
            self._say(within.feed(content) + within.end())
            self._say(_GRAVE * len(run))
        else:
            if "`" in content:
                self._closers |= {"*", "_"}
            self._piped_now = self._piped_now or _CUTS_CELL.search(content) is not None
            self._apart()
            seen = set(self._seen)
            self._say(run + code.broken(content, code.FORBIDDEN) + run)
            self._seen = seen
        return at + closing.end()

    def _is_doubtful(self, content: str) -> bool:
        """Whether some renderer could see the end of a cell, a formula or a citation in what looks like code."""
        if (self._row or self._table) and _CUTS_CELL.search(content):
            return True
        if any(each in content for each in self._closers - {"$"}):
            return True
        # marked ends what is struck out within code, and emphasis where it takes code for something else.
        if "~" in content and "~" in self._seen:
            return True
        masked = ("[" in self._seen and "](" in content) or ("<" in self._seen and ">" in content)
        if (masked or "`" in content) and self._seen & {"*", "_"} & set(content):
            return True
        if "$" in self._closers and re.search(r"\$(?![A-Za-z0-9])", content):
            return True
        return _CITATION_OPEN.search(self._line) is not None

    def _apart(self) -> None:
        """Keeps a backtick that comes from what before it would make it none (for marked, a tilde does)."""
        if self._last in ("`", "\\", "~"):
            self._say(ZERO_WIDTH)

    def _backslash(self, text: str, at: int, over: bool) -> int | None:
        if len(text) - at < 3 and not over:
            return None
        sign = text[at + 1 : at + 2]
        if sign == "`":
            self._say(_GRAVE)
            return at + 2
        if sign in _PUNCTUATION and sign:
            self._say(text[at : at + 2])
            # A pair is over: what comes is not escaped by it.
            self._last = ""
            if sign in _OPENS_MATH:
                self._closers.add(_OPENS_MATH[sign])
            if sign == "[" and text[at + 2 : at + 3] == "\n":
                self._display_open = True
            elif sign == "]":
                self._display_open = False
            elif sign == "$":
                self._closers.add("$")
            elif sign in "<:/" or (sign == "." and self._line[-5:-2].lower() == "www"):
                # The server that looks for tags, and renderers that look for addresses, see no escapes.
                self._say(ZERO_WIDTH)
            return at + 2
        command = _COMMAND.match(text, at, at + 24)
        if command and command.end() == len(text) and not over:
            return None
        self._say("\\")
        if command and command[1] in _LINKING_COMMANDS:
            self._say(ZERO_WIDTH)
        elif command and command[1] in ("ce", "pu"):
            self._closers.add("}")
        elif command and command[1] == "begin":
            self._closers.add("\\end{equation}")
            self._display_open = True
        elif command and command[1] == "end":
            self._display_open = False
        return at + 1

    def _entity(self, text: str, at: int, over: bool) -> int | None:
        """A letter or a sign of an address that is written as an entity: some look for addresses afterwards."""
        entity = _ENTITY.match(text, at)
        if entity is None and not over and _MAY_BE_ENTITY.fullmatch(text, at):
            return None
        if entity is None:
            self._say("&")
            return at + 1
        meant = html.unescape(entity[0])
        self._say("\\" * (meant.isalnum() or meant in "/:.\\@") + entity[0])
        return entity.end()

    def _dollar(self, text: str, at: int, over: bool) -> int | None:
        if at + 1 == len(text) and not over:
            return None
        self._closers.add("$")
        if text[at + 1 : at + 2] == "$":
            self._display = True
            self._say("$$")
            return at + 2
        self._say("$")
        return at + 1

    def _bracket(self, text: str, at: int, over: bool) -> int | None:
        if at + 1 == len(text) and not over:
            return None
        after = text[at + 1 : at + 2]
        if after == "(":
            window = text[at : at + _ADDRESS]
            link = _LINK.match(window)
            if link and self._hosts.allow(link[1] or link[2]):
                self._say(link[0])
                return at + link.end()
            if (
                link is None
                and ")" not in window
                and "\n" not in window
                and len(window) < _ADDRESS
                and not over
            ):
                return None
            self._say("\\](")
            return at + 2
        if after == ":":
            window = text[at + 2 : at + 130]
            if not over and len(window) < 128 and (not window or _MAY_BE_WORDS.fullmatch(window)):
                return None
            self._say("]:" if _WORDS.match(window) else "\\]:")
            return at + 2
        self._say("]")
        return at + 1

    def _address(self, text: str, at: int, over: bool, sign: str) -> int | None:
        window = text[at : at + _ADDRESS]
        if sign == "//":
            host = re.compile(r"//[\w\-]{0,64}").match(window)
            assert host is not None  # noqa: S101 - it begins so
            if host.end() + 1 >= len(window) and not over:
                return None
            if not re.match(r"//[\w\-]+\.\w", window):
                self._say("//")
                return at + 2
        stop = _ADDRESS_END.search(window)
        if stop is None and len(window) < _ADDRESS and not over:
            return None
        url = _TRAILING.sub("", window[: stop.start()] if stop else window)
        if self._hosts.allow(url):
            self._say(url)
            return at + len(url)
        shown = _SHOWN.match(window, len(sign))
        end = shown.end() if shown else len(sign)
        if "_" in self._closers:
            end = len(window[:end].partition("_")[0])
        end = max(len(window[:end].rstrip(".,;:!?_~")), len(sign) if sign != "www." else 3)
        self._apart()
        self._say("`" + window[:end] + "`")
        return at + end

    # HTML

    def _angle(self, text: str, at: int, over: bool) -> int | None:
        after = text[at + 1 : at + 12]
        if len(after) < 11 and not over and not _settled(after):
            return None
        if after.startswith("!--"):
            window = text[at : at + LONGEST_HELD]
            end = window.find("-->", 2)
            if end < 0 and len(window) < LONGEST_HELD and not over:
                return None
            self._say("\\<" if end < 0 else ZERO_WIDTH)
            return at + 1 if end < 0 else at + end + 3
        if after[:1] in ("!", "?", "@", "#", "$", "/", "|") and not after[1:2].isalpha():
            self._say("\\<")
            return at + 1
        if after[:1] in ("!", "?", "@", "#", "$", "|"):
            self._say("\\<" + ZERO_WIDTH)
            return at + 1
        opening = tags.OPENING.match(text, at, at + 64)
        if opening is None:
            self._say("<")
            return at + 1
        if opening.end() == len(text) and not over:
            return None
        return self._tag(text, at, over, opening)

    def _tag(self, text: str, at: int, over: bool, opening: re.Match[str]) -> int | None:
        name, after = opening[1].lower(), text[opening.end() : opening.end() + 1]
        if code.FORBIDDEN.match(text, at) and name not in tags.CONTENT_DROPPED and name != "html":
            self._say("\\<" + ZERO_WIDTH)
            return at + 1
        if after and after not in " \t\n/>":
            self._say("\\<" if after in ":@.+" or (name in tags.DROPPED and name != "a") else "<")
            return at + 1
        # `List<A>` is a type: no tag follows a name, and none is written in capitals there.
        is_type = self._last.isalnum() and opening[1][0].isupper()
        if is_type or (name not in tags.KEPT and name not in tags.DROPPED):
            self._say("\\<")
            return at + 1
        window = text[at : at + _TAG]
        if (blank := window.find("\n\n")) >= 0:
            window = window[:blank]
        end = tags.END.match(window, opening.end() - at)
        if end is None and blank < 0 and len(window) < _TAG and not over:
            return None
        if end is None or not tags.TAG.fullmatch(window, 0, end.end()):
            self._say("\\<" + ZERO_WIDTH)
            return at + 1
        then = at + end.end()
        closes = text[at + 1] == "/"
        if name in tags.KEPT:
            # At the beginning of a line it could begin a block of HTML, in which nothing is code.
            if not self._line.strip("> \t-*+.)0123456789"):
                self._say(ZERO_WIDTH)
            self._say(f"</{name}>" if closes else f"<{name}>")
            return then
        if name in tags.CONTENT_DROPPED and not closes:
            inside = text[then : then + LONGEST_HELD - _TAG]
            closing = re.compile(f"</{name}[^>]*>", re.IGNORECASE).search(inside)
            if closing is None and len(inside) < LONGEST_HELD - _TAG and not over:
                return None
            then += closing.end() if closing else 0
        # In its place, for what stands beside it must not become one.
        self._say(ZERO_WIDTH)
        return then


def _lines(text: str) -> str:
    """Lines end in one way, and nothing ends a text: what CommonMark makes of it first."""
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    return text.replace("\0", "\ufffd")


def _file(text: str, at: int) -> bool:
    return re.compile(r"\{\{(?:HTML|VIDEO)_", re.IGNORECASE).match(text, at) is not None


def _settled(after: str) -> bool:
    """Whether what follows a `<` can already be told apart."""
    return bool(after) and (
        (after[0] not in "!?@#$/|" and not after[0].isalpha()) or len(after) > 3
    )
