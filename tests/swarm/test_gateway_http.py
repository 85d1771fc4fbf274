"""What a client of the OpenAI API sees of the gateway, read by the adapter's own decoder where it streams."""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from gateway_parts import END, KEY, LEARNT, MODEL, TURN, Script, gateway, served, until

from backend_adapter.chat.decode import ChunkDecoder
from backend_adapter.chat.events import Event, Failure, Finish, Text, ToolCallDelta, Usage
from backend_adapter.chat.sse import SseParser
from backend_adapter.petals.errors import MissingLayersError, NodeLostError
from backend_adapter.petals.spans import SwarmState

ASKED = {"model": MODEL, "messages": [{"role": "user", "content": "Hi"}], "temperature": 0}
TOOL = {
    "type": "function",
    "function": {"name": "weather", "parameters": {"type": "object", "properties": {}}},
}


@pytest.fixture
def script() -> Script:
    return Script()


@pytest.fixture
def client(script: Script) -> Iterator[httpx.Client]:
    with (
        served(gateway(script, parallel=4)) as address,
        httpx.Client(
            base_url=address, headers={"authorization": f"Bearer {KEY}"}, timeout=20
        ) as made,
    ):
        yield made


def read(raw: bytes, choices: int = 1) -> tuple[list[Event], ChunkDecoder]:
    decoder, parser, events = ChunkDecoder("gateway", choices), SseParser(), []
    for data in parser.feed(raw):
        decoder.feed(data, events)
    return events + decoder.close(), decoder


def texts(events: list[Event], choice: int = 0) -> str:
    return "".join(each.text for each in events if isinstance(each, Text) and each.choice == choice)


def stream(client: httpx.Client, path: str = "chat/completions", **more: Any) -> bytes:
    body = {**ASKED, "stream": True, "stream_options": {"include_usage": True}, **more}
    answer = client.post(f"/v1/{path}", json=body)
    assert answer.status_code == 200, answer.text
    return answer.content


def test_a_streamed_chat_is_read_by_the_adapters_own_decoder(client: httpx.Client) -> None:
    events, decoder = read(stream(client, return_token_ids=True))
    assert texts(events) == LEARNT
    assert Finish("stop") in events
    assert isinstance(events[-1], Usage)
    assert events[-1].completion_tokens == len(LEARNT.encode()) + 1
    assert bytes(decoder.tokens.generated[:-1]).decode() == LEARNT
    assert decoder.tokens.prompt == [TURN, *b"user: Hi", TURN]


def test_no_chunk_tells_tokens_of_half_a_character_as_shown(client: httpx.Client) -> None:
    raw, decoder, events = stream(client, return_token_ids=True), ChunkDecoder("gateway"), []
    for data in SseParser().feed(raw):
        decoder.feed(data, events)
        shown = bytes(decoder.tokens.generated[: decoder.tokens.shown])
        assert shown.rstrip(b"\0").decode() == texts(events)


@pytest.mark.parametrize("cut", [1, 7, 40, 60, 150])
def test_an_answer_goes_on_from_the_token_ids_of_its_beginning(
    client: httpx.Client, cut: int
) -> None:
    prompt = [TURN, *b"user: Hi", TURN, *LEARNT.encode()[:cut]]
    body = {"model": MODEL, "prompt": prompt, "temperature": 0, "stream": True}
    _, decoder = read(
        client.post("/v1/completions", json=body | {"return_token_ids": True}).content
    )
    assert [*LEARNT.encode()[:cut], *decoder.tokens.generated] == [*LEARNT.encode(), END]
    assert decoder.tokens.prompt == prompt


def test_the_whole_answer_and_its_counts_come_as_one_object(client: httpx.Client) -> None:
    body = client.post("/v1/chat/completions", json=ASKED).json()
    choice = body["choices"][0]
    assert (choice["message"]["content"], choice["finish_reason"]) == (LEARNT, "stop")
    counts = body["usage"]
    assert counts["total_tokens"] == counts["prompt_tokens"] + counts["completion_tokens"]
    assert counts["prompt_tokens"] == 10


def test_several_choices_come_side_by_side(client: httpx.Client, script: Script) -> None:
    events, _ = read(stream(client, n=3, seed=7), choices=3)
    assert [texts(events, choice) for choice in range(3)] == [LEARNT] * 3
    assert sorted(job.sampling["seed"] for job in script.jobs) == [7, 8, 9]
    assert events[-1] == Usage(10, 3 * (len(LEARNT.encode()) + 1), 0)


@pytest.mark.parametrize("limit", ["max_tokens", "max_completion_tokens"])
def test_a_limit_cuts_the_answer_between_tokens(client: httpx.Client, limit: str) -> None:
    body = client.post("/v1/chat/completions", json={**ASKED, limit: 9}).json()
    assert body["choices"][0]["finish_reason"] == "length"
    assert body["choices"][0]["message"]["content"].encode() == LEARNT.encode()[:9]
    assert body["usage"]["completion_tokens"] == 9


def test_a_stop_text_ends_the_answer_and_is_not_shown(client: httpx.Client) -> None:
    body = client.post("/v1/chat/completions", json={**ASKED, "stop": ["tersee:", "nie"]}).json()
    assert body["choices"][0]["message"]["content"] == "Über den Wör"
    assert body["choices"][0]["finish_reason"] == "stop"


def test_a_stop_token_ends_the_answer(client: httpx.Client) -> None:
    body = {**ASKED, "stop_token_ids": [ord(":")]}
    answer = client.post("/v1/chat/completions", json=body).json()
    assert answer["choices"][0]["message"]["content"] == "Über den Wörtersee"


def test_the_probabilities_of_tokens_are_told_as_openai_does(client: httpx.Client) -> None:
    asked = {**ASKED, "max_tokens": 3, "logprobs": True, "top_logprobs": 1}
    told = client.post("/v1/chat/completions", json=asked).json()["choices"][0]["logprobs"]
    assert [each["logprob"] for each in told["content"]] == [-0.5] * 3
    assert [len(each["top_logprobs"]) for each in told["content"]] == [1] * 3
    asked = {"model": MODEL, "prompt": "a\1Über ", "max_tokens": 3, "logprobs": 2}
    told = client.post("/v1/completions", json=asked).json()["choices"][0]["logprobs"]
    assert told["tokens"] == ["d", "e", "n"]
    assert told["text_offset"] == [0, 1, 2]
    assert told["top_logprobs"][0] == {"d": -0.5, "e": -1.5}


def test_a_call_in_the_text_leaves_as_a_call(client: httpx.Client, script: Script) -> None:
    script.text = (
        'Gern.\n<tool_call>\n{"name": "weather", "arguments": {"city": "Bonn"}}\n</tool_call>'
    )
    events, decoder = read(stream(client, tools=[TOOL], return_token_ids=True))
    calls = [each for each in events if isinstance(each, ToolCallDelta)]
    assert (calls[0].name, "".join(each.arguments for each in calls)) == (
        "weather",
        '{"city": "Bonn"}',
    )
    assert Finish("tool_calls") in events
    assert bytes(decoder.tokens.generated[:-1]).decode() == script.text
    whole = client.post("/v1/chat/completions", json={**ASKED, "tools": [TOOL]}).json()
    message = whole["choices"][0]["message"]
    assert message["tool_calls"][0]["function"]["arguments"] == '{"city": "Bonn"}'
    assert message["content"].strip() == "Gern."


@pytest.mark.parametrize(
    ("changed", "param"),
    [
        ({"temperature": "warm"}, "temperature"),
        ({"n": 5}, "n"),
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "nobody", "content": ""}]}, "messages[0].role"),
        ({"logit_bias": {"word": 1}}, "logit_bias"),
        ({"tool_choice": "required"}, "tool_choice"),
        ({"continue_final_message": True}, "continue_final_message"),
        ({"response_format": {"type": "xml"}}, "response_format.type"),
        (
            {
                "messages": [
                    {
                        "role": "user",
                        "content": [{"type": "image_url", "image_url": {"url": "data:,"}}],
                    }
                ]
            },
            "messages[0].content",
        ),
    ],
)
def test_a_wrong_field_is_named(client: httpx.Client, changed: Any, param: str) -> None:
    answer = client.post("/v1/chat/completions", json=ASKED | changed)
    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == param


@pytest.mark.parametrize(
    ("path", "body", "param"),
    [
        ("/v1/completions", {"prompt": [256]}, "prompt"),
        ("/v1/completions", {"prompt": [-1]}, "prompt[0]"),
        ("/v1/completions", {"prompt": ""}, "prompt"),
        ("/v1/completions", {"prompt": []}, "prompt"),
        ("/v1/completions", {"prompt": ["a", "b"]}, "prompt"),
        ("/v1/completions", {"prompt": [[1], [2]]}, "prompt"),
        ("/detokenize", {"tokens": [2**40]}, "tokens"),
        ("/tokenize", {}, "prompt"),
    ],
)
def test_what_is_no_prompt_is_refused(
    client: httpx.Client, path: str, body: dict[str, Any], param: str
) -> None:
    answer = client.post(path, json=body)
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, param)


@pytest.mark.parametrize("prompt", [list(b"a\1"), [list(b"a\1")], "a\1", ["a\1"]])
def test_one_prompt_may_be_written_in_four_ways(client: httpx.Client, prompt: Any) -> None:
    answer = client.post("/v1/completions", json={"prompt": prompt, "max_tokens": 4})
    assert answer.json()["choices"][0]["text"] == "Übe"


def test_unknown_fields_are_ignored(client: httpx.Client) -> None:
    answer = client.post("/v1/chat/completions", json={**ASKED, "chat_id": {"any": "thing"}})
    assert answer.status_code == 200


def test_a_prompt_beyond_the_context_is_refused(client: httpx.Client) -> None:
    asked = {**ASKED, "messages": [{"role": "user", "content": "x" * 3000}]}
    error = client.post("/v1/chat/completions", json=asked).json()["error"]
    assert error["code"] == "context_length_exceeded"


@pytest.mark.parametrize(
    ("method", "path"), [("POST", "/v1/chat/completions"), ("GET", "/v1/models"), ("GET", "/swarm")]
)
def test_nobody_asks_without_the_key(client: httpx.Client, method: str, path: str) -> None:
    for headers in ({"authorization": ""}, {"authorization": "Bearer other"}):
        answer = client.request(method, path, headers=headers)
        assert (answer.status_code, answer.json()["error"]["code"]) == (401, "invalid_api_key")
    assert client.get("/health", headers={"authorization": ""}).status_code == 200


def test_another_model_and_another_route_are_not_there(client: httpx.Client) -> None:
    answer = client.post("/v1/chat/completions", json={**ASKED, "model": "other"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "model_not_found")
    assert client.get("/v1/other").json()["error"]["code"] == "unknown_route"


def test_layers_that_nobody_serves_are_named(client: httpx.Client, script: Script) -> None:
    script.state = SwarmState(30)
    for answer in (client.post("/v1/chat/completions", json=ASKED), client.get("/ready")):
        assert answer.status_code == 503
        assert answer.json()["error"]["code"] == "missing_layers"
        assert "0 to 29" in answer.json()["error"]["message"]
        assert "retry-after" in answer.headers


def test_layers_lost_a_moment_ago_are_waited_for(client: httpx.Client, script: Script) -> None:
    assert client.get("/ready").status_code == 200
    script.state = SwarmState(2)
    assert client.post("/v1/chat/completions", json=ASKED).status_code == 200


def test_an_error_before_the_first_word_has_its_own_status(
    client: httpx.Client, script: Script
) -> None:
    script.failing[0] = MissingLayersError([(10, 20)])
    for streamed in (True, False):
        answer = client.post("/v1/chat/completions", json={**ASKED, "stream": streamed})
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "missing_layers")
    assert all(session.closed for session in script.sessions)


def test_an_error_after_the_first_word_ends_the_stream_without_done(
    client: httpx.Client, script: Script
) -> None:
    script.failing[4] = NodeLostError("A node is lost.")
    raw = stream(client)
    events, _ = read(raw)
    assert LEARNT.startswith(texts(events))
    assert texts(events)
    assert isinstance(events[-1], Failure)
    assert b"[DONE]" not in raw
    assert all(session.closed for session in script.sessions)


def test_a_silent_swarm_is_told_by_comments(
    client: httpx.Client, script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("backend_adapter.petals.gateway.respond.KEEP_ALIVE_S", 0.01)
    script.pause_s = 0.1
    raw = stream(client, max_tokens=3)
    assert raw.startswith(b": ")
    assert texts(read(raw)[0]).encode() == LEARNT.encode()[:3]


def test_more_answers_than_may_be_are_refused(client: httpx.Client, script: Script) -> None:
    script.pause_s = 0.2
    body = {**ASKED, "stream": True, "n": 4}
    with client.stream("POST", "/v1/chat/completions", json=body) as first:
        begun = first.iter_bytes()
        next(begun)
        answer = client.post("/v1/chat/completions", json=ASKED)
        assert answer.status_code == 429
        assert answer.headers["retry-after"]
        begun.close()
    until(lambda: all(session.closed for session in script.sessions))
    assert client.get("/swarm").json()["running"] == 0


@pytest.mark.parametrize("streamed", [True, False])
def test_a_client_that_leaves_ends_its_generation(
    client: httpx.Client, script: Script, streamed: bool
) -> None:
    script.pause_s, script.rounds = 0.05, (1,)
    with pytest.raises(httpx.ReadTimeout):
        body = {**ASKED, "stream": streamed}
        with client.stream("POST", "/v1/chat/completions", json=body, timeout=0.3) as answer:
            for _ in answer.iter_bytes():
                raise httpx.ReadTimeout("enough")
    until(lambda: script.sessions and all(session.closed for session in script.sessions))
    sent = len(script.sessions[0].sent)
    assert sent < len(LEARNT.encode())
    assert client.get("/swarm").json()["sessions"] == {"kept": 0, "in_use": 0}


def test_texts_and_tokens_are_told_as_vllm_does(client: httpx.Client) -> None:
    tokens = client.post("/tokenize", json={"model": MODEL, "prompt": "dü"}).json()
    assert tokens["tokens"] == list("dü".encode())
    body = {"model": MODEL, "tokens": [*tokens["tokens"], TURN]}
    assert client.post("/detokenize", json=body).json() == {"prompt": "dü\x01"}
    chat = client.post("/tokenize", json={"messages": ASKED["messages"]}).json()
    assert chat["tokens"] == [TURN, *b"user: Hi", TURN]


def test_the_swarm_is_told_with_its_figures(client: httpx.Client) -> None:
    client.post("/v1/chat/completions", json=ASKED)
    told = client.get("/swarm").json()
    assert told["coverage"] == [1, 1]
    assert told["missing"] == []
    assert told["banned"] == [{"peer": "liar", "reason": "it lies"}]
    assert told["spans"][0]["round_trip_s"] == 0.02
    assert told["figures"]["tokens"] == len(LEARNT.encode()) + 1
    assert told["sessions"] == {"kept": 1, "in_use": 0}
    assert json.dumps(told)
    assert client.get("/v1/models").json()["data"][0]["id"] == MODEL
