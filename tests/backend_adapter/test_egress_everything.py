"""Whatever a request says and wherever: no labelled value is in the bytes that leave, and everything comes back.

Hypothesis makes values, texts and shapes of requests; a real adapter sends them to a socket that keeps every byte
and says what it was told again, a few characters at a time.
"""

import asyncio
import http.client
import json
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from recorder import CHAT, KEY, LABELS_KEY, Recorder
from scripted import DEADLINE_S, RunningAdapter
from scripted import KEY as API_KEY

from backend_adapter.egress.known.skeleton import compact, words
from backend_adapter.settings import AdapterSettings

# Names that no text below holds by chance; the second is a part of none.
FIRST = st.sampled_from(["Anna", "Jörg", "Zoë", "Hans-Peter", "Łukasz", "Ayşe"])
LAST = st.text("abcdefghklmnorstuäöüß", min_size=5, max_size=9).map(lambda tail: f"Qx{tail}")
NAMES = st.builds(lambda first, last: f"{first} {last}", FIRST, LAST)
NUMBERS = st.integers(10**9, 10**10 - 1).map(lambda number: f"QZ{number}")
SURROUNDINGS = st.lists(
    st.sampled_from(
        [
            "",
            "Was hat ",
            " vor? ",
            "\n- ",
            "| 1 | ",
            " |",
            "„",
            "“",
            "(",
            ")",
            "\n\n",
            "```\n",
            " und ",
            "…",
            "🙂 ",
        ]
    ),
    min_size=2,
    max_size=5,
)


class House:
    """The adapter, and in front of it the recorder, each in a thread of its own."""

    def __init__(self, folder: Path) -> None:
        self.recorder = Recorder()
        self._ready, self._over = threading.Event(), asyncio.Event()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._run(),))
        self._thread.start()
        assert self._ready.wait(DEADLINE_S)
        # Nothing is recognised here, so that what is found is what was labelled.
        egress = {"key": KEY, "detectors": {"enabled": False}, "policy": folder / "policy.yaml"}
        egress["policy"].write_text(  # type: ignore[attr-defined]
            "rules: [{then: pseudonymise}]\nsite_tools: ['*']\n", encoding="utf-8"
        )
        self.adapter = RunningAdapter(
            AdapterSettings(
                api_key=API_KEY,
                labels_key=LABELS_KEY,
                database_url=f"sqlite:///{folder / 'adapter.db'}",
                upstreams=(self.recorder.upstream(),),
                # A program, to whom an answer goes as the model wrote it.
                clients=[{"name": "program", "api_key": "key-of-a-program"}],
                egress=egress,
            )
        )
        self.adapter.start()

    async def _run(self) -> None:
        async with self.recorder.listening():
            self._ready.set()
            await self._over.wait()

    def post(self, path: str, body: Any, key: str, **headers: str) -> tuple[int, Any]:
        address = urlsplit(self.adapter.url)
        connection = http.client.HTTPConnection(address.netloc, timeout=DEADLINE_S)
        sent = {"Authorization": f"Bearer {key}", **headers}
        connection.request("POST", path, json.dumps(body), sent)
        answer = connection.getresponse()
        raw = answer.read()
        connection.close()
        return answer.status, json.loads(raw)

    def stop(self) -> None:
        self.adapter.stop()
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join(DEADLINE_S)
        self._loop.close()


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    made = House(tmp_path_factory.mktemp("everything"))
    yield made
    made.stop()


def in_shape(shape: str, text: str) -> dict[str, Any]:
    """A request that says `text` in the place that `shape` names, and as its last message."""
    said = {"role": "user", "content": text}
    call = {"id": "c1", "type": "function", "function": {"name": "look_up", "arguments": "{}"}}
    if shape == "parts":
        return {"messages": [{"role": "user", "content": [{"type": "text", "text": text}]}]}
    if shape == "system":
        return {"messages": [{"role": "system", "content": text}, said]}
    if shape == "history":
        return {"messages": [said, {"role": "assistant", "content": text}, said]}
    if shape == "arguments":
        call["id"] = text
        call["function"]["arguments"] = json.dumps({"q": [text, {"deep": text}]})  # type: ignore[index]
        asked = {"role": "assistant", "content": None, "tool_calls": [call]}
        # An error of a tool, which nobody registers.
        failed = {"role": "tool", "tool_call_id": text, "content": json.dumps({"error": "away"})}
        return {"messages": [said, asked, failed, said]}
    if shape == "definition":
        parameters = {
            "type": "object",
            "properties": {"q": {"description": text, "enum": [text]}},
            "examples": [{"id": text, "type": text}],
        }
        tool = {"name": "look_up", "description": text, "parameters": parameters}
        return {"messages": [said, said], "tools": [{"type": "function", "function": tool}]}
    if shape == "json":
        return {
            "messages": [{"role": "user", "content": json.dumps({"rows": [{"a": text}]})}, said]
        }
    return {"messages": [said]}


@settings(
    max_examples=120,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    st.lists(st.one_of(NAMES, NUMBERS), min_size=1, max_size=4, unique=True),
    SURROUNDINGS,
    st.sampled_from(["plain", "parts", "system", "history", "arguments", "definition", "json"]),
    st.integers(1, 9),
)
def test_no_labelled_value_leaves_and_everything_comes_back(
    house: House, values: list[str], around: list[str], shape: str, cut: int
) -> None:
    chat = uuid.uuid4().hex
    labels = [{"kind": "code" if each[2:].isdigit() else "person", "text": each} for each in values]
    given = {"chat": chat, "source": "databases/x", "class": "internal", "values": labels}
    assert house.post("/v1/site/labels", given, LABELS_KEY)[0] == 201
    text = "".join(
        f"{before}{each} " for before, each in zip([*around, "", ""], values, strict=False)
    )
    house.recorder.got, house.recorder.cut = b"", cut
    status, answer = house.post(
        CHAT,
        {"model": "m", **in_shape(shape, text)},
        "key-of-a-program",
        **{"X-Hoheit-Chat-Id": chat},
    )
    assert status == 200, answer
    assert answer["choices"][0]["message"]["content"] == text
    wire = house.recorder.got.decode()
    for each in values:
        assert each not in wire and json.dumps(each)[1:-1] not in wire
        assert compact(words(each)) not in compact(words(wire))
