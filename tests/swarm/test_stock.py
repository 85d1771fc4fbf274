"""The released Petals and our own parts in one swarm."""

import asyncio
import json
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from gateway_model import make as make_speaking
from local import quiet_transformers
from session_nodes import VOCABULARY, WIDTH, Local, Nodes, embed, make_model, prompt
from stock import OPEN, begin_stock, stock_answers

from backend_adapter.petals.swarm.session import Session
from backend_adapter.petals.swarm.swarm import Swarm

# For a stock node, the first steps take longer than for ours.
CLIENT = {**OPEN, "step_timeout_s": 15}
TOKENS = 24
# Not the embeddings: what a random model makes of a token is mostly that token.
HEAD = torch.randn(VOCABULARY, WIDTH, generator=torch.Generator().manual_seed(11))


def transformers_answers(model: Path, prompts: list[list[int]], tokens: int) -> list[list[int]]:
    """What transformers says on one machine, greedily; each prompt goes on where the answer before has ended."""
    whole = quiet_transformers().LlamaForCausalLM.from_pretrained(model, torch_dtype=torch.float32)
    sequence: list[int] = []
    said = []
    for each in prompts:
        sequence += each
        answer: list[int] = []
        while len(answer) < tokens:
            with torch.inference_mode():
                logits = whole(torch.tensor([sequence])).logits
            answer.append(int(logits[0, -1].argmax()))
            sequence.append(answer[-1])
        said.append(answer)
    return said


def test_a_stock_client_over_three_of_our_nodes_says_what_transformers_says(tmp_path: Path) -> None:
    model = make_speaking(tmp_path / "model")
    vocabulary = json.loads((model / "config.json").read_text())["vocab_size"]
    random = torch.Generator().manual_seed(3)
    prompts = [torch.randint(vocabulary, (size,), generator=random).tolist() for size in (40, 9)]
    with Nodes(model, tmp_path) as nodes:
        nodes.start("0:2", **OPEN)
        nodes.ready(*(nodes.begin(each, **OPEN) for each in ("2:4", "4:6")))
        peers = [each.address for each in nodes.all]
        said = stock_answers(model, peers, prompts, TOKENS, tmp_path / "client.log")
    wanted = transformers_answers(model, prompts, TOKENS)
    # A model that repeats itself would hide what a cache in disorder changes.
    assert all(len(set(each)) > TOKENS // 4 for each in wanted)
    assert said == wanted


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nodes]:
    """Our nodes around where a stock one belongs."""
    folder = tmp_path_factory.mktemp("mixed")
    with Nodes(make_model(folder / "model"), folder) as nodes:
        nodes.start("0:2", **OPEN)
        nodes.start("4:6", **OPEN)
        yield nodes


def likeliest(states: torch.Tensor) -> int:
    return int((states[-1] @ HEAD.T).argmax())


async def say(session: Session, sequence: list[int], tokens: int) -> None:
    """Append so many likeliest tokens."""
    for _ in range(tokens):
        states = await session.forward(
            sequence[session.position :], session.position, last_only=True
        )
        sequence.append(likeliest(states))


@pytest.mark.parametrize("second", ["ours", "stock"])
async def test_a_stock_node_that_dies_in_the_middle_of_a_path_is_replaced(
    mixed: Nodes, second: str
) -> None:
    local, undisturbed = Local(mixed.model), prompt(60)
    for _ in range(TOKENS):
        undisturbed.append(likeliest(local.outputs(undisturbed)))
    assert len(set(undisturbed[60:])) > TOKENS // 4
    first = begin_stock(mixed, "2:4")
    await asyncio.to_thread(mixed.ready, first)
    started = [first]
    try:
        async with Swarm(mixed.settings(**CLIENT)) as swarm:
            await swarm.ready(30)
            session = swarm.session(embed, 128)
            sequence = prompt(60)
            await say(session, sequence, 8)
            assert [span.peer for span in session.path][1] == first.peer
            # It joins late, so that it is not taken before.
            spare = mixed.begin("2:4", **OPEN) if second == "ours" else begin_stock(mixed, "2:4")
            started.append(spare)
            await asyncio.to_thread(mixed.ready, spare)
            async with asyncio.timeout(30):
                while spare.peer not in {each.peer for each in swarm.state().spans}:
                    await asyncio.sleep(0.1)
            step = asyncio.create_task(say(session, sequence, 1))
            await asyncio.sleep(0)
            first.group(signal.SIGKILL)
            await step
            await say(session, sequence, TOKENS - 9)
            assert [span.peer for span in session.path][1] == spare.peer
            assert session.reroutes
            await session.close()
        assert sequence == undisturbed
    finally:
        for node in started:
            node.end()
            mixed.all.remove(node)
