"""Runs the adapter until it is told to stop."""

import gc
import logging
import signal
import socket

import uvicorn

from backend_adapter.api.push import PushingProtocol
from backend_adapter.app import create_app
from backend_adapter.errors import SettingsError
from backend_adapter.reload import Watch
from backend_adapter.serving import freeze_loaded, listen, stop
from backend_adapter.settings import AdapterSettings

# How long requests in progress may go on after the signal to stop, in seconds.
_GRACE_S = 5
# How long a client's connection may idle, in seconds: longer than clients themselves keep theirs, so that
# none sends a request into a connection that is just being closed.
_KEEP_CONNECTION_S = 75
# Allocations until the collector looks at the youngest objects, and how often it looks at the older ones.
_GC_THRESHOLDS = (20_000, 10, 10)


def serve(settings: AdapterSettings, watch: Watch | None = None) -> None:
    """Listen and answer until SIGINT or SIGTERM; `watch` tells of changed settings.

    Raises SettingsError if it cannot start.
    """
    logging.basicConfig(
        level=settings.log_level.upper(), format="%(asctime)s %(levelname)s %(name)s %(message)s"
    )
    config = uvicorn.Config(
        create_app(settings, watch),
        loop="uvloop",
        http=PushingProtocol,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=_KEEP_CONNECTION_S,
        timeout_graceful_shutdown=_GRACE_S,
    )
    with _listen(settings.host, settings.port) as listening:
        # uvicorn stops cleanly on these signals, then raises them again for whoever handled them before.
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, stop)
        freeze_loaded()
        # An answer leaves no cycles behind, so there is little to be found by looking often.
        gc.set_threshold(*_GC_THRESHOLDS)
        uvicorn.Server(config).run(sockets=[listening])


def _listen(host: str, port: int) -> socket.socket:
    try:
        return listen(host, port, backlog=2048)
    except OSError as error:
        raise SettingsError(
            f"The adapter cannot listen on {host}, port {port}: {error.strerror or error}.",
            "Stop what uses that port, or set another one under [adapter] in hoheit.toml.",
        ) from None
