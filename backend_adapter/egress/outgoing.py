"""Replaces the values that a site knows in everything that a request says, wherever in it they stand."""

import base64
import binascii
import html
import json
import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

from backend_adapter.egress.found import Detector, Finder, Found
from backend_adapter.egress.known import escapes
from backend_adapter.egress.naming.codes import Gender
from backend_adapter.egress.pseudonyms import Pseudonyms

# Where in a request an object stands: the keys on the way to it; None is anywhere in free data.
_Place: TypeAlias = tuple[str, ...] | None
# The objects that the protocol defines, each with those of its fields that are compared by who reads them, and say
# nothing of anybody; their numbers are parameters and ids of tokens. Any other object is free data: schemas,
# arguments for templates, JSON within texts.
_PROTOCOL: Mapping[tuple[str, ...], frozenset[str]] = {
    (): frozenset({"model", "tool_choice"}),
    ("messages",): frozenset({"role"}),
    ("messages", "content"): frozenset({"type"}),
    ("messages", "content", "image_url"): frozenset({"detail"}),
    ("messages", "tool_calls"): frozenset({"type"}),
    ("messages", "tool_calls", "function"): frozenset(),
    ("tools",): frozenset({"type"}),
    ("tools", "function"): frozenset(),
    ("tool_choice",): frozenset({"type"}),
    ("tool_choice", "function"): frozenset(),
    ("response_format",): frozenset({"type"}),
    ("logit_bias",): frozenset(),
}
# RFC 2397.
_FILE = re.compile(r"data:[^,]{0,256};base64,", re.IGNORECASE)
_TEXT_FILE = re.compile(
    r"(data:(?:text/[\w.+-]+|application/json)(?:;[\w=.+-]+)*;base64,)(.*)$", re.S | re.IGNORECASE
)
# The same in the middle of a text, such as a picture in Markdown, or what is attached to a mail (RFC 2045); what is
# shorter is an example of one.
_EMBEDDED = re.compile(
    r"data:[^,\n]{0,256};base64,\s*[\w+/-]{64}"
    r"|content-transfer-encoding:\s*base64\b(?:[^\n]*\n){1,20}?\s*\n[\w+/]{24}",
    re.IGNORECASE | re.ASCII,
)
_BLANK = "\ufeff \t\r\n"
# By which mark a text shows that it may be written otherwise than it is meant, and how it is read.
_WRITTEN: tuple[tuple[str, Callable[[str], str]], ...] = (
    ("&", html.unescape),
    ("%", escapes.unquoted),
    ("\\", escapes.unescaped),
)
# A title stands within so many characters before a name.
_TITLE = 16
# JSON within JSON within JSON: whoever goes further hides something.
_DEEPEST = 64


class OpaqueError(ValueError):
    """Something in a request cannot be looked through."""


@dataclass(frozen=True)
class Replaced:
    """A value with pseudonyms in it, and how many were put in, by kind."""

    value: Any
    counts: Counter[str]


def replace(
    value: Any,
    finder: Detector,
    pseudonyms: Pseudonyms,
    gender_of: Callable[[str], Gender | None] = lambda _: None,
) -> Replaced:
    """`value` is a request's body, or the arguments of a call as text. Raises OpaqueError.

    `gender_of` tells that of a person by the name, where it is known.
    """
    # Nothing that stands there already may become a pseudonym.
    _Walk(_Reading(pseudonyms.reserve)).any(value, 0, ())
    replacing = _Replacing(finder, pseudonyms, gender_of)
    return Replaced(_Walk(replacing).any(value, 0, ()), replacing.counts)


def left_over(value: Any, finder: Finder, pseudonyms: Pseudonyms) -> int:
    """How many values still stand in what is about to leave, `pseudonyms` aside: anything but 0 must not."""
    counting = _Counting(finder, pseudonyms)
    _Walk(counting).any(value, 0, ())
    return counting.count


class _Visitor(Protocol):
    def plain(self, text: str, label: str) -> str:
        """What stands in place of a text that is only text; `label` is the key that it has in JSON."""
        ...


@dataclass(frozen=True)
class _Reading:
    told: Callable[[str], None]

    def plain(self, text: str, label: str) -> str:
        self.told(text)
        return text


class _Counting:
    def __init__(self, finder: Finder, pseudonyms: Pseudonyms) -> None:
        self._finder, self._pseudonyms = finder, pseudonyms
        # In which texts nothing was found: words of a schema come again and again.
        self._clear = set[str]()
        self.count = 0

    def plain(self, text: str, label: str) -> str:
        if text not in self._clear:
            found = self._pseudonyms.others(text, self._finder.find(text))
            self.count += len(found)
            if not found:
                self._clear.add(text)
        return text


class _Replacing:
    def __init__(
        self,
        finder: Detector,
        pseudonyms: Pseudonyms,
        gender_of: Callable[[str], Gender | None],
    ) -> None:
        self._finder, self._pseudonyms, self._gender_of = finder, pseudonyms, gender_of
        # In which texts nothing was found, under which label.
        self._clear = set[tuple[str, str]]()
        self.counts = Counter[str]()

    def plain(self, text: str, label: str) -> str:
        if (text, label) in self._clear:
            return text
        said, begin = [], 0
        for each in self._pseudonyms.others(text, self._finder.find(text, label)):
            written = text[each.start : each.end]
            gender = self._gender(text, each) if each.kind == "person" else None
            name = self._pseudonyms.of(each.kind, each.value, gender=gender, written=written)
            self.counts[each.kind if each.known else each.category] += 1
            said += [text[begin : each.start], name]
            begin = each.end
        if not said:
            self._clear.add((text, label))
            return text
        return "".join([*said, text[begin:]])

    def _gender(self, text: str, person: Found) -> Gender | None:
        """By the name, or by the title before it."""
        before = text[max(0, person.start - _TITLE) : person.start].split()[-1:]
        return self._gender_of(" ".join([*before, person.value]))


class _Walk:
    def __init__(self, visitor: _Visitor) -> None:
        self._plain = visitor.plain

    def any(self, value: Any, depth: int, place: _Place, label: str = "") -> Any:
        if depth > _DEEPEST:
            raise OpaqueError(f"It is nested more than {_DEEPEST} deep.")
        if isinstance(value, str):
            return self._text(value, depth, label)
        if isinstance(value, dict):
            fields = None if place is None else _PROTOCOL.get(place)
            if place is None or fields is None:
                return self._free(value, depth)
            return {
                self._key(key, depth, place): inner
                if key in fields and isinstance(inner, str)
                else self.any(inner, depth + 1, (*place, key))
                for key, inner in value.items()
            }
        if isinstance(value, list | tuple):
            return [self.any(inner, depth + 1, place, label) for inner in value]
        if place is None and isinstance(value, int | float) and not isinstance(value, bool):
            return self._number(value, label)
        return value

    def _free(self, value: dict[str, Any], depth: int) -> dict[str, Any]:
        """An object whose keys are the site's own, and may be values too."""
        return {
            self._text(key, depth, ""): self.any(inner, depth + 1, None, key)
            for key, inner in value.items()
        }

    def _key(self, key: str, depth: int, place: tuple[str, ...]) -> str:
        """A key of the protocol's; of `logit_bias` they are the ids of tokens."""
        if place == ("logit_bias",) and key.isascii() and key.isdigit():
            return key
        return self._text(key, depth, "")

    def _text(self, text: str, depth: int, label: str) -> str:
        """A text, or what it is the written form of: JSON with escapes, a file in Base64, HTML, an address."""
        begun = text.lstrip(_BLANK)
        if begun[:1] in ("{", "[", '"') and (inner := self._json(begun, depth)) is not None:
            return inner
        if _FILE.match(text):
            return self._file(text, depth)
        if _EMBEDDED.search(text):
            raise OpaqueError("It holds a file in the middle of a text.")
        said = self._plain(text, label)
        for mark, read in _WRITTEN:
            if mark in said and (meant := read(said)) != said:
                replaced = self._plain(meant, label)
                # What says nothing that has to go stays as it was written.
                said = said if replaced == meant else replaced
        return said

    def _json(self, text: str, depth: int) -> str | None:
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            return None
        replaced = self.any(value, depth + 1, None)
        # What was not replaced is looked through as text as well: of two equal keys, only one was read.
        return None if replaced == value else json.dumps(replaced, ensure_ascii=False)

    def _file(self, text: str, depth: int) -> str:
        """A file in Base64 that is text in UTF-8; nobody can tell what is in another one."""
        data = _TEXT_FILE.match(text)
        try:
            content = base64.b64decode(data[2], validate=True).decode() if data else None
        except (binascii.Error, UnicodeDecodeError):
            content = None
        if data is None or content is None:
            raise OpaqueError("It holds a file that is no text in UTF-8.")
        replaced = self._text(content, depth + 1, "")
        if replaced == content:
            return text
        return f"{data[1]}{base64.b64encode(replaced.encode()).decode()}"

    def _number(self, number: float, label: str) -> float | str:
        """A number, which may be a value: 4711.0 is the number 4711."""
        whole = isinstance(number, float) and number.is_integer()
        text = str(int(number) if whole else number)
        replaced = self._plain(text, label)
        return number if replaced == text else replaced
