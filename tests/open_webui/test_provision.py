"""Provisioning a real Open WebUI."""

import dataclasses
from pathlib import Path

import pytest
from pydantic import SecretStr

from hoheit.errors import OpenWebUIError
from hoheit.open_webui import desired
from hoheit.open_webui.client import NotAllowedError, OpenWebUIClient, UnreachableError
from hoheit.open_webui.desired import ToolServer
from hoheit.provision import ProvisionPlan, ProvisionResult, provision
from mcp_servers.databases import server as databases_server
from mcp_servers.databases.settings import DatabaseSettings, DatabasesSettings
from mcp_servers.files import server as files_server
from mcp_servers.files.settings import FilesSettings, RootSettings
from tests.conftest import free_port
from tests.open_webui.background import Asgi, running
from tests.open_webui.conftest import FOREIGN_FUNCTION, FOREIGN_URL, Site
from webui_pipelines.bundle import bundle

pytestmark = pytest.mark.xdist_group("open_webui")


async def run(client: OpenWebUIClient, plan: ProvisionPlan) -> ProvisionResult:
    return await provision(client, plan, lambda line: None)


def outcomes(result: ProvisionResult) -> dict[str, str]:
    return {step.name: step.outcome for step in result.steps}


def test_first_run_sets_everything_up(site: Site, first_run: ProvisionResult) -> None:
    assert not first_run.failed, first_run.failed
    assert outcomes(first_run) == {
        "Open WebUI": "unchanged",
        "connection to the adapter": "done",
        "tool server files": "done",
        "tool server databases": "done",
        "function hoheit_filter": "done",
        "function hoheit_sent": "done",
        "function hoheit_on_site": "done",
        "function hoheit_pipe": "done",
        "models": "done",
        f"user {site.settings.user_email}": "done",
        f"what {site.settings.user_email} sees": "unchanged",
    }


async def test_second_run_changes_nothing(
    site: Site, admin: OpenWebUIClient, first_run: ProvisionResult
) -> None:
    lines: list[str] = []
    before = [await admin.connections(), await admin.tool_servers(), await admin.model_entries()]
    result = await provision(admin, site.full_plan(), lines.append)
    assert set(outcomes(result).values()) == {"unchanged"}
    assert not result.changed
    assert len(lines) == len(result.steps)
    assert before == [
        await admin.connections(),
        await admin.tool_servers(),
        await admin.model_entries(),
    ]


async def test_what_another_admin_set_up_survives(
    admin: OpenWebUIClient, first_run: ProvisionResult
) -> None:
    config = await admin.connections()
    assert config["OPENAI_API_BASE_URLS"][0] == FOREIGN_URL
    assert config["OPENAI_API_KEYS"][0] == "foreign-key"
    assert config["OPENAI_API_CONFIGS"]["0"] == {"enable": True, "tags": [{"name": "theirs"}]}
    theirs = (await admin.tool_servers())[0]
    assert theirs["info"]["id"] == "theirs"
    assert theirs["config"] == {"enable": False, "access_grants": []}
    function = await admin.function("someone_elses")
    assert function is not None
    assert (function["content"], function["is_active"]) == (FOREIGN_FUNCTION, False)


async def test_a_normal_user_sees_the_models_and_the_tools(user: OpenWebUIClient) -> None:
    assert [model["id"] for model in await user.models()] == ["scripted"]
    assert await user.tools() == ["server:mcp:files", "server:mcp:databases"]
    specs = await user.get("/api/v1/tools/id/server:mcp:files/specs")
    assert {spec["name"] for spec in specs["specs"]} == {"search", "list"}


async def test_open_webui_finds_the_tools_of_the_real_servers(
    admin: OpenWebUIClient, tmp_path: Path
) -> None:
    (tmp_path / "hours.md").write_text("Open on Tuesdays.")
    token = SecretStr("a-token-of-the-site")
    root = RootSettings(name="documents", path=tmp_path)
    database = DatabaseSettings(name="site", url=f"sqlite:///{tmp_path / 'site.db'}")
    (tmp_path / "site.db").touch()
    files = Asgi(files_server.create_app(FilesSettings(token=token, roots=(root,))))
    databases = Asgi(
        databases_server.create_app(DatabasesSettings(token=token, databases=(database,)))
    )
    with running(files, databases):
        for server, tools in ((files, "list search read"), (databases, "list describe query")):
            plan = ToolServer("id", "", "", f"{server.address}/mcp", token.get_secret_value())
            [connection] = desired.tool_servers([], plan)
            assert set(await admin.verify_tool_server(connection)) == set(tools.split())
            with pytest.raises(OpenWebUIError):
                await admin.verify_tool_server({**connection, "key": "wrong"})


async def test_a_changed_key_token_and_function_are_brought_up_to_date(
    site: Site, admin: OpenWebUIClient, first_run: ProvisionResult
) -> None:
    held = await admin.function("hoheit_filter")
    assert held is not None
    old = held["content"].replace("version: 0.2.0", "version: 0.0.9")
    await admin.update_function({**bundle().function("hoheit_filter").form, "content": old})
    config = await admin.connections()
    config["OPENAI_API_KEYS"][1] = "an-old-key"
    await admin.set_connections(config)
    servers = await admin.tool_servers()
    servers[1]["key"] = "an-old-token"
    await admin.set_tool_servers(servers)

    result = await run(admin, site.plan())

    assert not result.failed, result.failed
    assert {name for name, outcome in outcomes(result).items() if outcome == "done"} == {
        "connection to the adapter",
        "tool server files",
        "function hoheit_filter",
    }


async def test_what_an_admin_closed_or_switched_off_stays_so(
    site: Site, admin: OpenWebUIClient, first_run: ProvisionResult
) -> None:
    servers = await admin.tool_servers()
    closed = [dict(server) for server in servers]
    closed[2] = {**closed[2], "config": {**closed[2]["config"], "enable": False}}
    await admin.set_tool_servers(closed)
    await admin.toggle_function("hoheit_filter")
    await admin.set_model_access("scripted", [])
    try:
        result = await run(admin, site.plan())
        assert not result.failed, result.failed
        assert outcomes(result)["tool server databases"] == "skipped"
        assert not result.changed
        function = await admin.function("hoheit_filter")
        assert function is not None
        assert not function["is_active"]
        assert (await admin.model_entries())["scripted"]["access_grants"] == []
    finally:
        await admin.set_tool_servers(servers)
        await admin.toggle_function("hoheit_filter")
        grant = {"principal_type": "user", "principal_id": "*", "permission": "read"}
        await admin.set_model_access("scripted", [grant])


async def test_a_wrong_tool_token_fails_that_step_and_says_what_to_do(
    site: Site, admin: OpenWebUIClient, first_run: ProvisionResult
) -> None:
    files, databases = site.plan().tool_servers
    plan = site.plan(tool_servers=(dataclasses.replace(files, token="wrong"), databases))
    try:
        result = await run(admin, plan)
        assert [step.name for step in result.failed] == ["tool server files"]
        assert "token" in result.failed[0].remedy
    finally:
        await run(admin, site.plan())


async def test_a_wrong_adapter_key_fails_and_says_what_to_do(
    site: Site, admin: OpenWebUIClient, first_run: ProvisionResult
) -> None:
    try:
        result = await run(admin, site.plan(adapter_key=SecretStr("wrong")))
        assert [step.name for step in result.failed] == ["connection to the adapter", "models"]
        assert "key" in result.failed[0].remedy
    finally:
        await run(admin, site.plan())


async def test_another_server_with_the_same_id_is_not_taken_over(
    site: Site, admin: OpenWebUIClient, first_run: ProvisionResult
) -> None:
    files, databases = site.plan().tool_servers
    plan = site.plan(tool_servers=(dataclasses.replace(files, id="theirs"), databases))
    result = await run(admin, plan)
    assert [step.name for step in result.failed] == ["tool server theirs"]
    assert (await admin.tool_servers())[0]["url"] == "http://127.0.0.1:9/mcp"


async def test_another_connection_with_the_same_model_is_reported(
    site: Site, admin: OpenWebUIClient, first_run: ProvisionResult
) -> None:
    config = await admin.connections()
    other = {**config, "OPENAI_API_BASE_URLS": list(config["OPENAI_API_BASE_URLS"])}
    other["OPENAI_API_CONFIGS"] = {
        **config["OPENAI_API_CONFIGS"],
        "0": {"enable": True, "model_ids": ["scripted"]},
    }
    await admin.set_connections(other)
    try:
        result = await run(admin, site.plan())
        assert [step.name for step in result.failed] == ["models"]
        assert "another connection" in result.failed[0].detail
    finally:
        await admin.set_connections(config)


async def test_a_wrong_token_is_refused_with_a_remedy(site: Site) -> None:
    async with OpenWebUIClient(site.settings.address, "no-such-token") as client:
        with pytest.raises(NotAllowedError) as refused:
            await run(client, site.plan())
    assert "token" in refused.value.message
    assert refused.value.remedy


async def test_a_wrong_password_is_refused(site: Site) -> None:
    async with OpenWebUIClient(site.settings.address) as client:
        with pytest.raises(NotAllowedError):
            await client.sign_in("nobody@hoheit.example", "wrong")


async def test_a_normal_users_token_is_refused(site: Site, user: OpenWebUIClient) -> None:
    with pytest.raises(NotAllowedError) as refused:
        await run(user, site.plan())
    assert "not an admin" in refused.value.message


async def test_nothing_at_the_address_is_said_so(site: Site) -> None:
    async with OpenWebUIClient(f"http://127.0.0.1:{free_port()}", "token") as client:
        with pytest.raises(UnreachableError):
            await run(client, site.plan())


async def test_another_service_at_the_address_is_said_so(site: Site) -> None:
    async with OpenWebUIClient(site.upstream.address, "token") as client:
        with pytest.raises(UnreachableError) as refused:
            await run(client, site.plan())
    assert "not an Open WebUI" in refused.value.message


def test_an_address_without_a_scheme_is_refused() -> None:
    with pytest.raises(OpenWebUIError):
        OpenWebUIClient("chat.example.org")
