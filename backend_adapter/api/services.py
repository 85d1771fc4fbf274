"""What the routes need, made once when the adapter starts."""

from dataclasses import dataclass

from starlette.requests import Request

from backend_adapter.routing.catalogue import Catalogue
from backend_adapter.settings import AdapterSettings


@dataclass(frozen=True)
class Services:
    """The settings, and which models there are; `started` is a Unix time in whole seconds."""

    settings: AdapterSettings
    catalogue: Catalogue
    started: int


def services(request: Request) -> Services:
    """The services of the app that `request` came to."""
    found: Services = request.app.state.services
    return found
