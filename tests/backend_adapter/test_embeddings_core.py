import base64
import json
import math
import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types import CreateEmbeddingResponse

from backend_adapter.chat.embeddings import EmbeddingsRequest, parse_embeddings, rebuild
from backend_adapter.errors import RequestError, UpstreamError

FLOAT32 = st.floats(width=32, allow_nan=False, allow_infinity=False)


def asked(**fields: Any) -> EmbeddingsRequest:
    return parse_embeddings(json.dumps({"model": "m", "input": "Hi", **fields}).encode())


def answered(*vectors: Any, **more: Any) -> bytes:
    data = [
        {"object": "embedding", "index": index, "embedding": vector}
        for index, vector in enumerate(vectors)
    ]
    counts = {"prompt_tokens": 3, "total_tokens": 3}
    return json.dumps({"object": "list", "data": data, "usage": counts, **more}).encode()


@pytest.mark.parametrize(
    ("wanted", "inputs"),
    [
        ("Hi", 1),
        (["Hi"], 1),
        (["Hi", "Ho"], 2),
        ([1, 2, 3], 1),
        ([[1, 2], [3]], 2),
        (["x"] * 2048, 2048),
        ([0] * 5000, 1),
    ],
)
def test_an_input_is_text_or_tokens_one_or_several(wanted: Any, inputs: int):
    request = asked(input=wanted)
    assert request.inputs == inputs
    assert request.body() == {"model": "m", "input": wanted, "encoding_format": "float"}


def test_only_named_fields_are_forwarded_and_numbers_are_always_asked_for():
    request = asked(encoding_format="base64", dimensions=4, user="u", truncate=True, event={})
    assert request.body() == {
        "model": "m",
        "input": "Hi",
        "encoding_format": "float",
        "dimensions": 4,
        "user": "u",
    }


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"model": ""}, "model"),
        ({"model": None}, "model"),
        ({"input": None}, "input"),
        ({"input": ""}, "input"),
        ({"input": []}, "input"),
        ({"input": ["a", ""]}, "input[1]"),
        ({"input": ["a", 1]}, "input"),
        ({"input": ["a", [1]]}, "input"),
        ({"input": [1, [1]]}, "input"),
        ({"input": [[]]}, "input[0]"),
        ({"input": [-1]}, "input[0]"),
        ({"input": [2**31]}, "input[0]"),
        ({"input": [True]}, "input[0]"),
        ({"input": [1.5]}, "input[0]"),
        ({"input": [["a"]]}, "input[0][0]"),
        ({"input": {"text": "a"}}, "input"),
        ({"input": ["x"] * 2049}, "input"),
        ({"encoding_format": "int8"}, "encoding_format"),
        ({"dimensions": 0}, "dimensions"),
        ({"dimensions": "4"}, "dimensions"),
    ],
)
def test_a_wrong_field_is_named(fields: dict[str, Any], param: str):
    with pytest.raises(RequestError) as caught:
        asked(**fields)
    assert caught.value.param == param
    assert caught.value.remedy


@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b"null", b'{"model":"\xff","input":"x"}'])
def test_what_is_no_request_is_refused(raw: bytes):
    with pytest.raises(RequestError) as caught:
        parse_embeddings(raw)
    assert caught.value.status == 400


def test_an_answer_is_rebuilt_from_known_fields_under_the_clients_name_for_the_model():
    raw = answered([0.5, -1], model="/srv/model.gguf", event={"type": "execute"}, id="x")
    body = rebuild(raw, asked(), "up0")
    assert body == {
        "object": "list",
        "data": [{"object": "embedding", "index": 0, "embedding": [0.5, -1.0]}],
        "model": "m",
        "usage": {"prompt_tokens": 3, "total_tokens": 3},
    }
    read = CreateEmbeddingResponse.model_validate_json(json.dumps(body), strict=True)
    assert read.to_dict() == body


def test_vectors_come_in_the_order_of_their_inputs():
    data = [{"index": 1, "embedding": [1.0]}, {"index": 0, "embedding": [0.0]}]
    body = rebuild(json.dumps({"data": data}).encode(), asked(input=["a", "b"]), "up0")
    assert [(each["index"], each["embedding"]) for each in body["data"]] == [(0, [0]), (1, [1])]


def test_token_counts_that_nobody_gave_are_not_made_up():
    assert "usage" not in rebuild(answered([1.0], usage=None), asked(), "up0")
    only_prompt = answered([1.0], usage={"prompt_tokens": 3})
    assert rebuild(only_prompt, asked(), "up0")["usage"] == {"prompt_tokens": 3, "total_tokens": 3}


@given(st.lists(st.lists(FLOAT32, min_size=3, max_size=3), min_size=1, max_size=4))
def test_base64_holds_the_numbers_as_little_endian_float32(vectors: list[list[float]]):
    request = asked(input=["x"] * len(vectors), encoding_format="base64")
    body = rebuild(answered(*vectors), request, "up0")
    for each, vector in zip(body["data"], vectors, strict=True):
        assert list(struct.unpack("<3f", base64.b64decode(each["embedding"]))) == vector


@pytest.mark.parametrize("encoding", ["float", "base64"])
@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"<html>",
        b"[]",
        b"{}",
        b'{"data": null}',
        b'{"error": {"message": "no"}}',
        answered(),
        answered([]),
        answered([1.0], [1.0]),
        answered([1.0, None]),
        answered(["1.0"]),
        answered([[1.0]]),
        answered("AACAPw=="),
        answered([1e39]),
        answered([-1e39]),
        answered([math.nan]),
        answered([math.inf]),
        answered([1.0]).replace(b"1.0", b"1e999"),
        answered([1.0]).replace(b'"index": 0', b'"index": 1'),
        answered([1.0]).replace(b'"index": 0, ', b""),
        answered([1.0], usage={"prompt_tokens": -1}),
        b'{"data": ' + b"[" * 100_000,
    ],
)
def test_an_answer_that_does_not_fit_is_unreadable(raw: bytes, encoding: str):
    with pytest.raises(UpstreamError) as caught:
        rebuild(raw, asked(encoding_format=encoding), "up0")
    assert (caught.value.code, caught.value.status) == ("upstream_unreadable", 502)
    assert "Upstream up0" in caught.value.message
    assert caught.value.remedy


@pytest.mark.parametrize(
    "raw",
    [
        answered([1.0, 2.0], [1.0]),
        answered([1.0], [1.0]).replace(b'"index": 1', b'"index": 0'),
        answered([1.0], [1.0], [1.0]),
        answered([1.0]),
    ],
)
def test_vectors_must_match_their_inputs(raw: bytes):
    with pytest.raises(UpstreamError) as caught:
        rebuild(raw, asked(input=["a", "b"]), "up0")
    assert caught.value.code == "upstream_unreadable"


def test_a_model_that_ignores_dimensions_is_not_taken_for_one_that_heeds_them():
    request = asked(dimensions=2)
    assert rebuild(answered([1.0, 2.0]), request, "up0")["data"][0]["embedding"] == [1.0, 2.0]
    with pytest.raises(RequestError) as caught:
        rebuild(answered([1.0, 2.0, 3.0]), request, "up0")
    assert caught.value.param == "dimensions"
    assert "of 3 dimensions, not of 2" in caught.value.message
