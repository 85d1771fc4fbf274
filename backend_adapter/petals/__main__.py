"""Runs a part of the swarm in the swarm's environment: `python backend_adapter/petals/__main__.py node`.

The settings come as JSON on standard input, because they hold secrets. Started as a file, because only this package
may be importable there: whatever lies beside it belongs to another environment.
"""

import importlib
import importlib.util
import sys
from pathlib import Path

_PARTS = {
    "node": "backend_adapter.petals.node.serve",
    "gateway": "backend_adapter.petals.gateway.serve",
    "weights": "backend_adapter.petals.weights",
}


def _make_importable() -> None:
    """Makes the package that this file lies in importable, and nothing beside it."""
    folder = Path(__file__).resolve().parents[1]
    sys.path[:] = [each for each in sys.path if Path(each or ".").resolve() != folder / "petals"]
    if importlib.util.find_spec("backend_adapter") is not None:
        return
    spec = importlib.util.spec_from_file_location(
        "backend_adapter", folder / "__init__.py", submodule_search_locations=[str(folder)]
    )
    if spec is None or spec.loader is None:
        raise SystemExit(f"The package at {folder} cannot be imported.")
    package = importlib.util.module_from_spec(spec)
    sys.modules["backend_adapter"] = package
    spec.loader.exec_module(package)


def main(arguments: list[str]) -> int:
    """Run the part that is named first; it reads its settings from standard input."""
    _make_importable()
    part = _PARTS.get(arguments[0]) if arguments else None
    if part is None:
        raise SystemExit(f"Name one of {', '.join(_PARTS)}.")
    code: int = importlib.import_module(part).main(arguments[1:])
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
