"""An independent black box: `pii-leak-benchmark` before and behind a running adapter whose upstream is anybody's.

It asks the adapter as a client, stands in the upstream's place, and looks there for every value that it sent,
decoded in every way that it knows; then whether the client got the values back, however the answer was cut.

What it says as an upstream lacks `finish_reason`, without which the adapter takes no answer for complete, and it
has no list of models. A relay between the two adds that, and hands on every byte of a request as it is.
"""

import asyncio
import json
import os
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from pii_leak_benchmark.operator_profile import seeded_fixture
from pii_leak_benchmark.v2_emitter import build_segments
from scripted import KEY, Client, RunningAdapter, StartAdapter, chunk, is_probe

from backend_adapter.settings import UpstreamSettings

SEED = "hoheit"
MODELS = b'{"object":"list","data":[{"id":"m"}]}'
DONE = b"data: [DONE]\n\n"
FINISH = f"data: {json.dumps(chunk(finish='stop'))}\n\n".encode()


class Relay:
    """Hands connections on to the benchmark, which listens at `to` while it runs."""

    def __init__(self) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.to: int = probe.getsockname()[1]
        self.port = 0
        # Whether what the adapter asks by itself, to see whether the upstream is there, is answered here.
        self.answers_probes = False

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            body = await reader.readexactly(header(head, b"content-length"))
            if head.startswith(b"GET"):
                writer.write(answer(b"application/json", MODELS))
            elif self.answers_probes and is_probe(json.loads(body)):
                said = f"data: {json.dumps(chunk({'content': 'ok'}))}\n\n".encode()
                writer.write(answer(b"text/event-stream", said + FINISH + DONE))
            else:
                far, to = await asyncio.open_connection("127.0.0.1", self.to)
                to.write(head + body)
                said = await far.read()
                writer.write(completed(said))
                to.close()
            await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


def header(head: bytes, name: bytes) -> int:
    for line in head.split(b"\r\n"):
        if line.lower().startswith(name + b":"):
            return int(line.partition(b":")[2])
    return 0


def answer(kind: bytes, body: bytes) -> bytes:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: %s\r\nContent-Length: %d\r\nConnection: close\r\n\r\n"
    return head % (kind, len(body)) + body


def completed(said: bytes) -> bytes:
    """An answer with the chunk that ends it before its end."""
    body = said.partition(b"\r\n\r\n")[2]
    if not body.endswith(DONE):
        return said
    return answer(b"text/event-stream", body.removesuffix(DONE) + FINISH + DONE)


@pytest.fixture
async def relay() -> AsyncIterator[Relay]:
    relay = Relay()
    server = await asyncio.start_server(relay.connected, "127.0.0.1", 0)
    relay.port = server.sockets[0].getsockname()[1]
    async with server:
        yield relay


async def start(
    client: Client, start_adapter: StartAdapter, relay: Relay, **egress: Any
) -> RunningAdapter:
    base_url = f"http://127.0.0.1:{relay.port}/v1"
    upstream = UpstreamSettings(name="far", base_url=base_url, models=("m",), trust="public")
    return start_adapter(upstreams=(upstream,), egress={"key": "k" * 32, **egress})


async def run(command: str, *arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return await asyncio.to_thread(
        subprocess.run,
        [Path(sys.executable).with_name(command), *arguments],
        cwd=folder,
        env={**os.environ, "CONFORMANCE_TARGET_API_KEY": KEY},
        capture_output=True,
        text=True,
        timeout=240,
    )


def read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def listed(folder: Path, values: Mapping[str, str]) -> dict[str, Any]:
    """The benchmark's values of a seed as lists of the site."""
    dictionaries = []
    for name, value in values.items():
        path = folder / f"{name}.txt"
        path.write_text(value, encoding="utf-8")
        dictionaries.append({"path": path, "kind": "email" if name == "EMAIL" else "code"})
    return {"dictionaries": dictionaries}


@pytest.mark.parametrize("known", ["listed", "recognised"])
async def test_no_value_of_the_benchmark_reaches_the_upstream_and_all_come_back(
    known: str, client: Client, start_adapter: StartAdapter, relay: Relay, tmp_path: Path
) -> None:
    lists = listed(tmp_path, seeded_fixture(SEED, True)[0]) if known == "listed" else {}
    adapter = await start(client, start_adapter, relay, **lists)
    out = tmp_path / "reports"
    arguments = ["--target-base-url", f"{adapter.url}/v1", "--target-model", "m", "--seed", SEED]
    arguments += ["--capture-port", str(relay.to), "--out", str(out)]
    done = await run("pii-leak-benchmark", "ci", *arguments, folder=tmp_path)
    report = read(out / "current.json")
    assert report.get("entities"), report
    assert set(report["entities"].values()) == {"contained"}, report["findings"]
    assert report["required_checks"]
    assert all(report["required_checks"].values()), report["required_checks"]
    assert (report["verdict"], done.returncode) == ("CLEAN", 0), report["reason"]


async def test_however_an_answer_is_cut_everything_that_was_sent_comes_back(
    client: Client, start_adapter: StartAdapter, relay: Relay, tmp_path: Path
) -> None:
    """The second profile: values in every place of a request, answers cut in two at every character.

    Its LeakRate counts values that nobody at the site has said: the upstream makes them up. They are no data of the
    site, and reach who asked as the upstream said them. Its number of nobody's social insurance is listed: without
    a word about what it is, and with digits that no such number has, it is not recognised.
    """
    relay.answers_probes = True
    adapter = await start(
        client, start_adapter, relay, **listed(tmp_path, build_segments(SEED).echo)
    )
    arguments = ["--gateway-url", f"{adapter.url}/v1/chat/completions", "--model", "m"]
    arguments += ["--upstream-port", str(relay.to), "--only", "hoheit", "--seed", SEED]
    arguments += ["--out", str(tmp_path), "--json-out", str(tmp_path / "rows.json")]
    done = await run(
        "pii-leak-benchmark-v2", *arguments, "--oracle", "exhaustive-2-part", folder=tmp_path
    )
    (row,) = read(tmp_path / "rows.json")["rows"]
    assert row["cases_attempted"] == row["cases_applicable"] > 0, done.stdout
    assert row["request_path_leak"] == []
    assert (row["fidelity_rate"], row["delta_frag"], row["inconclusive"]) == (1.0, 0.0, 0)
