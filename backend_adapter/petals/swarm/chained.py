"""Steps that go from node to node: a token crosses each link once, and only the last node answers."""

import uuid
from collections import deque
from collections.abc import Sequence

import torch

from backend_adapter.petals.swarm.known import Known
from backend_adapter.petals.swarm.pace import IN_FLIGHT, chunks, patience_s
from backend_adapter.petals.swarm.stage import Reply, Stage

Unsettled = list[tuple[str, list[Stage]]]


async def advance(
    stages: Sequence[Stage],
    given: Known,
    start: int,
    end: int,
    last_only: bool,
    unsettled: Unsettled,
    timeout_s: float,
) -> torch.Tensor:
    """Outputs of the tokens [start, end); stages that hold less than `start` tokens catch up first.

    A step that may be on its way is in `unsettled`, with the stages that it was not given by the client.
    Raises StageFault.
    """
    behind = [index for index, stage in enumerate(stages) if stage.held < start]
    if behind:
        # Those before a stage that lost its caches compute its input once more; those after it do not notice.
        some = stages[: behind[-1] + 1]
        begin = min(stage.held for stage in some)
        await _through(some, given, begin, start, True, unsettled, timeout_s)
    return await _through(stages, given, start, end, last_only, unsettled, timeout_s)


async def _through(
    stages: Sequence[Stage],
    given: Known,
    start: int,
    end: int,
    last_only: bool,
    unsettled: Unsettled,
    timeout_s: float,
) -> torch.Tensor:
    waiting: deque[tuple[Reply, int, int]] = deque()
    outputs: list[torch.Tensor] = []

    async def receive() -> None:
        reply, begin, stop = waiting.popleft()
        patience = patience_s(timeout_s, stop - begin, [stage.span for stage in stages])
        outputs.append(await stages[-1].answer(reply, patience, stages[:-1]))
        for stage in stages:
            stage.held = stop
        unsettled.pop(0)

    for begin, stop in chunks(start, end, len(stages)):
        if len(waiting) == IN_FLIGHT:
            await receive()
        waiting.append(
            (_send(stages, given.take(begin, stop), begin, last_only, unsettled), begin, stop)
        )
    while waiting:
        await receive()
    return outputs[-1] if last_only else torch.cat(outputs)


def _send(
    stages: Sequence[Stage], states: torch.Tensor, start: int, last_only: bool, unsettled: Unsettled
) -> Reply:
    want = "last" if last_only else "all"
    if len(stages) == 1:
        unsettled.append(("", []))
        return stages[0].send(states, want, {"start_from_position": start})  # type: ignore[arg-type]
    step_id = str(uuid.uuid4())
    for stage in stages:
        stage.held = min(stage.held, start)
    reply = stages[-1].expect(states.shape[0], want)  # type: ignore[arg-type]
    unsettled.append((step_id, list(stages[1:])))
    stages[0].post(
        states,
        {
            "step_id": step_id,
            "start_from_position": start,
            "want": want,
            "reply": "last",
            "next_servers": [
                (each.span.peer, each.session_id, each.span.start, each.span.end)
                for each in stages[1:]
            ],
        },
    )
    return reply
