"""Reads what went wrong at nodes out of what was raised."""

import re

from backend_adapter.petals.swarm.stage import StageFault

# How our own nodes and Petals' say that their caches are full.
_FULL = re.compile(r"has room for|AllocationFailed|[Cc]ould not allocate|Cannot allocate KV cache")
# How our own nodes say that the next one is gone.
_NO_PUSH = re.compile(r"could not be reached")


def faults_in(error: StageFault | ExceptionGroup[Exception]) -> list[StageFault]:
    """All faults of nodes in `error`, each node's once; anything else among them is raised."""
    if isinstance(error, StageFault):
        return [error]
    found: dict[tuple[str, int], StageFault] = {}
    _, others = error.split(StageFault)
    if others is not None:
        raise others
    for each in error.exceptions:
        for fault in faults_in(each):  # type: ignore[arg-type]
            found.setdefault((fault.span.peer, fault.span.start), fault)
    return list(found.values())


def is_full(fault: StageFault) -> bool:
    """Whether the node only has no room for the conversation."""
    return fault.kind == "refused" and _FULL.search(fault.text) is not None


def could_not_push(fault: StageFault) -> bool:
    """Whether the node only tells that the one after it is gone."""
    return fault.kind == "refused" and _NO_PUSH.search(fault.text) is not None
