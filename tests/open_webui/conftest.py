"""A real Open WebUI with a scripted model and small tool servers beside it, provisioned once."""

import asyncio
import os
import secrets
import subprocess
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from pydantic import SecretStr

from backend_adapter.app import create_app
from backend_adapter.settings import AdapterSettings
from hoheit import environments
from hoheit.open_webui.client import OpenWebUIClient
from hoheit.open_webui.desired import ToolServer
from hoheit.open_webui.process import command, environment
from hoheit.open_webui.settings import OpenWebUISettings
from hoheit.progress import Progress
from hoheit.provision import ProvisionPlan, ProvisionResult, provision
from tests.conftest import ENVIRONMENTS, free_port, wait_until
from tests.open_webui.background import Asgi, running
from tests.open_webui.scripted_adapter import ScriptedAdapter
from tests.open_webui.site_tools import SiteTools

USER_JWT_SECRET = "test-only-user-jwt-secret-of-40-characters"
FOREIGN_URL = "http://127.0.0.1:9/v1"
FOREIGN_FUNCTION = '''"""
title: Someone else's
"""
class Filter:
    def inlet(self, body):
        return body
'''


@dataclass
class Site:
    """Everything a test may look at."""

    settings: OpenWebUISettings
    upstream: ScriptedAdapter
    files: SiteTools
    databases: SiteTools
    adapter: Asgi
    admin_token: str = ""
    user_token: str = ""

    def full_plan(self) -> ProvisionPlan:
        """What `hoheit up` provisions."""
        return self.plan(user_password=self.settings.user_password)

    def plan(self, **changes: object) -> ProvisionPlan:
        """The same without the user's password: Open WebUI takes 15 logins in three minutes."""
        plan = {
            "adapter_url": self.upstream.base_url,
            "adapter_key": SecretStr(self.upstream.key),
            "tool_servers": (
                ToolServer("files", "Documents", "d", self.files.url, self.files.token),
                ToolServer("databases", "Databases", "d", self.databases.url, self.databases.token),
            ),
            "user_email": self.settings.user_email,
            "user_name": self.settings.user_name,
            **changes,
        }
        return ProvisionPlan(**plan)  # type: ignore[arg-type]

    async def sign_in(self, email: str, password: SecretStr | None) -> str:
        assert password is not None
        async with OpenWebUIClient(self.settings.address) as client:
            await client.sign_in(email, password.get_secret_value())
            assert client.token
            return client.token


def open_webui_environment() -> Path:
    return environments.ensure("open-webui", ENVIRONMENTS, Progress())


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Open WebUI as `hoheit up` starts it, with what a foreign admin has put in, not yet provisioned."""
    settings = OpenWebUISettings(
        port=free_port(),
        admin_password=SecretStr(secrets.token_urlsafe(16)),
        user_password=SecretStr(secrets.token_urlsafe(16)),
        secret_key=SecretStr(secrets.token_urlsafe(32)),
    )
    upstream = ScriptedAdapter(key="adapter-key", user_jwt_secret=USER_JWT_SECRET)
    files, databases = SiteTools("files-token"), SiteTools("databases-token")
    data = tmp_path_factory.mktemp("open-webui")
    # The real adapter, for its install page; the chats go to the script, so that tests see them.
    adapter = Asgi(create_app(AdapterSettings(api_key=SecretStr("adapter-key"))))
    with running(upstream, files, databases, adapter):
        here = Site(settings, upstream, files, databases, adapter)
        variables = {
            "PATH": os.environ["PATH"],
            "HOME": str(data),
            **environment(
                settings,
                data_dir=data,
                adapter_url=upstream.base_url,
                adapter_key=upstream.key,
                user_jwt_secret=USER_JWT_SECRET,
            ),
        }
        arguments = command(open_webui_environment(), settings.host, settings.port)
        log = data / "open-webui.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                arguments, env=variables, cwd=data, stdout=output, stderr=output
            )
        try:
            wait_until(lambda: _healthy(here, process), f"Open WebUI is up; see {log}", 120)
            here.admin_token = asyncio.run(
                here.sign_in(settings.admin_email, settings.admin_password)
            )
            asyncio.run(_foreign_admin(here))
            yield here
        finally:
            process.terminate()
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(15)


@pytest.fixture(scope="session")
def first_run(site: Site) -> ProvisionResult:
    """The result of provisioning for the first time."""

    async def run() -> ProvisionResult:
        async with OpenWebUIClient(site.settings.address, site.admin_token) as client:
            return await provision(client, site.full_plan(), lambda line: None)

    result = asyncio.run(run())
    site.user_token = asyncio.run(
        site.sign_in(site.settings.user_email, site.settings.user_password)
    )
    return result


@pytest.fixture
async def admin(site: Site) -> AsyncIterator[OpenWebUIClient]:
    async with OpenWebUIClient(site.settings.address, site.admin_token) as client:
        yield client


@pytest.fixture
async def user(site: Site, first_run: ProvisionResult) -> AsyncIterator[OpenWebUIClient]:
    """The normal user of a provisioned site."""
    async with OpenWebUIClient(site.settings.address, site.user_token) as client:
        yield client


def _healthy(site: Site, process: subprocess.Popen[bytes]) -> bool:
    assert process.poll() is None, "Open WebUI ended while starting"
    try:
        with urllib.request.urlopen(f"{site.settings.address}/health", timeout=2) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


async def _foreign_admin(site: Site) -> None:
    """What another admin has set up before the bundle comes."""
    async with OpenWebUIClient(site.settings.address, site.admin_token) as client:
        await client.set_connections(
            {
                "ENABLE_OPENAI_API": True,
                "OPENAI_API_BASE_URLS": [FOREIGN_URL],
                "OPENAI_API_KEYS": ["foreign-key"],
                "OPENAI_API_CONFIGS": {"0": {"enable": True, "tags": [{"name": "theirs"}]}},
            }
        )
        await client.set_tool_servers(
            [
                {
                    "type": "mcp",
                    "url": "http://127.0.0.1:9/mcp",
                    "path": "",
                    "auth_type": "none",
                    "key": "",
                    "config": {"enable": False, "access_grants": []},
                    "info": {"id": "theirs", "name": "Theirs", "description": ""},
                }
            ]
        )
        await client.create_function(
            {
                "id": "someone_elses",
                "name": "Someone else's",
                "content": FOREIGN_FUNCTION,
                "meta": {"description": ""},
            }
        )
