"""How a replica can be asked to go on with an answer that another one began.

In the order in which they are tried: from token ids, which is exact; from text, cut back to where its
tokens are certain; and anew, which gives the same answer again where the decoding is greedy. What comes
back is held against what the client already has, so a way that does not fit is noticed, not shown.
"""

from collections.abc import Callable, Sequence
from typing import Any, Literal, TypeAlias

import msgspec

from backend_adapter.chat.decode import Tokens
from backend_adapter.chat.events import Event, Finish, Text, ToolCallDelta
from backend_adapter.chat.ledger import Ledger, Start, safe_end
from backend_adapter.chat.stages import Stage, Stages
from backend_adapter.chat.tool_prompt import asking_for_a_call
from backend_adapter.chat.tool_schema import Tool, read_tools
from backend_adapter.routing.reading import as_engine
from backend_adapter.upstreams.capabilities import PREFILL_FIELDS, TOKEN_FIELDS, Capabilities

Way: TypeAlias = Literal["anew", "tokens", "prefill", "schema", "replay"]

# So many token ids certainly hold a whole character at their end, or show that there is none.
_LAST_TOKENS = 8
# Fields that look back at what was generated, and not at the prompt in which an answer's beginning would be.
# llama.cpp makes no difference between the two.
_LOOKING_BACK = ("stop", "frequency_penalty", "presence_penalty")
# Engines that go on from token ids and from text alike: what another kind of engine began has no ids for them.
_BOTH = ("vllm", "petals")
# In a text, what shows that its engine has not told thinking apart.
_THINKING = ("<think>", "</think>")
# What English prose and JSON come to, about.
BYTES_PER_TOKEN = 4
_LIMITS = ("max_completion_tokens", "max_tokens")
_CHAT_ONLY = (
    "messages",
    "tools",
    "tool_choice",
    "parallel_tool_calls",
    "chat_template_kwargs",
    "reasoning_effort",
    "thinking_token_budget",
    "add_generation_prompt",
    "continue_final_message",
    "response_format",
)


class Ask(msgspec.Struct, frozen=True):
    """A request as it goes to whoever answers it, and how its answer is read.

    `reads_calls` tells that the adapter itself reads tool calls from the text of this model.
    """

    path: Literal["chat/completions", "completions"]
    model: str
    body: dict[str, Any]
    choices: int = 1
    reads_calls: bool = False

    @property
    def greedy(self) -> bool:
        """Whether the same request gives the same answer."""
        return self.body.get("temperature") == 0 or self.body.get("top_k") == 1

    @property
    def repeats(self) -> bool:
        """Whether the same request may be hoped to give the same answer."""
        return self.greedy or "seed" in self.body

    @property
    def formed(self) -> bool:
        """Whether the answer is held to a form as a whole."""
        form = self.body.get("response_format")
        return "structured_outputs" in self.body or bool(form and form.get("type") != "text")

    @property
    def holds_calls(self) -> bool:
        """Whether tool calls are held to a form by the engine."""
        tools = self.body.get("tools") or ()
        forced = self.body.get("tool_choice", "auto") not in ("auto", "none")
        return forced or any(tool["function"].get("strict") for tool in tools)

    @property
    def prompt_estimate(self) -> int:
        """About how many tokens the prompt has."""
        return len(msgspec.json.encode(self.body)) // BYTES_PER_TOKEN

    @property
    def limit(self) -> int | None:
        """How many tokens the answer may have."""
        return next((self.body[name] for name in _LIMITS if name in self.body), None)


class Plan(msgspec.Struct, frozen=True):
    """One way to ask: the request, where its answer begins, and what reads it (None: as it is).

    `raw` are token ids, the last ones in the prompt, whose text the upstream has to tell first. `kept` is
    how many tokens of the answer stand in the prompt.
    """

    way: Way
    path: str
    body: dict[str, Any]
    start: Start = Start()
    reader: Callable[[str], Stage] | None = None
    raw: Sequence[int] | None = None
    kept: int = 0


def without_last(plan: Plan) -> Plan:
    """A plan that goes on from token ids, with the last of them generated anew."""
    body = {**plan.body, "prompt": plan.body["prompt"][:-1]}
    if "max_tokens" in body:
        body["max_tokens"] += 1
    raw = (plan.raw or ())[:-1]
    return msgspec.structs.replace(plan, body=body, raw=raw, kept=plan.kept - 1)


def first(ask: Ask, capabilities: Capabilities, engine: str) -> Plan:
    """Ask for an answer from its beginning."""
    body = _body(ask, engine)
    if capabilities.tokens and ask.choices == 1:
        body = {**body, **TOKEN_FIELDS}
    return Plan("anew", ask.path, body)


def _body(ask: Ask, engine: str) -> dict[str, Any]:
    if engine == "vllm" and ask.reads_calls and ask.body.get("tools"):
        # Without a parser of its own vLLM refuses to let the model choose; its template shows the tools anyway.
        return {**ask.body, "tool_choice": "none"}
    if engine == "petals" and "min_tokens" in ask.body:
        # Its gateway refuses it, and an answer that has begun is worth more than its least length.
        return {name: value for name, value in ask.body.items() if name != "min_tokens"}
    return ask.body


def ways_on(
    ask: Ask, ledger: Ledger, tokens: Tokens | None, capabilities: Capabilities, engine: str
) -> list[Plan]:
    """The ways in which one replica could go on, best first; none where it could not.

    `tokens` are those of the whole answer so far, where they are known.
    """
    if ask.choices != 1:
        return []
    if ledger.phase == "nothing":
        return [first(ask, capabilities, engine)]
    ask = msgspec.structs.replace(ask, body=_body(ask, engine))
    ways: list[Plan | None] = []
    begun = first(ask, capabilities, engine)
    replay = Plan("replay", begun.path, begun.body) if ask.repeats else None
    looks_back = engine != "llama.cpp" and any(ask.body.get(name) for name in _LOOKING_BACK)
    if ask.greedy and (ask.formed or ask.holds_calls or looks_back):
        ways.append(replay)
    # An engine that is given half of a form would begin the form once more, and without it write anything;
    # llama.cpp alone counts in what is there.
    free = engine == "llama.cpp" or not ask.formed
    known = tokens if tokens is not None and tokens.prompt and tokens.generated else None
    if capabilities.tokens and known is not None and free:
        ways.append(_from_tokens(ask, ledger, known))
    foreign = capabilities.tokens and known is None and engine in _BOTH and not ask.holds_calls
    if capabilities.continuation == "prefill" or foreign:
        if ask.path == "completions":
            ways += _from_prompt(ask, ledger)
        elif ledger.phase == "text" and free:
            ways += _from_text(ask, ledger, engine)
        elif ledger.phase == "reasoning" and engine == "llama.cpp":
            ways += _from_reasoning(ask, ledger)
    ways.append(replay)
    if ledger.phase == "call" and engine == "llama.cpp" and not ledger.whole_call():
        ways.append(_from_arguments(ask, ledger))
    return _distinct(ways)


def _distinct(ways: Sequence[Plan | None]) -> list[Plan]:
    found: list[Plan] = []
    for way in ways:
        if way is not None and way not in found:
            found.append(way)
    return found


def _shortened(body: dict[str, Any], pieces: int) -> dict[str, Any]:
    """The body with what is left of its limits: so many tokens are there already."""
    for name in _LIMITS:
        if name in body:
            body[name] = max(1, body[name] - pieces)
    if "min_tokens" in body:
        body["min_tokens"] = max(0, body["min_tokens"] - pieces)
    return body


def _from_tokens(ask: Ask, ledger: Ledger, tokens: Tokens) -> Plan:
    said = len(tokens.generated)
    body = {key: value for key, value in ask.body.items() if key not in _CHAT_ONLY}
    if (limit := ask.limit) is not None:
        body["max_tokens"] = limit
        body.pop("max_completion_tokens", None)
    body = _shortened(body, said)
    body |= TOKEN_FIELDS
    body["prompt"] = [*(tokens.prompt or ()), *tokens.generated]
    whole = Start(len(ledger.reasoning.text()), len(ledger.text.text()))
    chosen = ask.body.get("tool_choice") != "none" and not ask.reads_calls
    tools = read_tools(ask.body) if chosen else ()
    engine_reads = bool(ledger.reasoning.count or ledger.calls or tools)
    if ask.path == "completions" or not engine_reads:
        if not ask.body.get("stop"):
            last = None if tokens.whole else tuple(tokens.generated[-_LAST_TOKENS:])
            return Plan("tokens", "completions", body, whole, raw=last, kept=said)
        # An engine holds back what may become a stop word, so the text is behind the tokens.
        raw = tuple(tokens.generated)
        return Plan("tokens", "completions", body, Start(), lambda _: Stages([]), raw, said)
    # The engine's own parsers stay out of plain completions, so the marks of thinking and of calls have to
    # be shown, and are read here from the answer's first token on.
    body |= {"skip_special_tokens": False, "spaces_between_special_tokens": False}
    thought = bool(ledger.reasoning.count)
    text = ledger.text.text()
    apart = thought or not any(mark in text for mark in _THINKING)

    def reader(raw: str) -> Stage:
        return as_engine(tools, raw, thought=thought, apart=apart)

    return Plan("tokens", "completions", body, Start(), reader, tuple(tokens.generated), said)


def _ends(ask: Ask, text: str) -> list[int]:
    """Where to cut a text, best first: where its tokens are certain, then where it ends."""
    certain = safe_end(text) if ask.greedy else len(text.rstrip(" "))
    return [certain] if certain == len(text) else [certain, len(text)]


def _from_prompt(ask: Ask, ledger: Ledger) -> list[Plan]:
    prompt, text = ask.body["prompt"], ledger.text.text()
    if not isinstance(prompt, str):
        return []
    plans = []
    for end in _ends(ask, text):
        kept = ledger.pieces - ledger.text.beyond(end)
        body = _shortened({**ask.body, "prompt": prompt + text[:end]}, kept)
        plans.append(Plan("prefill", ask.path, body, Start(text=end), kept=kept))
    return plans


def _prefill(
    ask: Ask, before: Sequence[Any], message: dict[str, Any], start: Start, kept: int
) -> Plan:
    body = {**ask.body, **PREFILL_FIELDS, "messages": [*before, message]}
    return Plan("prefill", ask.path, _shortened(body, kept), start, kept=kept)


def _from_text(ask: Ask, ledger: Ledger, engine: str) -> list[Plan]:
    text, reasoning = ledger.text.text(), ledger.reasoning.text()
    before, begun = ask.body["messages"], ""
    if before[-1].get("role") == "assistant":
        # The client itself has asked to have a message gone on with.
        begun = before[-1].get("content")
        if not isinstance(begun, str) or before[-1].get("tool_calls"):
            return []
        if engine != "llama.cpp" and not ask.body.get("continue_final_message"):
            return []
        before = before[:-1]
    plans = []
    for end in _ends(ask, text):
        message: dict[str, Any] = {"role": "assistant", "content": begun + text[:end]}
        if reasoning:
            message["reasoning_content"] = reasoning
        kept = ledger.pieces - ledger.text.beyond(end)
        plans.append(_prefill(ask, before, message, Start(len(reasoning), end), kept))
    return plans


def _from_reasoning(ask: Ask, ledger: Ledger) -> list[Plan]:
    """llama.cpp is told in so many words which part goes on."""
    reasoning = ledger.reasoning.text()
    plans = []
    for end in _ends(ask, reasoning):
        message = {"role": "assistant", "content": "", "reasoning_content": reasoning[:end]}
        kept = ledger.pieces - ledger.reasoning.beyond(end)
        plan = _prefill(ask, ask.body["messages"], message, Start(end), kept)
        plan.body["continue_final_message"] = "reasoning_content"
        plans.append(plan)
    return plans


def _from_arguments(ask: Ask, ledger: Ledger) -> Plan | None:
    """The rest of a tool call, held to the schema of its arguments.

    llama.cpp refuses to go on with a message that holds tool calls, but it does go on with a text that it
    holds to a schema, counting in what is there already.
    """
    call = ledger.last_call()
    tool = next((t for t in read_tools(ask.body) if call and t.name == call.name), None)
    if call is None or tool is None:
        return None
    index, said = max(ledger.calls), call.arguments.text()
    plain = {key: value for key, value in ask.body.items() if key not in _CHAT_ONLY}
    body = {
        **plain,
        **PREFILL_FIELDS,
        "messages": [
            *asking_for_a_call([tool], ask.body["messages"]),
            {"role": "user", "content": f"Write only the arguments of {tool.name}, as JSON."},
            {"role": "assistant", "content": said},
        ],
        "response_format": _held_to(tool),
    }
    start = Start(len(ledger.reasoning.text()), len(ledger.text.text()), len(said))
    kept = ledger.pieces
    body = _shortened(body, kept)
    return Plan("schema", ask.path, body, start, lambda _: _Arguments(index), kept=kept)


def _held_to(tool: Tool) -> dict[str, Any]:
    schema = {"type": "object", **tool.parameters}
    return {
        "type": "json_schema",
        "json_schema": {"name": "arguments", "strict": True, "schema": schema},
    }


class _Arguments:
    """Reads a text as the rest of one tool call's arguments."""

    passes_text = False

    def __init__(self, index: int) -> None:
        self._index = index

    def feed(self, event: Event) -> list[Event]:
        if isinstance(event, Text):
            return [ToolCallDelta(self._index, arguments=event.text, choice=event.choice)]
        if isinstance(event, Finish) and event.reason == "stop":
            return [Finish("tool_calls", event.choice)]
        return [event]
