"""What an engine is asked: which answer, from where on, how."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from benchmarks.faults.forms import ChatForm, Engine, Form, TextForm
from benchmarks.faults.model import (
    ARGUMENTS,
    ASSISTANT,
    BEGIN,
    END,
    END_THINK,
    IDS,
    PROBE,
    PROSE,
    THINK,
    TOKENS,
    USER,
    WHOLE,
    Script,
    Token,
    tokenize,
)

# A user's question names the answer it wants and the conversation that it belongs to.
_QUESTION = re.compile(r"\b(everything|prose) (\d+)\b")
_SCRIPTS = {"everything": WHOLE, "prose": PROSE}
# A conversation is one token of the prompt, so that a prompt of token ids names it as well.
_CONVERSATIONS = 1_000_000
_MORE_PER_TURN = 4


class RefusedError(Exception):
    """The request cannot be answered; the engine says 400 and why."""


@dataclass(frozen=True)
class Asked:
    """One question: `said` is what stands in the prompt already, `rest` of a token that it ends in."""

    way: Literal["anew", "tokens", "prefill", "schema"]
    script: Script
    conversation: int
    prompt: list[int]
    said: list[Token]
    rest: Token
    form: Form
    greedy: bool
    limit: int | None


def read(engine: Engine, model: str, path: str, body: dict[str, Any]) -> Asked:
    """Read one request as the engine of this kind does. Raises RefusedError."""
    told = bool(body.get("return_token_ids")) and engine == "vllm"
    greedy = body.get("temperature") == 0
    limit = body.get("max_tokens", body.get("max_completion_tokens"))
    if path == "completions":
        return _completion(engine, model, body, told, greedy, limit)
    messages = body["messages"]
    script, number = _wanted(str(messages))
    said: list[Token] = []
    rest, way = b"", "anew"
    prompt = _prompt(script, number, len(messages))
    if messages[-1]["role"] == "assistant" and engine != "openai":
        if body.get("continue_final_message") not in (True, "reasoning_content"):
            raise RefusedError("the last message is the assistant's own")
        if body.get("add_generation_prompt") is not False:
            raise RefusedError("there is nothing to go on with after a generation prompt")
        if messages[-1].get("tool_calls"):
            raise RefusedError("a message with tool calls cannot be gone on with")
        prompt = _prompt(script, number, len(messages) - 1)
        if "response_format" in body:
            script, way = ARGUMENTS, "schema"
            said, rest = _held_to(script, messages[-1]["content"].encode())
        else:
            way, said = "prefill", _beginning(engine, messages[-1], body["continue_final_message"])
    prompt += [IDS[token] for token in said]
    form = ChatForm(engine, model, prompt if told else None, said)
    return Asked(way, script, number, prompt, said, rest, form, greedy, limit)  # type: ignore[arg-type]


def _completion(
    engine: Engine, model: str, body: dict[str, Any], told: bool, greedy: bool, limit: int | None
) -> Asked:
    prompt = body["prompt"]
    marks = body.get("skip_special_tokens") is False
    if isinstance(prompt, list):
        if engine != "vllm":
            raise RefusedError("prompt must be a text")
        at = prompt.index(IDS[ASSISTANT])
        script, number = _from_id(prompt[at - 1])
        said = [TOKENS[number] for number in prompt[at + 1 :]]
        way = "tokens"
    else:
        script, number = _wanted(prompt)
        said = tokenize(prompt.partition(":")[2])
        prompt = [*_prompt(script, number, 1), *(IDS[token] for token in said)]
        way = "prefill" if said else "anew"
    form = TextForm(model, prompt if told else None, marks=marks)
    return Asked(way, script, number, prompt, said, b"", form, greedy, limit)  # type: ignore[arg-type]


def _wanted(text: str) -> tuple[Script, int]:
    named = _QUESTION.search(text)
    return (_SCRIPTS[named[1]], int(named[2])) if named else (PROBE, 0)


def _from_id(number: int) -> tuple[Script, int]:
    code, conversation = divmod(number, _CONVERSATIONS)
    return (WHOLE, PROSE, PROBE)[code - 1], conversation


def _prompt(script: Script, conversation: int, turns: int) -> list[int]:
    code = (WHOLE, PROSE, PROBE).index(script) + 1
    filler = [IDS[b" "]] * (_MORE_PER_TURN * turns)
    named = code * _CONVERSATIONS + conversation
    return [IDS[BEGIN], IDS[USER], *filler, named, IDS[ASSISTANT]]


def _beginning(engine: Engine, message: dict[str, Any], which: object) -> list[Token]:
    """The tokens of a last message that is gone on with."""
    thought = message.get("reasoning" if engine == "vllm" else "reasoning_content") or ""
    if which == "reasoning_content":
        return [THINK, *tokenize(thought)]
    text = tokenize(message.get("content") or "")
    return [THINK, *tokenize(thought), END_THINK, *text] if thought else text


def _held_to(script: Script, text: bytes) -> tuple[list[Token], Token]:
    """The tokens of a text that an engine holds to a schema, and the rest of the one that it ends in."""
    said: list[Token] = []
    for position in script.positions:
        if not text:
            break
        whole = [token for token in position if text.startswith(token)]
        if not whole:
            begun = [token for token in position if token.startswith(text)]
            return said, begun[0][len(text) :] if begun else b""
        said.append(whole[0])
        text = text[len(whole[0]) :]
    return said, b""


def finish_reason(script: Script, said: Sequence[Token]) -> str:
    """How an answer that was said to its end ends."""
    return "tool_calls" if "call" in script.marks and said[-1] == END else "stop"
