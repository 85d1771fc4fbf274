"""A node that died is announced for a while; it is not tried again by that alone."""

import signal
from pathlib import Path

import pytest
from session_nodes import Local, Nodes, embed, equal, make_model, prompt

from backend_adapter.petals.errors import MissingLayersError
from backend_adapter.petals.swarm.swarm import Swarm


async def test_a_node_that_is_only_announced_is_not_tried_again(tmp_path: Path) -> None:
    model = make_model(tmp_path / "model")
    ids = prompt(40)
    wanted = Local(model).outputs(ids)
    with Nodes(model, tmp_path) as nodes:
        nodes.start("0:2")
        lost = nodes.begin("2:5")
        nodes.ready(lost, nodes.begin("5:6"))
        # Longer than a first ban, and shorter than an announcement lasts.
        async with Swarm(nodes.settings(recover_s=9)) as swarm:
            await swarm.ready(20)
            session = swarm.session(embed, 64)
            equal(await session.forward(ids[:20], 0), wanted[:20])
            lost.group(signal.SIGKILL)
            with pytest.raises(MissingLayersError, match="2 to 4"):
                await session.forward(ids[20:21], 20)
            assert session.reroutes == 1
            await session.close()
