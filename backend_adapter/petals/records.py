"""What nodes announce of themselves in the swarm's distributed hash table, in Petals' form.

Under the name of each layer stand all nodes that serve it, each with its state, its throughput and further fields;
peers read over fields that they do not know.
"""

import math
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from hivemind.dht import DHT
from hivemind.utils import get_dht_time

from backend_adapter.petals.spans import Span, State

_STATES: dict[int, State] = {0: "offline", 1: "joining", 2: "online"}
_NUMBERS = {state: number for number, state in _STATES.items()}
# Where Petals' health monitors look for the models of a swarm.
_MODELS = "_petals.models"


def as_record(span: Span, fields: Mapping[str, Any]) -> tuple[int, float, dict[str, Any]]:
    """What is stored of a node; `fields` are those that only Petals' own peers look at."""
    return (
        _NUMBERS[span.state],
        span.throughput,
        {
            "start_block": span.start,
            "end_block": span.end,
            "public_name": span.name or None,
            "version": span.version,
            "inference_rps": span.inference_rps,
            "forward_rps": span.inference_rps,
            "cache_tokens_left": span.cache_tokens_left,
            "next_pings": dict(span.next_pings),
            "features": sorted(span.features),
            "proof": span.proof,
            **fields,
        },
    )


def as_span(peer: str, record: object, layer: int) -> Span | None:
    """The span that a record found under `layer` tells of; None where it cannot be read."""
    if not isinstance(record, list | tuple) or len(record) < 2 or record[0] not in _STATES:
        return None
    extra = record[2] if len(record) > 2 and isinstance(record[2], dict) else {}
    start, end = extra.get("start_block"), extra.get("end_block")
    if not isinstance(start, int) or not isinstance(end, int) or not start <= layer < end:
        start, end = layer, layer + 1
    pings = extra.get("next_pings")
    features = extra.get("features")
    left = extra.get("cache_tokens_left")
    return Span(
        peer=peer,
        start=start,
        end=end,
        state=_STATES[record[0]],
        name=str(extra.get("public_name") or "")[:64],
        throughput=_number(record[1]) or 0.0,
        inference_rps=_number(extra.get("inference_rps")),
        cache_tokens_left=left if isinstance(left, int) else None,
        next_pings={
            str(other): seconds
            for other, told in (pings.items() if isinstance(pings, dict) else ())
            if (seconds := _number(told)) is not None
        },
        version=str(extra.get("version") or "")[:32],
        features=frozenset(str(each) for each in features[:16])
        if isinstance(features, list | tuple)
        else frozenset(),
        proof=str(extra.get("proof") or "")[:64],
    )


def _number(told: object) -> float | None:
    known = isinstance(told, int | float) and not isinstance(told, bool) and math.isfinite(told)
    return float(told) if known and told >= 0 else None  # type: ignore[arg-type, operator]


def announce(
    dht: DHT, prefix: str, span: Span, fields: Mapping[str, Any], lasts_s: float, layers: int
) -> None:
    """Store what is to be known of this node for so many seconds. Blocks; gives up after as long."""
    record = as_record(span, fields)
    dht.run_coroutine(
        partial(
            _announce,
            names=[f"{prefix}.{layer}" for layer in range(span.start, span.end)],
            record=record,
            expires=get_dht_time() + lasts_s,
            model=prefix,
            layers=layers,
        ),
        return_future=True,
    ).result(timeout=lasts_s)


async def _announce(
    dht: DHT, node: Any, names: Sequence[str], record: Any, expires: float, model: str, layers: int
) -> None:
    peer = dht.peer_id.to_base58()
    await node.store_many(
        keys=list(names),
        subkeys=[peer] * len(names),
        values=[record] * len(names),
        expiration_time=expires,
        num_workers=len(names),
    )
    await node.store(
        key=_MODELS, subkey=model, value={"num_blocks": layers}, expiration_time=expires
    )


def read_spans(dht: DHT, prefix: str, layers: int, timeout_s: float) -> list[Span]:
    """The spans of all nodes that announce some of the layers [0, layers). Blocks. Raises TimeoutError."""
    found = dht.run_coroutine(
        partial(_read, names=[f"{prefix}.{layer}" for layer in range(layers)]), return_future=True
    ).result(timeout=timeout_s)
    spans: dict[str, Span] = {}
    for layer, records in enumerate(found):
        for peer, record in records.items():
            span = as_span(peer, record, layer)
            if span is None:
                continue
            known = spans.get(peer)
            if known is None or _NUMBERS[span.state] > _NUMBERS[known.state]:
                spans[peer] = span
    return list(spans.values())


async def _read(dht: DHT, node: Any, names: Sequence[str]) -> list[dict[str, Any]]:
    found = await node.get_many(list(names), math.inf, num_workers=len(names))
    return [
        {peer: value.value for peer, value in stored.value.items()}
        if (stored := found[name]) is not None and isinstance(stored.value, dict)
        else {}
        for name in names
    ]
