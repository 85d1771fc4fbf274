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
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from backend_adapter.petals import compat

_LOOK_S = 0.1


def server_arguments(
    model: Path, model_id: str, layers: str, port: int, peers: Sequence[str], **more: object
) -> list[str]:
    """Its command line for the layers start:end; it joins `peers` or founds a swarm; `more` are options."""
    given = {
        "converted_model_name_or_path": model,
        "dht_prefix": model_id,
        "host_maddrs": f"/ip4/127.0.0.1/tcp/{port}",
        "block_indices": layers,
        "device": "cpu",
        "torch_dtype": "float32",
        "quant_type": "none",
        # It would measure for minutes, and tell a made-up speed of the network; it only ranks nodes.
        "throughput": 10,
        **more,
    }
    options = [each for name, value in given.items() for each in (f"--{name}", str(value))]
    joining = ["--initial_peers", *peers] if peers else ["--new_swarm"]
    return [*options, "--no_auto_relay", "--skip_reachability_check", *joining]


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
