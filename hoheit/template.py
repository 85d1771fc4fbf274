"""hoheit.toml with every key, what it does and its default, written from the settings models themselves."""

import json
from collections.abc import Iterator
from pathlib import Path
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from hoheit.settings import Settings, is_list, sections

_HEAD = """\
# Settings of this Hoheit site. Every key stands here with its default, commented out: remove the '#' to set it.
# A variable HOHEIT_SECTION__KEY (HOHEIT_ADAPTER__PORT=9000) wins over this file; lists and tables are JSON there.
# Secrets (keys, tokens, passwords) are better left out: each is made at random and kept in its own file.
"""


def render() -> str:
    """The whole documented settings file; loading it as it stands changes nothing."""
    return "\n".join(_lines()).rstrip() + "\n"


def _lines() -> Iterator[str]:
    yield _HEAD
    for name, field in Settings.model_fields.items():
        if not _is_table(field):
            yield from _key(name, field)
    for section, model in sections():
        yield ""
        if not is_list(section):
            yield f"# {_description(section)}"
            yield f"[{section}]"
        else:
            yield "# One table for each; repeat it as often as needed."
            yield f"# [[{section}]]"
        for name, field in model.model_fields.items():
            if not _is_table(field):
                yield from _key(name, field)


def _description(section: str) -> str | None:
    parent, _, name = section.rpartition(".")
    model = dict(sections())[parent] if parent else Settings
    return model.model_fields[name].description


def _key(name: str, field: FieldInfo) -> Iterator[str]:
    yield f"# {field.description}"
    allowed = _allowed(field.annotation)
    if allowed:
        yield f"# Allowed: {allowed}."
    default = None if field.is_required() else field.get_default(call_default_factory=True)
    if default is None or default is PydanticUndefined:
        yield f"# {name} = {_example(field.annotation)}"
    else:
        yield f"# {name} = {_toml(default)}"


def _example(annotation: Any) -> str:
    """How a value would be written for a key that has no default."""
    kinds = {kind for kind in (annotation, *get_args(annotation)) if isinstance(kind, type)}
    if kinds & {int, float}:
        return "0"
    return '""'


def _toml(value: Any) -> str:
    if isinstance(value, Path | SecretStr):
        value = str(value)
    if isinstance(value, tuple | list | frozenset | set):
        return "[" + ", ".join(_toml(item) for item in value) + "]"
    return json.dumps(value, ensure_ascii=False)


def _allowed(annotation: Any) -> str:
    origin = get_origin(annotation)
    if origin is Literal:
        return ", ".join(_toml(value) for value in get_args(annotation))
    if origin in (Union, UnionType):
        return next((text for kind in get_args(annotation) if (text := _allowed(kind))), "")
    return ""


def _is_table(field: FieldInfo) -> bool:
    kinds = (field.annotation, *get_args(field.annotation))
    return any(isinstance(kind, type) and issubclass(kind, BaseModel) for kind in kinds)
