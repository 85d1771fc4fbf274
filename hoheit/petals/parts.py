"""The swarm that `hoheit up --engine petals` founds on one machine: three nodes, one to spare, and the gateway."""

from collections.abc import Iterator
from pathlib import Path

from hoheit.parts import Part
from hoheit.petals.settings import PetalsSettings

# The layers of each node: a third, and all of them for the one to spare, so that any other may die.
_SHARES = ("1/3", "2/3", "3/3", "1/1")
# The first node founds the swarm; the others, and the gateway, join by its address.
_FOUNDER = "node-1"
_NODE = "HOHEIT_PETALS__NODE__"
# A large model is read from a disk for minutes; one that dies is noticed at once.
_START_S = 900.0


def swarm_parts(petals: PetalsSettings) -> Iterator[Part]:
    """The nodes and the gateway as parts, in the order in which they depend on each other.

    The first node leaves its address in `petals.node.address_file`, where the others find it.
    """
    node, gateway = petals.node, petals.gateway
    health_port = node.health_port or node.port + len(_SHARES)
    addresses = node.address_file or Path("node.address")
    joining = ("--peers-file", str(addresses))
    for number, share in enumerate(_SHARES):
        name = f"node-{number + 1}"
        founds = name == _FOUNDER
        variables = {
            f"{_NODE}PORT": str(node.port + number),
            f"{_NODE}HEALTH_PORT": str(health_port + number),
            f"{_NODE}NAME": name,
            f"{_NODE}LAYERS": share,
            f"{_NODE}ADDRESS_FILE": str(
                addresses if founds else addresses.with_name(f"{name}.address")
            ),
            # Room for as many conversations as the gateway lets in.
            f"{_NODE}CACHE_TOKENS": str(
                max(node.cache_tokens, gateway.parallel * gateway.context_tokens)
            ),
            # One computer computes for all of them.
            f"{_NODE}THREADS": str(node.threads or 1),
        }
        if node.model is not None:
            variables[f"{_NODE}MODEL"] = str(node.model)
        yield Part(
            name,
            "petals.node",
            node.host,
            health_port + number,
            start_seconds=_START_S,
            arguments=("petals", "node", *(() if founds else joining)),
            variables=variables,
        )
    model = {} if gateway.model is None else {"HOHEIT_PETALS__GATEWAY__MODEL": str(gateway.model)}
    yield Part(
        "gateway",
        "petals.gateway",
        gateway.host,
        gateway.port,
        health="/ready",
        start_seconds=_START_S,
        arguments=("petals", "gateway", *joining),
        variables=model,
    )
