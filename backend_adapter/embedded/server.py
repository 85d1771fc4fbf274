"""Runs llama.cpp's own HTTP server in this process until it is told to stop."""

import os
import signal
import socket
import sys
import threading
from types import FrameType, ModuleType
from typing import Any, NoReturn

from backend_adapter.embedded.errors import AddressError, EmbeddedError, EngineError
from backend_adapter.embedded.settings import EmbeddedSettings
from backend_adapter.embedded.weights import resolve_weights

# llama.cpp keeps old prompts in memory to answer a continued chat sooner; its own limit is 8 GiB.
PROMPT_CACHE_MIB = 256
# Verbosity of llama.cpp: 1 is errors only. Its notes on requests may quote what was said.
LOG_ERRORS_ONLY = 1


def serve(settings: EmbeddedSettings) -> None:
    """Load the weights, answer on settings.host and settings.port, end on SIGINT or SIGTERM.

    Blocks. Ready is when GET /health answers 200. Must run in the main thread of a process of its
    own: a stop signal ends the process at once with status 0, even in the middle of an answer.

    Raises EmbeddedError when no key is set, WeightsError about the file, AddressError when the port
    is not free, EngineError when llama.cpp is missing or refuses the file.
    """
    if settings.api_key is None or not settings.api_key.get_secret_value():
        raise EmbeddedError(
            "The embedded engine has no API key (embedded.api_key).",
            remedy="Set embedded.api_key; `hoheit up` makes one by itself.",
        )
    engine = load_engine()
    params = engine_params(engine, settings)
    check_address(settings.host, settings.port)

    # Loading holds the interpreter lock, so until it is done a Python handler would not run:
    # the system's default ends the process, which has written nothing yet.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    try:
        server = engine.Server(params)
    except RuntimeError as error:
        raise EngineError(
            f"llama.cpp could not start with the weights file {params.model.path}: {error}",
            remedy="Read the engine's own lines above; usually the file is incomplete, "
            "the model is newer than this llama.cpp, or memory is short.",
        ) from error
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _leave)
    print(f"{settings.model_id} answers at {server.listening_address}", flush=True)  # noqa: T201
    threading.Event().wait()


def load_engine() -> ModuleType:
    """The xllamacpp package.

    Raises EngineError when it is not installed or does not fit this machine.
    """
    try:
        import xllamacpp
    except ImportError as error:
        raise EngineError(
            f"The embedded engine needs the Python package xllamacpp: {error}",
            remedy="Install Hoheit with the extra `embedded`, "
            "or turn the embedded engine off and name another upstream.",
        ) from error
    engine: ModuleType = xllamacpp
    return engine


def engine_params(engine: ModuleType, settings: EmbeddedSettings) -> Any:
    """llama.cpp's parameters for these settings (an xllamacpp.CommonParams).

    Raises WeightsError when the weights file is missing or not GGUF.
    """
    params = engine.CommonParams()
    params.model.path = str(resolve_weights(settings.model))
    params.model_alias = {settings.model_id}
    params.hostnames = [settings.host]
    params.port = settings.port
    # Without this, a second engine on the same port would silently take half of the requests.
    params.reuse_port = False
    params.api_keys = [settings.api_key.get_secret_value()] if settings.api_key else []
    # llama.cpp divides its context among the slots.
    params.n_ctx = settings.context_tokens * settings.parallel
    params.n_parallel = settings.parallel
    threads = settings.threads or usual_threads(len(os.sched_getaffinity(0)))
    params.cpuparams.n_threads = threads
    params.cpuparams_batch.n_threads = threads
    params.cache_ram_mib = PROMPT_CACHE_MIB
    # Loading the model twice to guess what fits a graphics card takes longer than answering.
    params.fit_params = False
    params.offline = True
    params.ui = False
    params.endpoint_slots = False
    params.endpoint_props = False
    params.endpoint_metrics = True
    # No page of another origin may talk to the engine from a browser.
    params.cors_origins = ""
    params.cors_credentials = False
    params.verbosity = LOG_ERRORS_ONLY
    return params


def usual_threads(cores: int) -> int:
    """All cores but one, which is left to the rest of the site.

    llama.cpp's threads wait for each other at every layer. With as many threads as cores, one more program
    that computes makes all of them wait for a thread that does not run: on two cores, beside two such
    programs, two threads gave 2 to 24 tokens a second and one thread 64 to 68 (alone: 129 and 111).
    """
    return max(1, cores - 1)


def check_address(host: str, port: int) -> None:
    """See that the address can be listened on.

    llama.cpp says only that it failed; this says why.

    Raises AddressError.
    """
    try:
        resolved = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise AddressError(
            f"The address {host!r} (embedded.host) is not known: {error.strerror or error}.",
            remedy="Set embedded.host to an address of this machine, such as 127.0.0.1.",
        ) from error
    family, kind, protocol, _, address = resolved[0]
    with socket.socket(family, kind, protocol) as probe:
        # Connections of an engine that ended a moment ago must not count as a used port.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(address)
        except OSError as error:
            raise AddressError(
                f"The embedded engine cannot listen on {host}:{port} "
                f"(embedded.host, embedded.port): {error.strerror or error}.",
                remedy="Stop the program that uses the port, or set another embedded.port.",
            ) from error


def _leave(number: int, frame: FrameType | None) -> NoReturn:
    # The engine keeps nothing that would have to be written, while its own way to stop waits for
    # the answer in progress and holds the interpreter lock meanwhile (measured: 30 seconds).
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)
