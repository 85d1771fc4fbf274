"""A gateway over a model that knows one text by heart: for what HTTP and the engine do, whatever the model says."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import uvicorn

from backend_adapter.petals.gateway.app import Gateway
from backend_adapter.petals.gateway.conversations import Conversations, Resumed
from backend_adapter.petals.gateway.engine import Engine, Job
from backend_adapter.petals.gateway.parts import Coverage, Parts
from backend_adapter.petals.settings import GatewaySettings
from backend_adapter.petals.spans import Span, SwarmState

KEY = "k" * 16
MODEL = "by-heart"
TURN, END = 1, 0
COMPLETE = SwarmState(2, (Span("peer", 0, 2, name="one"),), {"peer": 0.02})
LEARNT = "Über den Wörtersee: Æther, 東京 und 🙂 — «fine»! {" + "abc " * 40


@dataclass(frozen=True)
class Token:
    id: int
    logprob: float | None = None
    top: tuple[tuple[int, float], ...] = ()


class Bytes:
    """A tokenizer whose tokens are bytes."""

    knows_tools = True
    marks_calls = True

    def encode(self, text: str) -> list[int]:
        return list(text.encode())

    def decode(self, ids: Sequence[int], *, special: bool = False) -> str:
        shown = bytes(each for each in ids if special or each not in (TURN, END))
        return shown.decode(errors="replace")

    def prompt(
        self,
        messages: Sequence[Mapping[str, Any]],
        tools: Sequence[Mapping[str, Any]] | None = None,
        *,
        add_generation_prompt: bool = True,
        continue_final_message: bool = False,
    ) -> list[int]:
        ids: list[int] = []
        for message in messages:
            ids += [TURN, *f"{message['role']}: {message['content']}".encode()]
        return [*ids, TURN] if add_generation_prompt else ids


class Session:
    """Counts what is sent to it."""

    rolls_back = True
    reroutes = 0

    def __init__(self, room: int) -> None:
        self.room, self.position, self.sent, self.closed = room, 0, [], False

    async def forward(self, ids: Sequence[int], start: int, *, last_only: bool = False) -> Any:
        assert start <= self.position
        assert not self.closed
        self.sent.append((start, len(ids)))
        self.position = start + len(ids)
        return ids

    async def close(self) -> None:
        self.closed = True


@dataclass
class Script:
    """How the model behaves: what it says, how many tokens a round, how long a round takes, and what fails."""

    text: str = LEARNT
    rounds: tuple[int, ...] = (1, 3, 2)
    pause_s: float = 0.0
    failing: dict[int, Exception] = field(default_factory=dict)
    sessions: list[Session] = field(default_factory=list)
    jobs: list[Job] = field(default_factory=list)
    state: SwarmState = COMPLETE


class ByHeart:
    """Says the text from wherever the last turn has got to."""

    def __init__(self, session: Resumed, job: Job, script: Script) -> None:
        self._session, self._script = session, script
        self.rounds = self.drafted = self.accepted = 0
        script.jobs.append(job)

    async def tokens(self, prompt: list[int], max_tokens: int) -> AsyncIterator[list[Token]]:
        script, learnt = self._script, [*self._script.text.encode(), END]
        said = prompt[::-1].index(TURN) if TURN in prompt else len(prompt)
        sequence, begin, count = list(prompt), self._session.position, 0
        while count < max_tokens and said + count < len(learnt):
            if (error := script.failing.get(self.rounds)) is not None:
                raise error
            await self._session.forward(sequence[begin:], begin)
            if script.pause_s:
                await asyncio.sleep(script.pause_s)
            size = min(script.rounds[self.rounds % len(script.rounds)], max_tokens - count)
            new = learnt[said + count : said + count + size]
            begin = len(sequence)
            sequence += new
            count += len(new)
            self.rounds += 1
            yield [Token(each, -0.5, ((each, -0.5), (each + 1, -1.5))) for each in new]


def gateway(script: Script, **changed: Any) -> Gateway:
    """A gateway that has joined its swarm of scripted sessions."""
    settings = GatewaySettings(model_id=MODEL, api_key=KEY, **changed)
    made = Gateway(settings)

    def opened(room: int) -> Session:
        script.sessions.append(Session(room))
        return script.sessions[-1]

    conversations = Conversations(
        opened,
        most=settings.kept_sessions,
        keep_s=settings.keep_session_s,
        largest=settings.context_tokens,
    )
    text = Bytes()

    async def decoder(session: Resumed, job: Job, ends: frozenset[int]) -> ByHeart:
        return ByHeart(session, job, script)

    engine = Engine(
        conversations,
        decoder,
        lambda ids, special: text.decode(ids, special=special),
        frozenset({END}),
        parallel=settings.parallel,
        patience_s=settings.recover_s,
    )
    coverage = Coverage(lambda: script.state, settings.recover_s)
    made.parts = Parts(
        text, engine, lambda: script.state, coverage, 256, lambda: {"liar": "it lies"}
    )
    return made


@contextmanager
def served(made: Gateway) -> Iterator[str]:
    """The address of a gateway that answers in a thread of its own."""
    config = uvicorn.Config(
        made.app(), host="127.0.0.1", port=0, log_level="warning", lifespan="off"
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    until(lambda: server.started)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = server.force_exit = True
        thread.join(10)


def until(condition: Any, limit_s: float = 30.0) -> None:
    """Wait for what is bound to come."""
    end = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.01)
