"""One JSON schema that a tool call must keep to, made from the tools that a client offers.

An engine that constrains its output to a JSON schema can call tools even if its model never learnt
to. A very small model fills every gap the schema leaves with nonsense, so for such a one the schema
leaves few: optional arguments are not asked for, texts and lists are short, and what is searched for
is made of the user's own words.
"""

import re
from collections.abc import Sequence
from typing import Any

import msgspec

Schema = dict[str, Any]


class Bounds(msgspec.Struct, frozen=True):
    """How long texts (in characters) and lists (in items) may be, for a model that finds no end."""

    text: int
    items: int


ROOMY = Bounds(text=8_000, items=100)
TIGHT = Bounds(text=300, items=5)
MAX_QUERY_WORDS = 32
_MAX_DEPTH = 8
_QUERY_NAMES = frozenset(
    {"query", "q", "question", "search", "search_query", "search_text", "keywords"}
)
_WORD = re.compile(r"\w+(?:[-'’./:]\w+)*")
_REGEX_SPECIAL = re.compile(r"([.*+?^${}()|\[\]\\/])")
# Keywords that say nothing about what is valid.
_ANNOTATIONS = frozenset(
    {
        "title",
        "description",
        "default",
        "examples",
        "deprecated",
        "$comment",
        "$defs",
        "definitions",
    }
)


class Tool(msgspec.Struct, frozen=True):
    """A function that the client offers."""

    name: str
    description: str
    parameters: Schema

    @property
    def required(self) -> tuple[str, ...]:
        """Arguments that must be given, as far as they are described."""
        required = self.parameters.get("required")
        properties = self.properties
        if not isinstance(required, list):
            return ()
        return tuple(name for name in required if name in properties)

    @property
    def properties(self) -> dict[str, Any]:
        properties = self.parameters.get("properties")
        return properties if isinstance(properties, dict) else {}

    @property
    def query_argument(self) -> str | None:
        """The argument that takes the user's question, if that is all the tool needs.

        Only a free text with a search argument's usual name counts, and none that takes SQL.
        """
        if len(self.required) != 1 or self.required[0] not in _QUERY_NAMES:
            return None
        schema = self.properties[self.required[0]]
        if not isinstance(schema, dict) or schema.get("type") != "string":
            return None
        if {"enum", "const", "pattern", "format"} & schema.keys():
            return None
        described = f"{self.name} {self.description} {schema.get('description', '')}".lower()
        return None if re.search(r"\bsql\b|\bselect\b", described) else self.required[0]


def read_tools(body: dict[str, Any]) -> tuple[Tool, ...]:
    """The functions that a chat request offers; what is not a function is left out."""
    offered = body.get("tools")
    if not isinstance(offered, list):
        return ()
    tools = []
    for entry in offered:
        function = entry.get("function") if isinstance(entry, dict) else None
        if not isinstance(function, dict) or not isinstance(function.get("name"), str):
            continue
        parameters = function.get("parameters")
        tools.append(
            Tool(
                name=function["name"],
                description=str(function.get("description") or ""),
                parameters=parameters if isinstance(parameters, dict) else {},
            )
        )
    return tuple(tools)


def call_schema(tools: Sequence[Tool], question: str | None) -> Schema:
    """The schema of {"name": ..., "arguments": {...}} for exactly one call of one of the tools.

    With a `question` it is narrowed to what a small model can fill in about it.
    """
    calls = [
        {
            "type": "object",
            "properties": {
                "name": {"type": "string", "const": tool.name},
                "arguments": arguments_schema(tool, question),
            },
            "required": ["name", "arguments"],
            "additionalProperties": False,
        }
        for tool in tools
    ]
    return calls[0] if len(calls) == 1 else {"anyOf": calls}


def arguments_schema(tool: Tool, question: str | None) -> Schema:
    """A tool's parameters; with a `question`, narrowed to what a small model can fill in about it.

    Narrowed, these are the required arguments only, unless the tool requires none. Local references
    are written out, so that the schema stands on its own inside a larger one.
    """
    small = question is not None
    names = (tool.required if small else ()) or tuple(tool.properties)
    bounds = TIGHT if small else ROOMY
    properties = {
        name: _narrowed(tool.properties[name], tool.parameters, bounds)
        for name in names
        if isinstance(tool.properties[name], dict)
    }
    words = query_words(question) if question else []
    if tool.query_argument is not None and words:
        properties[tool.query_argument] = {"type": "string", "pattern": words_pattern(words)}
    return {
        "type": "object",
        "properties": properties,
        "required": [name for name in tool.required if name in properties],
        "additionalProperties": False,
    }


def query_words(question: str) -> list[str]:
    """The words of a question, in order, at most MAX_QUERY_WORDS.

    Of a long message, the sentences that ask something come first.
    """
    words: list[str] = _WORD.findall(question)
    if len(words) > MAX_QUERY_WORDS:
        asking = [part for part in re.split(r"(?<=[.!?])\s+|\n+", question) if part.endswith("?")]
        words = _WORD.findall(" ".join(asking)) or words
    return words[:MAX_QUERY_WORDS]


def words_pattern(words: Sequence[str]) -> str:
    """A regular expression for the words in their order, where all but the last may be left out."""
    escaped = [_REGEX_SPECIAL.sub(r"\\\1", word) for word in words]
    return "^" + "".join(f"({word} )?" for word in escaped[:-1]) + escaped[-1] + "$"


def _narrowed(schema: Any, root: Schema, bounds: Bounds, depth: int = 0) -> Schema:
    if not isinstance(schema, dict) or depth > _MAX_DEPTH:
        return {}
    reference = schema.get("$ref")
    if isinstance(reference, str):
        return _narrowed(_resolved(reference, root), root, bounds, depth + 1)
    result: Schema = {}
    for key, value in schema.items():
        if key in _ANNOTATIONS:
            continue
        if key == "properties" and isinstance(value, dict):
            result[key] = {
                name: _narrowed(part, root, bounds, depth + 1) for name, part in value.items()
            }
        elif key in {"anyOf", "oneOf", "allOf", "prefixItems"} and isinstance(value, list):
            result[key] = [_narrowed(part, root, bounds, depth + 1) for part in value]
        elif key in {"items", "additionalProperties"} and isinstance(value, dict):
            result[key] = _narrowed(value, root, bounds, depth + 1)
        else:
            result[key] = value
    kind = result.get("type")
    if kind == "string" and not {"enum", "const", "pattern", "format"} & result.keys():
        result["maxLength"] = _bounded(result.get("maxLength"), bounds.text)
    elif kind == "array":
        result["maxItems"] = _bounded(result.get("maxItems"), bounds.items)
    elif kind == "object" and "properties" in result:
        result.setdefault("additionalProperties", False)
    return result


def _resolved(reference: str, root: Schema) -> Any:
    """What a reference such as `#/$defs/Place` points to in the tool's own parameters."""
    if not reference.startswith("#/"):
        return {}
    found: Any = root
    for step in reference[2:].split("/"):
        found = (
            found.get(step.replace("~1", "/").replace("~0", "~"))
            if isinstance(found, dict)
            else None
        )
    return found


def _bounded(limit: Any, ours: int) -> int:
    return min(limit, ours) if isinstance(limit, int) and limit >= 0 else ours
