"""One model over several hosts, by vLLM's own means: which command each of them runs.

Sources: vLLM's documentation, "Parallelism and Scaling" (tensor parallel within a host, pipeline parallel between
hosts, `--nnodes` without Ray) and "Data Parallel Deployment" and "Expert Parallel Deployment".
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from backend_adapter.vllm.command import Command, Model, listening, on_processors, quiet
from backend_adapter.vllm.errors import LayoutError
from backend_adapter.vllm.hosts import Host

# How several hosts share the work: each has some of the layers; each some of the experts and of the chats; or each
# has the whole model, and the adapter chooses among them.
Layout: TypeAlias = Literal["pipeline", "experts", "replicas"]

# vLLM's default; the hosts find each other there.
_MASTER_PORT = 29501
_RPC_PORT = 29550
# After so long a step, a host is taken to be gone and the server ends, in seconds. vLLM's own five minutes leave
# every chat hanging for as long, while /health says 200.
_STEP_S = 60
# On processors, the parts of a pipeline agree on the form of what they hand on only after a warm-up, which vLLM
# leaves out with --enforce-eager: the first request then ends the server. This form compiles nothing either.
_EAGER_PIPELINE = ("--compilation-config", '{"mode": 2, "backend": "eager"}')


@dataclass(frozen=True)
class Started:
    """What one host runs; `answers` where clients find an API there."""

    host: Host
    command: Command
    answers: bool


@dataclass(frozen=True)
class Cluster:
    """A model over hosts: `layout`, where its API listens, memory for keys and values, further arguments."""

    model: Model
    hosts: Sequence[Host]
    layout: Layout
    port: int
    kv_cache_gib: int = 1
    arguments: tuple[str, ...] = ()


def commands(cluster: Cluster, *, online: bool) -> list[Started]:
    """What every host runs, the first one first.

    `online` lets them fetch the model. Raises LayoutError where these hosts cannot share it so.
    """
    hosts, layout = cluster.hosts, cluster.layout
    if len(hosts) == 1 and layout == "pipeline":
        layout = "replicas"
    if layout == "pipeline":
        _require_equal(hosts)
    made = {"pipeline": _pipeline, "experts": _experts, "replicas": _replica}[layout]
    started = []
    for rank, host in enumerate(hosts):
        share, answers = made(cluster, rank)
        arguments = (*cluster.model.arguments(), *share)
        if answers:
            # Its own address: reachable for the adapter, and on no other network of the host.
            arguments += listening(host.address, cluster.port)
        else:
            arguments += ("--headless",)
        variables = {**quiet(online=online), **_variables(cluster, host)}
        started.append(Started(host, Command((*arguments, *cluster.arguments), variables), answers))
    return started


def expected_fingerprint(cluster: Cluster) -> str:
    """How vLLM names this layout in `system_fingerprint`: such as `tp4-pp2`; empty for one process alone."""
    hosts = cluster.hosts
    each = max(1, hosts[0].gpus)
    if cluster.layout == "experts":
        ranks = sum(max(1, host.gpus) for host in hosts)
        return f"dp{ranks}-ep" if ranks > 1 else "ep"
    parts = [f"tp{each}"] if each > 1 else []
    if cluster.layout == "pipeline" and len(hosts) > 1:
        parts.append(f"pp{len(hosts)}")
    return "-".join(parts)


def _pipeline(cluster: Cluster, rank: int) -> tuple[tuple[str, ...], bool]:
    hosts = cluster.hosts
    host = hosts[rank]
    share = (
        *("--tensor-parallel-size", str(max(1, host.gpus))),
        *("--pipeline-parallel-size", str(len(hosts))),
        *("--distributed-executor-backend", "mp"),
        *("--nnodes", str(len(hosts))),
        *("--node-rank", str(rank)),
        *("--master-addr", hosts[0].address),
        *("--master-port", str(_MASTER_PORT)),
        *(() if host.gpus else _EAGER_PIPELINE),
    )
    return share, rank == 0


def _experts(cluster: Cluster, rank: int) -> tuple[tuple[str, ...], bool]:
    hosts = cluster.hosts
    ranks = [max(1, host.gpus) for host in hosts]
    share: tuple[str, ...] = (
        "--enable-expert-parallel",
        *("--data-parallel-size", str(sum(ranks))),
        *("--data-parallel-size-local", str(ranks[rank])),
        *("--data-parallel-address", hosts[0].address),
        *("--data-parallel-rpc-port", str(_RPC_PORT)),
    )
    if rank:
        share += ("--data-parallel-start-rank", str(sum(ranks[:rank])))
    if not hosts[rank].gpus:
        share += ("--enforce-eager",)
    return share, rank == 0


def _replica(cluster: Cluster, rank: int) -> tuple[tuple[str, ...], bool]:
    gpus = cluster.hosts[rank].gpus
    share = ("--tensor-parallel-size", str(gpus)) if gpus else ("--enforce-eager",)
    return share, True


def _variables(cluster: Cluster, host: Host) -> dict[str, str]:
    variables = {"VLLM_HOST_IP": host.address, "VLLM_EXECUTE_MODEL_TIMEOUT_SECONDS": str(_STEP_S)}
    if host.interface is not None:
        variables |= {
            "GLOO_SOCKET_IFNAME": host.interface,
            "NCCL_SOCKET_IFNAME": host.interface,
        }
    if not host.gpus:
        variables |= on_processors(host.cores, cluster.kv_cache_gib)
    return variables


def _require_equal(hosts: Sequence[Host]) -> None:
    if len({host.gpus for host in hosts}) > 1:
        shown = ", ".join(f"{host.name} {host.gpus}" for host in hosts)
        raise LayoutError(
            f"A pipeline needs as many GPUs on every host, and these have: {shown}.",
            "Name as many for each, or choose --layout replicas or experts.",
        )
