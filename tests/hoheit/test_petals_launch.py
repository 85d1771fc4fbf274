"""What a node or a gateway is told when it is started."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from backend_adapter.petals.settings import NodeSettings
from hoheit.home import Home
from hoheit.petals.launch import placed
from hoheit.progress import Progress
from hoheit.settings import Settings

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


@pytest.mark.parametrize(
    ("asked", "hub", "model", "model_id"),
    [
        ("town/Tiny-1.5", "town/Tiny-1.5", "data/models/town--Tiny-1.5", "tiny-1-5"),
        ("town/tiny@v2", "town/tiny@v2", "data/models/town--tiny@v2", "tiny"),
        # A directory, though it has the form of a name.
        ("here/model", None, None, "smollm2-135m"),
        ("/srv/model", None, None, "smollm2-135m"),
    ],
)
def test_a_model_is_a_directory_or_a_name_on_the_hub(
    asked: str,
    hub: str | None,
    model: str | None,
    model_id: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "here" / "model").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    home = Home(tmp_path)
    part = placed(NodeSettings(), Path(asked), home, Settings(), Progress())
    assert part.hub == hub
    assert part.model == (tmp_path / model if model else Path(asked).absolute())
    assert part.model_id == model_id


def test_what_the_settings_name_is_kept(tmp_path: Path) -> None:
    given = NodeSettings(hub="town/tiny", model=tmp_path / "kept", model_id="ours")
    part = placed(given, None, Home(tmp_path), Settings(), Progress())
    assert (part.hub, part.model, part.model_id) == ("town/tiny", tmp_path / "kept", "ours")
