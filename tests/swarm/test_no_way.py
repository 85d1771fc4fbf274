"""Two nodes that are both there and cannot reach each other."""

from pathlib import Path

from session_nodes import Local, Nodes, embed, equal, free_port, make_model, prompt

from backend_adapter.petals.swarm.swarm import Swarm

# Nobody listens there: whoever announces it is reached by those whom it has called, and by those who know better.
NOWHERE = "/ip4/127.0.0.1/tcp/9"


async def test_their_steps_go_through_the_client(tmp_path: Path) -> None:
    model = make_model(tmp_path / "model")
    local, ids = Local(model), prompt(60)
    wanted = local.outputs(ids)
    with Nodes(model, tmp_path) as nodes:
        founder = nodes.start("0:2").address
        known = [founder]
        for layers in ("2:4", "4:6"):
            port = free_port()
            node = nodes.start(layers, port=port, announce=[NOWHERE], initial_peers=[founder])
            known.append(f"/ip4/127.0.0.1/tcp/{port}/p2p/{node.peer}")
        async with Swarm(nodes.settings(initial_peers=tuple(known))) as swarm:
            await swarm.ready(20)
            session = swarm.session(embed, 64)
            equal(await session.forward(ids[:40], 0), wanted[:40])
            for place in range(40, 60):
                equal(
                    await session.forward(ids[place : place + 1], place), wanted[place : place + 1]
                )
            # The attempt that has shown it, and no further one.
            assert session.reroutes == 1
            assert not swarm.banned()
            await session.close()
