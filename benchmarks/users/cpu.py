"""Processor time of a program and of all that it started, from /proc."""

import os
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

_DAEMON = "p2pd"
# The daemon's socket is named for the program that it serves (`compat.mend_hivemind`): its parent may be gone.
_OWNER = re.compile(rb"-listen=/unix/tmp/hoheit-p2p-(\d+)-")
# Behind the command: state is field 0, the parent 1; see proc_pid_stat(5).
_PARENT, _USER, _SYSTEM = 1, 11, 12
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Used:
    """One process: its parent, its command's name, and what it used so far, in seconds of a processor."""

    parent: int
    command: str
    seconds: float


def parse(stat: str) -> Used:
    """What a line of /proc/PID/stat says; the command may hold spaces and brackets."""
    command = stat[stat.index("(") + 1 : stat.rindex(")")]
    fields = stat[stat.rindex(")") + 1 :].split()
    ticks = int(fields[_USER]) + int(fields[_SYSTEM])
    return Used(int(fields[_PARENT]), command, ticks / _TICKS_PER_S)


def processes(proc: Path = Path("/proc")) -> dict[int, Used]:
    """All processes there are, by number; a daemon's parent is the program that it serves."""
    found = {}
    for entry in proc.iterdir():
        if entry.name.isdecimal():
            try:
                process = parse((entry / "stat").read_text())
                if process.command == _DAEMON:
                    owner = _OWNER.search((entry / "cmdline").read_bytes())
                    process = replace(process, parent=int(owner[1])) if owner else process
            except (FileNotFoundError, ProcessLookupError):
                continue
            found[int(entry.name)] = process
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
