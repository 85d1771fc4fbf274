"""A broken tool call goes back to the model once, as a tool's error, instead of to the client."""

from typing import Any

from backend_adapter.chat.events import BrokenCall
from backend_adapter.chat.tool_messages import messages_of

# How much of the broken arguments the model sees again, in characters.
MAX_QUOTED = 4_000


def returned_to_model(body: dict[str, Any], broken: BrokenCall) -> dict[str, Any]:
    """The request that asks the model once more, now that it has made the call `broken`.

    Prompt templates parse the arguments of earlier calls and refuse broken ones, so the call appears
    with none and its text is quoted in the tool's answer.
    """
    call = {
        "id": broken.id,
        "type": "function",
        "function": {"name": broken.name, "arguments": "{}"},
    }
    wrote = broken.arguments[:MAX_QUOTED]
    answer = (
        f"Error: {broken.name} was not called. Its arguments must be one valid JSON object, "
        f"but {broken.reason}. You wrote:\n{wrote}\n"
        f"Call {broken.name} again with one valid JSON object as its arguments."
    )
    return {
        **body,
        "messages": [
            *messages_of(body),
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": broken.id, "content": answer},
        ],
    }
