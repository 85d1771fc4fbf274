"""The default model in Hugging Face's form, for the engines that read no GGUF file: converted once, then kept."""

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path

import backend_adapter.petals
from backend_adapter.embedded.weights import default_weights
from hoheit.errors import HoheitError
from hoheit.home import Home
from hoheit.progress import Progress

_PROGRAM = Path(backend_adapter.petals.__file__).parent / "__main__.py"
_CONVERT_S = 900


def default_model(
    interpreter: Path, variables: Mapping[str, str], home: Home, progress: Progress
) -> Path:
    """The directory of SmolLM2, made from the weights of the embedded engine where it is missing.

    `interpreter` is that of an environment with PyTorch and gguf, started with these `variables`.
    Raises HoheitError where the weights cannot be converted.
    """
    asked = {"gguf": str(default_weights()), "cache": str(home.data / "models")}
    with progress.step("Preparing the model") as step:
        process = subprocess.Popen(
            [str(interpreter), str(_PROGRAM), "weights"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=dict(variables),
        )
        assert process.stdin and process.stdout and process.stderr  # noqa: S101 - pipes, see above
        process.stdin.write(json.dumps(asked))
        process.stdin.close()
        last = ""
        for line in process.stdout:
            last = line.strip()
            step.update(last)
        said = process.stderr.read().strip()
        if process.wait(timeout=_CONVERT_S):
            raise HoheitError(f"The model cannot be prepared: {said.removeprefix('error: ')}")
    return Path(last)
