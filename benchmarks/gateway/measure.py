"""Measures each proxy in turn, round by round, and the upstream asked directly beside them."""

import statistics
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from benchmarks.gateway.programs import (
    Load,
    Questions,
    allow_open_files,
    ask,
    build,
    cpu_s,
    rss_mb,
    running_upstream,
    split_cores,
)
from benchmarks.gateway.proxies import PROXIES, Server
from hoheit.progress import Progress

DIRECT = "direct"
STREAM_COUNTS = (1, 16, 64, 256)
MANY = 1000
_RATE = 50
_WORDS = 200
_RAMP_MS = 1000
_MANY_RATE = 20
_MANY_WORDS = 100
_SHORT = 16


@dataclass(frozen=True)
class Amounts:
    """How much is measured."""

    rounds: int = 3
    first_word: int = 300
    whole: int = 1000
    memory: int = 10_000
    # LiteLLM takes about ten times as long for each, so it is asked less.
    memory_litellm: int = 2000


QUICK = Amounts(rounds=1, first_word=50, whole=200, memory=500, memory_litellm=100)


@dataclass(frozen=True)
class Streams:
    """Some concurrent streams through one target; times in milliseconds, CPU in microseconds.

    `kept_pace` is 1 where the words came as fast as the upstream said them. `harness` is the share of a core
    that the upstream and the load client took: near 1, they would have been what is measured.
    """

    cpu_us_per_chunk: float
    ttft_p50_ms: float
    ttft_p99_ms: float
    kept_pace: float
    faults: int
    harness: float


@dataclass(frozen=True)
class Memory:
    """Resident memory of a proxy before the first question and after so many answers, in MB."""

    started_mb: float
    answers: int
    broken: int
    rss_mb: float


@dataclass
class Results:
    """Everything that one run saw, by target and round."""

    streams: dict[int, list[dict[str, Streams]]] = field(default_factory=dict)
    first_word: list[dict[str, Load]] = field(default_factory=list)
    whole_per_cpu_s: list[dict[str, float]] = field(default_factory=list)
    memory: dict[str, Memory] = field(default_factory=dict)
    many: dict[str, Load] = field(default_factory=dict)


@dataclass(frozen=True)
class Bench:
    """What runs: the upstream, the proxies and `direct`, and the program that asks them."""

    upstream: psutil.Process
    targets: Mapping[str, Server]
    client: Path
    progress: Progress

    @property
    def proxies(self) -> list[str]:
        return [name for name in self.targets if name != DIRECT]

    def in_turn(self, turn: int, names: Iterable[str]) -> Iterator[tuple[str, Server]]:
        """The named targets, in every round beginning with another one."""
        order = list(names)
        turn %= len(order)
        for name in order[turn:] + order[:turn]:
            yield name, self.targets[name]

    def ask(self, target: Server, questions: Questions) -> tuple[Load, float, float]:
        """What the client saw, and the CPU seconds of the target and of upstream and client meanwhile.

        Raises SystemExit when the target is gone or says nothing.
        """
        try:
            before, said = cpu_s(target.process), cpu_s(self.upstream)
            load = ask(self.client, target.port, target.key, questions)
            used = cpu_s(target.process) - before
        except (psutil.Error, OSError) as error:
            raise SystemExit(f"{target.name} ended while it was asked: {error}") from error
        if not load.words:
            raise SystemExit(f"{target.name} answered none of {load.broken} questions.")
        return load, used, cpu_s(self.upstream) - said + load.cpu_s


@contextmanager
def started(folder: Path, names: Iterable[str], progress: Progress) -> Iterator[Bench]:
    """The upstream and the named proxies, started in `folder` and stopped in the end."""
    allow_open_files()
    with ExitStack() as stack:
        core = stack.enter_context(split_cores())
        upstream, port = stack.enter_context(running_upstream(folder))
        targets = {DIRECT: Server(DIRECT, upstream, port)}
        for name in names:
            place = folder / name
            place.mkdir()
            with progress.step(f"Starting {name}"):
                start = PROXIES[name](place, port, core)
                targets[name] = stack.enter_context(start)
        yield Bench(upstream, targets, build("load", folder), progress)


def warm_up(bench: Bench) -> None:
    """Asks everyone a little, because what is loaded at first use is no cost of a chunk."""
    with bench.progress.step("Warming up"):
        for target in bench.targets.values():
            for stream in (True, False):
                bench.ask(target, Questions(0, _SHORT, connections=4, answers=100, stream=stream))


def measure_streams(bench: Bench, results: Results, counts: Iterable[int], rounds: int) -> None:
    """CPU per chunk and time to first token with some streams at once, each paced by the upstream."""
    for turn in range(rounds):
        for count in counts:
            row: dict[str, Streams] = {}
            title = f"{count} streams, round {turn + 1} of {rounds}"
            with bench.progress.step(title) as step:
                for name, target in bench.in_turn(turn, bench.targets):
                    step.update(name)
                    row[name] = _streams(bench, target, count)
            results.streams.setdefault(count, []).append(row)


def _streams(bench: Bench, target: Server, count: int) -> Streams:
    questions = Questions(_RATE, _WORDS, count, ramp_ms=_RAMP_MS, limit_s=300)
    load, used, harness = bench.ask(target, questions)
    due_s = _RAMP_MS / 1000 * (count - 1) / count + _WORDS / _RATE
    return Streams(
        cpu_us_per_chunk=1e6 * used / load.words,
        ttft_p50_ms=load.percentile(50),
        ttft_p99_ms=load.percentile(99),
        kept_pace=min(1.0, due_s / load.wall_s),
        faults=load.lost + load.reordered + load.duplicated + load.broken,
        harness=harness / load.wall_s,
    )


def measure_first_word(bench: Bench, results: Results, amounts: Amounts) -> None:
    """Time to first token of one short question after another."""
    questions = Questions(0, 4, connections=1, answers=amounts.first_word)
    for turn in range(amounts.rounds):
        row = {}
        with bench.progress.step(f"First token, round {turn + 1} of {amounts.rounds}") as step:
            for name, target in bench.in_turn(turn, bench.targets):
                step.update(name)
                row[name], _, _ = bench.ask(target, questions)
        results.first_word.append(row)


def measure_whole(bench: Bench, results: Results, amounts: Amounts) -> None:
    """Answers that are not streamed, per CPU second of the proxy."""
    questions = Questions(0, _SHORT, connections=4, answers=amounts.whole, stream=False)
    for turn in range(amounts.rounds):
        row = {}
        with bench.progress.step(f"Not streamed, round {turn + 1} of {amounts.rounds}") as step:
            for name, target in bench.in_turn(turn, bench.proxies):
                step.update(name)
                load, used, _ = bench.ask(target, questions)
                row[name] = (load.answers - load.broken) / used
        results.whole_per_cpu_s.append(row)


def measure_memory(bench: Bench, results: Results, name: str, answers: int) -> None:
    """Resident memory of one proxy before and after many streamed answers."""
    process = bench.targets[name].process
    before = rss_mb(process)
    with bench.progress.step(f"{answers} answers through {name}"):
        questions = Questions(0, _SHORT, connections=16, answers=answers, limit_s=600)
        load, _, _ = bench.ask(bench.targets[name], questions)
    results.memory[name] = Memory(before, answers, load.broken, rss_mb(process))


def measure_many(bench: Bench, results: Results) -> None:
    """A thousand streams at once: whether anything is lost, doubled or in the wrong order."""
    questions = Questions(_MANY_RATE, _MANY_WORDS, MANY, ramp_ms=2000)
    for name in (DIRECT, *(each for each in bench.proxies if each != "litellm")):
        with bench.progress.step(f"{MANY} streams through {name}"):
            results.many[name], _, _ = bench.ask(bench.targets[name], questions)


def measure_all(bench: Bench, amounts: Amounts) -> Results:
    """Every figure. Memory comes first, so that it starts from a proxy that has answered nothing."""
    results = Results()
    for name in bench.proxies:
        answers = amounts.memory_litellm if name == "litellm" else amounts.memory
        measure_memory(bench, results, name, answers)
    warm_up(bench)
    measure_streams(bench, results, STREAM_COUNTS, amounts.rounds)
    measure_first_word(bench, results, amounts)
    measure_whole(bench, results, amounts)
    measure_many(bench, results)
    return results


def median(values: Iterable[float]) -> float:
    """The median, to three decimal places."""
    return round(statistics.median(values), 3)
