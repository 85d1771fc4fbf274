"""`hoheit up` and `hoheit down`: the whole site on one machine, in the foreground."""

import asyncio
import fcntl
import os
import shutil
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from hoheit import environments
from hoheit.errors import HoheitError, StartError
from hoheit.home import Home, make_folder, write_whole
from hoheit.open_webui.launch import edition_environment
from hoheit.parts import Part, parts, require_free_ports
from hoheit.petals.launch import prepared
from hoheit.progress import Progress
from hoheit.provision_site import provision_site
from hoheit.settings import Settings, complete
from hoheit.state import load
from hoheit.summary import summary
from hoheit.supervisor import Supervisor
from hoheit.template import render
from hoheit.vllm.launch import server

_NEEDED_MB = 300
# What answers, and comes before those that ask it.
_ENGINES = ("embedded", "gateway", "node", "vllm")


def up(home: Home, settings: Settings, progress: Progress) -> None:
    """Starts every part, provisions Open WebUI, and stays until Ctrl-C, SIGTERM or SIGHUP.

    Raises HoheitError when something stands in the way; whatever was started is stopped before.
    """
    make_folder(home.path)
    with _only_one(home):
        _require_room(home)
        settings = complete(settings, home)
        require_free_ports(parts(settings))
        if not home.settings_file.exists():
            write_whole(home.settings_file, render())
        if settings.open_webui.enabled:
            root = settings.environments_dir or home.environments
            environments.ensure(edition_environment(settings.open_webui), root, progress)
        if settings.engine == "petals":
            settings = prepared(home, settings, progress)
        if settings.engine == "vllm":
            server(0, settings, home, progress)  # builds and converts what all of them need
        asyncio.run(_run(home, settings, parts(settings), progress))


async def _run(home: Home, settings: Settings, wanted: list[Part], progress: Progress) -> None:
    stop, kill = asyncio.Event(), asyncio.Event()

    def on_signal() -> None:
        (kill if stop.is_set() else stop).set()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, on_signal)
    supervisor = Supervisor(wanted, home, progress.say)
    started = asyncio.create_task(_start(supervisor, settings, wanted, progress))
    stopped = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait([started, stopped], return_when=asyncio.FIRST_COMPLETED)
        if started.done():
            started.result()
            progress.say(summary(settings, home))
            await stopped
    finally:
        started.cancel()
        stopped.cancel()
        await asyncio.gather(started, stopped, return_exceptions=True)
        with progress.step("Stopping every part (Ctrl-C again kills them at once)"):
            await supervisor.stop(kill)


async def _start(
    supervisor: Supervisor, settings: Settings, wanted: list[Part], progress: Progress
) -> None:
    with progress.step(f"Starting {len(wanted)} parts") as step:
        names = [part.name for part in wanted]
        # The adapter asks its upstreams for their models as it starts, and provisioning asks the adapter.
        first = [name for name in names if name.partition("-")[0] in _ENGINES]
        await supervisor.start(first, step.update)
        await supervisor.start([name for name in names if name not in first], step.update)
    if settings.open_webui.enabled:
        with progress.step("Provisioning Open WebUI") as step:
            await provision_site(settings, step.update)


def down(home: Home, progress: Progress, *, timeout_s: float = 30.0) -> bool:
    """Stops what `hoheit up` runs in this home, and what a killed one left; False when nothing ran.

    Raises StartError when a process does not end in time.
    """
    written = load(home)
    if written is None:
        return False
    processes = [part.process for part in written.parts if part.process]
    supervisor = written.supervisor
    # A supervisor stops its own parts, and says so in its own terminal.
    asked = [supervisor] if supervisor.lives() else [p for p in processes if p.lives()]
    if not asked:
        return False
    with progress.step("Stopping the site"):
        for process in asked:
            with suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGTERM)
        deadline = time.monotonic() + timeout_s
        while left := [p for p in (supervisor, *processes) if p.lives()]:
            if time.monotonic() > deadline:
                raise StartError(
                    f"Still running after {timeout_s:.0f} s: {', '.join(str(p.pid) for p in left)}.",
                    "End them with 'kill -9' and the numbers above.",
                )
            time.sleep(0.1)
    return True


@contextmanager
def _only_one(home: Home) -> Iterator[None]:
    """Two supervisors in one home would fight over ports and data."""
    make_folder(home.lock_file.parent)
    with home.lock_file.open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            written = load(home)
            pid = f" (process {written.supervisor.pid})" if written else ""
            raise StartError(
                f"This site is already up{pid}: {home.path}.",
                "See it with 'hoheit status', stop it with 'hoheit down', "
                "or run a second site with another HOHEIT_HOME.",
            ) from error
        yield


def _require_room(home: Home) -> None:
    free_mb = shutil.disk_usage(home.path).free // 2**20
    if free_mb < _NEEDED_MB:
        raise HoheitError(
            f"The disk of {home.path} has {free_mb} MB free; at least {_NEEDED_MB} MB are needed.",
            "Free space there, or set HOHEIT_HOME to a folder on a larger disk.",
        )
