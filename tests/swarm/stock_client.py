"""The released Petals' client as a program: it answers what standard input asks (JSON, see `stock`)."""

import json
import os
import sys
import warnings
from typing import Any

import torch

from backend_adapter.petals import compat


def answers(asked: dict[str, Any]) -> list[list[int]]:
    """Greedy answers, in one session: each prompt goes on where the answer before has ended."""
    from petals import AutoDistributedModelForCausalLM

    model = AutoDistributedModelForCausalLM.from_pretrained(
        asked["model"],
        initial_peers=asked["peers"],
        dht_prefix=asked["model_id"],
        torch_dtype=torch.float32,
        # As it comes, it tries a step that fails again for ever.
        max_retries=3,
        request_timeout=30,
    )
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


if __name__ == "__main__":
    compat.end_with_parent()
    # Of libraries older than what they run on.
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    compat.mend_hivemind()
    compat.mend_petals()
    said = answers(json.loads(sys.stdin.readline()))
    print(json.dumps(said), flush=True)
    # Threads of hivemind would hold up the end; its processes end with this one.
    os._exit(0)
