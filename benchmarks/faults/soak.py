"""Mixed faults at random for as long as one likes: answers stay whole, and the adapter's memory stays flat."""

import asyncio
import contextlib
import json
import random
import shutil
import statistics
import time
from collections import Counter
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from signal import SIGKILL, SIGSTOP

import aiohttp
import psutil

from benchmarks.faults.client import Answer, Client
from benchmarks.faults.forms import Engine
from benchmarks.faults.judge import faults_of_whole
from benchmarks.faults.model import WHOLE
from benchmarks.faults.processes import EngineProcess, Nursery, adapter, nursery
from benchmarks.faults.shapes import AFTER, BEFORE, WITHIN

_ENGINES = 5
# Who is asked, and how. What goes on from text is certain where decoding is greedy only, and what can only
# answer anew gives the same answer there only.
_KINDS: tuple[tuple[Engine, bool], ...] = (
    ("vllm", True),
    ("vllm", False),
    ("llama.cpp", True),
    ("openai", True),
)
_MOST_FAULTS = 2
_LEAVES = 0.05
# A chance for each answer that its engine's whole process ends with it, and how often one is ended besides.
_PROCESS_FAULT = 0.01
_CHAOS_EVERY_S = 4.0
# A stopped engine is replaced after so long, a dead one at once; in seconds.
_STOPPED_S = 4.0
_LOOK_EVERY_S = 0.1
_ANSWER_S = 60
# So much of the run is warm-up: what is loaded and allocated at first use does not count as growth.
_WARM_UP = 0.25
_MB = 1e6


@dataclass
class Soak:
    """What a soak has seen; memory in MB, its slope in MB a minute after the warm-up."""

    seconds: float = 0
    answers: int = 0
    broken: int = 0
    left: int = 0
    faults: dict[str, int] = field(default_factory=dict)
    gone_on: int = 0
    engines_lost: int = 0
    rss_steady_mb: float = 0
    rss_end_mb: float = 0
    rss_slope_mb_per_minute: float = 0
    first_broken: list[str] = field(default_factory=list)


class _Herd:
    """The engines: whichever is dead or stopped is replaced on its port."""

    def __init__(self, engines: Nursery, chance: random.Random) -> None:
        self._nursery = engines
        self._chance = chance
        self.running: list[EngineProcess] = []
        self.lost = 0

    async def start(self) -> None:
        self.running = [await self._nursery.engine() for _ in range(_ENGINES)]

    async def keep(self) -> None:
        """Until cancelled, replace what ended."""
        down: dict[int, float] = {}
        while True:
            await asyncio.sleep(_LOOK_EVERY_S)
            for place, engine in enumerate(self.running):
                if engine.alive:
                    down.pop(place, None)
                    continue
                since = down.setdefault(place, time.monotonic())
                if psutil.pid_exists(engine.pid) and time.monotonic() - since < _STOPPED_S:
                    continue
                if psutil.pid_exists(engine.pid):
                    engine.send(SIGKILL)
                    continue
                self.lost += 1
                down.pop(place)
                self.running[place] = await self._nursery.engine(engine.port)

    async def disturb(self) -> None:
        """Until cancelled, end one now and then."""
        while True:
            await asyncio.sleep(self._chance.uniform(0.5, 1.5) * _CHAOS_EVERY_S)
            self._chance.choice(self.running).send(self._chance.choice((SIGKILL, SIGSTOP)))


class _Clients:
    """Clients that ask one question after the other."""

    def __init__(
        self, client: Client, folder: Path, chance: random.Random, found: Soak, until: float
    ) -> None:
        self._client = client
        self._folder = folder
        self._chance = chance
        self._found = found
        self._until = until
        self._number = 0
        self._met: Counter[str] = Counter()
        self._undisturbed = Answer()

    async def first(self) -> None:
        """The answer that nobody disturbs."""
        self._undisturbed = await self._client.ask("soak-vllm", "everything 0", greedy=True)

    async def run(self) -> None:
        while time.monotonic() < self._until:
            await self._one()

    def _faults(self) -> list[tuple[str, int]]:
        chance = self._chance
        faults = []
        for _ in range(chance.randint(0, _MOST_FAULTS)):
            at = chance.randint(-1, len(WHOLE.positions))
            known = BEFORE if at < 0 else AFTER if at == len(WHOLE.positions) else WITHIN
            shapes = [each for each in known if each not in ("kill", "stop", "status-400")]
            if chance.random() < _PROCESS_FAULT:
                shapes = ["kill", "stop"]
            faults.append((chance.choice(shapes), at))
        return faults

    async def _one(self) -> None:
        self._number += 1
        number, found = self._number, self._found
        folder = self._folder / str(number)
        await asyncio.to_thread(folder.mkdir)
        faults = self._faults()
        await asyncio.to_thread((folder / "faults").write_text, json.dumps(faults))
        # Nothing waits for the client here.
        await asyncio.to_thread((folder / "heard").touch)
        engine, greedy = self._chance.choice(_KINDS)
        leaving = self._chance.random() < _LEAVES
        model = f"soak-{engine.replace('.', '')}"
        asking = self._client.ask(model, f"everything {number}", greedy=greedy)
        wrong: list[str] = []
        try:
            limit = self._chance.uniform(0.01, 0.15) if leaving else _ANSWER_S
            answer = await asyncio.wait_for(asking, limit)
            wrong = self._judged(answer, greedy)
        except (TimeoutError, aiohttp.ClientError, ValueError) as error:
            if not leaving:
                wrong = [f"{type(error).__name__}: {error}"]
        taken = [shape for at, (shape, _) in enumerate(faults) if (folder / f"taken-{at}").exists()]
        self._met.update(taken)
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
        found.answers += 1
        found.left += leaving
        found.faults = dict(sorted(self._met.items()))
        if wrong:
            found.broken += 1
            if len(found.first_broken) < 10:
                found.first_broken.append(f"{engine} {greedy} {faults}: {'; '.join(wrong)}")

    def _judged(self, answer: Answer, greedy: bool) -> list[str]:
        noted = any(each != "keep-alive" for each in answer.comments)
        self._found.gone_on += noted
        # Token counts are told of each single case by the matrix.
        return faults_of_whole(answer, self._undisturbed, greedy=greedy, way="any", noted=noted)


async def soak(
    folder: Path, seconds: float, seed: int, clients: int, tell: Callable[[str], None]
) -> Soak:
    """Let `clients` ask for so many seconds while engines fail; `tell` hears of the progress."""
    found, chance = Soak(), random.Random(seed)
    begun = time.monotonic()
    async with AsyncExitStack() as stack:
        engines = await stack.enter_async_context(nursery(folder / "conversations"))
        running = await stack.enter_async_context(adapter(folder / "adapter"))
        session = await stack.enter_async_context(
            aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))
        )
        client, herd = Client(session, running.url), _Herd(engines, chance)
        await herd.start()
        names = []
        for engine in dict.fromkeys(engine for engine, _ in _KINDS):
            model = f"soak-{engine.replace('.', '')}"
            for number, process in enumerate(herd.running):
                names.append(f"{model}-{number}")
                await client.add(names[-1], process.url(engine, model), engine)
        await client.ready(*names)
        asking = _Clients(client, engines.folder, chance, found, begun + seconds)
        await asking.first()
        background = [
            asyncio.create_task(each)
            for each in (herd.keep(), herd.disturb(), _watch(running.pid, seconds, found, tell))
        ]
        try:
            await asyncio.gather(*(asking.run() for _ in range(clients)))
        finally:
            for task in background:
                task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.gather(*background)
        found.engines_lost = herd.lost
    found.seconds = round(time.monotonic() - begun, 1)
    return found


async def _watch(pid: int, seconds: float, found: Soak, tell: Callable[[str], None]) -> None:
    """Look at the adapter's memory once a second, until cancelled."""
    process, begun = psutil.Process(pid), time.monotonic()
    seen: list[tuple[float, float]] = []
    while True:
        await asyncio.sleep(1)
        now = time.monotonic() - begun
        rss = process.memory_info().rss / _MB
        tell(f"{found.answers} answers, {found.broken} broken, {rss:.0f} MB")
        if now < _WARM_UP * seconds:
            continue
        seen.append((now / 60, rss))
        head, tail = seen[: max(1, len(seen) // 10)], seen[-max(1, len(seen) // 10) :]
        found.rss_steady_mb = round(statistics.fmean(each for _, each in head), 1)
        found.rss_end_mb = round(statistics.fmean(each for _, each in tail), 1)
        if len(seen) > 1:
            slope = statistics.linear_regression(*zip(*seen, strict=True)).slope
            found.rss_slope_mb_per_minute = round(slope, 3)


def as_json(found: Soak) -> dict[str, object]:
    """What a soak has seen, as an object."""
    return asdict(found)
