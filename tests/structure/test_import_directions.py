"""Dependencies point one way, as docs/structure.md draws them."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
PACKAGES = ("hoheit", "backend_adapter", "mcp_servers", "webui_pipelines")

# What all recognisers in a text share.
DETECTING = (
    "backend_adapter.egress.months",
    *(
        f"backend_adapter.egress.detect.{module}"
        for module in ("context", "hits", "scan", "views", "word_lists")
    ),
)

# What a place may import of ours, besides itself; the longest matching place counts.
ALLOWED: dict[str, tuple[str, ...]] = {
    "hoheit": PACKAGES,
    "backend_adapter.chat": ("backend_adapter.errors",),
    "backend_adapter.upstreams": (
        "backend_adapter.chat",
        "backend_adapter.errors",
        "backend_adapter.settings",
    ),
    "backend_adapter.routing": (
        "backend_adapter.upstreams",
        "backend_adapter.chat",
        "backend_adapter.errors",
        "backend_adapter.settings",
        "backend_adapter.database",
    ),
    "backend_adapter.egress": (
        "backend_adapter.chat",
        "backend_adapter.database",
        "backend_adapter.errors",
    ),
    "backend_adapter.egress.detect.contacts": DETECTING,
    "backend_adapter.egress.detect.dates": DETECTING,
    "backend_adapter.egress.detect.identifiers": DETECTING,
    "backend_adapter.egress.detect.names": DETECTING,
    "backend_adapter.egress.detect.places": DETECTING,
    "backend_adapter.egress.detect.secrets": DETECTING,
    "backend_adapter.egress.detect.fields": (
        *DETECTING,
        "backend_adapter.egress.detect.contacts",
        "backend_adapter.egress.detect.dates",
        "backend_adapter.egress.detect.names",
        "backend_adapter.egress.detect.secrets",
    ),
    "backend_adapter.database": ("backend_adapter.errors", "backend_adapter.settings"),
    "backend_adapter.embedded": ("backend_adapter.errors",),
    "backend_adapter.petals": ("backend_adapter.chat", "backend_adapter.serving"),
    "backend_adapter.vllm": ("backend_adapter.errors", "backend_adapter.upstreams.load"),
    "backend_adapter": ("backend_adapter", "webui_pipelines.bundle"),
    "mcp_servers.files": ("mcp_servers",),
    "mcp_servers.databases": ("mcp_servers",),
    "mcp_servers": ("mcp_servers",),
    "webui_pipelines.functions": (),
    "webui_pipelines": ("webui_pipelines",),
}


def modules() -> Iterator[tuple[str, Path]]:
    for package in PACKAGES:
        for path in sorted((REPOSITORY / package).rglob("*.py")):
            parts = path.relative_to(REPOSITORY).with_suffix("").parts
            yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts), path


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def within(name: str, place: str) -> bool:
    return name == place or name.startswith(f"{place}.")


@pytest.mark.parametrize(("module", "path"), list(modules()), ids=lambda value: str(value)[-60:])
def test_a_module_imports_only_what_its_place_may(module: str, path: Path) -> None:
    place = max((p for p in ALLOWED if within(module, p)), key=len)
    for name in imports(path):
        if any(within(name, package) for package in PACKAGES):
            allowed = (place, *ALLOWED[place])
            assert any(within(name, other) for other in allowed), f"{module} imports {name}"


def test_every_module_has_a_docstring_and_content() -> None:
    for module, path in modules():
        assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))), (
            f"{module} says nothing"
        )
