"""What the parent makes of a client's lines: bytes between marks, and clients that break off."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import pytest

from benchmarks.wan.clients import Bench, measured
from benchmarks.wan.links import Link
from benchmarks.wan.proxy import Proxy

# Speaks as benchmarks.wan.measuring does, and sends each text through the proxy and back: before the first mark,
# twice before the second. A text "break" ends it.
CLIENT = """#!{python}
import json, socket, sys
asked = json.loads(sys.stdin.readline())
if asked["client"] == {dead!r}:
    sys.exit(1)
print("joined", flush=True)
swarm = socket.create_connection(("127.0.0.1", int(asked["peers"][0])))
def say(text):
    swarm.sendall(text.encode())
    assert swarm.recv(len(text), socket.MSG_WAITALL) == text.encode()
for index, conversation in enumerate(asked["conversations"]):
    for number, text in enumerate(conversation, 1):
        if text == "break":
            sys.exit(1)
        for times in 1, 2:
            say(times * text)
            print("mark", flush=True)
            sys.stdin.readline()
        print(json.dumps(dict(conversation=index, turn=number, ids=[number])), flush=True)
"""


@pytest.fixture
async def proxy() -> AsyncIterator[Proxy]:
    """In front of a server that says everything back."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while piece := await reader.read(65536):
                writer.write(piece)
                await writer.drain()
            writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with Proxy(server.sockets[0].getsockname()[1], Link()) as opened:
        yield opened
    server.close()


def bench(folder: Path, proxy: Proxy, dead: str = "") -> Bench:
    program = folder / "client"
    program.write_text(CLIENT.format(python=sys.executable, dead=dead))
    program.chmod(0o755)
    return Bench(program, folder, [str(proxy.port)], [proxy], 4, "NONE")


async def test_each_answer_has_the_bytes_between_its_marks(tmp_path: Path, proxy: Proxy) -> None:
    heard: list[str] = []
    run = await measured(bench(tmp_path, proxy), "hoheit", [["a", "bb"], ["ccc"]], heard.append)
    assert [(each["conversation"], each["turn"]) for each in run.turns] == [(0, 1), (0, 2), (1, 1)]
    # Both directions of what was sent twice; in all it was sent three times.
    assert [each["decode_bytes"] for each in run.turns] == [4, 8, 12]
    assert run.carried == 36
    assert heard == ["1 of 3 answers", "2 of 3 answers", "3 of 3 answers"]


async def test_a_stock_client_that_breaks_off_goes_on_with_the_next_conversation(
    tmp_path: Path, proxy: Proxy, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = [["a", "break", "lost"], ["b"], ["break"], ["c"], ["d", "break"]]
    run = await measured(bench(tmp_path, proxy), "stock", asked, lambda _: None)
    places = [(each["conversation"], each["turn"]) for each in run.turns]
    assert places == [(0, 1), (1, 1), (3, 1), (4, 1)]
    told = capsys.readouterr().err
    assert "broke off in conversation 1, turn 2" in told
    assert "broke off in conversation 5, turn 2" in told


async def test_our_client_must_not_break_off(tmp_path: Path, proxy: Proxy) -> None:
    with pytest.raises(SystemExit, match="Our client ended after 1 of 2 answers"):
        await measured(bench(tmp_path, proxy), "hoheit", [["a", "break"]], lambda _: None)


async def test_a_client_that_does_not_start_is_a_fault(tmp_path: Path, proxy: Proxy) -> None:
    with pytest.raises(SystemExit, match="ended after 0 of 1 answers"):
        await measured(bench(tmp_path, proxy, dead="stock"), "stock", [["a"]], lambda _: None)
