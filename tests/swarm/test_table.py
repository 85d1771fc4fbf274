"""Joining the hash table, whose process and daemon end with whoever started them."""

import os
import signal
import threading
from collections.abc import Iterator
from typing import Any

import psutil
import pytest
from gateway_parts import until
from hivemind.utils import MPFuture

from backend_adapter.petals import table
from backend_adapter.petals.errors import SwarmUnreachableError


@pytest.fixture
def processes() -> Iterator[list[psutil.Process]]:
    """The processes of tables that this test starts, in order; none of them stays."""
    # With the first of these, torch starts a helper of its own.
    MPFuture()
    before = set(psutil.Process().children())
    found: list[psutil.Process] = []

    def look() -> None:
        while not done.wait(0.002):
            for each in psutil.Process().children():
                if each not in before and each not in found:
                    found.append(each)

    done = threading.Event()
    looking = threading.Thread(target=look)
    looking.start()
    yield found
    done.set()
    looking.join()
    assert not [each for each in found if _runs(each)]


def _runs(process: psutil.Process) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_the_daemon_is_a_child_of_the_table_and_ends_with_it() -> None:
    joined = table.join([], "")
    try:
        (daemon,) = psutil.Process(joined.pid).children()
        assert daemon.name() == "p2pd"
        # Out of reach of a signal that is for the group of this process.
        assert {os.getsid(joined.pid), os.getsid(daemon.pid)} == {joined.pid, daemon.pid}
        os.kill(joined.pid, signal.SIGKILL)
        until(lambda: not _runs(daemon), 5)
    finally:
        table.leave(joined)


def test_nothing_is_left_of_a_table_that_was_left() -> None:
    joined = table.join([], "")
    (daemon,) = psutil.Process(joined.pid).children()
    table.leave(joined)
    assert not joined.is_alive()
    until(lambda: not _runs(daemon), 5)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_a_table_that_dies_or_hangs_while_it_joins_is_started_once_more(
    number: signal.Signals, processes: list[psutil.Process], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table, "_READY_S", 6.0)

    def strike() -> None:
        until(lambda: processes and processes[0].children())
        processes[0].send_signal(number)
        # For the second one, however slow this machine is.
        monkeypatch.setattr(table, "_READY_S", 60.0)

    striking = threading.Thread(target=strike)
    striking.start()
    joined = table.join([], "")
    striking.join()
    try:
        assert joined.get("anything") is None
        assert joined.pid != processes[0].pid
        until(lambda: not _runs(processes[0]), 5)
    finally:
        table.leave(joined)


async def _die_with_the_lock(joined: Any, node: Any) -> None:
    """Runs in the process of a table."""
    MPFuture._update_lock.acquire()
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_table_that_is_killed_at_a_bad_moment_does_not_stop_the_next(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(table, "_READY_S", 20.0)
    joined = table.join([], "")
    joined.run_coroutine(_die_with_the_lock, return_future=True)
    until(lambda: not joined.is_alive())
    table.leave(joined)
    again = table.join([], "")
    assert again.get("anything") is None
    table.leave(again)


def test_after_a_join_that_failed_comes_one_that_does_not(
    processes: list[psutil.Process], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table, "_READY_S", 20.0)
    away = "/ip4/127.0.0.1/tcp/9/p2p/12D3KooWEeTWRejEi6PLBqbKdrmQmrA4xPr5DQWVmiaLzyTmjKLS"
    for number in range(1, 6):
        with pytest.raises(SwarmUnreachableError, match="Daemon failed to start") as caught:
            table.join([away], "Start it.")
        assert caught.value.remedy == "Start it."
        # What was told is not tried once more.
        assert len(processes) == number
    table.leave(table.join([], ""))
