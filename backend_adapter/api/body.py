"""A request's body, within limits."""

import asyncio

from starlette.requests import ClientDisconnect, Request

from backend_adapter.errors import ClientLeftError, RequestError, RequestTooLargeError

# How long a client may take to send its request, in seconds.
_UPLOAD_TIMEOUT_S = 120


async def read_body(request: Request, max_bytes: int) -> bytes:
    """The whole body. Raises RequestTooLargeError, and RequestError for one that takes too long."""
    announced = request.headers.get("content-length", "0")
    if announced.isdecimal() and int(announced) > max_bytes:
        raise _too_large(max_bytes)
    body = bytearray()
    try:
        async with asyncio.timeout(_UPLOAD_TIMEOUT_S):
            async for piece in request.stream():
                body += piece
                if len(body) > max_bytes:
                    raise _too_large(max_bytes)
    except TimeoutError:
        raise RequestError(
            f"The request did not arrive within {_UPLOAD_TIMEOUT_S} s.",
            "Send it again.",
            status=408,
        ) from None
    except ClientDisconnect:
        raise ClientLeftError("The client left while sending.", code="client_left") from None
    return bytes(body)


def _too_large(max_bytes: int) -> RequestTooLargeError:
    return RequestTooLargeError(
        f"The request is longer than {max_bytes} bytes.",
        "Shorten it, or raise max_request_bytes in hoheit.toml.",
        code="request_too_large",
    )
