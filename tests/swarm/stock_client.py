"""The released Petals' client as a program: it answers what standard input asks (JSON, see `stock`)."""

import json
import sys
from typing import Any

import torch

from benchmarks.wan.program import carried_out, say
from benchmarks.wan.stock import stock_client


def answers(asked: dict[str, Any]) -> list[list[int]]:
    """Greedy answers, in one session: each prompt goes on where the answer before has ended."""
    model = stock_client(asked["model"], asked["model_id"], asked["peers"])
    said = []
    room = sum(map(len, asked["prompts"])) + len(asked["prompts"]) * asked["tokens"]
    with model.inference_session(max_length=room):
        for prompt in asked["prompts"]:
            given: Any = torch.tensor([prompt])
            answer: list[int] = []
            while len(answer) < asked["tokens"]:
                outputs = model.generate(given, max_new_tokens=1, do_sample=False)
                answer.append(int(outputs[0, -1]))
                given = None
            said.append(answer)
    return said


def main() -> None:
    """Answer what standard input asks."""
    say(json.dumps(answers(json.loads(sys.stdin.readline()))))


if __name__ == "__main__":
    carried_out(main)
