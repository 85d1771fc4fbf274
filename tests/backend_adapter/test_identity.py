"""Who asks: keys, Open WebUI's signed users, and everything that only looks like one of them."""

import asyncio
import base64
import json
import socket
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import aiohttp
import jwt
import pytest
import uvicorn
from fastapi import Depends, FastAPI
from scripted import DEADLINE_S
from starlette.requests import Request

from backend_adapter.api.auth import AdminCheck, CallerCheck, caller
from backend_adapter.api.identity import Caller, Identity
from backend_adapter.api.record import RequestLog
from backend_adapter.api.respond import error_response
from backend_adapter.errors import AdapterError, SettingsError, UnauthorizedError
from backend_adapter.settings import AdapterSettings

SECRET = "s" * 64
SETTINGS: dict[str, Any] = {
    "api_key": "site-key",
    "admin_key": "admin-key",
    "user_jwt_secret": SECRET,
    "clients": [{"name": "batch", "api_key": "batch-key"}],
    "quotas": {"overrides": {"Chef@town.example": 5}},
}
IDENTITY = Identity(AdapterSettings(**SETTINGS))


def claims(**changed: Any) -> dict[str, Any]:
    """What Open WebUI says of a user; None leaves a claim out."""
    now = int(time.time())
    said = {
        "sub": "user-id-1",
        "email": "anna@town.example",
        "name": "Anna",
        "role": "user",
        "iss": "open-webui",
        "iat": now,
        "exp": now + 300,
        **changed,
    }
    return {name: value for name, value in said.items() if value is not None}


def token(secret: str = SECRET, algorithm: str = "HS256", **changed: Any) -> str:
    return jwt.encode(claims(**changed), secret, algorithm)


def part(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


def unsigned() -> str:
    return f"{part({'alg': 'none', 'typ': 'JWT'})}.{part(claims())}."


def with_other_claims() -> str:
    head, _, signature = token().split(".")
    return f"{head}.{part(claims(sub='somebody-else'))}.{signature}"


@pytest.mark.parametrize(
    ("key", "who"),
    [
        ("site-key", Caller("site", "site", ("site", "client:site"))),
        ("batch-key", Caller("batch", "batch", ("batch", "client:batch"))),
    ],
)
def test_a_client_is_known_by_its_key(key: str, who: Caller):
    assert IDENTITY.caller(f"Bearer {key}", None) == who
    assert IDENTITY.caller(f"bearer  {key} ", None) == who


@pytest.mark.parametrize(
    ("authorization", "code"),
    [
        ("", "missing_api_key"),
        ("Bearer", "missing_api_key"),
        ("Bearer  ", "missing_api_key"),
        ("site-key", "missing_api_key"),
        ("Basic site-key", "missing_api_key"),
        ("Bearer wrong", "invalid_api_key"),
        ("Bearer site-ke", "invalid_api_key"),
        ("Bearer site-key2", "invalid_api_key"),
        ("Bearer SITE-KEY", "invalid_api_key"),
        ("Bearer schlüssel", "invalid_api_key"),
        ("Bearer admin-key", "invalid_api_key"),
        ("Bearer " + "k" * 100_000, "invalid_api_key"),
    ],
)
def test_any_other_key_is_refused(authorization: str, code: str):
    with pytest.raises(UnauthorizedError) as refused:
        IDENTITY.caller(authorization, None)
    assert (refused.value.status, refused.value.code) == (401, code)
    assert refused.value.remedy


def test_open_webui_vouches_for_its_user():
    names = ("user-id-1", "client:site", "anna@town.example", "role:user")
    assert IDENTITY.caller("Bearer site-key", token()) == Caller("user-id-1", "site", names)


def test_a_user_whom_the_settings_name_by_address_is_known_by_it():
    chef = token(sub="user-id-2", email="chef@Town.example")
    assert IDENTITY.caller("Bearer site-key", chef).user == "Chef@town.example"


def test_clocks_may_differ_a_little():
    now = int(time.time())
    for times in ({"exp": now - 5}, {"iat": now + 5}):
        assert IDENTITY.caller("Bearer site-key", token(**times)).user == "user-id-1"


FORGED: dict[str, Callable[[], str]] = {
    "empty": lambda: "",
    "a name": lambda: "user-id-1",
    "three letters": lambda: "a.b.c",
    "not ASCII": lambda: "é.é.é",
    "unsigned": unsigned,
    "unsigned, written otherwise": lambda: unsigned().replace("none", "None"),
    "other claims": with_other_claims,
    "another secret": lambda: token("another " * 8),
    "another algorithm": lambda: token(algorithm="HS512"),
    "expired": lambda: token(exp=int(time.time()) - 60),
    "never expires": lambda: token(exp=None),
    "expires in words": lambda: token(exp="tomorrow"),
    "issued later": lambda: token(iat=int(time.time()) + 600),
    "another issuer": lambda: token(iss="another"),
    "no issuer": lambda: token(iss=None),
    "nobody": lambda: token(sub=None),
    "an empty user": lambda: token(sub=""),
    "a blank user": lambda: token(sub="  "),
    "a letter more": lambda: token() + "x",
    "two in one": lambda: token() + "." + token(),
    "too long": lambda: token(name="A" * 5_000),
}


@pytest.mark.parametrize("forge", FORGED.values(), ids=FORGED)
def test_a_user_token_that_is_there_and_not_right_is_refused(forge: Callable[[], str]):
    with pytest.raises(UnauthorizedError) as refused:
        IDENTITY.caller("Bearer site-key", forge())
    assert (refused.value.status, refused.value.code) == (401, "invalid_user_token")
    assert "FORWARD_USER_INFO_HEADER_JWT_SECRET" in refused.value.remedy
    assert "user-id-1" not in str(refused.value)


def test_only_the_sites_own_key_may_present_users():
    with pytest.raises(UnauthorizedError) as refused:
        IDENTITY.caller("Bearer batch-key", token())
    assert refused.value.code == "invalid_user_token"
    assert "'batch'" in refused.value.message


def test_a_right_token_with_a_wrong_key_is_refused():
    with pytest.raises(UnauthorizedError) as refused:
        IDENTITY.caller("Bearer wrong", token())
    assert refused.value.code == "invalid_api_key"


def test_without_a_secret_no_user_is_believed():
    identity = Identity(AdapterSettings(api_key="site-key"))
    assert identity.caller("Bearer site-key", token()) == Caller(
        "site", "site", ("site", "client:site")
    )


@pytest.mark.parametrize("authorization", ["Bearer site-key", "Bearer batch-key", "Bearer x"])
def test_only_the_admin_key_is_for_operators(authorization: str):
    IDENTITY.require_admin("Bearer admin-key")
    with pytest.raises(UnauthorizedError) as refused:
        IDENTITY.require_admin(authorization)
    assert (refused.value.status, refused.value.code) == (401, "invalid_admin_key")


@pytest.mark.parametrize("authorization", ["", "Bearer", "Bearer site-key", "Bearer admin-key"])
def test_without_an_admin_key_nobody_is_an_operator(authorization: str):
    with pytest.raises(UnauthorizedError):
        Identity(AdapterSettings(api_key="site-key")).require_admin(authorization)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"api_key": None}, "api_key"),
        ({"api_key": ""}, "api_key"),
        ({"user_jwt_secret": "short"}, "5 bytes"),
        ({"user_jwt_secret": ""}, "0 bytes"),
        ({"admin_key": "site-key"}, "alike"),
        ({"admin_key": "batch-key"}, "alike"),
        ({"clients": [{"name": "batch", "api_key": "site-key"}]}, "alike"),
        (
            {"clients": [{"name": "a", "api_key": "same"}, {"name": "b", "api_key": "same"}]},
            "alike",
        ),
        ({"clients": [{"name": "site", "api_key": "batch-key"}]}, "'site'"),
    ],
)
def test_keys_that_would_not_tell_who_asks_are_refused_at_the_start(
    wrong: dict[str, Any], said: str
):
    with pytest.raises(SettingsError) as refused:
        Identity(AdapterSettings(**{**SETTINGS, **wrong}))
    assert said in refused.value.message
    assert refused.value.remedy


@pytest.fixture
async def address() -> AsyncIterator[str]:
    """A real server with one route for clients and one for operators."""
    app = FastAPI(exception_handlers={AdapterError: error_response})
    app.add_middleware(RequestLog)

    @app.get("/who", dependencies=[Depends(CallerCheck(lambda _: IDENTITY))])
    async def who(request: Request) -> dict[str, str]:
        found = caller(request)
        return {"user": found.user, "client": found.client}

    @app.get("/operators", dependencies=[Depends(AdminCheck(lambda _: IDENTITY))])
    async def operators() -> None:
        return None

    server = uvicorn.Server(uvicorn.Config(app, log_config=None))
    with socket.create_server(("127.0.0.1", 0)) as listening:
        serving = asyncio.create_task(server.serve([listening]))
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        server.should_exit = True
        await serving


@pytest.mark.parametrize(
    ("path", "headers", "status", "answer"),
    [
        (
            "/who",
            {"Authorization": "Bearer site-key", "X-OpenWebUI-User-Jwt": "(a token)"},
            200,
            {"user": "user-id-1", "client": "site"},
        ),
        (
            "/who",
            {
                "Authorization": "Bearer site-key",
                "X-OpenWebUI-User-Id": "chef",
                "X-OpenWebUI-User-Email": "chef@town.example",
                "X-OpenWebUI-User-Role": "admin",
            },
            200,
            {"user": "site", "client": "site"},
        ),
        ("/who", {"Authorization": "Bearer site-key", "X-OpenWebUI-User-Jwt": "x"}, 401, None),
        ("/who", {"Authorization": "Bearer site-key", "X-OpenWebUI-User-Jwt": ""}, 401, None),
        ("/who", {"Authorization": "Bearer admin-key"}, 401, None),
        ("/who", {}, 401, None),
        ("/operators", {"Authorization": "Bearer admin-key"}, 200, None),
        ("/operators", {"Authorization": "Bearer site-key"}, 401, None),
        ("/operators", {}, 401, None),
    ],
)
async def test_routes_let_in_whom_they_are_for(
    address: str, path: str, headers: dict[str, str], status: int, answer: dict[str, str] | None
):
    timeout = aiohttp.ClientTimeout(total=DEADLINE_S)
    # Made now: one that is made when tests are collected may be too old by the time that this one runs.
    sent = {name: token() if value == "(a token)" else value for name, value in headers.items()}
    async with (
        aiohttp.ClientSession(address, timeout=timeout) as session,
        session.get(path, headers=sent) as response,
    ):
        body = await response.json()
        assert response.status == status
        if status == 200:
            assert body == answer
        else:
            assert set(body["error"]) == {"message", "type", "param", "code"}
            assert response.headers["WWW-Authenticate"] == "Bearer"
