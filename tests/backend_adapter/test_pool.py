"""Which models there are and who offers them, as settings change and operators act."""

import asyncio
from collections.abc import Iterator, Sequence

import pytest

from backend_adapter.errors import NoUpstreamError, RequestError, UnknownModelError
from backend_adapter.routing.pool import Pool
from backend_adapter.settings import AdapterSettings, UpstreamSettings
from backend_adapter.upstreams.http import Connections


def upstream(name: str, *models: str, port: int = 9) -> UpstreamSettings:
    return UpstreamSettings(name=name, base_url=f"http://127.0.0.1:{port}/v1", models=models)


def settings(*upstreams: UpstreamSettings) -> AdapterSettings:
    return AdapterSettings(upstreams=upstreams)


@pytest.fixture
def pool() -> Iterator[Pool]:
    connections = Connections()
    yield Pool(connections)
    connections.close()


def names(pool: Pool, model: str = "m") -> list[str]:
    return [replica.name for replica in pool.replicas(model)]


def prove(pool: Pool, *members: str) -> None:
    for name in members:
        pool.members[name].fault = None
        for replica in pool.members[name].replicas.values():
            replica.circuit.proved()


def test_several_upstreams_with_one_model_are_its_replicas_in_the_order_of_the_settings(pool: Pool):
    pool.apply(settings(upstream("b", "m"), upstream("a", "m", "n"), upstream("c", "n")))
    assert names(pool) == ["b", "a"]
    assert pool.models() == {"m": ("b", "a"), "n": ("a", "c")}


def test_an_upstream_that_stays_keeps_what_is_known_of_it(pool: Pool):
    pool.apply(settings(upstream("a", "m"), upstream("b", "m")))
    prove(pool, "a", "b")
    kept = pool.replicas("m")[0]
    kept.begin(10)
    pool.apply(settings(upstream("c", "m"), upstream("a", "m")))
    assert names(pool) == ["c", "a"]
    assert pool.replicas("m")[1] is kept
    assert kept.circuit.closed


def test_an_upstream_whose_settings_changed_is_a_new_one(pool: Pool):
    pool.apply(settings(upstream("a", "m")))
    prove(pool, "a")
    before = pool.replicas("m")[0]
    pool.apply(settings(upstream("a", "m", port=10)))
    assert pool.replicas("m")[0] is not before
    assert not pool.replicas("m")[0].circuit.closed


def test_new_limits_reach_the_upstreams_that_stay(pool: Pool):
    pool.apply(settings(upstream("a", "m")))
    kept = pool.members["a"].upstream
    changed = AdapterSettings(upstreams=(upstream("a", "m"),), stall_timeout_s=3)
    pool.apply(changed)
    assert pool.members["a"].upstream is kept
    assert kept.limits.stall_timeout_s == 3


def test_what_an_operator_adds_outlasts_changed_settings(pool: Pool):
    given = settings(upstream("a", "m"))
    pool.apply(given)
    pool.add(upstream("z", "m"), given)
    pool.apply(settings(upstream("b", "m")))
    assert names(pool) == ["b", "z"]


@pytest.mark.parametrize("act", ["drain", "remove"])
def test_an_unknown_name_is_refused_with_those_that_there_are(pool: Pool, act: str):
    pool.apply(settings(upstream("a", "m")))
    with pytest.raises(RequestError, match="'x'") as refused:
        pool.drain("x", True) if act == "drain" else pool.remove("x")
    assert refused.value.status == 404
    assert "a" in str(refused.value)


def test_a_name_that_is_taken_is_refused(pool: Pool):
    given = settings(upstream("a", "m"))
    pool.apply(given)
    with pytest.raises(RequestError) as refused:
        pool.add(upstream("a", "m"), given)
    assert refused.value.status == 409


def test_a_drained_upstream_gets_no_new_work_and_its_model_stays_known(pool: Pool):
    pool.apply(settings(upstream("a", "m"), upstream("b", "m")))
    pool.drain("a", True)
    assert names(pool) == ["b"]
    pool.drain("b", True)
    assert pool.models() == {"m": ("a", "b")}
    assert not pool.ready("m")
    pool.drain("a", False)
    assert names(pool) == ["a"]


@pytest.mark.parametrize(
    ("fit", "expected"), [((), False), (("a",), True), (("b",), True), (("a", "b"), True)]
)
def test_a_model_is_ready_while_one_replica_can_answer(
    pool: Pool, fit: Sequence[str], expected: bool
):
    pool.apply(settings(upstream("a", "m"), upstream("b", "m")))
    prove(pool, *fit)
    assert pool.ready("m") is expected
    assert pool.can_answer() is expected


def test_a_model_list_that_changes_keeps_the_replicas_that_stay(pool: Pool):
    pool.apply(settings(upstream("a", "m", "n")))
    kept = pool.replicas("m")[0]
    pool.members["a"].offer(("m", "o"))
    assert pool.replicas("m") == [kept]
    assert pool.models() == {"m": ("a",), "o": ("a",)}


@pytest.mark.parametrize(
    ("said", "expected"), [("auto", "replay"), ("tokens", "tokens"), ("prefill", "prefill")]
)
def test_how_a_replica_goes_on_is_what_the_settings_say_before_it_was_ever_asked(
    pool: Pool, said: str, expected: str
):
    named = upstream("a", "m").model_copy(update={"continuation": said})
    pool.apply(settings(named))
    assert pool.replicas("m")[0].capabilities.continuation == expected


async def test_without_upstreams_there_is_nobody_to_ask(pool: Pool):
    pool.apply(settings())
    with pytest.raises(NoUpstreamError):
        await pool.offering("m", 0.01)


async def test_an_unknown_model_is_looked_for_before_it_is_unknown(pool: Pool):
    pool.apply(settings(upstream("a", "m")))
    woken = pool.members["a"].wake

    async def look() -> None:
        await woken.wait()
        pool.members["a"].offer(("m", "new"))
        await pool.asked()

    looking = asyncio.create_task(look())
    found = await pool.offering("new", 20)
    assert [replica.name for replica in found] == ["a"]
    await looking
    with pytest.raises(UnknownModelError):
        await pool.offering("other", 0.01)


async def test_a_model_of_drained_upstreams_is_not_unknown(pool: Pool):
    pool.apply(settings(upstream("a", "m")))
    pool.drain("a", True)
    with pytest.raises(NoUpstreamError, match="drained"):
        await pool.offering("m", 0.01)
