"""What a request may not ask for."""

import json

import pytest

from backend_adapter.petals.gateway.faults import BadRequestError
from backend_adapter.petals.gateway.request import ChatBody, CompletionBody, read

CHAT = {"messages": [{"role": "user", "content": "Hi"}]}
COMPLETION = {"prompt": "Hi"}
KINDS = [(CHAT, ChatBody), (COMPLETION, CompletionBody)]


@pytest.mark.parametrize(("asked", "kind"), KINDS)
@pytest.mark.parametrize("least", [1, 7, -1, "7"])
def test_a_least_length_is_refused_by_its_name(
    asked: dict[str, object], kind: type[ChatBody | CompletionBody], least: object
) -> None:
    with pytest.raises(BadRequestError) as caught:
        read(json.dumps({**asked, "min_tokens": least}).encode(), kind)
    assert caught.value.param == "min_tokens"
    assert caught.value.status == 400


@pytest.mark.parametrize(("asked", "kind"), KINDS)
@pytest.mark.parametrize("least", [0, None])
def test_no_least_length_is_none(
    asked: dict[str, object], kind: type[ChatBody | CompletionBody], least: object
) -> None:
    assert read(json.dumps({**asked, "min_tokens": least}).encode(), kind)
