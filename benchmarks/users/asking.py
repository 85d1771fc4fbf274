"""Asks as many users at once, in the swarm's environment; started by `python -m benchmarks.users`.

The first line of standard input names the swarm (JSON, see `_Asked`). On standard output comes a line `joined` once
the client is in the swarm. Every further line of standard input is a number of users, and is answered by a line of
JSON: the `seconds` from the first question to the last answer's end, and the `ids` of each answer.
"""

import asyncio
import json
import os
import sys
import time
import traceback
from dataclasses import dataclass
from pathlib import Path

import torch


@dataclass(frozen=True)
class _Asked:
    model: str
    model_id: str
    peers: list[str]
    prompts: list[str]
    prompt_tokens: int
    tokens: int


def main() -> None:
    """Ask what standard input says."""
    asked = _Asked(**json.loads(sys.stdin.readline()))
    torch.set_num_threads(1)
    code = 0
    try:
        asyncio.run(_ours(asked))
    except Exception:  # noqa: BLE001 - whatever it was, it is told, and the process has to end
        traceback.print_exc()
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    # Threads of hivemind would hold up the end; its processes end with this one.
    os._exit(code)


def _say(line: str) -> None:
    print(line, flush=True)


def _prompts(asked: _Asked) -> list[list[int]]:
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(Path(asked.model) / "tokenizer.json"))
    return [
        tokenizer.encode(each, add_special_tokens=False).ids[: asked.prompt_tokens]
        for each in asked.prompts
    ]


async def _ours(asked: _Asked) -> None:
    from backend_adapter.petals.decode import Decoder, Sampling
    from backend_adapter.petals.model.ends import Ends
    from backend_adapter.petals.settings import GatewaySettings
    from backend_adapter.petals.swarm.swarm import Swarm

    directory = Path(asked.model)
    settings = GatewaySettings(
        model=directory,
        model_id=asked.model_id,
        initial_peers=tuple(asked.peers),
        open=True,
    )
    ends, prompts = Ends(directory), _prompts(asked)
    async with Swarm(settings) as swarm:
        await swarm.ready(30)

        async def answer(prompt: list[int], tokens: int) -> list[int]:
            session = swarm.session(ends.embed, len(prompt) + tokens)
            decoder = Decoder(session, ends, Sampling(temperature=0), draft_tokens=0)
            try:
                return [
                    each.id async for some in decoder.tokens(list(prompt), tokens) for each in some
                ]
            finally:
                await session.close()

        await answer(prompts[0], 4)
        _say("joined")
        while line := await asyncio.to_thread(sys.stdin.readline):
            began = time.perf_counter()
            ids = await asyncio.gather(
                *(answer(prompt, asked.tokens) for prompt in prompts[: int(line)])
            )
            _say(json.dumps({"seconds": time.perf_counter() - began, "ids": ids}))


if __name__ == "__main__":
    main()
