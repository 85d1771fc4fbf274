"""The gateway benchmark's upstream says what it should, and its load client sees what is missing."""

import http.client
import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import pytest

from benchmarks.gateway.measure import Results, Streams
from benchmarks.gateway.programs import Load, Questions, ask, build, cpu_s, running_upstream
from benchmarks.gateway.report import figures, table

DEADLINE_S = 20
WHOLE = {"answers": 1, "words": 3, "lost": 0, "reordered": 0, "duplicated": 0, "broken": 0}
Ask = Callable[[int, Questions], Load]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("gateway")


@pytest.fixture(scope="module")
def upstream(folder: Path) -> Iterator[int]:
    with running_upstream(folder) as (_, port):
        yield port


@pytest.fixture(scope="module")
def client(folder: Path) -> Ask:
    program = build("load", folder)
    return lambda port, questions: ask(program, port, "key", questions)


@contextmanager
def answering(answer: bytes, piece: int) -> Iterator[int]:
    """A server that answers one request with these bytes, so many at a time, and hangs up."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(DEADLINE_S)

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.settimeout(DEADLINE_S)
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                request = b""
                while b'"messages"' not in request:
                    request += connection.recv(65536)
                for at in range(0, len(answer), piece):
                    connection.sendall(answer[at : at + piece])

        thread = threading.Thread(target=serve)
        thread.start()
        yield listener.getsockname()[1]
        thread.join(DEADLINE_S)


def stream_of(*events: str, status: str = "200 OK", end: bytes = b"0\r\n\r\n") -> bytes:
    frames = b"".join(b"%x\r\n%s\r\n" % (len(event), event.encode()) for event in events)
    return f"HTTP/1.1 {status}\r\nTransfer-Encoding: chunked\r\n\r\n".encode() + frames + end


def word(number: int, more: str = "") -> str:
    delta = {"content": f" w{number:05d}{more}"}
    return f"data: {json.dumps({'choices': [{'delta': delta, 'finish_reason': None}]})}\n\n"


FINISH = 'data: {"choices":[{"delta":{},"finish_reason":"stop"}]}\n\n'
DONE = "data: [DONE]\n\n"
ERROR = 'data: {"error":{"message":"the engine stopped"}}\n\n'


@pytest.fixture
def connection(upstream: int) -> Iterator[http.client.HTTPConnection]:
    opened = http.client.HTTPConnection("127.0.0.1", upstream, timeout=DEADLINE_S)
    yield opened
    opened.close()


def post(connection: http.client.HTTPConnection, **body: object) -> http.client.HTTPResponse:
    connection.request("POST", "/v1/chat/completions", json.dumps(body))
    return connection.getresponse()


def test_upstream_streams_the_numbered_words_then_finish_usage_and_done(
    connection: http.client.HTTPConnection,
) -> None:
    response = post(
        connection,
        model="scripted-0",
        stream=True,
        max_tokens=3,
        stream_options={"include_usage": True},
    )
    assert response.headers["Content-Type"].startswith("text/event-stream")
    events = response.read().decode().split("\n\n")
    assert events[-2:] == ["data: [DONE]", ""]
    chunks = [json.loads(event.removeprefix("data: ")) for event in events[:-2]]
    assert len({chunk["id"] for chunk in chunks}) == 1
    assert {chunk["model"] for chunk in chunks} == {"scripted-0"}
    assert [chunk["choices"][0]["delta"] for chunk in chunks[:-1]] == [
        {"role": "assistant", "content": ""},
        {"content": " w00000"},
        {"content": " w00001"},
        {"content": " w00002"},
        {},
    ]
    reasons = [chunk["choices"][0]["finish_reason"] for chunk in chunks[:-1]]
    assert reasons == [None, None, None, None, "stop"]
    assert chunks[-1]["choices"] == []
    assert chunks[-1]["usage"]["completion_tokens"] == 3


def test_upstream_answers_whole_what_asks_for_no_stream(
    connection: http.client.HTTPConnection,
) -> None:
    answer = json.load(post(connection, model="scripted-50", stream=False, max_tokens=2))
    assert answer["choices"][0]["message"]["content"] == " w00000 w00001"
    assert answer["usage"]["completion_tokens"] == 2


def test_upstream_lists_its_models_and_refuses_other_paths(
    connection: http.client.HTTPConnection,
) -> None:
    connection.request("GET", "/v1/models")
    listed = json.load(connection.getresponse())
    assert "scripted-50" in [model["id"] for model in listed["data"]]
    connection.request("GET", "/v1/embeddings")
    refusal = connection.getresponse()
    assert (refusal.status, "error" in json.load(refusal)) == (404, True)


def test_upstream_keeps_every_chunk_for_a_reader_that_takes_a_little_at_a_time(
    upstream: int,
) -> None:
    with socket.socket() as reader:
        reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        reader.settimeout(DEADLINE_S)
        reader.connect(("127.0.0.1", upstream))
        body = b'{"model":"scripted-0","stream":true,"max_tokens":20000}'
        reader.sendall(
            b"POST /v1/chat/completions HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % len(body)
        )
        reader.sendall(body)
        read = bytearray()
        while not read.endswith(b"\r\n0\r\n\r\n"):
            read += reader.recv(1024)
    words = [int(each[:5]) for each in read.decode().split(" w")[1:]]
    assert words == list(range(20000))


@pytest.mark.parametrize("stream", [True, False])
def test_client_finds_nothing_missing_in_what_the_upstream_says(
    upstream: int, client: Ask, stream: bool
) -> None:
    seen = client(upstream, Questions(0, 30, connections=20, answers=100, stream=stream))
    assert (seen.answers, seen.words, seen.broken) == (100, 3000, 0)
    assert (seen.lost, seen.reordered, seen.duplicated) == (0, 0, 0)
    assert len(seen.first_ms) == 100


@pytest.mark.parametrize("piece", [1, 7, 100_000])
@pytest.mark.parametrize(
    ("answer", "counts"),
    [
        pytest.param(stream_of(word(0), word(1), word(2), FINISH, DONE), {}, id="whole"),
        pytest.param(
            stream_of(": keep-alive\n\n", word(0, " w00001"), word(2), FINISH, DONE),
            {},
            id="comment and two words in one chunk",
        ),
        pytest.param(
            stream_of(word(0), word(2), FINISH, DONE),
            {"words": 2, "lost": 1, "broken": 1},
            id="lost",
        ),
        pytest.param(
            stream_of(word(0), word(2), word(1), FINISH, DONE), {"reordered": 1}, id="reordered"
        ),
        pytest.param(
            stream_of(word(0), word(1), word(1), word(2), FINISH, DONE),
            {"words": 4, "duplicated": 1},
            id="duplicated",
        ),
        pytest.param(
            stream_of(word(0), word(1), end=b""),
            {"words": 2, "lost": 1, "broken": 1},
            id="cut off",
        ),
        pytest.param(
            stream_of(word(0), word(1), word(2), FINISH), {"broken": 1}, id="without [DONE]"
        ),
        pytest.param(
            stream_of(word(0), word(1), word(2), DONE), {"broken": 1}, id="without finish_reason"
        ),
        pytest.param(
            stream_of(word(0), word(1), word(2), ERROR, FINISH, DONE), {"broken": 1}, id="error"
        ),
        pytest.param(
            stream_of(word(0), word(1), word(2), FINISH, DONE, end=b""),
            {"broken": 1},
            id="without the last HTTP chunk",
        ),
        pytest.param(
            stream_of(word(0), word(1), word(2), FINISH, DONE, status="503 Busy"),
            {"broken": 1},
            id="status 503",
        ),
    ],
)
def test_client_sees_what_is_wrong_with_a_stream(
    client: Ask, answer: bytes, counts: dict[str, int], piece: int
) -> None:
    with answering(answer, piece) as port:
        seen = asdict(client(port, Questions(0, 3, connections=1, limit_s=DEADLINE_S)))
    assert {name: seen[name] for name in WHOLE} == {**WHOLE, **counts}


def test_client_counts_what_never_came_as_broken_and_lost(client: Ask) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        seen = client(port, Questions(0, 3, connections=2, answers=2, limit_s=1))
    assert (seen.words, seen.lost, seen.broken) == (0, 6, 2)


def test_cpu_time_is_that_of_the_process_asked(folder: Path, client: Ask) -> None:
    own = folder / "own"
    own.mkdir()
    with running_upstream(own) as (process, port):
        before = cpu_s(process)
        client(port, Questions(0, 2000, connections=10))
        used = cpu_s(process) - before
    assert 0.001 < used < DEADLINE_S


def test_ratios_are_taken_within_a_round_and_the_peer_that_did_not_run_is_left_out() -> None:
    def streams(cpu_us: float) -> Streams:
        return Streams(cpu_us, 1.0, 2.0, 1.0, 0, 0.1)

    rounds = [(30, 10), (100, 20), (40, 40)]  # ratios 3, 5 and 1; the medians would give 2
    results = Results(
        streams={
            64: [
                {"direct": streams(1), "adapter": streams(ours), "passthrough": streams(peer)}
                for ours, peer in rounds
            ]
        }
    )
    found = figures(results)
    assert found["vs_passthrough"] == 3
    assert "vs_litellm" not in found
    assert found["rounds"] == len(rounds)
    assert "cpu_us_per_chunk" not in found["streams"]["direct"]["64"]
    assert "3.0 of its CPU per chunk" in table(found)
