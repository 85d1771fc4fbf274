"""What a node or a gateway is told when it is started."""

import json
import os
import subprocess
import sys
from pathlib import Path

BECOME = """
from pathlib import Path
from backend_adapter.petals.settings import GatewaySettings
from hoheit.petals.launch import become
become("gateway", GatewaySettings(draft_model="~/small", key_file="key", api_key="k"), Path("./interpreter"))
"""


def test_paths_are_whole_and_secrets_are_told_in_memory(tmp_path: Path) -> None:
    interpreter = tmp_path / "interpreter"
    interpreter.write_text("#!/bin/sh\ncat\n")
    interpreter.chmod(0o755)
    here = Path(__file__).parents[2]
    told = subprocess.run(
        [sys.executable, "-c", BECOME],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=True,
        cwd=tmp_path,
        env={**os.environ, "HOME": "/home/somebody", "PYTHONPATH": str(here)},
    )
    settings = json.loads(told.stdout)
    assert settings["draft_model"] == "/home/somebody/small"
    assert settings["key_file"] == str(tmp_path / "key")
    assert settings["model"] is None
    assert settings["api_key"] == "k"
