"""Provisions an Open WebUI with what this site's settings say."""

from collections.abc import Callable
from dataclasses import replace

from pydantic import SecretStr

from hoheit.errors import OpenWebUIError
from hoheit.open_webui.client import OpenWebUIClient
from hoheit.open_webui.desired import ToolServer
from hoheit.provision import ProvisionPlan, ProvisionResult, provision
from hoheit.settings import Settings, address


def plan_for(settings: Settings) -> ProvisionPlan:
    """What Open WebUI should know of this site; `settings` are the completed ones."""
    chat, files, databases = settings.open_webui, settings.files, settings.databases
    return ProvisionPlan(
        adapter_url=f"{settings.adapter_address}/v1",
        adapter_key=settings.adapter.api_key or SecretStr(""),
        tool_servers=(
            ToolServer(
                id="files",
                name="Files of this site",
                description="Lists, searches and reads the documents of this site.",
                url=f"{address(files.host, files.port)}/mcp",
                token=files.token.get_secret_value() if files.token else "",
            ),
            ToolServer(
                id="databases",
                name="Databases of this site",
                description="Describes and queries the databases of this site, read-only.",
                url=f"{address(databases.host, databases.port)}/mcp",
                token=databases.token.get_secret_value() if databases.token else "",
            ),
        ),
        user_email=chat.user_email,
        user_name=chat.user_name,
        user_password=chat.user_password,
        pipe=chat.pipe,
    )


async def provision_site(settings: Settings, report: Callable[[str], None]) -> None:
    """Provisions the Open WebUI that `hoheit up` started. Raises OpenWebUIError where a step failed."""
    chat = settings.open_webui
    if chat.admin_password is None:
        raise OpenWebUIError("The admin's password is not known.", "Set open_webui.admin_password.")
    async with OpenWebUIClient(chat.address) as client:
        await client.sign_in(chat.admin_email, chat.admin_password.get_secret_value())
        require_all(await provision(client, plan_for(settings), report))


async def provision_elsewhere(
    plan: ProvisionPlan,
    url: str,
    token: str | None,
    login: tuple[str, str] | None,
    report: Callable[[str], None],
) -> None:
    """Provisions an Open WebUI that somebody else runs, by its address and an admin's token or login.

    Raises OpenWebUIError where it cannot be done or a step failed.
    """
    async with OpenWebUIClient(url, token) as client:
        if login is not None:
            await client.sign_in(*login)
        require_all(await provision(client, plan, report))


def at(
    plan: ProvisionPlan, adapter: str | None, files: str | None, databases: str | None
) -> ProvisionPlan:
    """The plan with the addresses under which Open WebUI reaches the parts, where they differ."""
    given = {"files": files, "databases": databases}
    servers = tuple(replace(s, url=given[s.id] or s.url) for s in plan.tool_servers)
    return replace(plan, adapter_url=adapter or plan.adapter_url, tool_servers=servers)


def require_all(result: ProvisionResult) -> None:
    """Raises OpenWebUIError that names each step that failed and its remedy."""
    if result.failed:
        raise OpenWebUIError("\n".join(f"{s.name}: {s.detail} {s.remedy}" for s in result.failed))
