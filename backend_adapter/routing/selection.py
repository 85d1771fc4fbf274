"""Which replica is asked next: plain functions over the replicas' figures.

The order matters more than the winner: whoever is asked walks down it when a replica fails.
"""

import hashlib
import statistics
from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeAlias

import msgspec

from backend_adapter.routing.replica import Replica

Policy: TypeAlias = Literal["prefix", "session", "round_robin"]

# How far above its fair share a replica may be loaded before a conversation goes elsewhere: the epsilon of
# Mirrokni, Thorup, Zadimoghaddam, "Consistent Hashing with Bounded Loads" (2016).
_SLACK = 0.25
# A replica that takes this many times as long to begin as its peers' median is slow, if it takes at least
# this long: below, the difference is the prompts'.
_SLOW_FACTOR = 4.0
_SLOW_FROM_S = 1.0
# One long prompt makes nobody slow; so many answers in a row do.
_SLOW_ENOUGH = 3
# Above this share in use, an engine's KV cache has hardly room for one more long prompt, and soon none: then
# answers in progress are put off to make some.
_NEARLY_FULL = 0.9
# What an answer may take where the request sets no limit, in tokens.
_USUAL_ANSWER = 512
_LONGEST_ANSWER = 4096


def estimate_tokens(limit: int | None, prompt_tokens: int) -> int:
    """About how many tokens a request costs, prompt and answer together; `limit` is the answer's, if set."""
    return prompt_tokens + (_USUAL_ANSWER if limit is None else min(limit, _LONGEST_ANSWER))


def conversation_key(body: Mapping[str, Any]) -> bytes:
    """What stays the same in a conversation: its model and the messages up to the user's first.

    Those are the beginning of every prompt of the conversation, whose keys and values a replica caches.
    """
    first = []
    for message in body.get("messages") or ():
        first.append(message)
        if message.get("role") == "user":
            break
    return msgspec.json.encode([body.get("model"), first or body.get("prompt")])


def begins(body: Mapping[str, Any]) -> bool:
    """Whether nothing of a conversation was answered yet, so that no replica has anything of it in its cache."""
    return not any(message.get("role") == "assistant" for message in body.get("messages") or ())


def order(
    replicas: Sequence[Replica],
    *,
    policy: Policy,
    key: bytes,
    tokens: int,
    turn: int,
    now: float,
    home: str | None = None,
    new: bool = False,
) -> list[Replica]:
    """All `replicas` in the order in which they are to be asked for a request of `tokens` tokens.

    Those that can be asked come first; the others are a last resort. `turn` counts requests. `home` is the name of
    the replica that answered this conversation last, where it is known; `new` says that nobody has.
    """
    fit, unfit = _sorted_out(replicas, now)
    if policy == "round_robin" and fit:
        start = turn % len(fit)
        return [*fit[start:], *fit[:start], *unfit]
    crowded = crowded_ones(fit, now)
    by_load = sorted(fit, key=lambda each: (each in crowded, each.outstanding_tokens, each.running))
    if fit:
        at_home = [each for each in fit if each.name == home and policy == "prefix"]
        preferred = at_home[0] if at_home else max(fit, key=lambda each: _weight(key, each))
        # What is in nobody's cache yet goes where the least is done.
        slack = 0.0 if new and not at_home else _SLACK
        welcome = preferred not in crowded and _has_room(preferred, fit, tokens, slack)
        if policy == "session" or welcome:
            by_load.remove(preferred)
            by_load.insert(0, preferred)
    return [*by_load, *unfit]


def _sorted_out(replicas: Sequence[Replica], now: float) -> tuple[list[Replica], list[Replica]]:
    """Those that can be asked, and the rest: slow before busy before failed."""
    ready = [each for each in replicas if each.circuit.closed and not each.busy(now)]
    slow = slow_ones(ready, now)
    fit = [each for each in ready if each not in slow]
    busy = [each for each in replicas if each.circuit.closed and each.busy(now)]
    failed = [each for each in replicas if not each.circuit.closed]
    failed.sort(key=lambda each: (each.circuit.state == "open", each.circuit.prove_at))
    return fit, [*slow, *busy, *failed]


def slow_ones(replicas: Sequence[Replica], now: float) -> list[Replica]:
    """Those that take far longer to begin than the others."""
    slow = []
    for replica in replicas:
        own = replica.ttft_s(now)
        others = [
            seconds
            for other in replicas
            if other is not replica and (seconds := other.ttft_s(now)) is not None
        ]
        if own is None or replica.ttft_known < _SLOW_ENOUGH or not others or own < _SLOW_FROM_S:
            continue
        if own > _SLOW_FACTOR * statistics.median(others):
            slow.append(replica)
    return slow


def crowded_ones(replicas: Sequence[Replica], now: float) -> list[Replica]:
    """Those whose engine has requests waiting or hardly any memory left, where another's has neither.

    An engine tells this of everybody's requests, also of those that other adapters have sent.
    """
    loads = [(each, load) for each in replicas if (load := each.load(now)) is not None]
    crowded = [
        each for each, load in loads if load.waiting or (load.kv_cache_share or 0) > _NEARLY_FULL
    ]
    return crowded if len(crowded) < len(loads) else []


def _weight(key: bytes, replica: Replica) -> bytes:
    """Rendezvous hashing (Thaler, Ravishankar 1998): adding a replica moves only what it wins."""
    return hashlib.blake2b(key, digest_size=8, key=replica.name.encode()[:64]).digest()


def _has_room(replica: Replica, fit: Sequence[Replica], tokens: int, slack: float) -> bool:
    fair_share = (sum(each.outstanding_tokens for each in fit) + tokens) / len(fit)
    # One request always fits an idle replica, however large.
    return (
        replica.running == 0
        or replica.outstanding_tokens + tokens <= (1 + slack) * fair_share
        or replica.outstanding_tokens == min(each.outstanding_tokens for each in fit)
    )
