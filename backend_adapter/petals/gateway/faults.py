"""What can be wrong with a request, and how every error of the family looks to a client of the OpenAI API."""

from typing import Any

from backend_adapter.petals.errors import GenerationError, SwarmError


class BadRequestError(GenerationError):
    """The request itself is at fault; `param` is the field."""

    code = "invalid_request"

    def __init__(
        self, message: str, remedy: str = "", *, param: str | None = None, code: str | None = None
    ) -> None:
        super().__init__(message, remedy)
        self.param = param
        self.code = code or self.code


class TooLargeError(SwarmError):
    """The request's body is longer than the gateway reads."""

    code = "request_too_large"
    status = 413


class UnauthorizedError(SwarmError):
    """The API key is missing or wrong."""

    code = "invalid_api_key"
    status = 401


class UnknownModelError(SwarmError):
    """The swarm serves another model."""

    code = "model_not_found"
    status = 404


class UnknownRouteError(SwarmError):
    """There is no such route."""

    code = "unknown_route"
    status = 404


class BusyError(SwarmError):
    """As many answers are generated as may be at the same time."""

    code = "overloaded"
    status = 429


class InternalError(SwarmError):
    """The gateway itself is at fault; its log says where."""

    code = "internal_error"
    status = 500


# What a refused client is asked to wait, in seconds: about what an answer takes.
RETRY_AFTER_S = 2


def headers(error: SwarmError) -> dict[str, str]:
    """What a client is told beside the body (RFC 9110, sections 10.2.3 and 11.6.1)."""
    if error.status in (429, 503):
        return {"retry-after": str(RETRY_AFTER_S)}
    return {"www-authenticate": "Bearer"} if error.status == 401 else {}


def body(error: SwarmError) -> dict[str, Any]:
    """The OpenAI error object."""
    kind = "server_error" if error.status >= 500 else "invalid_request_error"
    told: dict[str, Any] = {
        "message": str(error),
        "type": "rate_limit_error" if error.status == 429 else kind,
        "param": getattr(error, "param", None),
        "code": error.code,
    }
    return {"error": told}
