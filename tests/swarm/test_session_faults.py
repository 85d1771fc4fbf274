"""Whatever happens to a node of its path, a conversation goes on as if nothing had been."""

import asyncio
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import torch
from session_nodes import (
    LAYERS,
    Cut,
    Local,
    Node,
    Nodes,
    embed,
    equal,
    free_port,
    make_model,
    prompt,
)

from backend_adapter.petals.swarm.session import Session
from backend_adapter.petals.swarm.swarm import Swarm

TOKENS, ROOM = 420, 1600


class Site:
    """Six nodes, two for each pair of layers, those of the middle pair behind proxies, and one that only audits."""

    def __init__(self, folder: Path) -> None:
        self.model = make_model(folder / "model")
        self.local = Local(self.model)
        self.nodes = Nodes(self.model, folder)
        self.cuts: dict[str, Cut] = {}

    def start(self) -> None:
        # It has no room for a single layer of these conversations, so it has no part in the paths.
        self.nodes.start("0:6", cache_tokens=256)
        begun: list[tuple[Node, Cut | None]] = []
        for layers in ("0:2", "2:4", "4:6"):
            for _ in range(2):
                port = free_port()
                cut = Cut(port) if layers == "2:4" else None
                more = {"announce": [f"/ip4/127.0.0.1/tcp/{cut.port}"]} if cut else {}
                begun.append((self.nodes.begin(layers, port=port, **more), cut))
        self.nodes.ready(*(node for node, _ in begun))
        self.cuts = {node.peer: cut for node, cut in begun if cut}

    def heal(self, fault: str, node: Node) -> None:
        """As before the fault."""
        node.obey()
        if fault == "kill":
            cut = self.cuts.pop(node.peer)
            self.cuts[self.nodes.replace(node).peer] = cut
        elif fault == "stop":
            node.group(signal.SIGCONT)
        elif fault == "cut":
            self.cuts[node.peer].heal()

    def close(self) -> None:
        self.nodes.__exit__()
        for cut in self.cuts.values():
            cut.close()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    started = Site(tmp_path_factory.mktemp("site"))
    try:
        started.start()
        yield started
    finally:
        started.close()


class Relayed(Session):
    """As where a node of the path cannot send to others."""

    def _chains(self) -> bool:
        return False


@asynccontextmanager
async def conversation(site: Site, mode: str) -> AsyncIterator[tuple[Swarm, Session]]:
    async with Swarm(site.nodes.settings()) as swarm:
        await swarm.ready(20)
        session = swarm.session(embed, ROOM)
        if mode == "relay":
            session.__class__ = Relayed
        yield swarm, session
        await session.close()


def strike(site: Site, fault: str, node: Node) -> None:
    if fault == "kill":
        node.group(signal.SIGKILL)
    elif fault == "stop":
        node.group(signal.SIGSTOP)
    elif fault == "cut":
        site.cuts[node.peer].cut()
    else:
        node.obey("slow", fault)


async def struck(
    session: Session, ids: list[int], start: int, strike_now: Callable[[], None]
) -> torch.Tensor:
    """A step in the middle of which something happens."""
    step = asyncio.create_task(session.forward(ids, start))
    await asyncio.sleep(0.03)
    strike_now()
    return await step


@pytest.mark.parametrize("mode", ["chain", "relay"])
@pytest.mark.parametrize("phase", ["prefill", "first decode", "decode", "rollback"])
@pytest.mark.parametrize("fault", ["kill", "stop", "cut", "nan", "narrow", "fail"])
async def test_output_is_that_of_an_undisturbed_run(
    site: Site, fault: str, phase: str, mode: str
) -> None:
    said, other = prompt(TOKENS), prompt(TOKENS, seed=2)
    wanted = site.local.outputs(said)
    async with conversation(site, mode) as (_, session):
        # A token, so that there is a path whose node can be struck in the prefill.
        equal(await session.forward(said[:1], 0), wanted[:1])
        victim = site.nodes.of(session.path[1].peer)
        victim.obey("slow")

        def strike_now() -> None:
            strike(site, fault, victim)

        try:
            if phase == "prefill":
                equal(await struck(session, said[1:400], 1, strike_now), wanted[1:400])
                done = 400
            else:
                equal(await session.forward(said[1:100], 1), wanted[1:100])
                done = 100
                if phase != "first decode":
                    for place in range(100, 104):
                        equal(
                            await session.forward(said[place : place + 1], place),
                            wanted[place : place + 1],
                        )
                    done = 104
                if phase == "rollback":
                    said = said[:50] + other[50:]
                    wanted = site.local.outputs(said)
                    equal(await session.forward(said[50:54], 50), wanted[50:54])
                    done = 54
                outputs = await struck(session, said[done : done + 1], done, strike_now)
                equal(outputs, wanted[done : done + 1])
                done += 1
            for place in range(done, done + 4):
                equal(
                    await session.forward(said[place : place + 1], place),
                    wanted[place : place + 1],
                )
            last = await session.forward(said[place + 1 : place + 6], place + 1, last_only=True)
            equal(last, wanted[place + 5 : place + 6])
            assert session.reroutes
            assert victim.peer not in {span.peer for span in session.path}
            assert [span.start for span in session.path] == [0, 2, 4]
            assert session.path[-1].end == LAYERS
        finally:
            site.heal(fault, victim)


@pytest.mark.parametrize("mode", ["chain", "relay"])
async def test_a_node_that_is_slightly_wrong_is_found_by_the_audit(site: Site, mode: str) -> None:
    said = prompt(TOKENS)
    wanted = site.local.outputs(said)
    async with conversation(site, mode) as (swarm, session):
        equal(await session.forward(said[:100], 0), wanted[:100])
        victim = site.nodes.of(session.path[1].peer)
        try:
            victim.obey("wrong")
            wrong = await session.forward(said[100:110], 100)
            assert not torch.allclose(wrong, wanted[100:110], atol=1e-2)
            await swarm.audit()
            assert swarm.banned()[victim.peer].liar
            assert set(swarm.banned()) == {victim.peer}
            # What it made of earlier tokens is not believed either.
            equal(await session.forward(said[110:120], 110), wanted[110:120])
            equal(await session.forward(said[120:121], 120), wanted[120:121])
            assert victim.peer not in {span.peer for span in session.path}
        finally:
            victim.obey()
