"""Changed settings are taken over while the adapter runs, and no answer breaks off for it."""

import asyncio
import logging
import signal
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

from backend_adapter.errors import SettingsError
from backend_adapter.settings import AdapterSettings

log = logging.getLogger(__name__)

# How often the file is looked at, in seconds.
_EVERY_S = 1.0
# What is in force from the start to the end of the process.
_FIXED = ("host", "port", "database_url", "otlp_endpoint", "log_level")


class Watch:
    """Looks at a settings file and at those that it names, and listens to SIGHUP; `load` reads the settings anew.

    `load` runs in a thread and raises what its own family has for settings that cannot be used.
    """

    def __init__(
        self, file: Path, load: Callable[[], AdapterSettings], unfit: type[Exception]
    ) -> None:
        self._file = file
        self._load = load
        self._unfit = unfit
        self._asked = asyncio.Event()

    async def run(
        self, apply: Callable[[AdapterSettings], Awaitable[None]], in_force: AdapterSettings
    ) -> None:
        """Until cancelled, hand every change of what is `in_force` to `apply`."""
        loop = asyncio.get_running_loop()
        with suppress(
            ValueError, RuntimeError
        ):  # only a process's main thread can listen to signals
            loop.add_signal_handler(signal.SIGHUP, self._asked.set)
        seen = await asyncio.to_thread(self._state, in_force)
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(_EVERY_S):
                    await self._asked.wait()
            state = await asyncio.to_thread(self._state, in_force)
            if state == seen and not self._asked.is_set():
                continue
            self._asked.clear()
            seen = state
            try:
                changed = await asyncio.to_thread(self._load)
                await apply(changed)
            except (SettingsError, self._unfit) as error:
                log.error("The changed settings are not used, the ones before stay: %s", error)
                continue
            _tell_fixed(in_force, changed)
            in_force = changed
            log.info("The changed settings are in force.")

    def _state(self, settings: AdapterSettings) -> list[tuple[int, int, int] | None]:
        return [_stat(file) for file in (self._file, *settings.egress.files)]


def _stat(file: Path) -> tuple[int, int, int] | None:
    try:
        found = file.expanduser().stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def _tell_fixed(before: AdapterSettings, after: AdapterSettings) -> None:
    for name in _FIXED:
        if getattr(before, name) != getattr(after, name):
            log.warning("adapter.%s changes with the next start.", name)
