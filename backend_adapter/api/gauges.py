"""What is so at this moment, read from the pool and the queues when somebody asks, never kept in step."""

import asyncio
from collections.abc import Sequence
from typing import get_args

from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric

from backend_adapter.api.services import Services
from backend_adapter.routing.admission import Admission
from backend_adapter.routing.circuit import State
from backend_adapter.routing.replica import Replica

_STATES: tuple[State, ...] = get_args(State)
_PRIORITIES = ("chat", "background")


def gauges(given: Services) -> list[Metric]:
    """Queues, upstreams and circuits now; called in the event loop, where they change."""
    return [
        *_of_models(given),
        *_of_upstreams(given),
        *_of_swarms(given),
        *_of_engines(given),
        *_of_replicas(given),
    ]


def _of_models(given: Services) -> list[Metric]:
    ready = _gauge("hoheit_model_ready", "Whether an upstream can answer for the model.", "model")
    running = _gauge("hoheit_running_requests", "Requests that hold a place.", "model")
    queued = _gauge(
        "hoheit_queued_requests", "Requests that wait for a place.", "model", "priority"
    )
    for model in given.pool.models():
        admission: Admission | None = given.admissions.get(model)
        ready.add_metric((model,), given.pool.ready(model))
        running.add_metric((model,), admission.running if admission else 0)
        for priority in _PRIORITIES:
            waiting = admission.queued[priority] if admission else 0
            queued.add_metric((model, priority), waiting)
    return [ready, running, queued]


def _of_upstreams(given: Services) -> list[Metric]:
    up = _gauge("hoheit_upstream_up", "Whether the upstream told its models.", "upstream")
    draining = _gauge(
        "hoheit_upstream_draining", "Whether the upstream gets no new work.", "upstream"
    )
    info = _gauge(
        "hoheit_upstream_info",
        "Always 1; tells where the upstream stands and what runs there.",
        "upstream",
        "site",
        "engine",
    )
    for name, member in given.pool.members.items():
        settings = member.upstream.settings
        up.add_metric((name,), member.fault is None)
        draining.add_metric((name,), member.draining)
        info.add_metric((name, settings.site, settings.engine), 1)
    return [up, draining, info]


def _of_swarms(given: Services) -> list[Metric]:
    nodes = _gauge("hoheit_swarm_nodes", "Nodes of the swarm that serve layers.", "upstream")
    missing = _gauge(
        "hoheit_swarm_layers_missing", "Layers of the model that no node serves.", "upstream"
    )
    for name, member in given.pool.members.items():
        if member.swarm is not None:
            nodes.add_metric((name,), member.swarm.nodes)
            missing.add_metric((name,), member.swarm.layers_missing)
    return [nodes, missing]


def _of_engines(given: Services) -> list[Metric]:
    labels = ("model", "upstream")
    running = _gauge(
        "hoheit_upstream_running_requests",
        "Requests in the engine's batch, whoever sent them, as it says itself.",
        *labels,
    )
    waiting = _gauge(
        "hoheit_upstream_waiting_requests",
        "Requests that wait for room in the engine, whoever sent them, as it says itself.",
        *labels,
    )
    share = _gauge(
        "hoheit_upstream_kv_cache_usage_ratio",
        "Share of the engine's KV cache in use, from 0 to 1, as it says itself.",
        *labels,
    )
    now = asyncio.get_running_loop().time()
    for replica in _replicas(given):
        load = replica.load(now)
        if load is None:
            continue
        where = (replica.model, replica.name)
        running.add_metric(where, load.running)
        waiting.add_metric(where, load.waiting)
        if load.kv_cache_share is not None:
            share.add_metric(where, load.kv_cache_share)
    return [running, waiting, share]


def _of_replicas(given: Services) -> list[Metric]:
    labels = ("model", "upstream")
    state = _gauge(
        "hoheit_circuit_state",
        "1 for the state the circuit of a replica is in, 0 for the others.",
        *labels,
        "state",
    )
    running = _gauge(
        "hoheit_replica_running_requests", "Requests that the replica is answering.", *labels
    )
    outstanding = _gauge(
        "hoheit_replica_outstanding_tokens",
        "About how many tokens the replica has yet to read and generate.",
        *labels,
    )
    ttft = _gauge(
        "hoheit_replica_ttft_seconds",
        "Moving average of the replica's time to first token; absent where nothing recent is known.",
        *labels,
    )
    failures = CounterMetricFamily(
        "hoheit_replica_failures", "Failures by the replica's own fault.", labels=labels
    )
    opened = CounterMetricFamily(
        "hoheit_circuit_opened", "How often the replica's circuit opened.", labels=labels
    )
    now = asyncio.get_running_loop().time()
    for replica in _replicas(given):
        where = (replica.model, replica.name)
        for each in _STATES:
            state.add_metric((*where, each), each == replica.circuit.state)
        running.add_metric(where, replica.running)
        outstanding.add_metric(where, replica.outstanding_tokens)
        if (seconds := replica.ttft_s(now)) is not None:
            ttft.add_metric(where, seconds)
        failures.add_metric(where, replica.failures)
        opened.add_metric(where, replica.circuit.opened)
    return [state, running, outstanding, ttft, failures, opened]


def _replicas(given: Services) -> Sequence[Replica]:
    return [
        replica for member in given.pool.members.values() for replica in member.replicas.values()
    ]


def _gauge(name: str, what: str, *labels: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, what, labels=labels)
