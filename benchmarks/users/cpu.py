"""Processor time of a program and of all that it started."""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import psutil

_DAEMON = "p2pd"
# The daemon's socket is named for the program that it serves (`compat.mend_hivemind`): its parent may be gone.
_OWNER = re.compile(r"-listen=/unix/tmp/hoheit-p2p-(\d+)-")


@dataclass(frozen=True)
class Used:
    """One process: its parent, its command's name, and what it used so far, in seconds of a processor."""

    parent: int
    command: str
    seconds: float


def processes() -> dict[int, Used]:
    """All processes there are, by number; a daemon's parent is the program that it serves."""
    found = {}
    for process in psutil.process_iter(["ppid", "name", "cpu_times", "cmdline"]):
        told = process.info
        # One that has just ended tells nothing any more.
        if told["cpu_times"] is None:
            continue
        parent = told["ppid"]
        if told["name"] == _DAEMON and (owner := _OWNER.search(" ".join(told["cmdline"] or ()))):
            parent = int(owner[1])
        seconds = told["cpu_times"].user + told["cpu_times"].system
        found[process.pid] = Used(parent, told["name"], seconds)
    return found


def used(programs: Mapping[str, Iterable[int]], among: Mapping[int, Used]) -> dict[str, float]:
    """Seconds of each named program (the processes it was started as) with all below them.

    The network's daemons (p2pd) count apart, as `NAME_p2pd`.
    """
    name_of = {root: name for name, roots in programs.items() for root in roots}
    seconds: dict[str, float] = defaultdict(float)
    for number, process in among.items():
        above = number
        while above not in name_of and above in among:
            above = among[above].parent
        if above in name_of:
            daemon = process.command == _DAEMON
            seconds[name_of[above] + (f"_{_DAEMON}" if daemon else "")] += process.seconds
    return dict(seconds)
