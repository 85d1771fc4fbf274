"""What is labelled at one adapter holds at every other one, over restarts, backups and changes of the key."""

import asyncio
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from recorder import CHAT, KEY, LABELS_KEY, Recorder, question, register, start
from scripted import DEADLINE_S, Client, StartAdapter
from scripted import KEY as API_KEY

from tests.databases import postgres_server

NAME = "Anna Ziegenrücker"
PERSON = [{"kind": "person", "text": NAME}]
IN_CHAT = {"x_hoheit_chat_id": "c"}


@pytest.fixture
async def outside() -> AsyncIterator[Recorder]:
    async with Recorder().listening() as recorder:
        yield recorder


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'adapter.db'}"
    else:
        with postgres_server() as url:
            yield url


async def test_two_adapters_on_one_database_protect_the_same_values_under_the_same_names(
    client: Client, start_adapter: StartAdapter, outside: Recorder, database_url: str
) -> None:
    settings: dict[str, Any] = {
        "database_url": database_url,
        "labels_key": LABELS_KEY,
        "egress": {"key": KEY},
    }
    one = await start(client, start_adapter, outside.upstream(), **settings)
    other = await start(client, start_adapter, outside.upstream(), **settings)
    # Both create their tables at once.
    await asyncio.gather(
        register(client, one, "c", "first", values=PERSON),
        register(client, other, "d", "second", values=PERSON),
    )
    for adapter in (one, other):
        answer = await client.post(adapter, CHAT, question(f"Who is {NAME}?"), **IN_CHAT)
        assert answer.json["choices"][0]["message"]["content"] == f"Who is {NAME}?"
    assert not outside.heard_of(NAME)
    assert (
        len({each["messages"][0]["content"] for each in outside.bodies() if "Who" in str(each)})
        == 1
    )


class Process:
    """`hoheit adapter` in a home of its own."""

    def __init__(self, home: Path, port: int, upstream: Recorder) -> None:
        self.home, self.port, self.url = home, port, f"http://127.0.0.1:{port}"
        secrets = home / "secrets"
        secrets.mkdir(parents=True)
        for name, value in (
            ("adapter-key", API_KEY),
            ("labels-key", LABELS_KEY),
            ("egress-key", KEY),
        ):
            (secrets / name).write_text(value.ljust(12, "-"), encoding="utf-8")
        # The keys that the tests' client sends are shorter than a site's secrets are.
        (home / "hoheit.toml").write_text(
            f'[adapter]\nport = {port}\napi_key = "{API_KEY}"\nlabels_key = "{LABELS_KEY}"\n'
            "[embedded]\nenabled = false\n"
            f'[[adapter.upstreams]]\nname = "far"\nbase_url = "http://127.0.0.1:{upstream.port}/v1"\n'
            'models = ["m"]\n',
            encoding="utf-8",
        )
        self._process: subprocess.Popen[bytes] | None = None

    async def start(self, client: Client) -> None:
        command = [sys.executable, "-m", "hoheit", "adapter"]
        environment = {**os.environ, "HOHEIT_HOME": str(self.home)}
        self._process = subprocess.Popen(
            command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        async with asyncio.timeout(DEADLINE_S):
            while True:
                try:
                    ready = await client.get(self, "/ready", key=None)  # type: ignore[arg-type]
                    if ready.json["upstreams"] == {"far": "ready"}:
                        return
                except OSError:
                    pass
                assert self._process.poll() is None
                await asyncio.sleep(0.05)

    def kill(self, with_signal: int = signal.SIGKILL) -> None:
        if self._process is not None:
            self._process.send_signal(with_signal)
            if with_signal != signal.SIGHUP:
                self._process.wait(DEADLINE_S)

    @property
    def database(self) -> Path:
        return self.home / "data" / "adapter" / "adapter.db"


@pytest.fixture
def process(
    tmp_path: Path, outside: Recorder, unused_tcp_port_factory: Callable[[], int]
) -> Iterator[Process]:
    made = Process(tmp_path / "home", unused_tcp_port_factory(), outside)
    yield made
    made.kill()


async def ask(client: Client, process: Process, text: str) -> str:
    answer = await client.post(process, CHAT, question(text), **IN_CHAT)  # type: ignore[arg-type]
    assert answer.status == 200, answer.text
    return str(answer.json["choices"][0]["message"]["content"])


async def test_an_adapter_that_is_killed_after_a_registration_knows_it_when_it_is_back(
    client: Client, process: Process, outside: Recorder
) -> None:
    await process.start(client)
    await register(client, process, "c", "rows", values=PERSON)  # type: ignore[arg-type]
    process.kill()
    await process.start(client)
    assert await ask(client, process, f"Who is {NAME}?") == f"Who is {NAME}?"
    assert not outside.heard_of(NAME)


async def test_what_a_backup_does_not_know_does_not_leave(
    client: Client, process: Process, outside: Recorder
) -> None:
    await process.start(client)
    await register(client, process, "c", "first", values=PERSON)  # type: ignore[arg-type]
    backup = process.home / "backup.db"
    with sqlite3.connect(process.database) as live, sqlite3.connect(backup) as copy:
        live.backup(copy)
    await register(  # type: ignore[arg-type]
        client, process, "c", "second", values=[{"kind": "person", "text": "Bert Ohneland"}]
    )
    process.kill()
    for stale in process.database.parent.glob("adapter.db*"):
        stale.unlink()
    shutil.copy(backup, process.database)
    await process.start(client)
    assert await ask(client, process, f"Who is {NAME}?") == f"Who is {NAME}?"
    call = {"id": "c1", "type": "function", "function": {"name": "files_read", "arguments": "{}"}}
    messages = [
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c1", "content": "second"},
        {"role": "user", "content": "Who is Bert Ohneland?"},
    ]
    answer = await client.post(process, CHAT, question("", messages=messages), **IN_CHAT)  # type: ignore[arg-type]
    assert (answer.status, answer.error["code"]) == (403, "egress_refused")
    assert not outside.heard_of(NAME)
    assert not outside.heard_of("Bert Ohneland")


async def test_a_new_key_makes_new_names_and_answers_under_way_are_restored(
    client: Client, process: Process, outside: Recorder
) -> None:
    outside.hangs = asyncio.Event()
    await process.start(client)
    await register(client, process, "c", "rows", values=PERSON)  # type: ignore[arg-type]
    under_way = asyncio.create_task(ask(client, process, f"Who is {NAME}?"))
    async with asyncio.timeout(DEADLINE_S):
        while not outside.questions():
            await asyncio.sleep(0.02)
    (process.home / "secrets" / "egress-key").write_text("another" * 8, encoding="utf-8")
    process.kill(signal.SIGHUP)
    outside.hangs.set()
    assert await under_way == f"Who is {NAME}?"
    async with asyncio.timeout(DEADLINE_S):
        # The signal is heard within a second.
        while len({*outside.questions()}) < 2:
            assert await ask(client, process, f"Who is {NAME}?") == f"Who is {NAME}?"
            await asyncio.sleep(0.1)
    assert not outside.heard_of(NAME)


async def test_a_changed_policy_is_in_force_at_once_and_a_wrong_one_never(
    client: Client, process: Process, outside: Recorder
) -> None:
    policy = process.home / "policy.yaml"
    policy.write_text("rules: [{then: pseudonymise}]\n", encoding="utf-8")
    with (process.home / "hoheit.toml").open("a", encoding="utf-8") as file:
        file.write(f'[adapter.egress]\npolicy = "{policy}"\n')
    await process.start(client)
    assert await ask(client, process, "Hello") == "Hello"
    policy.write_text("rules: [{then: send}, {then: nonsense}]\n", encoding="utf-8")
    await register(client, process, "c", "rows", values=PERSON)  # type: ignore[arg-type]
    await asyncio.sleep(2)
    assert await ask(client, process, f"Who is {NAME}?") == f"Who is {NAME}?"
    assert not outside.heard_of(NAME)
    policy.write_text("rules: [{then: refuse}]\n", encoding="utf-8")
    async with asyncio.timeout(DEADLINE_S):
        while True:
            answer = await client.post(process, CHAT, question("Hello"))  # type: ignore[arg-type]
            if answer.status == 403:
                break
            await asyncio.sleep(0.1)
    assert "policy.yaml:1" in json.dumps(answer.json)
