"""What the Responses API offers and the adapter cannot honour: refused by name, never dropped in silence.

The adapter stores nothing, runs nothing in the background, and calls no tools itself.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from backend_adapter.chat.plain import plain_text
from backend_adapter.chat.responses.items import ITEM_TYPES
from backend_adapter.errors import RequestError

_RESEND = "Send the earlier items in input: nothing is stored here."
_NO_LOGPROBS = "Leave it out: token probabilities are not available here."
_SHORTEN = "Leave it out, and shorten the input yourself."

# A field, the values that ask for nothing, and what to do instead.
_FIELDS: dict[str, tuple[tuple[object, ...], str]] = {
    "previous_response_id": ((), _RESEND),
    "conversation": ((), _RESEND),
    "prompt": ((), "Put the prompt's text into instructions: no prompts are stored here."),
    "background": ((False,), "Leave it out, and read the answer as a stream."),
    "truncation": (("disabled",), _SHORTEN),
    "context_management": (([],), _SHORTEN),
    "top_logprobs": ((0,), _NO_LOGPROBS),
    "moderation": ((), "Leave it out, and check input and output yourself."),
    "stream_options.include_obfuscation": ((False,), "Leave it out: frames are not padded here."),
    "text.verbosity": (("medium",), "Say in instructions how long the answer should be."),
    "reasoning.mode": (("standard",), "Choose reasoning.effort instead."),
}
# Other values of include name results of tools that do not exist here, or encrypted thinking, in
# place of which the thinking itself is given.
_NO_INCLUDE = "message.output_text.logprobs"

_OWN_FUNCTION = "Offer a function that does this, and run it when the model calls it."
_TOOLS = {
    "custom": "Offer it as a function that takes one string.",
    "mcp": "Connect to the server yourself, and offer its tools as functions.",
}
_ITEMS = {"item_reference": "Send the item itself: nothing is stored here."}
_PARTS = {
    "input_file": "Send the file's text as input_text.",
    "input_audio": "Send what is said as input_text.",
}


def refuse_unsupported(body: Mapping[str, Any]) -> None:
    """Raises RequestError for the first thing asked for that is not available here."""
    for path, (harmless, remedy) in _FIELDS.items():
        value = _value(body, path)
        if value is not None and not any(_same(value, nothing) for nothing in harmless):
            raise RequestError(f"{path} is not supported.", remedy, param=path)
    include = body.get("include")
    if isinstance(include, list) and _NO_INCLUDE in include:
        raise RequestError(
            f"include: {_NO_INCLUDE} is not supported.", _NO_LOGPROBS, param="include"
        )
    for place, kind in _types(body.get("tools"), "tools"):
        if kind != "function":
            what = f"{place}: a tool of type {plain_text(kind, 64)!r} is not available here."
            raise RequestError(what, _TOOLS.get(kind, _OWN_FUNCTION), param=f"{place}.type")
    for place, kind in _types(body.get("input"), "input"):
        if kind not in ITEM_TYPES:
            what = f"{place}: an item of type {plain_text(kind, 64)!r} cannot be read here."
            remedy = _ITEMS.get(kind, "Leave it out, or tell in a message what it says.")
            raise RequestError(what, remedy, param=f"{place}.type")
    _refuse_parts(body.get("input"))


def _refuse_parts(items: object) -> None:
    for index, item in enumerate(items if isinstance(items, list) else ()):
        for field in ("content", "output"):
            parts = item.get(field) if isinstance(item, dict) else None
            for place, kind in _types(parts, f"input[{index}].{field}"):
                if remedy := _PARTS.get(kind):
                    what = f"{place}: {kind} is not supported."
                    raise RequestError(what, remedy, param=f"{place}.type")


def _types(objects: object, name: str) -> Iterator[tuple[str, str]]:
    """Where each object of a list stands, and its type, of those that have one."""
    for index, each in enumerate(objects if isinstance(objects, list) else ()):
        if isinstance(each, dict) and isinstance(kind := each.get("type"), str):
            yield f"{name}[{index}]", kind


def _value(body: Mapping[str, Any], path: str) -> object:
    value: object = body
    for name in path.split("."):
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def _same(value: object, nothing: object) -> bool:
    # 0 == False in Python, but only one of them asks for nothing.
    return type(value) is type(nothing) and value == nothing
