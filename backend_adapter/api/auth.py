"""Only who knows the key may ask."""

import hmac

from pydantic import SecretStr
from starlette.requests import Request

from backend_adapter.errors import UnauthorizedError


class KeyCheck:
    """A dependency that refuses a request without `Authorization: Bearer KEY`."""

    def __init__(self, key: SecretStr) -> None:
        self._key = key.get_secret_value().encode()

    async def __call__(self, request: Request) -> None:
        """Raises UnauthorizedError."""
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not given.strip():
            raise UnauthorizedError(
                "The API key is missing.",
                "Send it as 'Authorization: Bearer KEY'.",
                code="missing_api_key",
            )
        if not hmac.compare_digest(given.strip().encode(), self._key):
            raise UnauthorizedError(
                "The API key is not the adapter's.",
                "Use the api_key of [adapter] in hoheit.toml.",
                code="invalid_api_key",
            )
