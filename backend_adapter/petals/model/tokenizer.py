"""Text as token ids and back, and chats as the model's own template writes them."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from backend_adapter.petals.errors import GenerationError, WeightsError
from backend_adapter.petals.model.template import Template

# Stands where the last message ends, so that what a template writes behind it can be cut off.
_HERE = "\u2063hoheit\u2063continues\u2063here\u2063"
_CALL_MARK = "<tool_call>"


class Text:
    """Tokenizer and chat template of the model in `directory`.

    `eos` are the tokens that end an answer; `knows_tools` tells that the template renders tools, `marks_calls` that
    it marks calls as Hermes does. Raises WeightsError where the tokenizer is missing or cannot be read.
    """

    def __init__(self, directory: Path) -> None:
        file = directory / "tokenizer.json"
        try:
            self._source = file.read_text(encoding="utf-8")
            self._tokenizer = Tokenizer.from_str(self._source)
        except Exception as error:  # the library raises Exception itself
            raise WeightsError(
                f"The tokenizer {file} cannot be read: {error}.",
                "Name a complete model's directory.",
            ) from error
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()
        config = _read(directory / "tokenizer_config.json")
        self.eos = _ends(directory, config, self._tokenizer)
        marks = {
            name: _content(config.get(name)) or ""
            for name in ("bos_token", "eos_token", "pad_token", "unk_token")
        }
        source = _template(directory, config)
        self._template = Template(source, marks) if source is not None else None
        self.knows_tools = self._template is not None and self._template.reads("tools")
        self.marks_calls = source is not None and _CALL_MARK in source

    @property
    def source(self) -> str:
        """The tokenizer itself, as the JSON of its file."""
        return self._source

    @property
    def vocabulary(self) -> dict[str, int]:
        """Every token and its id, for comparing tokenizers."""
        return dict(self._tokenizer.get_vocab(with_added_tokens=True))

    def encode(self, text: str) -> list[int]:
        """Ids of a text that begins a sequence: with the mark of the beginning where the model has one."""
        return list(self._tokenizer.encode(text, add_special_tokens=True).ids)

    def decode(self, ids: Sequence[int], *, special: bool = False) -> str:
        """The text of ids; `special` shows special tokens. A character that is not whole is U+FFFD."""
        return str(self._tokenizer.decode(list(ids), skip_special_tokens=not special))

    def prompt(
        self,
        messages: Sequence[Mapping[str, Any]],
        tools: Sequence[Mapping[str, Any]] | None = None,
        *,
        add_generation_prompt: bool = True,
        continue_final_message: bool = False,
    ) -> list[int]:
        """Ids of a chat. With `continue_final_message` they end where the last message's content does.

        Raises GenerationError where the template cannot render the chat, with its reason.
        """
        return list(
            self._tokenizer.encode(
                self.render(
                    messages,
                    tools,
                    add_generation_prompt=add_generation_prompt,
                    continue_final_message=continue_final_message,
                ),
                add_special_tokens=False,
            ).ids
        )

    def render(
        self,
        messages: Sequence[Mapping[str, Any]],
        tools: Sequence[Mapping[str, Any]] | None = None,
        *,
        add_generation_prompt: bool = True,
        continue_final_message: bool = False,
    ) -> str:
        """The text that `prompt` encodes."""
        if self._template is None:
            raise GenerationError(
                "The model has no chat template.", "Send a prompt to /v1/completions."
            )
        if not continue_final_message:
            return self._template.render(messages, tools, add_generation_prompt)
        content = messages[-1].get("content") if messages else None
        if not isinstance(content, str):
            raise GenerationError(
                "The last message has no text to continue.", "Give it content, or start a new one."
            )
        marked = [*messages[:-1], {**messages[-1], "content": content + _HERE}]
        before, found, _ = self._template.render(marked, tools, False).rpartition(_HERE)
        if not found:
            raise GenerationError(
                "The model's chat template does not write the last message.",
                "Leave continue_final_message out.",
            )
        return before


def _read(file: Path) -> dict[str, Any]:
    """An optional file of settings. Raises WeightsError for one that is no JSON object."""
    if not file.is_file():
        return {}
    try:
        read = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise WeightsError(f"{file} cannot be read: {error}.", "Fetch it anew.") from error
    if not isinstance(read, dict):
        raise WeightsError(f"{file} is no JSON object.", "Fetch it anew.")
    return read


def _content(token: Any) -> str | None:
    """A special token is written as text, or as an object with it."""
    return token.get("content") if isinstance(token, dict) else token


def _ends(directory: Path, config: Mapping[str, Any], tokenizer: Tokenizer) -> frozenset[int]:
    """All tokens that any of the model's files calls an end."""
    ends: set[int] = set()
    for name in ("generation_config.json", "config.json"):
        told = _read(directory / name).get("eos_token_id")
        ends |= set(told) if isinstance(told, list) else set() if told is None else {told}
    mark = _content(config.get("eos_token"))
    number = tokenizer.token_to_id(mark) if mark else None
    return frozenset(ends if number is None else {*ends, number})


def _template(directory: Path, config: Mapping[str, Any]) -> str | None:
    file = directory / "chat_template.jinja"
    if file.is_file():
        return file.read_text(encoding="utf-8")
    told = config.get("chat_template")
    if isinstance(told, list):
        named = {each["name"]: each["template"] for each in told}
        return named.get("tool_use") or named.get("default")
    return told
