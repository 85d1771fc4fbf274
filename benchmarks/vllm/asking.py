"""Asks as many users at once, each with a question of its own, and keeps what each was answered."""

import asyncio
import json
import statistics
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import aiohttp

# No answer of this many tokens takes so long, in seconds; whoever waits longer has been left hanging.
_LONGEST_S = 180.0
_BUFFER = 2**20


@dataclass(frozen=True)
class Endpoint:
    """Where questions go: `base_url` ends in /v1; the model is called `model` there."""

    name: str
    base_url: str
    model: str
    key: str | None = None


@dataclass(frozen=True)
class Answer:
    """One user's answer; `whole` says whether it came to its end."""

    text: str
    tokens: int
    ttft_s: float
    whole: bool


@dataclass(frozen=True)
class Round:
    """What all users of one round got, and how long it took from the first question to the last end."""

    answers: list[Answer]
    seconds: float

    @property
    def tokens_per_s(self) -> float:
        return sum(answer.tokens for answer in self.answers) / self.seconds

    @property
    def ttft_s(self) -> float:
        """Median of the times to first token."""
        return statistics.median(answer.ttft_s for answer in self.answers)


def question(number: int, salt: str) -> str:
    """What one user asks; another `salt` is another prompt of the same length, which no cache holds."""
    return (
        f"[{salt}-{number:03}] Tell me a long story about a dragon, a knight and the town of Lindenau, "
        "with many details about the people, the houses and the weather."
    )


async def ask(
    endpoint: Endpoint,
    users: int,
    tokens: int,
    salt: str,
    midway: Callable[[], Awaitable[None]] | None = None,
) -> Round:
    """Have as many users ask at once, greedily, for answers of at most so many tokens.

    `midway` is called once when a quarter of all tokens has come.
    """
    # Each answer's pieces are counted by hand: vLLM sends one for each token.
    progress = _Progress(users * tokens // 4, midway)
    headers = {} if endpoint.key is None else {"Authorization": f"Bearer {endpoint.key}"}
    async with aiohttp.ClientSession(
        headers=headers,
        connector=aiohttp.TCPConnector(limit=0),
        timeout=aiohttp.ClientTimeout(total=_LONGEST_S),
        read_bufsize=_BUFFER,
    ) as session:
        begun = time.perf_counter()
        answers = await asyncio.gather(
            *(
                _one(session, endpoint, question(number, salt), tokens, progress)
                for number in range(users)
            )
        )
        seconds = time.perf_counter() - begun
    await progress.over()
    return Round(list(answers), seconds)


class _Progress:
    def __init__(self, quarter: int, midway: Callable[[], Awaitable[None]] | None) -> None:
        self._left, self._midway = quarter, midway
        self._called: asyncio.Future[None] | None = None

    def came(self) -> None:
        self._left -= 1
        if self._left == 0 and self._midway is not None:
            self._called = asyncio.ensure_future(self._midway())

    async def over(self) -> None:
        if self._called is not None:
            await self._called


async def _one(
    session: aiohttp.ClientSession,
    endpoint: Endpoint,
    text: str,
    tokens: int,
    progress: _Progress,
) -> Answer:
    body = {
        "model": endpoint.model,
        "messages": [{"role": "user", "content": text}],
        "max_tokens": tokens,
        "temperature": 0,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    pieces: list[str] = []
    begun = time.perf_counter()
    first = None
    whole, counted = False, 0
    try:
        async with session.post(f"{endpoint.base_url}/chat/completions", json=body) as response:
            async for line in response.content:
                if not line.startswith(b"data: {"):
                    continue
                chunk = json.loads(line[6:])
                if "error" in chunk:
                    whole = False
                    break
                counted = (chunk.get("usage") or {}).get("completion_tokens", counted)
                for choice in chunk.get("choices") or ():
                    if content := choice["delta"].get("content"):
                        first = first or time.perf_counter()
                        pieces.append(content)
                        progress.came()
                    whole = whole or choice.get("finish_reason") is not None
    except (aiohttp.ClientError, TimeoutError, ValueError):
        whole = False
    ttft = (first or time.perf_counter()) - begun
    return Answer("".join(pieces), counted or len(pieces), ttft, whole)
