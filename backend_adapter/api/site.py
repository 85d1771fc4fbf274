"""GET /install: what an admin imports into Open WebUI, from the site's own machine, without a key."""

from fastapi import APIRouter
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from webui_pipelines.bundle import bundle

router = APIRouter()

_HEADERS = {"X-Content-Type-Options": "nosniff"}


@router.get("/install")
async def install_page(request: Request) -> Response:
    """The page with the links."""
    return HTMLResponse(bundle().page(str(request.base_url)), headers=_HEADERS)


@router.get("/install/{name}")
async def install_file(name: str) -> Response:
    """One file of it."""
    file = bundle().files.get(name)
    if file is None:
        raise HTTPException(404, "there is no such file; GET /install lists them")
    return Response(file.text, media_type=file.content_type, headers=_HEADERS)
