"""Processor time is counted for a program and all below it, the network's daemons apart."""

import os
from pathlib import Path

from benchmarks.users.cpu import Used, parse, processes, used

PER_S = os.sysconf("SC_CLK_TCK")


def stat(number: int, command: str, parent: int, user: int, system: int) -> str:
    return (
        f"{number} ({command}) S {parent} 1 1 0 -1 4194560 9 8 7 6 {user} {system} 50 60 20 0 1\n"
    )


def test_a_line_is_read_whatever_the_command_is_called() -> None:
    assert parse(stat(7, "a) b (c", 3, 30, 12)) == Used(3, "a) b (c", 42 / PER_S)


def test_seconds_go_to_the_program_that_started_a_process() -> None:
    there = {
        1: Used(0, "init", 100.0),
        10: Used(1, "python", 1.0),
        11: Used(10, "python", 2.0),
        12: Used(11, "p2pd", 4.0),
        20: Used(10, "python", 8.0),
        21: Used(20, "python", 16.0),
        30: Used(1, "python", 32.0),
    }
    # 20 was started by 10 and is a program of its own.
    assert used({"nodes": [10, 30], "client": [20]}, there) == {
        "nodes": 35.0,
        "nodes_p2pd": 4.0,
        "client": 24.0,
    }


def test_a_daemon_belongs_to_the_program_that_its_socket_names(tmp_path: Path) -> None:
    given = {
        41: ("python", 1, b"python\0"),
        42: ("p2pd", 1, b"p2pd\0-listen=/unix/tmp/hoheit-p2p-41-p2pd-x1.sock\0-dht=1\0"),
        43: ("p2pd", 9, b"p2pd\0-listen=/unix/tmp/p2pd-x2.sock\0"),
    }
    for number, (command, parent, line) in given.items():
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / "stat").write_text(stat(number, command, parent, number, 0))
        (folder / "cmdline").write_bytes(line)
    # Ended between being listed and being read.
    (tmp_path / "44").mkdir()
    (tmp_path / "self").mkdir()
    assert processes(tmp_path) == {
        41: Used(1, "python", 41 / PER_S),
        42: Used(41, "p2pd", 42 / PER_S),
        43: Used(9, "p2pd", 43 / PER_S),
    }


def test_this_process_is_among_those_there_are() -> None:
    found = processes()[os.getpid()]
    assert found.parent == os.getppid()
    assert 0 < found.seconds <= sum(os.times()[:2]) + 2 / PER_S
