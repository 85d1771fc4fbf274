"""The gateway as a process in front of nodes as processes: everything real but the size of the model."""

import base64
import json
import secrets
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gateway_model
import httpx
import pytest
import torch
from gateway_parts import KEY, until
from gateway_processes import Process, together

from backend_adapter.chat.decode import ChunkDecoder
from backend_adapter.chat.events import Event, Text
from backend_adapter.chat.sse import SseParser

MODEL = "tiny"
ASKED = {
    "model": MODEL,
    "messages": [{"role": "user", "content": "Say something."}],
    "temperature": 0,
    "max_tokens": 40,
}
SCHEMA = {
    "type": "object",
    "properties": {"age": {"type": "integer", "minimum": 0, "maximum": 99}},
    "required": ["age"],
    "additionalProperties": False,
}
TOOL = {"type": "function", "function": {"name": "birthday", "parameters": SCHEMA}}
REFRESH_S = 0.5
NODE = {"port": 0, "health_port": 0, "cache_tokens": 8192}


@pytest.fixture(scope="module")
def common(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("swarm")
    key = folder / "key"
    key.write_text(base64.b64encode(secrets.token_bytes(32)).decode())
    model = gateway_model.make(folder / "model")
    return {"model": str(model), "model_id": MODEL, "key_file": str(key), "refresh_s": REFRESH_S}


@pytest.fixture(scope="module")
def nodes(common: dict[str, Any]) -> Iterator[list[Process]]:
    made = [Process("node", {**common, **NODE, "layers": "0:2"}).started()]
    try:
        made += together(
            [lambda layers=each: node(common, made[0], layers) for each in ("2:4", "4:6")]
        )
        yield made
    finally:
        for each in made:
            each.stop()


def node(common: dict[str, Any], first: Process, layers: str) -> Process:
    return Process("node", {**common, **NODE, "initial_peers": first.addresses, "layers": layers})


def gateway(common: dict[str, Any], first: Process, until: str = "ready") -> Process:
    settings = {"initial_peers": first.addresses, "port": 0, "api_key": KEY, "recover_s": 2}
    return Process("gateway", {**common, **settings}, until).started()


def connected(process: Process) -> httpx.Client:
    port = next(each for each in process.lines if each.startswith("listening")).split()[-1]
    headers = {"authorization": f"Bearer {KEY}"}
    return httpx.Client(base_url=f"http://127.0.0.1:{port}", headers=headers, timeout=30)


@pytest.fixture(scope="module")
def client(common: dict[str, Any], nodes: list[Process]) -> Iterator[httpx.Client]:
    process = gateway(common, nodes[0])
    with connected(process) as made:
        yield made
    process.stop()
    print("\n".join(process.lines))


def streamed(client: httpx.Client, path: str, body: dict[str, Any]) -> tuple[str, ChunkDecoder]:
    asked = {**body, "stream": True, "return_token_ids": True}
    answer = client.post(path, json=asked)
    assert answer.status_code == 200, answer.text
    decoder, events = ChunkDecoder("gateway"), list[Event]()
    for data in SseParser().feed(answer.content):
        decoder.feed(data, events)
    assert decoder.complete
    return "".join(each.text for each in events if isinstance(each, Text)), decoder


@pytest.mark.filterwarnings("ignore")  # of a transformers older than its torch
def test_a_greedy_answer_is_that_of_the_whole_model(
    client: httpx.Client, common: dict[str, Any]
) -> None:
    from transformers import LlamaForCausalLM

    text, decoder = streamed(client, "/v1/chat/completions", ASKED)
    whole = LlamaForCausalLM.from_pretrained(common["model"])
    prompt = decoder.tokens.prompt
    assert prompt is not None
    generated = whole.generate(torch.tensor([prompt]), do_sample=False, max_new_tokens=40)
    assert decoder.tokens.generated == generated[0, len(prompt) :].tolist()
    told = client.post("/detokenize", json={"tokens": decoder.tokens.generated}).json()
    assert told["prompt"] == text


def test_an_answer_that_is_gone_on_with_from_any_token_is_the_undisturbed_one(
    client: httpx.Client,
) -> None:
    _, decoder = streamed(client, "/v1/chat/completions", ASKED)
    prompt, generated = decoder.tokens.prompt, decoder.tokens.generated
    assert prompt is not None
    for cut in range(1, len(generated), 6):
        begun = [*prompt, *generated[:cut]]
        body = {**ASKED, "prompt": begun, "max_tokens": len(generated) - cut}
        del body["messages"]
        _, further = streamed(client, "/v1/completions", body)
        assert generated[:cut] + further.tokens.generated == generated


def test_a_last_message_is_gone_on_with(client: httpx.Client) -> None:
    text, _ = streamed(client, "/v1/chat/completions", ASKED)
    begun = {"role": "assistant", "content": text[:12]}
    goes_on = {"continue_final_message": True, "add_generation_prompt": False}
    body = {**ASKED, **goes_on, "messages": [*ASKED["messages"], begun], "max_tokens": 5}
    rest, decoder = streamed(client, "/v1/chat/completions", body)
    shown = client.post("/detokenize", json={"tokens": decoder.tokens.prompt}).json()["prompt"]
    assert shown.endswith(text[:12])
    assert rest


def test_the_next_turn_sends_only_what_is_new(client: httpx.Client) -> None:
    first = {**ASKED, "messages": [{"role": "user", "content": "Tell me of the sea. " * 5}]}
    answer = client.post("/v1/chat/completions", json=first).json()
    said = answer["choices"][0]["message"]
    messages = [*first["messages"], said, {"role": "user", "content": "More."}]
    counts = client.post("/v1/chat/completions", json={**first, "messages": messages}).json()
    details = counts["usage"]["prompt_tokens_details"]
    assert details["cached_tokens"] >= answer["usage"]["prompt_tokens"]


def test_what_was_kept_does_not_change_the_answer(client: httpx.Client) -> None:
    alone = {**ASKED, "messages": [{"role": "user", "content": "One after another. " * 3}]}
    first, again = (
        client.post("/v1/chat/completions", json=alone).json()["choices"][0]["message"]["content"]
        for _ in range(2)
    )
    assert first == again


def test_a_schema_is_kept_to(client: httpx.Client) -> None:
    form = {"type": "json_schema", "json_schema": {"name": "person", "schema": SCHEMA}}
    body = {**ASKED, "temperature": 1, "seed": 5, "response_format": form}
    for answer in client.post("/v1/chat/completions", json={**body, "n": 2}).json()["choices"]:
        assert answer["finish_reason"] == "stop"
        assert 0 <= json.loads(answer["message"]["content"])["age"] <= 99


def test_a_call_that_is_required_is_made(client: httpx.Client) -> None:
    body = {**ASKED, "tools": [TOOL], "tool_choice": "required", "parallel_tool_calls": False}
    body["max_tokens"] = 150
    choice = client.post("/v1/chat/completions", json=body).json()["choices"][0]
    assert choice["finish_reason"] == "tool_calls"
    call = choice["message"]["tool_calls"][0]["function"]
    assert call["name"] == "birthday"
    assert json.loads(call["arguments"])["age"] in range(100)


def test_seeds_repeat_and_choices_differ(client: httpx.Client) -> None:
    body = {**ASKED, "temperature": 1, "seed": 11, "n": 2}
    first, again = (
        [each["message"]["content"] for each in answer["choices"]]
        for answer in (client.post("/v1/chat/completions", json=body).json() for _ in range(2))
    )
    assert first == again
    assert first[0] != first[1]


def test_the_probabilities_of_tokens_add_up(client: httpx.Client) -> None:
    body = {**ASKED, "max_tokens": 4, "logprobs": True, "top_logprobs": 3}
    told = client.post("/v1/chat/completions", json=body).json()["choices"][0]["logprobs"]
    assert len(told["content"]) == 4
    for each in told["content"]:
        tops = [other["logprob"] for other in each["top_logprobs"]]
        assert tops == sorted(tops, reverse=True)
        assert each["logprob"] == tops[0] < 0


def test_a_stop_text_ends_the_answer(client: httpx.Client) -> None:
    text, _ = streamed(client, "/v1/chat/completions", ASKED)
    stopped, _ = streamed(client, "/v1/chat/completions", {**ASKED, "stop": [text[5:8]]})
    assert stopped == text[: text.index(text[5:8])]


def test_a_client_that_leaves_frees_the_nodes(client: httpx.Client) -> None:
    def room() -> list[int]:
        return sorted(each["cache_tokens_left"] for each in client.get("/swarm").json()["spans"])

    def settled() -> list[int]:
        """What the nodes have room for once they have announced what happened before."""
        seen = room()
        time.sleep(4 * REFRESH_S)
        return seen if seen == room() else settled()

    # Sampled, so that drafts do not end it too soon.
    body = {**ASKED, "prompt": "x" * 600, "max_tokens": 1400, "ignore_eos": True, "stream": True}
    body |= {"temperature": 1.5, "seed": 1}
    del body["messages"]
    before = settled()
    with client.stream("POST", "/v1/completions", json=body) as answer:
        next(chunks := answer.iter_lines())
        until(lambda: all(now < then for now, then in zip(room(), before, strict=True)))
        chunks.close()
    until(lambda: client.get("/swarm").json()["sessions"]["in_use"] == 0)
    until(lambda: room() == before)


def test_a_node_that_dies_is_not_seen_in_the_answer(common: dict[str, Any]) -> None:
    settings = {**common, **NODE, "model_id": "twice", "layers": "0:6"}
    processes = [Process("node", settings).started()]
    try:
        processes.append(gateway({**common, "model_id": "twice"}, processes[0]))
        body = {**ASKED, "model": "twice", "max_tokens": 400, "ignore_eos": True}
        with connected(processes[1]) as client:
            whole, _ = streamed(client, "/v1/chat/completions", body)
            joining = {**settings, "initial_peers": processes[0].addresses}
            processes.append(Process("node", joining).started())
            until(lambda: client.get("/swarm").json()["coverage"] == [2] * 6)
            # The conversation is kept where it was begun: at the node that dies now.
            text = ""
            asked = {**body, "stream": True}
            with client.stream("POST", "/v1/chat/completions", json=asked) as answer:
                for line in answer.iter_lines():
                    if line.startswith("data: {"):
                        text += json.loads(line[6:])["choices"][0]["delta"]["content"]
                    if len(text) > 50 and processes[0].alive:
                        processes[0].kill()
            assert text == whole
            assert client.get("/swarm").json()["figures"]["reroutes"] > 0
    finally:
        for each in reversed(processes):
            each.stop()


def test_layers_that_are_missing_are_named_until_a_node_has_them(
    common: dict[str, Any],
) -> None:
    other = {**common, "model_id": "other"}
    processes = [Process("node", {**other, **NODE, "layers": "0:4"}).started()]
    try:
        processes.append(gateway(other, processes[0], until="waiting"))
        with connected(processes[-1]) as client:
            until(lambda: client.get("/ready").json()["error"]["code"] == "missing_layers")
            answer = client.post("/v1/chat/completions", json={**ASKED, "model": "other"})
            assert answer.status_code == 503
            assert "4 to 5" in answer.json()["error"]["message"]
            processes.append(node(other, processes[0], "4:6").started())
            until(lambda: client.get("/ready").status_code == 200)
            until(lambda: processes[1].said("ready"))
            answer = client.post("/v1/chat/completions", json={**ASKED, "model": "other"})
            assert answer.status_code == 200, answer.text
    finally:
        for each in reversed(processes):
            each.stop()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_as_told_in_the_middle_of_an_answer(
    common: dict[str, Any], nodes: list[Process], number: int
) -> None:
    process = gateway(common, nodes[0])
    assert process.left() != []
    body = {**ASKED, "max_tokens": 1500, "ignore_eos": True, "stream": True}
    with (
        connected(process) as client,
        client.stream("POST", "/v1/chat/completions", json=body) as answer,
    ):
        next(chunks := answer.iter_lines())
        assert process.stop(number) == 0, process.lines
        with pytest.raises(httpx.HTTPError):
            list(chunks)
            raise httpx.ReadError("the answer was cut off")
    # torch ends its own helper a moment after the processes that it served.
    until(lambda: process.left() == [], 5)


def test_it_waits_for_the_first_node_and_ends_while_it_does(
    common: dict[str, Any], tmp_path: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    kept = {"identity_file": str(tmp_path / "identity"), "port": port, "layers": "0:6"}
    settings = {**common, **NODE, **kept, "model_id": "late"}
    processes = [Process("node", settings).started()]
    processes[0].stop()
    try:
        waiting = gateway({**common, "model_id": "late"}, processes[0], until="waiting")
        processes.append(waiting)
        with connected(waiting) as client:
            body = {**ASKED, "model": "late"}
            error = client.post("/v1/chat/completions", json=body)
            assert (error.status_code, error.json()["error"]["code"]) == (503, "swarm_unreachable")
            other = gateway({**common, "model_id": "late"}, processes[0], until="waiting")
            assert other.stop() == 0
            processes.append(Process("node", settings).started())
            until(lambda: client.get("/ready").status_code == 200, 30)
            assert client.post("/v1/chat/completions", json=body).status_code == 200
    finally:
        for each in processes:
            each.stop()


@pytest.mark.parametrize(
    ("settings", "said"), [({}, "API key"), ({"api_key": KEY}, "initial_peers")]
)
def test_it_does_not_start_without_what_it_needs(
    common: dict[str, Any], settings: dict[str, Any], said: str
) -> None:
    process = Process("gateway", {**common, **settings, "port": 0}, until="error").started()
    assert said in process.lines[-1]
    assert process.ended() == 1
