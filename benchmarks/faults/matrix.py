"""Runs the matrix: each case through the real adapter, against the answer that nobody disturbed."""

import asyncio
import json
import random
import shutil
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from signal import SIGKILL

import aiohttp

from benchmarks.faults.cases import HARMLESS, Case, Row
from benchmarks.faults.client import Answer, Client
from benchmarks.faults.forms import Engine
from benchmarks.faults.judge import faults_of_error, faults_of_whole
from benchmarks.faults.model import Place
from benchmarks.faults.processes import EngineProcess, Nursery, adapter, nursery

# Cases at the same time; those that wait for a time limit to pass are mixed among those that do not.
_AT_ONCE = 32
# Those that end a whole process, which then is the case's own.
_OWN_PROCESS = ("kill", "stop", "refused")
_TRIES = 30
_CASE_S = 60


class Bench:
    """A running adapter and the engines that the cases share."""

    def __init__(
        self, client: Client, engines: Nursery, pair: tuple[EngineProcess, EngineProcess]
    ) -> None:
        self._client = client
        self._nursery = engines
        self._pair = pair
        self._number = 0
        self._undisturbed: dict[Engine, Answer] = {}

    async def prepare(self) -> None:
        """Ask each kind of engine once without a fault."""
        for engine in ("vllm", "llama.cpp", "openai"):
            name = f"{engine.replace('.', '')}-undisturbed"
            await self._client.add(name, self._pair[0].url(engine, name), engine)
            await self._client.ready(name)
            self._undisturbed[engine] = await self._client.ask(name, "everything 0", greedy=True)
            await self._client.remove(name)

    async def run(self, case: Case) -> Row:
        """One case, from two new upstreams to its row."""
        try:
            async with asyncio.timeout(_CASE_S):
                return await self._run(case)
        except (TimeoutError, aiohttp.ClientError, ValueError) as error:
            return Row.of(case, "", [f"{type(error).__name__}: {error}"])

    async def _run(self, case: Case) -> Row:
        names = [f"{case.name}-{letter}" for letter in "ab"]
        async with self._engines(case) as engines:
            for name, engine in zip(names, engines, strict=True):
                await self._client.add(name, engine.url(case.engine, case.name), case.engine)
            try:
                await self._client.ready(*names)
                if case.shape == "refused":
                    return await self._refused(case, names, engines)
                return await self._provoked(case)
            finally:
                for name in names:
                    await self._client.remove(name)

    @asynccontextmanager
    async def _engines(self, case: Case) -> AsyncIterator[Sequence[EngineProcess]]:
        if case.shape not in _OWN_PROCESS:
            yield self._pair
            return
        own = [await self._nursery.engine() for _ in range(2)]
        try:
            yield own
        finally:
            for engine in own:
                engine.send(SIGKILL)

    async def _provoked(self, case: Case) -> Row:
        """Whoever is asked first meets the fault."""
        self._number += 1
        folder = self._nursery.folder / str(self._number)
        folder.mkdir()
        (folder / "faults").write_text(json.dumps(case.faults))

        def heard(place: Place) -> None:
            if place == case.place:
                (folder / "heard").touch()

        answer = await self._client.ask(
            case.name,
            f"everything {self._number}",
            greedy=case.greedy,
            open_webui=self._number % 2 == 0,
            heard=heard,
        )
        asked = [json.loads(line) for line in (folder / "asked").read_text().splitlines()]
        met = [each["shape"] for each in asked if each["shape"]] == [s for s, _ in case.faults]
        shutil.rmtree(folder)
        way = self._way(case, [str(each["way"]) for each in asked])
        wrong = [] if met else ["the fault was not met"]
        return Row.of(case, way, [*wrong, *self._judged(case, answer, way)])

    def _way(self, case: Case, ways: Sequence[str]) -> str:
        if len(ways) == 1:
            return ""
        if ways[-1] == "anew" and case.place != "before":
            return "replay"
        return ways[-1]

    def _judged(self, case: Case, answer: Answer, way: str) -> list[str]:
        if case.expected == "refused":
            return [] if answer.status == 400 else [f"status {answer.status} instead of 400"]
        if case.expected == "error":
            return faults_of_error(answer, case.place)
        wrong = []
        if (case.shape in HARMLESS or case.where == "end") and way:
            wrong.append(f"{way}, though nothing was missing")
        if case.shape not in HARMLESS and case.where != "end" and not way:
            wrong.append("nobody else was asked")
        undisturbed = self._undisturbed[case.engine]
        noted = bool(way) and case.place != "before"
        # Where the token counts never came they are estimated.
        counted = "about" if case.where == "end" and case.shape not in HARMLESS else way
        return wrong + faults_of_whole(
            answer, undisturbed, greedy=case.greedy, way=counted, noted=noted
        )

    async def _refused(
        self, case: Case, names: Sequence[str], engines: Sequence[EngineProcess]
    ) -> Row:
        """One replica is killed, and asked for as long as nobody has noticed."""
        engines[0].send(SIGKILL)
        wrong: list[str] = []
        for _ in range(_TRIES):
            self._number += 1
            answer = await self._client.ask(
                case.name, f"everything {self._number}", greedy=case.greedy
            )
            wrong += faults_of_whole(
                answer,
                self._undisturbed[case.engine],
                greedy=case.greedy,
                way="",
                noted=False,
            )
            if await self._client.failures(names[0]):
                return Row.of(case, "anew", wrong)
        return Row.of(case, "", [*wrong, "the fault was not met"])


@asynccontextmanager
async def bench(folder: Path) -> AsyncIterator[Bench]:
    """An adapter and two engines, started in `folder`."""
    async with AsyncExitStack() as stack:
        engines = await stack.enter_async_context(nursery(folder / "conversations"))
        running = await stack.enter_async_context(adapter(folder / "adapter"))
        session = await stack.enter_async_context(
            aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))
        )
        pair = (await engines.engine(), await engines.engine())
        made = Bench(Client(session, running.url), engines, pair)
        await made.prepare()
        yield made


async def run(
    folder: Path, wanted: Sequence[Case], done: Callable[[Row], None] = lambda row: None
) -> list[Row]:
    """Run cases, several at a time; the rows are in the order of the cases."""
    places = asyncio.Semaphore(_AT_ONCE)
    async with bench(folder) as made:

        async def one(case: Case) -> Row:
            async with places:
                row = await made.run(case)
            done(row)
            return row

        mixed = random.Random(1).sample(range(len(wanted)), len(wanted))
        rows = await asyncio.gather(*(one(wanted[number]) for number in mixed))
    return [row for _, row in sorted(zip(mixed, rows, strict=True), key=lambda found: found[0])]
