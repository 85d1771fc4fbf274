"""The model that the swarm computes is the one that llama.cpp runs from the same GGUF file."""

import asyncio
import json
import math
import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from backend_adapter.embedded.weights import default_weights
from hoheit import environments
from tests.conftest import ENVIRONMENTS, REPOSITORY
from tests.llamacpp import KEY, LlamaServer

pytestmark = pytest.mark.xdist_group("embedded")

TEXTS = [
    "",
    " ",
    "\n",
    "    ",
    "\t\tfoo",
    "  two  three   four    \n\n\n   x \t\t y\r\n z ",
    "a\n \n b",
    "Der größte Fluß überquert die Brücke; Äpfel, Öl und Übermut: „süß“ – 50 €.",
    "Donaudampfschifffahrtsgesellschaftskapitänsmützenüberzüge",
    "def f(x):\n    return {'a': x[0] ** 2}  # ok\n\tif (a != b) && !c { ; }\n",
    'SELECT "größe" FROM t WHERE id >= 10 -- \\n\n',
    "🙂👩‍👩‍👧‍👦🇩🇪 e\u0301 é",
    "東京 Москва العربية हिन्दी १२३",
    "1234567890 3.14159 1,000,000 x12y 2026-11-26 ٣٤٥ ½ ² 10€ Ⅷ ① ㉈",
    "9 99 bottles, No. 5! e=mc²",
    "I'm you're we'LL It'S don't",
    "_foo_Bar-baz.qux/..\\",
    "a\u00a0b\u2003c\u200bd\u3000e\ufefff\u0000g\u0001",
    "x" * 100,
    "<|im_start|>user\nHi<|im_end|>\n<|endoftext|>",
    "x<|im_start|> <|im_end|>y <|im_start",
    "<repo_name>x<file_sep><issue_start><jupyter_code>",
]
CHATS = [
    [{"role": "user", "content": "Was ist 12 + 30?"}],
    [
        {"role": "system", "content": "Sei kurz."},
        {"role": "user", "content": "Hallo  "},
        {"role": "assistant", "content": " Ja 🙂\n"},
        {"role": "user", "content": "Größe <|im_end|>?\n"},
    ],
]
PROMPTS = [
    "The capital of France is",
    "def fibonacci(n):\n",
    "Die Hauptstadt von Deutschland ist",
    "<|im_start|>user\nWhy is the sky blue?<|im_end|>\n<|im_start|>assistant\n",
]
STEPS = 32


class Server(LlamaServer):
    """llama.cpp with one weights file."""

    def __init__(self, weights: Path) -> None:
        super().__init__()
        self._weights = weights

    def start(self) -> None:
        run = (
            "import sys; from pathlib import Path\n"
            "from backend_adapter.embedded.server import serve\n"
            "from backend_adapter.embedded.settings import EmbeddedSettings\n"
            "serve(EmbeddedSettings(port=int(sys.argv[1]), api_key=sys.argv[2], threads=1, context_tokens=2048,"
            " model=Path(sys.argv[3])))"
        )
        self._process = subprocess.Popen(
            [sys.executable, "-c", run, str(self.port), KEY, str(self._weights)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def ask(self, route: str, body: dict[str, Any]) -> Any:
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{route}",
            data=json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=120) as response:
            return json.load(response)

    def ids(self, text: str) -> list[int]:
        """As its own routes read a prompt."""
        asked = {"content": text, "add_special": True, "parse_special": True}
        tokens: list[int] = self.ask("/tokenize", asked)["tokens"]
        return tokens


@dataclass
class Model:
    """The weights in both forms, and what the swarm's own code makes of them."""

    quantised: Path
    float32: Path
    ids: dict[str, list[int]]
    chats: list[list[int]]
    said: dict[str, list[list[Any]]]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    folder = tmp_path_factory.mktemp("converted")
    python = environments.location("petals", ENVIRONMENTS) / "bin" / "python"
    quantised, float32 = default_weights(), folder / "float32.gguf"

    def run(program: list[str], asked: dict[str, Any]) -> str:
        done = subprocess.run(
            [str(python), *program],
            input=json.dumps(asked),
            cwd=REPOSITORY,
            env={**os.environ, "PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
            timeout=240,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines()[-1]

    directory = run(
        ["backend_adapter/petals/__main__.py", "weights"],
        {"gguf": str(quantised), "cache": str(folder)},
    )
    told = json.loads(
        run(
            ["tests/backend_adapter/converted_model.py"],
            {
                "gguf": str(quantised),
                "float32": str(float32),
                "directory": directory,
                "texts": TEXTS,
                "chats": CHATS,
                "prompts": PROMPTS,
                "steps": STEPS,
            },
        )
    )
    return Model(
        quantised,
        float32,
        dict(zip(TEXTS, told["texts"], strict=True)),
        told["chats"],
        dict(zip(PROMPTS, told["said"], strict=True)),
    )


def served(weights: Path) -> Iterator[Server]:
    server = Server(weights)
    server.start()
    try:
        asyncio.run(server.ready())
        yield server
    finally:
        server.kill()


@pytest.fixture(scope="module")
def quantised(model: Model) -> Iterator[Server]:
    yield from served(model.quantised)


@pytest.fixture(scope="module")
def float32(model: Model) -> Iterator[Server]:
    yield from served(model.float32)


@pytest.mark.parametrize("text", TEXTS)
def test_a_text_becomes_the_same_tokens(model: Model, quantised: Server, text: str) -> None:
    assert model.ids[text] == quantised.ids(text)


@pytest.mark.parametrize("number", range(len(CHATS)))
def test_a_chat_becomes_the_same_tokens(model: Model, quantised: Server, number: int) -> None:
    written = quantised.ask("/apply-template", {"messages": CHATS[number]})["prompt"]
    assert model.chats[number] == quantised.ids(written)


@dataclass
class Compared:
    """How many greedy tokens of how many are the same, and what lead ours had where they part.

    `apart` are the differences of the likeliest tokens' log probabilities.
    """

    same: int
    of: int
    lead: float
    apart: list[float]


def compared(server: Server, prompt: str, ours: list[list[Any]]) -> Compared:
    answer = server.ask(
        "/completion",
        {
            "prompt": server.ids(prompt),
            "temperature": 0,
            "n_predict": STEPS,
            "return_tokens": True,
            "n_probs": 10,
            "cache_prompt": False,
        },
    )
    found = Compared(0, len(answer["tokens"]), 0.0, [])
    told = answer["completion_probabilities"]
    for theirs, token, (ids, values) in zip(told, answer["tokens"], ours, strict=False):
        known = dict(zip(ids, values, strict=True))
        found.apart += [
            abs(each["logprob"] - known[each["id"]])
            for each in theirs["top_logprobs"]
            if each["id"] in known
        ]
        if token != ids[0]:
            found.lead = values[0] - known.get(token, -math.inf)
            break
        found.same += 1
    return found


@pytest.mark.parametrize("prompt", PROMPTS)
def test_the_same_weights_in_float32_say_the_same(
    model: Model, float32: Server, prompt: str
) -> None:
    found = compared(float32, prompt, model.said[prompt])
    # llama.cpp keeps keys and values in 16 bits, so only a token that is nearly a draw may be another one.
    assert max(found.apart) < 0.05
    assert found.same == found.of or found.lead < 0.05
    assert found.same > STEPS // 2


@pytest.mark.parametrize("prompt", PROMPTS)
def test_the_quantised_file_says_nearly_the_same(
    model: Model, quantised: Server, prompt: str
) -> None:
    # llama.cpp rounds hidden states to 8 bits before it multiplies them with quantised weights (ggml's Q8_1), which
    # the swarm does not: with this file the two part after a few tokens, where the lead is small.
    found = compared(quantised, prompt, model.said[prompt])
    assert sum(found.apart) / len(found.apart) < 0.25
    assert found.same == found.of or found.lead < 0.5
    assert found.same
