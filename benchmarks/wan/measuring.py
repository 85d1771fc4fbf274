"""Measures one client on a running swarm, in the swarm's environment; started by `python -m benchmarks.wan`.

Standard input names what to do (JSON, see `_Asked`); each line of standard output that begins with { is the
figures of one turn.
"""

import asyncio
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from backend_adapter.petals import compat


@dataclass(frozen=True)
class _Asked:
    client: str
    model: str
    model_id: str
    peers: list[str]
    conversations: list[list[str]]
    tokens: int


@dataclass(frozen=True)
class Turn:
    """One answer. Times in seconds, `rest_s` from the first token to the last; bytes as our client counts them."""

    conversation: int
    turn: int
    ids: list[int]
    ttft_s: float
    rest_s: float
    rounds: int = 0
    drafted: int = 0
    accepted: int = 0
    message_bytes: int = 0


def main() -> None:
    """Ask what standard input says."""
    asked = _Asked(**json.load(sys.stdin))
    torch.set_num_threads(1)
    if asked.client == "stock":
        _stock(asked)
    else:
        asyncio.run(_ours(asked))
    sys.stdout.flush()
    # Threads of hivemind would hold up the end; its processes end with this one.
    os._exit(0)


def _say(turn: Turn) -> None:
    print(json.dumps(asdict(turn)), flush=True)


def _encoder(asked: _Asked) -> Callable[[str], list[int]]:
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(Path(asked.model) / "tokenizer.json"))
    return lambda text: list(tokenizer.encode(text, add_special_tokens=False).ids)


def _turns(
    asked: _Asked, conversation: list[str], encode: Callable[[str], list[int]]
) -> Iterator[tuple[int, list[int], list[int]]]:
    """Number, prompt of the turn alone, and a list that takes the answer before the next turn."""
    end = encode("<|im_end|>")[0]
    after_end, answer = encode("\n"), list[int]()
    for number, text in enumerate(conversation, 1):
        between: list[int] = []
        if number > 1:
            between = after_end if answer[-1] == end else [end, *after_end]
        answer = []
        yield number, [*between, *encode(text)], answer


def _room(asked: _Asked, conversation: list[str], encode: Callable[[str], list[int]]) -> int:
    return sum(len(encode(text)) + asked.tokens + 4 for text in conversation)


def _stock(asked: _Asked) -> None:
    compat.mend_hivemind()
    compat.mend_petals()
    from petals import AutoDistributedModelForCausalLM

    model: Any = AutoDistributedModelForCausalLM.from_pretrained(
        asked.model,
        initial_peers=asked.peers,
        dht_prefix=asked.model_id,
        torch_dtype=torch.float32,
    )
    encode = _encoder(asked)
    _warm_stock(model, encode)
    for index, conversation in enumerate(asked.conversations):
        with model.inference_session(max_length=_room(asked, conversation, encode)):
            for number, prompt, answer in _turns(asked, conversation, encode):
                began = time.perf_counter()
                given = torch.tensor([prompt])
                # The first token apart, to see when it comes.
                answer.append(_last(model.generate(given, max_new_tokens=1, do_sample=False)))
                first = time.perf_counter()
                while len(answer) < asked.tokens and answer[-1] != model.config.eos_token_id:
                    answer.append(_last(model.generate(None, max_new_tokens=1, do_sample=False)))
                ended = time.perf_counter()
                _say(Turn(index, number, answer, first - began, ended - first))


def _warm_stock(model: Any, encode: Callable[[str], list[int]]) -> None:
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
        model=directory, model_id=asked.model_id, initial_peers=tuple(asked.peers), open=True
    )
    ends, eos, encode = Ends(directory), Text(directory).eos, _encoder(asked)
    async with Swarm(settings) as swarm:
        await swarm.ready(30)
        warm = swarm.session(ends.embed, 64)
        await warm.forward(encode("Hello"), 0, last_only=True)
        await warm.close()
        for index, conversation in enumerate(asked.conversations):
            session = swarm.session(ends.embed, _room(asked, conversation, encode) + 64)
            sequence: list[int] = []
            for number, prompt, answer in _turns(asked, conversation, encode):
                held = _Held(session, max(0, len(sequence) - 1))
                sequence += prompt
                decoder = Decoder(held, ends, Sampling(temperature=0), NGrams(), eos=eos)
                carried = session.bytes_sent + session.bytes_received
                began = first = time.perf_counter()
                async for tokens in decoder.tokens(list(sequence), asked.tokens):
                    if not answer:
                        first = time.perf_counter()
                    answer += [each.id for each in tokens]
                ended = time.perf_counter()
                sequence += answer
                carried = session.bytes_sent + session.bytes_received - carried
                _say(
                    Turn(
                        index,
                        number,
                        answer,
                        first - began,
                        ended - first,
                        decoder.rounds,
                        decoder.drafted,
                        decoder.accepted,
                        carried,
                    )
                )
            await session.close()


if __name__ == "__main__":
    main()
