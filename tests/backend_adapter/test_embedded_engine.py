"""The real engine with the default weights: its door, its tool calls, its answers, its end."""

import json
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple
from urllib.error import HTTPError

import pytest

from backend_adapter.chat import tool_calls
from backend_adapter.chat.events import Event, Finish, Text, ToolCallDelta
from backend_adapter.chat.stages import Stages
from backend_adapter.chat.tasks import plan_task
from backend_adapter.chat.tool_calls import Plan

plan = partial(tool_calls.plan, small=True)

pytestmark = pytest.mark.xdist_group("embedded")

KEY = "key-of-the-test"
RUN = """
import sys
from pathlib import Path
from backend_adapter.embedded.errors import EmbeddedError
from backend_adapter.embedded.server import serve
from backend_adapter.embedded.settings import EmbeddedSettings
port, key, model = int(sys.argv[1]), sys.argv[2], sys.argv[3]
try:
    serve(EmbeddedSettings(port=port, api_key=key, threads=1, context_tokens=2048,
                           model=Path(model) if model else None))
except EmbeddedError as error:
    sys.exit(str(error))
"""
TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "files_search",
            "description": "Find passages in the site's documents, best first.",
            "parameters": {
                "type": "object",
                "properties": {"query": {"type": "string", "description": "Question or key words"}},
                "required": ["query"],
            },
        },
    }
]
PASSAGES = """[1] public/dog-tax.md#section=Rates (public)
The annual dog tax in Lindenau is 96 euros for the first dog and 144 euros for the second dog.
The tax is due on 1 July.

[2] public/library.md#section=Opening hours (public)
The town library is open Tuesday to Friday from 10:00 to 18:00. It is closed on Sunday and Monday.

[3] public/parking.md#section=Permits (public)
A resident parking permit costs 30.70 euros per year. It is valid for one vehicle."""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Engine(NamedTuple):
    process: subprocess.Popen[str]
    address: str

    def get(self, path: str, key: str | None = KEY) -> tuple[int, str]:
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        request = urllib.request.Request(self.address + path, headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=10) as response:
                return response.status, response.read().decode()
        except HTTPError as error:
            with error:
                return error.code, error.read().decode()

    def post(self, body: dict[str, Any]) -> Any:
        return urllib.request.urlopen(
            urllib.request.Request(
                f"{self.address}/v1/chat/completions",
                data=json.dumps({"max_tokens": 120, **body}).encode(),
                headers={"Authorization": f"Bearer {KEY}"},
            ),
            timeout=60,
        )

    def answer(self, body: dict[str, Any]) -> tuple[str, str]:
        with self.post(body) as response:
            choice = json.load(response)["choices"][0]
        return choice["message"]["content"], choice["finish_reason"]


def start(model: str = "", port: int | None = None) -> Engine:
    port = port or free_port()
    process = subprocess.Popen(
        [sys.executable, "-c", RUN, str(port), KEY, model],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    return Engine(process, f"http://127.0.0.1:{port}")


def start_ready() -> Engine:
    engine = start()

    def ready() -> bool:
        assert engine.process.poll() is None
        try:
            return engine.get("/health", key=None)[0] == 200
        except OSError:
            return False

    deadline = time.monotonic() + 60
    while not ready():
        assert time.monotonic() < deadline, "the engine is not ready"
        time.sleep(0.1)
    return engine


def end(engine: Engine) -> None:
    engine.process.kill()
    engine.process.communicate(timeout=10)


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    engine = start_ready()
    yield engine
    end(engine)


def planned_events(planned: Plan, engine: Engine) -> list[Event]:
    text, reason = engine.answer(planned.body)
    assert reason in ("stop", "length")
    stages = Stages(planned.stages())
    said = [Text(text), Finish("stop" if reason == "stop" else "length")]
    return [out for event in said for out in stages.feed(event)]


def question(text: str) -> dict[str, Any]:
    return {
        "model": "smollm2-135m",
        "messages": [{"role": "user", "content": text}],
        "tools": TOOLS,
    }


def test_only_the_health_check_and_the_model_are_open(engine: Engine) -> None:
    assert engine.get("/health", key=None)[0] == 200
    assert engine.get("/v1/chat/completions", key=None)[0] == 401
    assert engine.get("/metrics", key=None)[0] == 401
    assert engine.get("/props", key="wrong")[0] == 401


def test_the_model_has_its_public_name(engine: Engine) -> None:
    models = json.loads(engine.get("/v1/models")[1])["data"]

    assert [model["id"] for model in models] == ["smollm2-135m"]


def test_there_is_no_page_and_no_view_of_other_chats_but_metrics(engine: Engine) -> None:
    assert engine.get("/")[0] == 404
    assert engine.get("/slots")[0] >= 400
    assert "llamacpp:" in engine.get("/metrics")[1]


@pytest.mark.parametrize(
    ("asked", "word"),
    [
        ("How much is the dog tax in Lindenau?", "dog tax"),
        ("Who heads the building department?", "building"),
        ("What is the fee for a resident parking permit?", "parking"),
        ("Wann hat die Stadtbibliothek am Samstag geöffnet?", "Stadtbibliothek"),
        ("Was kostet ein Anwohnerparkausweis?", "Anwohnerparkausweis"),
    ],
)
async def test_the_small_model_searches_for_what_was_asked(
    engine: Engine, asked: str, word: str
) -> None:
    call, finish = planned_events(plan(question(asked), ("files_*",), "schema"), engine)

    assert isinstance(call, ToolCallDelta)
    assert call.name == "files_search"
    assert word in json.loads(call.arguments)["query"]
    assert finish == Finish("tool_calls")


@pytest.mark.parametrize(
    ("asked", "fact"),
    [
        ("How much is the dog tax for the first dog in Lindenau?", "96"),
        ("What is the fee for a resident parking permit?", "30.70"),
    ],
)
def test_the_small_model_answers_from_what_was_found(engine: Engine, asked: str, fact: str) -> None:
    body = question(asked)
    body["messages"] += [
        {
            "role": "assistant",
            "tool_calls": [{"id": "c", "function": {"name": "files_search", "arguments": "{}"}}],
        },
        {"role": "tool", "tool_call_id": "c", "content": PASSAGES},
    ]

    text, reason = engine.answer(plan(body, ("files_*",), "schema").body)

    assert fact in text
    assert reason == "stop"


async def test_several_tools_and_nested_arguments_make_a_grammar_that_the_engine_takes(
    engine: Engine,
) -> None:
    body = question("Which tables are there?")
    body["tools"] = [
        *TOOLS,
        {
            "type": "function",
            "function": {
                "name": "report",
                "parameters": {
                    "type": "object",
                    "properties": {
                        "place": {"$ref": "#/$defs/Place"},
                        "days": {"type": "array", "items": {"type": "integer"}},
                        "kind": {"anyOf": [{"enum": ["a", "b"]}, {"type": "null"}]},
                    },
                    "required": ["place", "days", "kind"],
                    "$defs": {
                        "Place": {
                            "type": "object",
                            "properties": {"name": {"type": "string", "title": "Name"}},
                            "required": ["name"],
                        }
                    },
                },
            },
        },
    ]
    body["tool_choice"] = {"type": "function", "function": {"name": "report"}}

    call, _ = planned_events(plan(body, (), "schema"), engine)

    assert isinstance(call, ToolCallDelta)
    assert set(json.loads(call.arguments)) == {"place", "days", "kind"}
    both = plan({**body, "tool_choice": "required"}, (), "schema")
    assert isinstance((planned_events(both, engine))[0], ToolCallDelta)


def test_a_title_is_json_about_the_question(engine: Engine) -> None:
    prompt = "<chat_history>\nUSER: How much is the dog tax?\nASSISTANT: 96 euros.\n</chat_history>"
    body = {"messages": [{"role": "user", "content": prompt}]}

    title = json.loads(engine.answer(plan_task(body, "title_generation"))[0])["title"]

    assert set(title.split()) <= {"How", "much", "is", "the", "dog", "tax"}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stop_in_the_middle_of_an_answer_is_clean(number: signal.Signals) -> None:
    engine = start_ready()
    try:
        messages = [{"role": "user", "content": "Write a long story."}]
        with engine.post(
            {"messages": messages, "stream": True, "max_tokens": 2000, "ignore_eos": True}
        ) as stream:
            assert stream.readline().startswith(b"data:")

            engine.process.send_signal(number)

            assert engine.process.wait(timeout=10) == 0
    finally:
        end(engine)


def refusal(engine: Engine) -> str:
    _, said = engine.process.communicate(timeout=30)
    assert engine.process.returncode == 1
    return said


def test_a_used_port_is_said(engine: Engine) -> None:
    port = int(engine.address.rsplit(":", 1)[1])

    assert "embedded.port" in refusal(start(port=port))


def test_weights_that_are_cut_off_are_said(tmp_path: Path) -> None:
    cut = tmp_path / "cut.gguf"
    cut.write_bytes(b"GGUF" + b"\x03\x00\x00\x00" + b"\x00" * 64)

    # llama.cpp's own thread may write a line after ours.
    assert f"could not start with the weights file {cut}" in refusal(start(str(cut)))
