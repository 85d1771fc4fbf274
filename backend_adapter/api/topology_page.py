"""GET /topology: the topology as people see it, live, and for operators to change.

The page needs no key; what it shows comes from /v1/topology, for which it asks the operator's key. It loads
nothing from anywhere else and runs no script but its own files.
"""

from pathlib import Path

from fastapi import APIRouter
from starlette.exceptions import HTTPException
from starlette.responses import Response

router = APIRouter()

_FOLDER = Path(__file__).parent / "page"
_TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript"}
_PAGE = "topology.html"
_POLICY = (
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "connect-src 'self'",
    "img-src data:",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
    # What upstreams are called and why they fail is foreign text: no script may turn text into markup.
    "require-trusted-types-for 'script'",
    "trusted-types 'none'",
)
_HEADERS = {
    "Content-Security-Policy": "; ".join(_POLICY),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-cache",
}
_FILES = {path.name: path.read_bytes() for path in _FOLDER.iterdir() if path.suffix in _TYPES}


@router.get("/topology")
async def topology_page() -> Response:
    """The page."""
    return _file(_PAGE)


@router.get("/topology/{name}")
async def topology_file(name: str) -> Response:
    """One of the files that it is made of."""
    if name not in _FILES:
        raise HTTPException(404, "there is no such file; GET /topology is the page")
    return _file(name)


def _file(name: str) -> Response:
    content_type = _TYPES[Path(name).suffix] + "; charset=utf-8"
    return Response(_FILES[name], headers={**_HEADERS, "Content-Type": content_type})
