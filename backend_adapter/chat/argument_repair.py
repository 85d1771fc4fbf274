"""Repairs arguments that are no JSON object, where there is only one thing that they can mean."""

import ast
import json
import math
import re
import warnings
from typing import Any

from backend_adapter.chat.json_prefix import ObjectPrefix, is_object

# Longer texts are only closed, because reading them over would hold up other answers. In characters.
MAX_REPAIRED = 65_536
_FENCE = "```"
# Strings without an end reach to the text's end, so that no quote is looked at twice.
_STRING = r'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)'
_ESCAPE_OR_CONTROL = re.compile(r"\\.|[\x00-\x1f]", re.DOTALL)
_CONTROL_NAMES = {"\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
# The parts of a text outside which nothing is changed: a string of either kind, a word, a comma.
_JSON_PART = re.compile(_STRING + r"|,(?=\s*[}\]])", re.DOTALL)
_PYTHON_PART = re.compile(
    _STRING + r"|'(?:[^'\\]++|\\.)*+(?:'|\\?\Z)|\b(?:True|False|None)\b|,(?=\s*[}\]])", re.DOTALL
)
_PYTHON_WORDS = {"True": "true", "False": "false", "None": "null", ",": ""}


def repair(text: str, *, requires_arguments: bool) -> str | None:
    """`text` as one JSON object, or None where a repair would have to guess.

    Repaired are: nothing at all (or `null`) for a tool that requires no arguments, a code fence
    around the object, an object inside a JSON string, raw control characters inside strings, a comma
    before a closing bracket, surplus closing brackets after the object, closing brackets missing at
    the end, and Python's literals. The space and order of what is kept stay as they are.
    """
    stripped = text.strip()
    space = text[: len(text) - len(text.lstrip())]
    if stripped in ("", "null"):
        return None if requires_arguments else space + "{}"
    if len(text) > MAX_REPAIRED:
        return _close(text)
    if stripped.startswith(_FENCE) and stripped.endswith(_FENCE):
        stripped = stripped.strip("`").removeprefix("json").strip()
    if stripped.startswith('"'):
        return _from_string(stripped)
    fixed = _close(_JSON_PART.sub(_fixed_json, stripped)) or _from_python(stripped)
    return None if fixed is None else space + fixed


def _from_string(text: str) -> str | None:
    """The object inside a JSON string, as it stands there."""
    inner = _json_value(text)
    return inner if isinstance(inner, str) and is_object(inner) else None


def _fixed_json(part: re.Match[str]) -> str:
    if part.group() == ",":
        return ""
    return _ESCAPE_OR_CONTROL.sub(_escaped, part.group())


def _escaped(found: re.Match[str]) -> str:
    char = found.group()
    if len(char) > 1:
        return char
    return _CONTROL_NAMES.get(char) or f"\\u{ord(char):04x}"


def _close(text: str) -> str | None:
    prefix = ObjectPrefix()
    impossible = prefix.feed(text)
    if impossible is None:
        return None if prefix.closers is None else text + prefix.closers
    surplus = text[impossible:]
    return text[:impossible] if prefix.complete and not surplus.strip("}] \t\r\n") else None


def _from_python(text: str) -> str | None:
    # Python leaves such a line break out, and whoever wrote it may have meant it.
    if "\\\n" in text:
        return None
    value = _python_value(text)
    if not isinstance(value, dict) or not _is_json(value):
        return None
    # Written over part by part, it still begins with what has been sent already.
    for written in (_PYTHON_PART.sub(_from_python_part, text), json.dumps(value)):
        try:
            if is_object(written) and json.loads(written) == value:
                return written
        except (ValueError, RecursionError):
            continue
    return None


def _python_value(text: str) -> Any:
    try:
        # An escape that Python does not know is a warning, and no reading to rely on.
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            return ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError, Warning):
        return None


def _is_json(value: object) -> bool:
    if isinstance(value, dict):
        return all(isinstance(key, str) and _is_json(part) for key, part in value.items())
    if isinstance(value, list):
        return all(map(_is_json, value))
    if isinstance(value, float):
        return math.isfinite(value)
    return value is None or isinstance(value, str | int)


def _from_python_part(part: re.Match[str]) -> str:
    text = part.group()
    if text in _PYTHON_WORDS:
        return _PYTHON_WORDS[text]
    value = _python_value(text)
    if not isinstance(value, str) or _json_value(text) == value:
        return text
    return json.dumps(value, ensure_ascii=_has_surrogates(value))


def _json_value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None


def _has_surrogates(text: str) -> bool:
    return any("\ud800" <= char <= "\udfff" for char in text)
