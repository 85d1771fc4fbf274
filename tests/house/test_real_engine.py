"""The adapter on the real embedded engine: chats, tool calls, aborts and faults, without a script."""

import json
import os
import signal
import urllib.error
import urllib.request
from collections.abc import Iterator

import openai
import pytest

from tests.conftest import House, running_house, wait_until

pytestmark = [pytest.mark.house, pytest.mark.xdist_group("lifecycle")]

MODEL = "smollm2-135m"
SEARCH = {
    "type": "function",
    "function": {
        "name": "files_search",
        "description": "Find passages in the site's documents.",
        "parameters": {
            "type": "object",
            "properties": {"query": {"type": "string"}},
            "required": ["query"],
        },
    },
}


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    home = tmp_path_factory.mktemp("engine") / "home"
    with running_house(home, HOHEIT_OPEN_WEBUI__ENABLED="false") as house:
        yield house


@pytest.fixture
def client(house: House) -> Iterator[openai.OpenAI]:
    base_url = house.address("adapter") + "/v1"
    with openai.OpenAI(base_url=base_url, api_key=house.secret("adapter-key")) as client:
        yield client


def busy_slots(house: House) -> int:
    """How many answers the engine is writing right now, from its own metrics."""
    request = urllib.request.Request(house.address("embedded") + "/metrics")
    request.add_header("Authorization", f"Bearer {house.secret('embedded-key')}")
    with urllib.request.urlopen(request, timeout=10) as response:
        text = response.read().decode()
    line = next(
        line for line in text.splitlines() if line.startswith("llamacpp:requests_processing")
    )
    return int(float(line.split()[-1]))


def test_the_openai_sdk_streams_a_chat(client: openai.OpenAI) -> None:
    question = [{"role": "user", "content": "Where is Paris?"}]
    chunks = list(
        client.chat.completions.create(
            model=MODEL,
            messages=question,
            stream=True,
            temperature=0,
            max_tokens=40,
            stream_options={"include_usage": True},
        )
    )
    pieces = [chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices]
    assert len(pieces) > 3
    assert "Paris" in "".join(pieces)
    assert chunks[-1].usage is not None
    assert 0 < chunks[-1].usage.completion_tokens <= 40


def test_the_openai_sdk_streams_a_tool_call_that_keeps_to_its_schema(client: openai.OpenAI) -> None:
    arguments, names, finishes = "", [], []
    for chunk in client.chat.completions.create(
        model=MODEL,
        messages=[{"role": "user", "content": "How much is the annual dog tax?"}],
        tools=[SEARCH],
        stream=True,
    ):
        for choice in chunk.choices:
            finishes.append(choice.finish_reason)
            for call in choice.delta.tool_calls or []:
                names.append(call.function.name)
                arguments += call.function.arguments or ""
    assert [name for name in names if name] == ["files_search"]
    assert "dog tax" in json.loads(arguments)["query"]
    assert finishes[-1] == "tool_calls"


def test_the_answer_after_a_tool_result_names_its_fact(client: openai.OpenAI) -> None:
    call = {"id": "call_1", "type": "function"}
    function = {"name": "files_search", "arguments": '{"query": "dog tax"}'}
    answer = client.chat.completions.create(
        model=MODEL,
        messages=[
            {"role": "user", "content": "How much is the annual dog tax for the first dog?"},
            {"role": "assistant", "content": "", "tool_calls": [{**call, "function": function}]},
            {
                "role": "tool",
                "tool_call_id": "call_1",
                "content": "[1] public/dogs.md (public)\nThe annual dog tax is 96 euros for the first dog.",
            },
        ],
        tools=[SEARCH],
    )
    assert "96 euros" in (answer.choices[0].message.content or "")
    assert answer.usage is not None
    assert answer.usage.completion_tokens > 0


def test_completions_continue_a_text(client: openai.OpenAI) -> None:
    answer = client.completions.create(
        model=MODEL, prompt="The capital of France is", temperature=0, max_tokens=5
    )
    assert "Paris" in answer.choices[0].text


def test_answers_that_follow_one_another_at_once_all_come(client: openai.OpenAI) -> None:
    # llama.cpp closes its connection after every stream, unannounced.
    strict = client.with_options(max_retries=0)
    for number in range(15):
        question = [{"role": "user", "content": f"{number}. Say hello."}]
        answer = strict.chat.completions.create(model=MODEL, messages=question, max_tokens=3)
        assert answer.choices[0].message.content


def test_a_client_that_leaves_frees_the_engine(house: House, client: openai.OpenAI) -> None:
    stream = client.chat.completions.create(
        model=MODEL,
        messages=[{"role": "user", "content": "Count to one thousand, one number per line."}],
        stream=True,
        max_tokens=4000,
        extra_body={"ignore_eos": True},
    )
    next(iter(stream))
    assert busy_slots(house) == 1
    stream.close()
    wait_until(lambda: busy_slots(house) == 0, "the engine stops writing", 10)


def test_a_wrong_key_and_an_unknown_model_are_openai_errors(
    house: House, client: openai.OpenAI
) -> None:
    base_url = house.address("adapter") + "/v1"
    stranger = openai.OpenAI(base_url=base_url, api_key="wrong")
    with stranger, pytest.raises(openai.AuthenticationError):
        stranger.models.list()
    with pytest.raises(openai.NotFoundError) as error:
        client.chat.completions.create(model="gpt-99", messages=[{"role": "user", "content": "hi"}])
    assert error.value.code == "model_not_found"
    assert [model.id for model in client.models.list()] == [MODEL]


def test_ready_tells_when_the_engine_is_gone(house: House) -> None:
    def ready() -> int:
        try:
            with urllib.request.urlopen(
                house.address("adapter") + "/ready", timeout=10
            ) as response:
                return int(response.status)
        except urllib.error.HTTPError as error:
            error.close()
            return int(error.code)

    assert ready() == 200
    os.kill(house.parts()["embedded"]["pid"], signal.SIGKILL)
    wait_until(lambda: ready() == 503, "the adapter notices", 30)
