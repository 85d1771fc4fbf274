"""Measures one client on a running swarm, in the swarm's environment; started by `python -m benchmarks.wan`.

The first line of standard input names what to do (JSON, see `_Asked`). On standard output comes a line `joined`
once the client is in the swarm, and for each answer a line `mark` at its first token, one at its last, and its
figures as JSON. Behind a mark the program waits for a line on standard input, outside of what is timed, so that
bytes can be counted there.
"""

import asyncio
import json
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from backend_adapter.petals.settings import Compression
from benchmarks.wan.program import carried_out, encoder, joined, say
from benchmarks.wan.stock import stock_client
from benchmarks.wan.turns import Encode, Turn, room, turns


@dataclass(frozen=True)
class _Asked:
    client: str
    model: str
    model_id: str
    peers: list[str]
    conversations: list[list[str]]
    tokens: int
    compression: Compression


def main() -> None:
    """Ask what standard input says."""
    asked = _Asked(**json.loads(sys.stdin.readline()))
    if asked.client == "stock":
        _stock(asked)
    else:
        asyncio.run(_ours(asked))


def _say_turn(turn: Turn) -> None:
    say(json.dumps(asdict(turn)))


def _mark() -> float:
    """Have the bytes counted that were sent until now; the time when that is done."""
    say("mark")
    if not sys.stdin.readline():
        raise EOFError("nobody counts any more")
    return time.perf_counter()


def _stock(asked: _Asked) -> None:
    model = stock_client(asked.model, asked.model_id, asked.peers)
    joined()
    encode = encoder(asked.model)
    _warm_stock(model, encode)
    for index, conversation in enumerate(asked.conversations):
        with model.inference_session(max_length=room(conversation, asked.tokens, encode)):
            for number, prompt, answer in turns(conversation, encode):
                began = time.perf_counter()
                given = torch.tensor([prompt])
                # The first token apart, to see when it comes.
                answer.append(_last(model.generate(given, max_new_tokens=1, do_sample=False)))
                first = time.perf_counter()
                resumed = _mark()
                while len(answer) < asked.tokens and answer[-1] != model.config.eos_token_id:
                    answer.append(_last(model.generate(None, max_new_tokens=1, do_sample=False)))
                ended = time.perf_counter()
                _mark()
                _say_turn(Turn(index, number, answer, first - began, ended - resumed))


def _warm_stock(model: Any, encode: Encode) -> None:
    with model.inference_session(max_length=64):
        model.generate(torch.tensor([encode("Hello")]), max_new_tokens=2, do_sample=False)


def _last(ids: Any) -> int:
    return int(ids[0, -1].item())


class _Held:
    """A session whose position leaves out drafts that were wrong, until the next step forgets them."""

    def __init__(self, session: Any, position: int) -> None:
        self._session, self._position = session, position

    @property
    def position(self) -> int:
        return min(int(self._session.position), self._position)

    @property
    def rolls_back(self) -> bool:
        return bool(self._session.rolls_back)

    async def forward(self, ids: Any, start: int, *, last_only: bool = False) -> torch.Tensor:
        self._position = start + len(ids)
        states: torch.Tensor = await self._session.forward(ids, start, last_only=last_only)
        return states


async def _ours(asked: _Asked) -> None:
    from backend_adapter.petals.decode import Decoder, NGrams, Sampling
    from backend_adapter.petals.model.ends import Ends
    from backend_adapter.petals.model.tokenizer import Text
    from backend_adapter.petals.settings import GatewaySettings
    from backend_adapter.petals.swarm.swarm import Swarm

    directory = Path(asked.model)
    settings = GatewaySettings(
        model=directory,
        model_id=asked.model_id,
        initial_peers=tuple(asked.peers),
        open=True,
        compression=asked.compression,
    )
    ends, eos, encode = Ends(directory), Text(directory).eos, encoder(asked.model)
    async with Swarm(settings) as swarm:
        await swarm.ready(30)
        joined()
        warm = swarm.session(ends.embed, 64)
        await warm.forward(encode("Hello"), 0, last_only=True)
        await warm.close()
        for index, conversation in enumerate(asked.conversations):
            session = swarm.session(ends.embed, room(conversation, asked.tokens, encode) + 64)
            sequence: list[int] = []
            for number, prompt, answer in turns(conversation, encode):
                held = _Held(session, max(0, len(sequence) - 1))
                sequence += prompt
                decoder = Decoder(held, ends, Sampling(temperature=0), NGrams(), eos=eos)
                began = first = resumed = time.perf_counter()
                async for tokens in decoder.tokens(list(sequence), asked.tokens):
                    if not answer:
                        first = time.perf_counter()
                        resumed = _mark()
                    answer += [each.id for each in tokens]
                ended = time.perf_counter()
                _mark()
                sequence += answer
                _say_turn(
                    Turn(
                        index,
                        number,
                        answer,
                        first - began,
                        ended - resumed,
                        decoder.rounds,
                        decoder.drafted,
                        decoder.accepted,
                    )
                )
            await session.close()


if __name__ == "__main__":
    carried_out(main)
