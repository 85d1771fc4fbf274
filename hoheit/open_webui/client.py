"""A small client for Open WebUI's admin API, as far as provisioning needs it.

Every call has a timeout, follows no redirect (a moved address would turn a POST into a GET) and turns what
goes wrong into an OpenWebUIError that says what to do. Paths are those of Open WebUI 0.12.
"""

import json
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote, urlsplit

import aiohttp

from hoheit.errors import OpenWebUIError

JsonObject = dict[str, Any]


class UnreachableError(OpenWebUIError):
    """Nothing answers at the address, not in time, or something that is no Open WebUI."""


class NotAllowedError(OpenWebUIError):
    """The token, the e-mail or the password is refused, or the account is not an admin's."""


class TooManyLoginsError(NotAllowedError):
    """Open WebUI takes no login of this account for a while: 15 in three minutes are its limit."""


class RefusedError(OpenWebUIError):
    """Open WebUI answered a call with an error; `status` is the HTTP status."""

    def __init__(self, message: str, remedy: str, status: int) -> None:
        super().__init__(message, remedy)
        self.status = status


class OpenWebUIClient:
    """One account's session with one Open WebUI.

    >>> async with OpenWebUIClient("http://127.0.0.1:8080") as client:
    ...     await client.sign_in("admin@hoheit.example", password)
    ...     await client.models()
    """

    def __init__(self, address: str, token: str | None = None, timeout_s: float = 30.0) -> None:
        parts = urlsplit(address)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise UnreachableError(
                f"{address!r} is not an address of Open WebUI.",
                "Give one such as http://127.0.0.1:8080.",
            )
        self.address = address.rstrip("/")
        self.token = token
        self._timeout_s = timeout_s
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        # Signing in also sets a cookie, which would outlive and outrank the token.
        self._session = aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(total=self._timeout_s),
            cookie_jar=aiohttp.DummyCookieJar(),
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    def beside(self) -> "OpenWebUIClient":
        """Another session with the same Open WebUI, not signed in."""
        return OpenWebUIClient(self.address, timeout_s=self._timeout_s)

    async def version(self) -> str:
        """The version that answers at the address, for example `0.12.4`."""
        try:
            answer = await self.get("/api/version")
        except RefusedError as error:
            raise self._not_open_webui() from error
        if not isinstance(answer, dict) or not isinstance(answer.get("version"), str):
            raise self._not_open_webui()
        return str(answer["version"])

    async def sign_in(self, email: str, password: str) -> None:
        """Raises NotAllowedError when Open WebUI refuses the e-mail or the password."""
        body = {"email": email, "password": password}
        try:
            answer = await self.post("/api/v1/auths/signin", body)
        except (RefusedError, NotAllowedError) as error:
            message = f"Open WebUI at {self.address} refuses the login of {email}."
            if isinstance(error, RefusedError) and error.status == 429:
                raise TooManyLoginsError(
                    f"{message} There were too many in a row.", "Try again in three minutes."
                ) from error
            raise NotAllowedError(
                message, "Check the e-mail and the password, or use an admin's API token instead."
            ) from error
        token = answer.get("token") if isinstance(answer, dict) else None
        if not isinstance(token, str):
            raise NotAllowedError(
                f"Open WebUI at {self.address} asks {email} for a second factor.",
                "Use an admin's API token instead of the password.",
            )
        self.token = token

    async def require_admin(self) -> None:
        """Raises NotAllowedError unless the session is an admin's."""
        try:
            await self.get("/api/v1/users/user/info")
        except (NotAllowedError, RefusedError) as error:
            raise NotAllowedError(
                f"Open WebUI at {self.address} refuses the token.",
                "Make a new one as an admin (Settings > Account > API keys), or give e-mail and password.",
            ) from error
        try:
            await self.get("/openai/config")
        except (NotAllowedError, RefusedError) as error:
            raise NotAllowedError(
                f"The account on Open WebUI at {self.address} is not an admin.",
                "Use the token or the login of an admin.",
            ) from error

    # Connections to models

    async def connections(self) -> JsonObject:
        return _object(await self.get("/openai/config"))

    async def set_connections(self, config: JsonObject) -> None:
        await self.post("/openai/config/update", config)

    async def connection_models(self, index: int) -> list[JsonObject]:
        """The models that Open WebUI itself gets from connection number `index`."""
        return _objects(_object(await self.get(f"/openai/models/{index}")).get("data"))

    # Tool servers

    async def tool_servers(self) -> list[JsonObject]:
        answer = _object(await self.get("/api/v1/configs/tool_servers"))
        return _objects(answer.get("TOOL_SERVER_CONNECTIONS"))

    async def set_tool_servers(self, connections: list[JsonObject]) -> None:
        body = {"TOOL_SERVER_CONNECTIONS": connections}
        await self.post("/api/v1/configs/tool_servers", body)

    async def verify_tool_server(self, connection: JsonObject) -> list[str]:
        """The names of the tools that Open WebUI finds behind the connection."""
        answer = _object(await self.post("/api/v1/configs/tool_servers/verify", connection))
        return [str(spec.get("name")) for spec in _objects(answer.get("specs"))]

    # People

    async def find_user(self, email: str) -> JsonObject | None:
        answer = _object(await self.get(f"/api/v1/users/search?query={quote(email)}"))
        users = _objects(answer.get("users"))
        return next((user for user in users if user.get("email") == email.lower()), None)

    async def add_user(self, email: str, name: str, password: str) -> None:
        body = {"email": email, "name": name, "password": password, "role": "user"}
        await self.post("/api/v1/auths/add", body)

    # Functions

    async def function(self, function_id: str) -> JsonObject | None:
        known = _objects(await self.get("/api/v1/functions/"))
        if all(entry.get("id") != function_id for entry in known):
            return None
        return _object(await self.get(f"/api/v1/functions/id/{function_id}"))

    async def create_function(self, function: JsonObject) -> None:
        await self.post("/api/v1/functions/create", function)

    async def update_function(self, function: JsonObject) -> None:
        await self.post(f"/api/v1/functions/id/{function['id']}/update", function)

    async def toggle_function(self, function_id: str, *, globally: bool = False) -> None:
        suffix = "/global" if globally else ""
        await self.post(f"/api/v1/functions/id/{function_id}/toggle{suffix}", {})

    async def valves(self, function_id: str) -> JsonObject:
        return _object(await self.get(f"/api/v1/functions/id/{function_id}/valves") or {})

    async def set_valves(self, function_id: str, valves: JsonObject) -> None:
        await self.post(f"/api/v1/functions/id/{function_id}/valves/update", valves)

    # Models and tools, as this account sees them

    async def models(self) -> list[JsonObject]:
        return _objects(_object(await self.get("/api/models?refresh=true")).get("data"))

    async def model_entries(self) -> dict[str, JsonObject]:
        """What an admin has registered about models, by model id."""
        entries = _objects(await self.get("/api/v1/models/all"))
        return {str(entry["id"]): entry for entry in entries}

    async def create_model(self, entry: JsonObject) -> None:
        await self.post("/api/v1/models/create", entry)

    async def update_model(self, entry: JsonObject) -> None:
        await self.post("/api/v1/models/model/update", entry)

    async def set_model_access(self, model_id: str, grants: list[JsonObject]) -> None:
        body = {"id": model_id, "access_grants": grants}
        await self.post("/api/v1/models/model/access/update", body)

    async def tools(self) -> list[str]:
        return [str(tool["id"]) for tool in _objects(await self.get("/api/v1/tools/"))]

    # The wire

    async def get(self, path: str) -> Any:
        return await self._call("GET", path, None)

    async def post(self, path: str, body: JsonObject) -> Any:
        return await self._call("POST", path, body)

    async def delete(self, path: str) -> Any:
        return await self._call("DELETE", path, None)

    async def _call(self, method: str, path: str, body: JsonObject | None) -> Any:
        if self._session is None:
            raise RuntimeError("the client is used outside its 'async with' block")
        headers = {"Accept": "application/json"}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        try:
            async with self._session.request(
                method, self.address + path, json=body, headers=headers, allow_redirects=False
            ) as response:
                text = await response.text(errors="replace")
                status, location = response.status, response.headers.get("Location")
        except TimeoutError as error:
            raise UnreachableError(
                f"Open WebUI at {self.address} did not answer {path} in {self._timeout_s:g} s.",
                "Look into its log; it may still be starting.",
            ) from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise UnreachableError(
                f"Open WebUI cannot be reached at {self.address}: {error or type(error).__name__}.",
                "Check the address and that it is running.",
            ) from error
        if 300 <= status < 400:
            raise UnreachableError(
                f"{self.address} redirects to {location}.",
                "Give the address that Open WebUI finally answers at.",
            )
        return self._answer(path, status, text)

    def _answer(self, path: str, status: int, text: str) -> Any:
        try:
            answer = json.loads(text)
        except ValueError:
            # Open WebUI answers unknown paths with its web page.
            if status < 400:
                raise self._not_open_webui() from None
            answer = None
        if status < 400:
            return answer
        detail = answer.get("detail") if isinstance(answer, dict) else None
        message = (
            f"Open WebUI answered {path} with {status}: {detail or text[:200] or 'no reason'}."
        )
        if status in (401, 403):
            raise NotAllowedError(message, "Use the token or the login of an admin.")
        raise RefusedError(message, "Look into the log of Open WebUI.", status)

    def _not_open_webui(self) -> UnreachableError:
        return UnreachableError(
            f"What answers at {self.address} is not an Open WebUI that this bundle knows.",
            "Check the address; the bundle needs Open WebUI 0.12 or newer.",
        )


def _object(value: Any) -> JsonObject:
    if not isinstance(value, dict):
        raise RefusedError(
            f"Open WebUI answered with {type(value).__name__} where an object belongs.",
            "Check that its version is 0.12.",
            200,
        )
    return value


def _objects(value: Any) -> list[JsonObject]:
    return [entry for entry in value if isinstance(entry, dict)] if isinstance(value, list) else []
