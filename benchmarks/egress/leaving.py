"""What an upstream gets: through LiteLLM's proxy with its Presidio guardrail, and through the adapter.

Both stand before a recorder of raw bytes and are asked the same. A document of the corpus stands in one place of a
request at a time: a message of the user, a tool's result, a tool's definition, the arguments of a call. A value
counts as leaked when it is in what the upstream got, or a part of it that tells it (`scoring.stands_in`).
"""

import http.client
import json
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from benchmarks.egress.adapters import KEY, adapter
from benchmarks.egress.corpus import Document, generate
from benchmarks.egress.peers.litellm import litellm
from benchmarks.egress.recorder import MODEL, Recorder, recording
from benchmarks.egress.scoring import stands_in
from benchmarks.site import Endpoint

PLACES = ("message", "tool_result", "tool_definition", "call_arguments")


def measure(seed: int, each: int, *, ours: bool = True) -> dict[str, Any]:
    """By proxy and place the share of values that the upstream got, of `each` documents of every template."""
    documents = [document for document in generate(seed, each) if document.gold]
    found: dict[str, Any] = {"documents": len(documents)}
    with tempfile.TemporaryDirectory(prefix="hoheit-egress-") as folder:
        at = Path(folder)
        with recording() as recorder, litellm(at / "litellm", endpoint(recorder), MODEL) as port:
            found["litellm"] = {place: leaked(documents, place, port, recorder) for place in PLACES}
        if ours:
            with (
                recording() as recorder,
                adapter(at / "hoheit", endpoint(recorder), MODEL, "public") as port,
            ):
                found["hoheit"] = {
                    place: leaked(documents, place, port, recorder) for place in PLACES
                }
    return found


def leaked(
    documents: Sequence[Document], place: str, port: int, recorder: Recorder
) -> dict[str, float | int]:
    """Requests that are refused leak nothing; how many those were is told."""
    there, values, refused = 0, 0, 0
    for number, document in enumerate(documents):
        recorder.bodies.clear()
        refused += post(port, request(document.text, place), f"{place}-{number}") != 200
        texts = "\n".join(text for each in recorder.bodies for text in _strings(json.loads(each)))
        values += len(document.gold)
        there += sum(stands_in(document, gold, texts) for gold in document.gold)
    return {"share": round(there / values, 4), "values": values, "refused": refused}


def request(text: str, place: str) -> dict[str, Any]:
    """Nothing but the document says anything of anybody."""
    user = {"role": "user", "content": "Was nun?"}
    call = {"id": "call_1", "type": "function", "function": {"name": "akte", "arguments": "{}"}}
    tool = {
        "type": "function",
        "function": {
            "name": "akte",
            "description": "Liest.",
            "parameters": {"type": "object", "properties": {}},
        },
    }
    if place == "message":
        return {"model": MODEL, "messages": [{"role": "user", "content": text}]}
    if place == "tool_definition":
        tool["function"] = {**tool["function"], "description": text}  # type: ignore[dict-item]
        return {"model": MODEL, "messages": [user], "tools": [tool]}
    result = text if place == "tool_result" else "nichts"
    if place == "call_arguments":
        call["function"] = {
            "name": "akte",
            "arguments": json.dumps({"text": text}, ensure_ascii=False),
        }
    return {
        "model": MODEL,
        "tools": [tool],
        "messages": [
            user,
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "call_1", "content": result},
        ],
    }


def _strings(value: object) -> Iterator[str]:
    """Every text in it, and what is in those that are JSON."""
    if isinstance(value, str):
        yield value
        if value[:1] in ("{", "["):
            with suppress(ValueError):
                yield from _strings(json.loads(value))
    elif isinstance(value, dict):
        for inner in value.values():
            yield from _strings(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _strings(inner)


def post(port: int, body: dict[str, Any], chat: str) -> int:
    """Asks a proxy in a chat; its status. Raises OSError."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    headers = {
        "Authorization": f"Bearer {KEY}",
        "Content-Type": "application/json",
        "X-OpenWebUI-Chat-Id": chat,
    }
    try:
        connection.request("POST", "/v1/chat/completions", json.dumps(body), headers)
        answer = connection.getresponse()
        answer.read()
        return answer.status
    finally:
        connection.close()


def endpoint(recorder: Recorder) -> Endpoint:
    """The recorder as an upstream."""
    return Endpoint(f"http://127.0.0.1:{recorder.port}/v1", "none")
