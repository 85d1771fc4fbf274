"""Replaces the values that a site knows in everything that a request says, wherever in it they stand."""

import base64
import binascii
import html
import json
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import unquote

from backend_adapter.egress.found import Detector, Finder, Found
from backend_adapter.egress.naming.codes import Gender
from backend_adapter.egress.pseudonyms import Pseudonyms

# What a protocol says and no person: they are compared by those who read them, and hold no words.
_OF_THE_PROTOCOL = frozenset(
    {"model", "role", "type", "id", "tool_call_id", "object", "call_id", "tool_choice", "detail"}
)
# RFC 2397.
_FILE = re.compile(r"data:[^,]{0,256};base64,", re.IGNORECASE)
_TEXT_FILE = re.compile(
    r"(data:(?:text/[\w.+-]+|application/json)(?:;[\w=.+-]+)*;base64,)(.*)$", re.S | re.IGNORECASE
)
# The same in the middle of a text, such as a picture in Markdown; what is shorter is an example of one.
_EMBEDDED = re.compile(r"data:[^,\s]{0,256};base64,[A-Za-z0-9+/]{64}", re.IGNORECASE)
_ESCAPE = re.compile(r"\\u([0-9a-fA-F]{4})")
# By which mark a text shows that it may be written otherwise than it is meant, and how it is read.
_WRITTEN: tuple[tuple[str, Callable[[str], str]], ...] = (
    ("&", html.unescape),
    ("%", unquote),
    ("\\u", lambda text: _ESCAPE.sub(lambda match: chr(int(match[1], 16)), text)),
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
    """`value` is what a request consists of: dicts, lists, texts and numbers. Raises OpaqueError.

    `gender_of` tells that of a person by the name, where it is known.
    """
    # Nothing that stands there already may become a pseudonym.
    _Walk(_Reading(pseudonyms.reserve)).any(value, 0)
    replacing = _Replacing(finder, pseudonyms, gender_of)
    return Replaced(_Walk(replacing).any(value, 0), replacing.counts)


def left_over(value: Any, finder: Finder, pseudonyms: Pseudonyms) -> int:
    """How many values still stand in what is about to leave, `pseudonyms` aside: anything but 0 must not."""
    counting = _Counting(finder, pseudonyms)
    _Walk(counting).any(value, 0)
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
        self.count = 0

    def plain(self, text: str, label: str) -> str:
        self.count += len([*self._pseudonyms.others(text, self._finder.find(text))])
        return text


class _Replacing:
    def __init__(
        self,
        finder: Detector,
        pseudonyms: Pseudonyms,
        gender_of: Callable[[str], Gender | None],
    ) -> None:
        self._finder, self._pseudonyms, self._gender_of = finder, pseudonyms, gender_of
        self.counts = Counter[str]()

    def plain(self, text: str, label: str) -> str:
        said, begin = [], 0
        for each in self._pseudonyms.others(text, self._finder.find(text, label)):
            written = text[each.start : each.end]
            gender = self._gender(text, each) if each.kind == "person" else None
            name = self._pseudonyms.of(each.kind, each.value, gender=gender, written=written)
            self.counts[each.kind if each.known else each.category] += 1
            said += [text[begin : each.start], name]
            begin = each.end
        return "".join([*said, text[begin:]]) if said else text

    def _gender(self, text: str, person: Found) -> Gender | None:
        """By the name, or by the title before it."""
        before = text[max(0, person.start - _TITLE) : person.start].split()[-1:]
        return self._gender_of(" ".join([*before, person.value]))


class _Walk:
    def __init__(self, visitor: _Visitor) -> None:
        self._plain = visitor.plain
        # Of how many texts it is inside that are JSON: there a number may be a value, elsewhere it is a parameter.
        self._inside = 0

    def any(self, value: Any, depth: int, label: str = "") -> Any:
        if depth > _DEEPEST:
            raise OpaqueError(f"It is nested more than {_DEEPEST} deep.")
        if isinstance(value, str):
            return self._text(value, depth, label)
        if isinstance(value, dict):
            return {
                self._key(key): inner
                if self._is_protocol(key, inner)
                else self.any(inner, depth + 1, key if self._inside else "")
                for key, inner in value.items()
            }
        if isinstance(value, list | tuple):
            return [self.any(inner, depth + 1, label) for inner in value]
        if self._inside and isinstance(value, int) and not isinstance(value, bool):
            return self._number(value, label)
        return value

    def _is_protocol(self, key: Any, value: Any) -> bool:
        """Whether it says nothing of anybody; in a text that is JSON, the same keys are the site's own."""
        return not self._inside and key in _OF_THE_PROTOCOL and isinstance(value, str)

    def _key(self, key: Any) -> Any:
        """A key, which may be a value too; the ids of tokens are none (`logit_bias`)."""
        if not isinstance(key, str) or (key.isdigit() and not self._inside):
            return key
        return self._plain(key, "")

    def _text(self, text: str, depth: int, label: str) -> str:
        """A text, or what it is the written form of: JSON with escapes, a file in Base64, HTML, an address."""
        if text[:1] in ("{", "[", '"') and (inner := self._json(text, depth)) is not None:
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
        self._inside += 1
        replaced = self.any(value, depth + 1)
        self._inside -= 1
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

    def _number(self, number: int, label: str) -> int | str:
        text = str(number)
        replaced = self._plain(text, label)
        return number if replaced == text else replaced
