"""vLLM's own program: in which environment it lies, and with which variables it starts."""

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import backend_adapter.vllm
from backend_adapter.vllm.settings import Device
from hoheit import environments
from hoheit.home import Home
from hoheit.progress import Progress
from hoheit.settings import Settings

# The wheel for processors is called otherwise than the package in it, which asks for its own version by name.
_METADATA = Path(backend_adapter.vllm.__file__).parent / "metadata"
_NVIDIA_SMI_S = 20
# What a server may see of the environment that it is started from.
_INHERITED = (
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "LANG",
    "LC_ALL",
    "TZ",
    "TMPDIR",
    "LD_LIBRARY_PATH",
    "CUDA_VISIBLE_DEVICES",
    "CUDA_HOME",
    "HF_ENDPOINT",
    "HF_HOME",
    "HF_TOKEN",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "REQUESTS_CA_BUNDLE",
    "SSL_CERT_FILE",
    "HF_HUB_OFFLINE",
    "TRANSFORMERS_OFFLINE",
    "DO_NOT_TRACK",
)
# vLLM's, NCCL's and Gloo's own variables, with which an admin may say what no setting does.
_INHERITED_BEGINNINGS = ("VLLM_", "NCCL_", "GLOO_")


def gpus() -> int:
    """How many NVIDIA GPUs this machine has, as its driver's tool lists them."""
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return 0
    try:
        listed = subprocess.run(
            [tool, "--list-gpus"], capture_output=True, text=True, timeout=_NVIDIA_SMI_S
        )
    except (OSError, subprocess.TimeoutExpired):
        return 0
    return sum(line.startswith("GPU ") for line in listed.stdout.splitlines())


def device(wanted: Device) -> Device:
    """`cpu` or `gpu`; what `auto` means is asked of the machine."""
    if wanted != "auto":
        return wanted
    return "gpu" if gpus() else "cpu"


def environment_for(on: Device) -> str:
    """The name of the isolated environment for a device, `cpu` or `gpu`."""
    return "vllm-gpu" if on == "gpu" else "vllm"


def program(on: Device, home: Home, settings: Settings, progress: Progress) -> Path:
    """vLLM's command, from the environment for this device, which is built first where it is missing."""
    root = settings.environments_dir or home.environments
    return environments.ensure(environment_for(on), root, progress) / "bin" / "vllm"


def environment(on: Device, variables: Mapping[str, str]) -> dict[str, str]:
    """All variables of a vLLM process: what it may inherit, then `variables`."""
    inherited = {
        name: value
        for name, value in os.environ.items()
        if name in _INHERITED or name.startswith(_INHERITED_BEGINNINGS)
    }
    named = {} if on == "gpu" else {"PYTHONPATH": str(_METADATA)}
    return {**inherited, "PYTHONUNBUFFERED": "1", "PYTHONUTF8": "1", **named, **variables}
