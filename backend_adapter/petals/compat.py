"""What has to be mended in the libraries of the swarm; each function names the fault that it mends.

`mend_hivemind` serves this project's own parts and comes before their first use of hivemind. `mend_petals` makes
the released Petals importable beside it: stock nodes and clients are peers in tests and benchmarks.
"""

import ctypes
import importlib
import importlib.machinery
import importlib.util
import logging
import os
import signal
import sys
import types
from pathlib import Path
from typing import Any

_PR_SET_PDEATHSIG = 1
_SOCKETS = "hoheit-p2p-"
_OURS = "backend_adapter.petals."
_LOCK_S = 1.0


def end_with_parent() -> None:
    """Have the kernel end this process when the one that started it ends."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def _apart() -> None:
    if os.getsid(0) != os.getpid():
        os.setsid()
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def mend_hivemind() -> None:
    """Apply what this project's own parts need."""
    _daemon_outlives_its_process()
    _sockets_stay_after_a_kill()
    _refusals_fill_the_log()


def _daemon_outlives_its_process() -> None:
    """hivemind's network daemon (p2pd) goes on when the process that started it is killed, and keeps its port.

    The kernel ends it as well; the process between them, hivemind's DHT, ends with its parent. Both have sessions
    of their own: a signal to the whole group would end them before the others have been told that this peer leaves.

    Both are forked with Python's hooks run in the child: the DHT by multiprocessing, the daemon by uvloop, on which
    the DHT runs. No program such as setsid or setpriv may come before the daemon's: setsid forks where it leads a
    group already, which leaves the daemon without the parent that it is to end with, or ends it with setsid itself.
    """
    os.register_at_fork(after_in_child=_apart)


def _sockets_stay_after_a_kill() -> None:
    """Sockets of hivemind's daemon stay in /tmp for ever when their process is killed.

    Ours carry the process's number, and those of processes that are gone are removed at the next start.
    """
    from hivemind.p2p.p2p_daemon import P2P

    for socket in Path("/tmp").glob(f"{_SOCKETS}*"):  # noqa: S108 - socket paths must be short
        number = socket.name.removeprefix(_SOCKETS).partition("-")[0]
        if number.isdecimal() and not Path(f"/proc/{number}").exists():
            socket.unlink(missing_ok=True)
    P2P._UNIX_SOCKET_PREFIX = f"/unix/tmp/{_SOCKETS}{os.getpid()}-"


def _refusals_fill_the_log() -> None:
    """hivemind writes a traceback for each call that a node refuses, so any stranger can fill its log.

    What this package raises on purpose says all there is to say in one line; others' faults keep their traceback.
    """
    logging.getLogger("hivemind.p2p.p2p_daemon").addFilter(_in_a_line)


def _in_a_line(record: logging.LogRecord) -> bool:
    error = record.exc_info[1] if record.exc_info else None
    if error is not None and type(error).__module__.startswith(_OURS):
        record.msg, record.args = "A call was refused: %s", (error,)
        record.exc_info = record.exc_text = None
    return True


def open_locks() -> None:
    """hivemind's processes share locks, and one that is killed while it has one leaves it closed for all.

    Every later call to any hash table of this process would wait for ever. To be called when such a process has
    been killed; blocks for at most a few seconds.
    """
    from hivemind.utils.mpfuture import MPFuture, SharedBytes

    for lock in (MPFuture._initialization_lock, MPFuture._update_lock, SharedBytes._lock):
        # Those that live have it for a moment only; so now it is taken here, or was by the dead.
        lock.acquire(timeout=_LOCK_S)
        lock.release()


def mend_petals() -> None:
    """Make the released Petals importable; call it before the first import of petals."""
    os.environ.setdefault("PETALS_IGNORE_DEPENDENCY_VERSION", "1")
    _names_that_hivemind_moved()
    _no_bitsandbytes_without_a_gpu()
    _data_structures_of_an_older_pydantic()


def _names_that_hivemind_moved() -> None:
    """Petals takes from hivemind's top what 1.1.12 has in its modules only."""
    import hivemind

    for name in (
        "compression",
        "p2p",
        "utils",
        "utils.asyncio",
        "utils.logging",
        "utils.nested",
        "utils.networking",
        "utils.streaming",
        "utils.tensor_descr",
        "utils.timed_storage",
    ):
        module = importlib.import_module(f"hivemind.{name}")
        for holder in (hivemind, hivemind.utils) if name.startswith("utils") else (hivemind,):
            for key, value in vars(module).items():
                ours = key.startswith("_") or isinstance(value, types.ModuleType)
                if not ours and not hasattr(holder, key):
                    setattr(holder, key, value)


def _no_bitsandbytes_without_a_gpu() -> None:
    """Petals imports bitsandbytes although nothing is quantised; a module of that name is enough."""
    if importlib.util.find_spec("bitsandbytes") is not None:
        return
    import torch

    class Absent(torch.nn.Module):
        """Stands for every layer of bitsandbytes."""

        def __init__(self, *args: Any, **kwargs: Any) -> None:
            raise RuntimeError("bitsandbytes is not installed")

    stand_in, layers = types.ModuleType("bitsandbytes"), types.ModuleType("bitsandbytes.nn")
    stand_in.__spec__ = importlib.machinery.ModuleSpec("bitsandbytes", None)
    for name in (
        "Linear8bitLt",
        "Linear4bit",
        "LinearNF4",
        "LinearFP4",
        "Int8Params",
        "Params4bit",
    ):
        setattr(layers, name, Absent)
    stand_in.nn = layers  # type: ignore[attr-defined]
    sys.modules["bitsandbytes"], sys.modules["bitsandbytes.nn"] = stand_in, layers


def _data_structures_of_an_older_pydantic() -> None:
    """petals.data_structures is written for pydantic 1: it is loaded against the copy that pydantic 2 carries."""
    import pydantic
    import pydantic.v1.dataclasses

    found = importlib.util.find_spec("petals")
    if found is None or not found.submodule_search_locations:
        raise ImportError("petals is not installed")
    file = Path(next(iter(found.submodule_search_locations))) / "data_structures.py"
    sys.modules["pydantic"] = pydantic.v1
    try:
        spec = importlib.util.spec_from_file_location("petals.data_structures", file)
        assert spec is not None and spec.loader is not None  # noqa: S101 - a file that exists
        module = importlib.util.module_from_spec(spec)
        sys.modules["petals.data_structures"] = module
        spec.loader.exec_module(module)
    finally:
        sys.modules["pydantic"] = pydantic
