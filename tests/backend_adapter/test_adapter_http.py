"""What every route has in common, and what needs no key."""

import pytest
from scripted import KEY, Client, ScriptedUpstream, StartAdapter, ask

CHAT = "/v1/chat/completions"


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 404),
        ("GET", "/v1/nothing", 404),
        ("GET", "/docs", 404),
        ("POST", "/v1/images/generations", 404),
        ("GET", CHAT, 405),
        ("DELETE", "/v1/models", 405),
        ("POST", "/health", 405),
        ("GET", "/install/nothing.py", 404),
    ],
)
async def test_an_unknown_route_or_method_is_an_openai_error(
    upstream: ScriptedUpstream,
    start_adapter: StartAdapter,
    client: Client,
    method: str,
    path: str,
    status: int,
):
    adapter = start_adapter(upstream)
    headers = {"Authorization": f"Bearer {KEY}"}
    async with client.session.request(method, adapter.url + path, headers=headers) as response:
        assert response.status == status
        assert ("Allow" in response.headers) == (status == 405)
        error = (await response.json())["error"]
    assert path in error["message"]
    assert error["code"] == "unknown_route"


@pytest.mark.parametrize("path", [CHAT, "/v1/completions"])
async def test_the_key_comes_before_the_body(
    upstream: ScriptedUpstream, start_adapter: StartAdapter, client: Client, path: str
):
    url = start_adapter(upstream).url + path
    for headers in (
        {},
        {"Authorization": "Bearer"},
        {"Authorization": f"Basic {KEY}"},
        {"Authorization": "Bearer wrong"},
        {"Authorization": "Bearer schlüssel"},
        {"Authorization": KEY},
    ):
        async with client.session.post(url, data=b"{", headers=headers) as response:
            assert response.status == 401
            assert (await response.json())["error"]["code"].endswith("api_key")
    assert not upstream.turns


async def test_a_body_may_not_be_longer_than_configured(
    upstream: ScriptedUpstream, start_adapter: StartAdapter, client: Client
):
    adapter = start_adapter(upstream, max_request_bytes=1000)
    announced = await client.post(adapter, CHAT, ask("x" * 1000))
    assert announced.status == 413
    assert "max_request_bytes" in announced.error["message"]

    async def pieces():
        for _ in range(4):
            yield b"x" * 300

    headers = {"Authorization": f"Bearer {KEY}"}
    url = adapter.url + CHAT
    async with client.session.post(url, data=pieces(), headers=headers) as response:
        assert response.status == 413
    assert (await client.post(adapter, CHAT, ask("x" * 500))).status == 200


async def test_a_wrong_body_is_an_openai_error(
    upstream: ScriptedUpstream, start_adapter: StartAdapter, client: Client
):
    adapter = start_adapter(upstream)
    broken = await client.post(adapter, CHAT, b'{"model": ')
    assert (broken.status, broken.error["type"]) == (400, "invalid_request_error")
    wrong = await client.post(adapter, CHAT, ask(temperature="hot"))
    assert (wrong.status, wrong.error["param"]) == (400, "temperature")
    assert not upstream.turns


async def test_the_install_page_and_its_files_need_no_key(
    upstream: ScriptedUpstream, start_adapter: StartAdapter, client: Client
):
    adapter = start_adapter(upstream)
    page = await client.get(adapter, "/install", key=None)
    assert page.status == 200
    assert page.headers["content-type"].startswith("text/html")
    link = f"{adapter.url}/install/functions.json"
    assert link in page.text
    file = await client.get(adapter, "/install/functions.json", key=None)
    assert file.headers["content-type"].startswith("application/json")
    assert {each["id"] for each in file.json} >= {"hoheit_filter", "hoheit_pipe"}
