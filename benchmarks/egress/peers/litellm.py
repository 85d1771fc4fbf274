"""What an upstream gets: through LiteLLM's proxy with its Presidio guardrail, and through the adapter.

Both stand before a recorder of raw bytes and are asked the same. A document of the corpus stands in one place of a
request at a time: a message of the user, a tool's result, a tool's definition, the arguments of a call. A value
counts as leaked when it is in what the upstream got, or a part of it that tells it (`scoring.stands_in`).

LiteLLM is the real proxy, its guardrail as its documentation has it (`mode: pre_call`, on for every request,
restoring answers), before the real Presidio (`presidio_server`). It is told English, as it takes one language for
all.
"""

import http.client
import json
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Any

from benchmarks.egress.adapters import KEY, adapter, started
from benchmarks.egress.corpus import Document, generate
from benchmarks.egress.peers.running import CHECKOUT, python, variables
from benchmarks.egress.recorder import MODEL, Recorder, recording
from benchmarks.egress.scoring import stands_in
from benchmarks.gateway.proxies import free_port
from benchmarks.site import Endpoint

PLACES = ("message", "tool_result", "tool_definition", "call_arguments")


def measure(seed: int, each: int) -> dict[str, Any]:
    """By proxy and place the share of values that the upstream got; every template once for ten of `each`."""
    documents = [each for each in generate(seed, max(1, each // 10)) if each.gold]
    found: dict[str, Any] = {"documents": len(documents)}
    with tempfile.TemporaryDirectory(prefix="hoheit-egress-") as folder:
        for name, start in (("litellm", _litellm), ("hoheit", _adapter)):
            at = Path(folder) / name
            at.mkdir()
            with recording() as recorder, start(at, recorder.port) as port:
                found[name] = {
                    "leaked": {place: _leaked(documents, place, port, recorder) for place in PLACES}
                }
    return found


def _leaked(
    documents: list[Document], place: str, port: int, recorder: Recorder
) -> dict[str, float | int]:
    """Requests that are refused leak nothing; how many those were is told."""
    leaked, values, refused = 0, 0, 0
    for number, document in enumerate(documents):
        recorder.bodies.clear()
        status = _post(port, _request(document.text, place), f"{place}-{number}")
        refused += status != 200
        texts = [text for each in recorder.bodies for text in _strings(json.loads(each))]
        values += len(document.gold)
        leaked += sum(stands_in(document, gold, "\n".join(texts)) for gold in document.gold)
    return {"share": round(leaked / values, 4), "values": values, "refused": refused}


def _request(text: str, place: str) -> dict[str, Any]:
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
        call["function"] = {"name": "akte", "arguments": json.dumps({"text": text})}
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
            try:
                yield from _strings(json.loads(value))
            except ValueError:
                return
    elif isinstance(value, dict):
        for inner in value.values():
            yield from _strings(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _strings(inner)


def _post(port: int, body: dict[str, Any], chat: str) -> int:
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


@contextmanager
def _litellm(folder: Path, upstream: int) -> Iterator[int]:
    presidio, port = free_port(), free_port()
    at = f"http://127.0.0.1:{presidio}"
    config = {
        "model_list": [
            {
                "model_name": MODEL,
                "litellm_params": {
                    "model": f"openai/{MODEL}",
                    "api_base": f"http://127.0.0.1:{upstream}/v1",
                    "api_key": "none",
                },
            }
        ],
        "guardrails": [
            {
                "guardrail_name": "presidio",
                "litellm_params": {
                    "guardrail": "presidio",
                    "mode": "pre_call",
                    "default_on": True,
                    "output_parse_pii": True,
                    "presidio_language": "en",
                    "presidio_analyzer_api_base": at,
                    "presidio_anonymizer_api_base": at,
                },
            }
        ],
        "litellm_settings": {"telemetry": False, "num_retries": 0},
        "general_settings": {"master_key": KEY},
    }
    (folder / "config.yaml").write_text(json.dumps(config))  # YAML contains JSON
    environment = {
        **variables(),
        "HOME": str(folder),
        "LITELLM_MODE": "PRODUCTION",
        "LITELLM_LOG": "ERROR",
        "LITELLM_TELEMETRY": "False",
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    }
    program = python("litellm").parent / "litellm"
    serving = [
        str(python("presidio")),
        "-m",
        "benchmarks.egress.peers.presidio_server",
        str(presidio),
    ]
    proxy = [str(program), "--config", str(folder / "config.yaml"), "--host", "127.0.0.1"]
    proxy += ["--port", str(port), "--num_workers", "1", "--telemetry", "False"]
    with ExitStack() as stack:
        seen = {**variables(), "PYTHONPATH": str(CHECKOUT)}
        stack.enter_context(started("presidio", serving, folder, presidio, "/health", seen))
        stack.enter_context(started("litellm", proxy, folder, port, "/v1/models", environment))
        yield port


def _adapter(folder: Path, upstream: int) -> AbstractContextManager[int]:
    """With its defaults: it knows nothing and recognises what it can."""
    return adapter(folder, Endpoint(f"http://127.0.0.1:{upstream}/v1", "none"), MODEL, "public")
