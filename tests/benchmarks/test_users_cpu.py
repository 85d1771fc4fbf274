"""Processor time is counted for a program and all below it, the network's daemons apart."""

import os
import shutil
import subprocess
from pathlib import Path

from benchmarks.users.cpu import Used, processes, used


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
    daemon = tmp_path / "p2pd"
    shutil.copy("/bin/sh", daemon)
    for socket, parent in (("hoheit-p2p-41-p2pd-x1.sock", 41), ("p2pd-x2.sock", os.getpid())):
        command = [str(daemon), "-c", "echo; read end", f"-listen=/unix/tmp/{socket}"]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            process.stdout.readline()
            found = processes()[process.pid]
            process.communicate(b"\n")
        assert (found.parent, found.command) == (parent, "p2pd")


def test_this_process_is_among_those_there_are() -> None:
    found = processes()[os.getpid()]
    assert found.parent == os.getppid()
    assert 0 < found.seconds <= sum(os.times()[:2]) + 0.02
