"""Which replica is asked, and in which order the others come after it."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend_adapter.errors import UpstreamError
from backend_adapter.routing.homes import Homes
from backend_adapter.routing.replica import Replica
from backend_adapter.routing.selection import (
    Policy,
    begins,
    conversation_key,
    estimate_tokens,
    order,
    slow_ones,
)
from backend_adapter.settings import AdapterSettings, UpstreamSettings
from backend_adapter.upstreams.client import Upstream
from backend_adapter.upstreams.http import Connections
from backend_adapter.upstreams.load import Load

POLICIES = get_args(Policy)


def replica(name: str, *, outstanding: int = 0, closed: bool = True) -> Replica:
    settings = UpstreamSettings(name=name, base_url="http://127.0.0.1:9/v1")
    made = Replica(Upstream(settings, Connections(), AdapterSettings()), "m", asyncio.Event())
    if closed:
        made.circuit.proved()
    if outstanding:
        made.begin(outstanding)
    return made


def replicas(*outstanding: int) -> list[Replica]:
    return [replica(f"up{n}", outstanding=tokens) for n, tokens in enumerate(outstanding)]


def asked(
    among: Sequence[Replica],
    key: bytes = b"key",
    *,
    policy: Policy = "prefix",
    tokens: int = 100,
    turn: int = 0,
    now: float = 0.0,
    home: str | None = None,
    new: bool = False,
) -> list[Replica]:
    return order(
        among, policy=policy, key=key, tokens=tokens, turn=turn, now=now, home=home, new=new
    )


KEYS = [str(number).encode() for number in range(400)]


@pytest.mark.parametrize("policy", POLICIES)
@given(
    st.lists(st.tuples(st.integers(0, 5000), st.booleans()), min_size=1, max_size=8),
    st.binary(max_size=8),
    st.integers(0, 100),
)
def test_everyone_is_in_the_order_once_and_those_that_failed_come_last(
    policy: Policy, drawn: list[tuple[int, bool]], key: bytes, turn: int
):
    among = [
        replica(f"up{n}", outstanding=tokens, closed=closed)
        for n, (tokens, closed) in enumerate(drawn)
    ]
    found = asked(among, key, policy=policy, turn=turn)
    assert Counter(map(id, found)) == Counter(map(id, among))
    states = [each.circuit.closed for each in found]
    assert states == sorted(states, reverse=True)


def test_a_conversation_stays_where_its_beginning_is_cached():
    among = replicas(0, 0, 0, 0)
    for key in KEYS:
        assert len({asked(among, key)[0] for _ in range(3)}) == 1
        assert asked(list(reversed(among)), key)[0] is asked(among, key)[0]


def test_conversations_are_spread_over_all():
    among = replicas(0, 0, 0, 0)
    counted = Counter(asked(among, key)[0].name for key in KEYS)
    assert len(counted) == 4
    assert min(counted.values()) > len(KEYS) / 4 / 2


def test_a_replica_more_moves_only_the_conversations_that_it_wins():
    among = replicas(0, 0, 0, 0)
    before = {key: asked(among[:3], key)[0] for key in KEYS}
    after = {key: asked(among, key)[0] for key in KEYS}
    assert all(after[key] in (before[key], among[3]) for key in KEYS)
    moved = sum(after[key] is among[3] for key in KEYS)
    assert 0 < moved < len(KEYS) / 2


def preferred_of(among: Sequence[Replica], policy: Policy = "prefix") -> Replica:
    """Which one the key prefers while all are idle."""
    return asked(replicas(*(0 for _ in among)), policy=policy)[0]


def test_a_full_replica_passes_a_conversation_on_and_a_session_does_not():
    name = preferred_of(replicas(0, 0)).name
    among = [replica(n, outstanding=10_000 if n == name else 10) for n in ("up0", "up1")]
    assert asked(among)[0].name != name
    assert asked(among, policy="session")[0].name == name


@given(st.lists(st.integers(1, 3000), min_size=20, max_size=80), st.integers(2, 5))
def test_one_popular_beginning_loads_no_replica_far_above_its_share(costs: list[int], count: int):
    """The bound of consistent hashing with bounded loads, for requests that all prefer one replica."""
    among = replicas(*(0 for _ in range(count)))
    for cost in costs:
        asked(among, tokens=cost)[0].begin(cost)
    share = sum(costs) / count
    for each in among:
        assert each.outstanding_tokens <= 1.25 * share + max(costs)


def test_conversations_that_begin_are_spread_evenly():
    among = replicas(0, 0)
    for key in KEYS[:64]:
        asked(among, key, new=True)[0].begin(100)
    assert [each.running for each in among] == [32, 32]


def test_a_conversation_returns_to_the_replica_that_has_answered_it():
    away = next(
        each.name for each in replicas(0, 0) if each.name != preferred_of(replicas(0, 0)).name
    )
    among = [replica(name, outstanding=1010 if name == away else 1000) for name in ("up0", "up1")]
    assert asked(among, home=away)[0].name == away
    assert asked(among, home=away, new=True)[0].name == away
    # It is gone, or far above its share.
    assert asked(among, home="another")[0].name != away
    among = [replica(name, outstanding=9000 if name == away else 100) for name in ("up0", "up1")]
    assert asked(among, home=away)[0].name != away


def test_a_conversation_begins_until_it_was_answered():
    question = {"role": "user", "content": "Hi"}
    assert begins({"messages": [{"role": "system", "content": "Be brief."}, question]})
    assert begins({"prompt": "Hi"})
    assert not begins({"messages": [question, {"role": "assistant", "content": "Hi."}, question]})


def test_homes_are_known_by_a_digest_and_the_oldest_are_forgotten(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr("backend_adapter.routing.homes._MOST", 2)
    homes = Homes()
    for key, name in ((b"a", "up0"), (b"b", "up1"), (b"a", "up2"), (b"c", "up0")):
        homes.note(key, name)
    assert [homes.of(key) for key in (b"a", b"b", b"c")] == ["up2", None, "up0"]
    assert b"a" not in homes._names


def test_round_robin_takes_turns():
    among = replicas(0, 0, 0)
    first = [asked(among, policy="round_robin", turn=turn)[0].name for turn in range(6)]
    assert first == ["up0", "up1", "up2"] * 2


async def timed(name: str, seconds: float) -> Replica:
    """A replica that has begun often enough, so late each time, that it is known how late."""
    made = replica(name)
    for _ in range(10):
        made.first_token_after(seconds)
    return made


async def test_a_slow_replica_loses_new_work_and_gets_another_chance_later():
    slow, *quick = [await timed("up0", 8.0), await timed("up1", 0.5), await timed("up2", 0.6)]
    now = asyncio.get_running_loop().time()
    assert slow_ones([slow, *quick], now) == [slow]
    for key in KEYS[:50]:
        assert asked([slow, *quick], key, now=now)[-1] is slow
    assert slow_ones([slow, *quick], now + 31) == []


async def test_one_late_beginning_makes_no_replica_slow():
    late, quick = replica("up0"), await timed("up1", 0.1)
    late.first_token_after(60.0)
    assert slow_ones([late, quick], asyncio.get_running_loop().time()) == []


async def test_everybody_being_slow_makes_nobody_slow():
    among = [await timed(f"up{n}", seconds) for n, seconds in enumerate((8.0, 9.0, 12.0))]
    assert slow_ones(among, asyncio.get_running_loop().time()) == []


async def test_what_begins_within_a_second_is_not_slow():
    among = [await timed("up0", 0.9), await timed("up1", 0.01)]
    assert slow_ones(among, asyncio.get_running_loop().time()) == []


def overloaded(retry_after_s: int | None) -> UpstreamError:
    error = UpstreamError("Slow down.", code="upstream_overloaded", status=429)
    error.retry_after_s = retry_after_s
    return error


async def test_an_overloaded_replica_is_left_alone_as_long_as_it_says():
    among = replicas(0, 0)
    among[0].failed(overloaded(7))
    now = asyncio.get_running_loop().time()
    for policy in POLICIES:
        assert asked(among, policy=policy, now=now + 6.5)[0] is among[1]
    assert among[0].circuit.closed
    assert {asked(among, key, now=now + 7.5)[0].name for key in KEYS[:50]} == {"up0", "up1"}


def told(made: Replica, waiting: int = 0, share: float | None = 0.5) -> Replica:
    made.note_load(Load(running=3, waiting=waiting, kv_cache_share=share))
    return made


CROWDED = [(1, 0.5), (0, 0.95), (2, None)]


@pytest.mark.parametrize(("waiting", "share"), CROWDED)
async def test_a_conversation_leaves_a_crowded_engine_while_another_is_not(
    waiting: int, share: float | None
):
    now = asyncio.get_running_loop().time()
    name = preferred_of(replicas(0, 0, 0)).name
    among = replicas(0, 0, 0)
    for each in among:
        told(each, *((waiting, share) if each.name == name else (0, 0.9)))
    found = asked(among, now=now)
    assert found[-1].name == name
    # What only the engine knows is forgotten after a while.
    assert asked(among, now=now + 6)[0].name == name
    # A session stays whatever the load, and turns are turns.
    assert asked(among, policy="session", now=now)[0].name == name
    turns = [asked(among, policy="round_robin", turn=turn, now=now)[0].name for turn in range(3)]
    assert turns == ["up0", "up1", "up2"]


@pytest.mark.parametrize(("waiting", "share"), CROWDED)
async def test_where_all_engines_are_crowded_or_only_one_tells_nothing_changes(
    waiting: int, share: float | None
):
    now = asyncio.get_running_loop().time()
    silent, alone, all_of_them = replicas(0, 0, 0), replicas(0, 0, 0), replicas(0, 0, 0)
    told(alone[0], waiting, share)
    for number, each in enumerate(all_of_them):
        told(each, waiting + number, share)
    for key in KEYS[:50]:
        names = [each.name for each in asked(silent, key, now=now)]
        for among in (alone, all_of_them):
            assert [each.name for each in asked(among, key, now=now)] == names


async def test_of_those_that_are_not_crowded_the_least_loaded_takes_over():
    now = asyncio.get_running_loop().time()
    among = replicas(0, 300, 200)
    told(among[0], waiting=5)
    told(among[1])
    told(among[2])
    home = next(key for key in KEYS if asked(replicas(0, 0, 0), key)[0].name == "up0")
    assert [each.name for each in asked(among, home, now=now)] == ["up2", "up1", "up0"]


async def test_of_the_unfit_the_slow_come_before_the_busy_and_those_before_the_failed():
    fit, slow, busy = await timed("fit", 0.1), await timed("slow", 9.0), replica("busy")
    busy.failed(overloaded(60))
    failed = replica("failed", closed=False)
    now = asyncio.get_running_loop().time()
    found = asked([failed, busy, slow, fit, await timed("other", 0.1)], now=now)
    assert [each.name for each in found[2:]] == ["slow", "busy", "failed"]


def chat(*messages: tuple[str, str]) -> dict[str, Any]:
    return {"model": "m", "messages": [{"role": r, "content": c} for r, c in messages]}


def test_later_turns_of_a_conversation_have_its_key_and_others_do_not():
    first = chat(("system", "s"), ("user", "a"))
    later = chat(("system", "s"), ("user", "a"), ("assistant", "b"), ("user", "c"))
    assert conversation_key(first) == conversation_key(later)
    others = [
        chat(("system", "s"), ("user", "b")),
        chat(("system", "t"), ("user", "a")),
        {**first, "model": "n"},
        {"model": "m", "prompt": "a"},
        {"model": "m", "prompt": "b"},
    ]
    assert len({conversation_key(each) for each in (first, *others)}) == 6


@pytest.mark.parametrize(
    ("limit", "prompt", "tokens"), [(None, 10, 522), (50, 10, 60), (10**9, 10, 4106)]
)
def test_a_request_costs_its_prompt_and_its_likely_answer(
    limit: int | None, prompt: int, tokens: int
):
    assert estimate_tokens(limit, prompt) == tokens
