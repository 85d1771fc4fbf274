"""A server of the released Petals, as its own command line starts it; run by `python -m benchmarks.users`.

Standard input names the command line's arguments (JSON). On standard output come lines `address ADDRESS`, and a
line `ready` once it serves. SIGTERM ends it.
"""

import json
import os
import signal
import sys
import threading
import time
import warnings
from typing import Any

from backend_adapter.petals import compat

_LOOK_S = 0.1


def main() -> None:
    """Serve until SIGTERM."""
    arguments: list[str] = json.loads(sys.stdin.readline())["arguments"]
    # Of libraries older than what they run on; they would fill the screen.
    warnings.simplefilter("ignore")
    compat.mend_hivemind()
    compat.mend_petals()
    from petals.cli import run_server

    class Server(run_server.Server):  # type: ignore[misc]
        """Tells its addresses once it serves."""

        def run(self) -> None:
            threading.Thread(target=self._tell, daemon=True).start()
            super().run()

        def _tell(self) -> None:
            container: Any = None
            while container is None or not container.ready.is_set():
                time.sleep(_LOOK_S)
                container = self.module_container
            for each in self.dht.get_visible_maddrs():
                print(f"address {each}", flush=True)
            print("ready", flush=True)

    run_server.Server = Server
    # It asks the internet for a newer version of itself.
    run_server.validate_version = lambda: None
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    sys.argv[1:] = arguments
    run_server.main()
    # Threads of hivemind would hold up the end; its processes end with this one.
    os._exit(0)


if __name__ == "__main__":
    main()
