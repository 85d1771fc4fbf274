"""Reads a policy: one file in YAML, accepted whole or not at all."""

from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Annotated

import yaml
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
)

from backend_adapter.egress.classes import DataClass
from backend_adapter.egress.policy.rules import Action, Policy, Rule
from backend_adapter.errors import SettingsError

BUILT_IN = "built-in policy"

_Word = Annotated[
    str, StringConstraints(strict=True, min_length=1, max_length=256, strip_whitespace=True)
]


def _one_or_several(given: object) -> object:
    return given if isinstance(given, list | tuple) else [given]


_Words = Annotated[tuple[_Word, ...], BeforeValidator(_one_or_several), Field(min_length=1)]
_Classes = Annotated[tuple[DataClass, ...], BeforeValidator(_one_or_several), Field(min_length=1)]


class _RuleForm(BaseModel):
    model_config = ConfigDict(extra="forbid")

    classes: _Classes | None = Field(None, alias="class")
    to: _Words | None = None
    users: _Words | None = None
    then: Action


class _PolicyForm(BaseModel):
    model_config = ConfigDict(extra="forbid")

    rules: list[_RuleForm]
    unlabelled: DataClass = "internal"
    on_site_model: _Word | None = None
    site_tools: tuple[_Word, ...] = Field(("files_*", "databases_*"))
    link_hosts: tuple[_Word, ...] = Field(())


def read_policy(path: Path | None) -> Policy:
    """The policy in a file, or the built-in one. Blocks.

    Raises SettingsError with the file and the line of what is wrong.
    """
    if path is None:
        return parse(built_in(), BUILT_IN)
    try:
        text = path.expanduser().read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else str(error)
        raise SettingsError(
            f"The policy {path} cannot be read: {why}.",
            "Correct adapter.egress.policy, or give this user read access to the file.",
        ) from error
    return parse(text, path.name)


def built_in() -> str:
    """The text of the built-in policy, which explains itself."""
    return (resources.files(__package__) / "default.yaml").read_text(encoding="utf-8")


def parse(text: str, name: str) -> Policy:
    """The policy that `text` says. Raises SettingsError."""
    try:
        tree = yaml.compose(text, Loader=yaml.SafeLoader)
        if tree is not None:
            _refuse_doubles(tree, name)
        form = _PolicyForm.model_validate(yaml.safe_load(text) if tree is not None else {})
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}" if mark is not None else ""
        said = getattr(error, "problem", None) or "it is no YAML"
        raise SettingsError(f"The policy {name}{where}: {said}.", "Correct that line.") from error
    except RecursionError:
        raise SettingsError(f"The policy {name} is nested without end.", "Write it anew.") from None
    except ValidationError as error:
        lines = "\n".join(_explain(error, tree, name))
        raise SettingsError(
            lines, "Correct it; 'hoheit policy show' prints one that works."
        ) from error
    if not form.rules:
        raise SettingsError(
            f"The policy {name} has no rules, so nothing could ever leave.", "Write at least one."
        )
    rules = tuple(
        Rule(line, each.then, each.classes or (), each.to or (), each.users or ())
        for line, each in zip(_lines_of_rules(tree), form.rules, strict=True)
    )
    return Policy(
        name, rules, form.unlabelled, form.on_site_model, form.site_tools, form.link_hosts
    )


def _lines_of_rules(tree: yaml.Node | None) -> list[int]:
    rules = _child(tree, "rules")
    nodes = rules.value if isinstance(rules, yaml.SequenceNode) else []
    return [node.start_mark.line + 1 for node in nodes]


def _child(tree: yaml.Node | None, key: str) -> yaml.Node | None:
    if isinstance(tree, yaml.MappingNode):
        for name, value in tree.value:
            if name.value == key:
                return value  # type: ignore[no-any-return]
    return None


def _refuse_doubles(node: yaml.Node, name: str) -> None:
    """A key that stands twice: of the two only the last would count, and no reader would see it."""
    if isinstance(node, yaml.MappingNode):
        seen = set()
        for key, value in node.value:
            if key.value in seen:
                raise SettingsError(
                    f"The policy {name}, line {key.start_mark.line + 1}: {key.value!r} stands twice.",
                    "Keep one of them.",
                )
            seen.add(key.value)
            _refuse_doubles(value, name)
    elif isinstance(node, yaml.SequenceNode):
        for value in node.value:
            _refuse_doubles(value, name)


def _explain(error: ValidationError, tree: yaml.Node | None, name: str) -> Iterator[str]:
    lines = _lines_of_rules(tree)
    for fault in error.errors():
        place = [str(each) for each in fault["loc"]]
        where, what = "", ".".join(place)
        if place[:1] == ["rules"] and len(fault["loc"]) > 1 and isinstance(fault["loc"][1], int):
            where, what = f", line {lines[fault['loc'][1]]}", ".".join(place[2:]) or "the rule"
        else:
            child = _child(tree, place[0]) if place else None
            where = f", line {child.start_mark.line + 1}" if child is not None else ""
        yield f"The policy {name}{where}: {what or 'it'}: {fault['msg']}."
