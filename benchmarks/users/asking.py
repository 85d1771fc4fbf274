"""Asks as many users at once, in the swarm's environment; started by `python -m benchmarks.users`.

The first line of standard input names the swarm (JSON, see `_Asked`). On standard output comes a line `joined` once
the client is in the swarm. Every further line of standard input is a number of users, and is answered by a line of
JSON: the `seconds` from the first question to the last answer's end, and the `ids` of each answer. An answer has
its whole length, over an end that the model sees. The end of standard input ends it.

The client `alone` joins nothing: it is the whole model in this process, computed by transformers, and tells what
the answers have to be.
"""

import asyncio
import gc
import json
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from benchmarks.users.prompts import prompts
from benchmarks.wan.program import carried_out, encoder, joined, say
from benchmarks.wan.stock import stock_client

_WARM_TOKENS = 4
_JOIN_S = 60.0


@dataclass(frozen=True)
class _Asked:
    client: str
    model: str
    model_id: str
    peers: list[str]
    text: str
    users: int
    tokens: int


def main() -> None:
    """Ask what standard input says."""
    asked = _Asked(**json.loads(sys.stdin.readline()))
    given = prompts(encoder(asked.model)(asked.text), asked.users)
    if asked.client == "ours":
        asyncio.run(_ours(asked, given))
    elif asked.client == "stock":
        _stock(asked, given)
    else:
        _alone(asked, given)


def _answer(ask: Callable[[int], list[list[int]]]) -> None:
    """Have `ask` answer numbers of users until there are no more."""
    joined()
    for line in sys.stdin:
        began = time.perf_counter()
        ids = ask(int(line))
        say(json.dumps({"seconds": time.perf_counter() - began, "ids": ids}))
        gc.collect()


async def _ours(asked: _Asked, given: list[list[int]]) -> None:
    """Every user is a session of its own, without drafts."""
    from backend_adapter.petals.decode import Decoder, Sampling
    from backend_adapter.petals.model.ends import Ends
    from backend_adapter.petals.settings import GatewaySettings
    from backend_adapter.petals.swarm.swarm import Swarm

    directory = Path(asked.model)
    settings = GatewaySettings(
        model=directory, model_id=asked.model_id, initial_peers=tuple(asked.peers), open=True
    )
    ends = Ends(directory)
    async with Swarm(settings) as swarm:
        await swarm.ready(_JOIN_S)

        async def one(prompt: list[int], tokens: int) -> list[int]:
            session = swarm.session(ends.embed, len(prompt) + tokens)
            decoder = Decoder(session, ends, Sampling(temperature=0), draft_tokens=0)
            try:
                return [
                    each.id async for some in decoder.tokens(list(prompt), tokens) for each in some
                ]
            finally:
                await session.close()

        async def all_of(users: int) -> list[list[int]]:
            return await asyncio.gather(*(one(each, asked.tokens) for each in given[:users]))

        await one(given[0], _WARM_TOKENS)
        loop = asyncio.get_running_loop()
        await asyncio.to_thread(
            _answer,
            lambda users: asyncio.run_coroutine_threadsafe(all_of(users), loop).result(),
        )


def _stock(asked: _Asked, given: list[list[int]]) -> None:
    """Every user is a thread with a session of its own."""
    model = stock_client(asked.model, asked.model_id, asked.peers)
    model.generation_config.eos_token_id = None

    def one(prompt: list[int], tokens: int) -> list[int]:
        with (
            torch.inference_mode(),
            model.inference_session(max_length=len(prompt) + tokens) as session,
        ):
            made = _generated(model, [prompt], tokens, session=session)
        return made[0]

    # A session of Petals that could not be closed closes itself when it is collected. Where that happens in the
    # thread that would have to do it, the whole client waits for ever. So nothing is collected while it answers.
    gc.disable()
    one(given[0], _WARM_TOKENS)
    with ThreadPoolExecutor(len(given)) as threads:
        _answer(
            lambda users: list(threads.map(lambda prompt: one(prompt, asked.tokens), given[:users]))
        )


def _alone(asked: _Asked, given: list[list[int]]) -> None:
    from transformers import AutoModelForCausalLM

    model: Any = AutoModelForCausalLM.from_pretrained(asked.model, torch_dtype=torch.float32)
    model.generation_config.eos_token_id = None

    def ask(users: int) -> list[list[int]]:
        with torch.inference_mode():
            return _generated(model, given[:users], asked.tokens)

    _answer(ask)


def _generated(model: Any, given: list[list[int]], tokens: int, **how: Any) -> list[list[int]]:
    """What transformers' generate() appends to prompts of one length."""
    prompt = torch.tensor(given)
    # Without a mask, it takes a padding token that a prompt holds for padding.
    mask = torch.ones_like(prompt)
    made = model.generate(
        prompt, attention_mask=mask, max_new_tokens=tokens, do_sample=False, **how
    )
    ids: list[list[int]] = made[:, prompt.shape[1] :].tolist()
    return ids


if __name__ == "__main__":
    carried_out(main)
