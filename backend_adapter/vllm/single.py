"""The servers of one machine: one after the other on its ports, each with the whole model."""

from collections.abc import Sequence

from backend_adapter.vllm.command import Command, Model, listening, on_processors, quiet
from backend_adapter.vllm.errors import LayoutError
from backend_adapter.vllm.settings import VllmSettings


def servers(
    settings: VllmSettings, model: Model, *, gpus: int | None, cores: Sequence[int], online: bool
) -> list[Command]:
    """The command of each server of this machine, on so many GPUs; None computes on these processor cores.

    Raises LayoutError where there are too few of what it computes on. The key is not among the arguments, where
    every user of the machine could read it.
    """
    shares = _core_shares(settings, cores) if gpus is None else _gpu_shares(settings, gpus)
    given = [(port, *share) for port, share in zip(settings.ports, shares, strict=True)]
    return [
        Command(
            (
                *model.arguments(),
                *listening(settings.host, port),
                "--max-num-seqs",
                str(settings.parallel),
                *arguments,
                *settings.arguments,
            ),
            {**quiet(online=online), **variables},
        )
        for port, arguments, variables in given
    ]


_Share = tuple[tuple[str, ...], dict[str, str]]


def _gpu_shares(settings: VllmSettings, gpus: int) -> list[_Share]:
    each = settings.tensor_parallel or gpus // settings.replicas
    if each == 0 or each * settings.replicas > gpus:
        raise LayoutError(
            f"{settings.replicas} servers of {max(each, 1)} GPUs each need more than the {gpus} of this machine.",
            "Set vllm.replicas or vllm.tensor_parallel lower.",
        )
    shares = list[_Share]()
    for number in range(settings.replicas):
        own = ",".join(map(str, range(number * each, (number + 1) * each)))
        # One server alone uses those that this user's environment leaves it.
        variables = {"CUDA_VISIBLE_DEVICES": own} if settings.replicas > 1 else {}
        shares.append((("--tensor-parallel-size", str(each)), variables))
    return shares


def _core_shares(settings: VllmSettings, cores: Sequence[int]) -> list[_Share]:
    if settings.tensor_parallel not in (None, 1):
        raise LayoutError(
            f"vllm.tensor_parallel is {settings.tensor_parallel}, and this machine computes on processors.",
            "Leave it out, or set vllm.device to gpu.",
        )
    # Compiling takes a minute at every start and speeds a small model up by a third.
    quick = ("--enforce-eager",)
    if settings.replicas == 1:
        return [(quick, on_processors(None, settings.kv_cache_gib))]
    each = len(cores) // settings.replicas
    if each == 0:
        raise LayoutError(
            f"{settings.replicas} servers need at least as many cores; this machine has {len(cores)}.",
            "Set vllm.replicas lower.",
        )
    return [
        (
            quick,
            on_processors(
                ",".join(map(str, cores[number * each : (number + 1) * each])),
                settings.kv_cache_gib,
            ),
        )
        for number in range(settings.replicas)
    ]
