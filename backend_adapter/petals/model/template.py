"""Renders chats by a model's own Jinja2 template, which is a stranger's program: in a sandbox.

What templates may expect is what transformers gives them: https://huggingface.co/docs/transformers/chat_templating
"""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar, NoReturn

from jinja2 import TemplateError, meta, nodes
from jinja2.ext import Extension, loopcontrols
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment

from backend_adapter.petals.errors import GenerationError, WeightsError


class _Generation(Extension):
    """`{% generation %}` marks what a model said, for training; here it writes what is within."""

    tags: ClassVar = {"generation"}  # type: ignore[misc]

    def parse(self, parser: Parser) -> list[nodes.Node]:
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)


class Template:
    """The template `source`; `marks` are the special tokens by name. Raises WeightsError for one that is none."""

    def __init__(self, source: str, marks: Mapping[str, str]) -> None:
        environment = ImmutableSandboxedEnvironment(
            trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols, _Generation]
        )
        environment.filters["tojson"] = _to_json
        environment.globals["raise_exception"] = _raise
        environment.globals["strftime_now"] = _now
        try:
            self._template = environment.from_string(source)
            self._read = meta.find_undeclared_variables(environment.parse(source))
        except TemplateError as error:
            raise WeightsError(
                f"The model's chat template is none: {error}.", "Fetch the model's files anew."
            ) from error
        self._marks = dict(marks)

    def reads(self, name: str) -> bool:
        """Whether the template looks at what is given to it as `name`."""
        return name in self._read

    def render(
        self,
        messages: Sequence[Mapping[str, Any]],
        tools: Sequence[Mapping[str, Any]] | None,
        add_generation_prompt: bool,
    ) -> str:
        """The chat as text. Raises GenerationError with the template's own reason."""
        try:
            return self._template.render(
                messages=[dict(each) for each in messages],
                tools=list(tools) if tools else None,
                add_generation_prompt=add_generation_prompt,
                **self._marks,
            )
        except Exception as error:  # a template can fail in any way that a program can
            reason = str(error) if isinstance(error, TemplateError) else type(error).__name__
            raise GenerationError(
                f"The model's chat template cannot render this chat: {reason}.",
                "Look at the roles and the order of the messages.",
            ) from error


def _to_json(value: Any, indent: int | None = None, **options: Any) -> str:
    """Jinja2's own escapes what HTML would read; a model would read the escapes."""
    return json.dumps(value, ensure_ascii=options.get("ensure_ascii", False), indent=indent)


def _raise(message: str) -> NoReturn:
    raise TemplateError(message)


def _now(form: str) -> str:
    return datetime.now().astimezone().strftime(form)
