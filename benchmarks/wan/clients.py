"""The clients that are measured, as processes, and what the proxies carry meanwhile."""

import asyncio
import json
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.wan.figures import Run
from benchmarks.wan.programs import MODEL_ID, started
from benchmarks.wan.proxy import Proxy

CLIENTS = {"stock": "Petals' own client", "hoheit": "our client"}
# A client that says nothing for so long hangs: Petals' has given up before (see `measuring`).
_SILENT_S = 200.0
_END_S = 5.0


@dataclass(frozen=True)
class Bench:
    """The running swarm that clients are measured on, and how: at most `tokens` an answer.

    `compression` is the form of our client's hidden states (see `GatewaySettings`).
    """

    python: Path
    model: Path
    peers: list[str]
    proxies: list[Proxy]
    tokens: int
    compression: str

    def carried(self) -> int:
        """Bytes through all proxies so far."""
        return sum(each.carried for each in self.proxies)


async def measured(
    bench: Bench, client: str, asked: Sequence[list[str]], say: Callable[[str], None]
) -> Run:
    """The answers of a client to these conversations; `say` hears how many there are.

    Of Petals' own client the rest of a conversation in which it breaks off is missing, and a new one goes on with
    the next. Raises SystemExit where it does not even start, or where ours breaks off.
    """
    before, turns, begun = bench.carried(), list[dict[str, Any]](), 0
    number = sum(map(len, asked))
    while begun < len(asked):
        first = begun

        def heard(turn: dict[str, Any], first: int = first) -> None:
            turns.append({**turn, "conversation": first + turn["conversation"]})
            say(f"{len(turns)} of {number} answers")

        joined = await _ask(bench, client, asked[begun:], heard)
        while begun < len(asked) and _ended(turns, begun) == len(asked[begun]):
            begun += 1
        if begun == len(asked):
            break
        if client != "stock" or not joined:
            raise SystemExit(
                f"{CLIENTS[client].capitalize()} ended after {len(turns)} of {number} answers; see above why."
            )
        print(
            f"{CLIENTS[client].capitalize()} broke off in conversation {begun + 1}, "
            f"turn {_ended(turns, begun) + 1}; see above why.",
            file=sys.stderr,
        )
        begun += 1
    return Run(turns, bench.carried() - before)


def _ended(turns: Sequence[dict[str, Any]], conversation: int) -> int:
    return sum(each["conversation"] == conversation for each in turns)


async def _ask(
    bench: Bench, client: str, asked: Sequence[list[str]], heard: Callable[[dict[str, Any]], None]
) -> bool:
    """Have one process ask, to its end, and tell whether it joined the swarm.

    It stops at the first and the last token of each answer until the bytes up to there are counted.
    """
    given = {
        "client": client,
        "model": str(bench.model),
        "model_id": MODEL_ID,
        "peers": bench.peers,
        "conversations": list(asked),
        "tokens": bench.tokens,
        "compression": bench.compression,
    }
    joined, marks = False, list[int]()
    async with started(bench.python, ["-m", "benchmarks.wan.measuring"], given) as process:
        assert process.stdin is not None and process.stdout is not None  # noqa: S101 - pipes
        while True:
            try:
                line = await asyncio.wait_for(process.stdout.readline(), _SILENT_S)
            except TimeoutError:
                print(f"{CLIENTS[client]} said nothing for {_SILENT_S:.0f} s.", file=sys.stderr)
                return joined
            if not line:
                with suppress(TimeoutError):
                    await asyncio.wait_for(process.wait(), _END_S)
                return joined
            if line == b"joined\n":
                joined = True
            elif line == b"mark\n":
                marks.append(bench.carried())
                process.stdin.write(b"\n")
                await process.stdin.drain()
            elif line.startswith(b"{"):
                heard({**json.loads(line), "decode_bytes": marks[-1] - marks[-2]})
