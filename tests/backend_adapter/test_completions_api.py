from scripted import Client, ScriptedUpstream, StartAdapter, Turn, usage


async def two_texts(turn: Turn) -> None:
    def piece(index: int, text: str, finish: str | None = None) -> dict:
        return {"choices": [{"index": index, "text": text, "finish_reason": finish}], "event": {}}

    await turn.send(piece(0, "<think>"), piece(1, "b"), piece(0, "a", "stop"))
    await turn.send(piece(1, "", "length"), usage(2, 3), "[DONE]")


BODY = {"model": "scripted", "prompt": ["Once", "Twice"], "max_tokens": 5}


async def test_prompts_are_continued_whole(
    upstream: ScriptedUpstream, start_adapter: StartAdapter, client: Client
):
    upstream.script = two_texts
    body = (await client.post(start_adapter(upstream), "/v1/completions", BODY)).json
    assert body["id"].startswith("cmpl-")
    assert body["object"] == "text_completion"
    assert body["choices"] == [
        {"index": 0, "text": "<think>a", "finish_reason": "stop", "logprobs": None},
        {"index": 1, "text": "b", "finish_reason": "length", "logprobs": None},
    ]
    assert body["usage"]["total_tokens"] == 5
    [turn] = upstream.turns
    assert turn.request.path == "/v1/completions"
    assert turn.body["prompt"] == ["Once", "Twice"]


async def test_prompts_are_continued_in_a_stream(
    upstream: ScriptedUpstream, start_adapter: StartAdapter, client: Client
):
    upstream.script = two_texts
    reply = await client.post(
        start_adapter(upstream),
        "/v1/completions",
        {**BODY, "stream": True, "stream_options": {"include_usage": True}},
    )
    *chunks, counts, done = reply.frames
    assert done == "[DONE]"
    assert counts["usage"]["total_tokens"] == 5
    texts = {0: "", 1: ""}
    for each in chunks:
        assert each["object"] == "text_completion"
        [choice] = each["choices"]
        texts[choice["index"]] += choice["text"]
    assert texts == {0: "<think>a", 1: "b"}
    assert "event" not in reply.text


async def test_a_wrong_request_is_refused(
    upstream: ScriptedUpstream, start_adapter: StartAdapter, client: Client
):
    reply = await client.post(start_adapter(upstream), "/v1/completions", {"model": "scripted"})
    assert (reply.status, reply.error["param"]) == (400, "prompt")
    assert not upstream.turns
