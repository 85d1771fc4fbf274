"""What the client makes of an address: asked of servers that claim to be an Open WebUI."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from hoheit.errors import OpenWebUIError
from hoheit.open_webui.client import (
    NotAllowedError,
    OpenWebUIClient,
    TooManyLoginsError,
    UnreachableError,
)
from hoheit.provision import require_version


@asynccontextmanager
async def claiming(answer: web.Response) -> AsyncIterator[OpenWebUIClient]:
    async def answer_so(request: web.Request) -> web.Response:
        return answer

    app = web.Application()
    app.router.add_get("/api/version", answer_so)
    app.router.add_post("/api/v1/auths/signin", answer_so)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        address = f"http://127.0.0.1:{runner.addresses[0][1]}"
        async with OpenWebUIClient(address, timeout_s=5) as client:
            yield client
    finally:
        await runner.cleanup()


@pytest.mark.parametrize("version", ["0.12.0", "0.12.4", "v0.12.9"])
async def test_the_tested_version_is_accepted(version: str) -> None:
    async with claiming(web.json_response({"version": version})) as client:
        assert await require_version(client) == version


async def test_a_newer_version_is_accepted_with_a_note() -> None:
    async with claiming(web.json_response({"version": "0.13.0"})) as client:
        assert "newer than the tested" in await require_version(client)


@pytest.mark.parametrize("version", ["0.11.9", "0.3.35"])
async def test_an_older_version_is_refused_with_what_to_do(version: str) -> None:
    async with claiming(web.json_response({"version": version})) as client:
        with pytest.raises(OpenWebUIError) as refused:
            await require_version(client)
    assert version in refused.value.message
    assert "Update" in refused.value.remedy


@pytest.mark.parametrize("version", ["", "main", "dev-build"])
async def test_a_version_that_cannot_be_told_is_refused(version: str) -> None:
    async with claiming(web.json_response({"version": version})) as client:
        with pytest.raises(OpenWebUIError) as refused:
            await require_version(client)
    assert repr(version) in refused.value.message


@pytest.mark.parametrize("answer", [{"version": 12}, ["0.12.4"], {"name": "something else"}])
async def test_an_answer_without_a_version_is_no_open_webui(answer: object) -> None:
    async with claiming(web.json_response(answer)) as client:
        with pytest.raises(UnreachableError):
            await client.version()


async def test_a_redirect_names_the_address_to_use() -> None:
    moved = web.Response(status=308, headers={"Location": "https://chat.example.org/api/version"})
    async with claiming(moved) as client:
        with pytest.raises(UnreachableError) as refused:
            await client.version()
    assert "https://chat.example.org" in refused.value.message


async def test_too_many_logins_are_told_from_a_wrong_password() -> None:
    async with claiming(web.json_response({"detail": "rate limit"}, status=429)) as client:
        with pytest.raises(TooManyLoginsError):
            await client.sign_in("user@hoheit.example", "right")


async def test_a_second_factor_is_told_from_a_wrong_password() -> None:
    async with claiming(web.json_response({"mfa": "challenge"})) as client:
        with pytest.raises(NotAllowedError) as refused:
            await client.sign_in("admin@hoheit.example", "right")
    assert "second factor" in refused.value.message
