"""A node that was away is found again by those who knew nobody else."""

import asyncio
from pathlib import Path

from session_nodes import Local, Nodes, embed, equal, free_port, make_model, prompt

from backend_adapter.petals.spans import SwarmState
from backend_adapter.petals.swarm.swarm import Swarm


async def until_served(swarm: Swarm, layer: int, served: bool) -> None:
    """Wait until the client sees that somebody serves the layer, or nobody."""
    async with asyncio.timeout(60):
        while bool(_online(swarm.state())[layer]) != served:
            await asyncio.sleep(0.2)


def _online(state: SwarmState) -> list[int]:
    return list(state.coverage())


async def test_the_founder_that_comes_back_is_found_by_its_nodes_and_clients(
    tmp_path: Path,
) -> None:
    model = make_model(tmp_path / "model")
    local, ids = Local(model), prompt(40)
    stays = {"port": free_port(), "identity_file": str(tmp_path / "identity")}
    with Nodes(model, tmp_path) as nodes:
        founder = nodes.start("0:3", **stays, initial_peers=[])
        nodes.start("3:6")
        # The client knows the founder only, and so does the other node.
        async with Swarm(nodes.settings(initial_peers=(founder.address,))) as swarm:
            await swarm.ready(20)
            founder.end()
            nodes.all.remove(founder)
            await until_served(swarm, 0, served=False)
            nodes.ready(founder.restart())
            await until_served(swarm, 0, served=True)
            await swarm.ready(20)
            session = swarm.session(embed, 64)
            equal(await session.forward(ids, 0), local.outputs(ids))
            await session.close()
        # Whoever asks the founder now hears of the other node, which has announced itself there anew.
        async with Swarm(nodes.settings(initial_peers=(founder.address,))) as newcomer:
            await newcomer.ready(20)
            await until_served(newcomer, 5, served=True)
