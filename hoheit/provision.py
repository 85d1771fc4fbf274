"""Brings an Open WebUI into the state that the bundle needs, and reads back whether it is.

Running it again changes nothing: each step compares before it writes. What belongs to an admin stays
(hoheit.open_webui.desired says what that means). A step that fails does not stop the ones after it.
"""

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Literal

from pydantic import SecretStr

from hoheit.errors import OpenWebUIError
from hoheit.open_webui import desired
from hoheit.open_webui.client import (
    JsonObject,
    NotAllowedError,
    OpenWebUIClient,
    TooManyLoginsError,
)
from hoheit.open_webui.desired import ToolServer
from webui_pipelines.bundle import Function, bundle

MINIMUM = (0, 12)
TESTED = (0, 12)
Outcome = Literal["done", "unchanged", "skipped", "failed"]


@dataclass(frozen=True)
class ProvisionPlan:
    """What to set up. Addresses are those under which Open WebUI's own process reaches the parts."""

    adapter_url: str
    adapter_key: SecretStr
    tool_servers: tuple[ToolServer, ...]
    user_email: str | None = None
    user_name: str = "User"
    user_password: SecretStr | None = None
    pipe: bool = False


@dataclass(frozen=True)
class Step:
    """What became of one step; `remedy` says what to do about a failed one."""

    name: str
    outcome: Outcome
    detail: str
    remedy: str = ""

    def __str__(self) -> str:
        return f"{self.outcome:<9} {self.name}: {self.detail} {self.remedy}".rstrip()


@dataclass(frozen=True)
class ProvisionResult:
    """All steps, in order."""

    steps: tuple[Step, ...]

    @property
    def failed(self) -> tuple[Step, ...]:
        return tuple(step for step in self.steps if step.outcome == "failed")

    @property
    def changed(self) -> bool:
        return any(step.outcome == "done" for step in self.steps)


async def provision(
    client: OpenWebUIClient, plan: ProvisionPlan, report: Callable[[str], None]
) -> ProvisionResult:
    """Carries out `plan` with the admin session of `client`; `report` gets one line per step.

    Raises OpenWebUIError when nothing can be done at all: unreachable, no admin, or a version before 0.12.
    """
    version = await require_version(client)
    await client.require_admin()
    run = _Run(client, plan, report)
    run.note(Step("Open WebUI", "unchanged", version))
    await run.step("connection to the adapter", run.connection)
    for server in plan.tool_servers:
        await run.step(f"tool server {server.id}", partial(run.tool_server, server))
    for function in bundle().functions:
        await run.step(f"function {function.id}", partial(run.function, function))
    await run.step("models", run.models)
    if plan.user_email:
        await run.step(f"user {plan.user_email}", run.user)
        await run.step(f"what {plan.user_email} sees", run.what_the_user_sees)
    return ProvisionResult(tuple(run.steps))


async def require_version(client: OpenWebUIClient) -> str:
    """The version of Open WebUI, with a note when it is newer than what this bundle was tested with.

    Raises OpenWebUIError when it is older than 0.12 or cannot be told.
    """
    version = await client.version()
    match = re.match(r"v?(\d+)\.(\d+)", version)
    if match is None:
        raise OpenWebUIError(
            f"The version {version!r} of Open WebUI at {client.address} cannot be told.",
            "Install a release of Open WebUI 0.12.",
        )
    number = (int(match[1]), int(match[2]))
    if number < MINIMUM:
        raise OpenWebUIError(
            f"Open WebUI at {client.address} is version {version}; this bundle needs 0.12 or newer.",
            "Update it (pip install --upgrade open-webui, or pull the newer image), then provision again.",
        )
    return f"{version}, newer than the tested 0.12" if number > TESTED else version


@dataclass
class _Run:
    client: OpenWebUIClient
    plan: ProvisionPlan
    report: Callable[[str], None]
    steps: list[Step] = field(default_factory=list)
    model_ids: list[str] = field(default_factory=list)
    # What every signed-in person should see: an admin may have closed some of it to them.
    open_models: list[str] = field(default_factory=list)
    open_tools: list[str] = field(default_factory=list)

    def note(self, step: Step) -> None:
        self.steps.append(step)
        self.report(str(step))

    async def step(self, name: str, do: Callable[[], Awaitable[tuple[Outcome, str]]]) -> None:
        try:
            outcome, detail = await do()
            self.note(Step(name, outcome, detail))
        except OpenWebUIError as error:
            self.note(Step(name, "failed", error.message, error.remedy))

    async def connection(self) -> tuple[Outcome, str]:
        url = self.plan.adapter_url.rstrip("/")
        before = await self.client.connections()
        after, index = desired.connection(before, url, self.plan.adapter_key.get_secret_value())
        if after != before:
            await self.client.set_connections(after)
        if not after["OPENAI_API_CONFIGS"][str(index)].get("enable", True):
            return "skipped", f"{url} is switched off by an admin and stays so"
        try:
            listed = await self.client.connection_models(index)
        except OpenWebUIError as error:
            raise OpenWebUIError(
                f"Open WebUI gets no models from {url}: {error.message}",
                "Check that the adapter runs there and that its key is the one given here.",
            ) from error
        prefix = after["OPENAI_API_CONFIGS"][str(index)].get("prefix_id")
        self.model_ids = [
            f"{prefix}.{model['id']}" if prefix else str(model["id"]) for model in listed
        ]
        return _done(after != before), f"{url}, {_count(len(listed), 'model')}"

    async def tool_server(self, server: ToolServer) -> tuple[Outcome, str]:
        before = await self.client.tool_servers()
        after = desired.tool_servers(before, server)
        if after != before:
            await self.client.set_tool_servers(after)
        entry = next(
            entry
            for entry in after
            if entry["type"] == "mcp" and (entry.get("info") or {}).get("id") == server.id
        )
        if not (entry.get("config") or {}).get("enable"):
            return "skipped", f"{server.url} is switched off by an admin and stays so"
        if desired.open_to_all(entry["config"].get("access_grants")):
            self.open_tools.append(server.tool_id)
        try:
            tools = await self.client.verify_tool_server(entry)
        except OpenWebUIError as error:
            raise OpenWebUIError(
                f"Open WebUI gets no tools from {server.url}.",
                f"Check that the {server.id} server runs there and that its token is the one given here.",
            ) from error
        return _done(after != before), f"{server.url}, tools {', '.join(tools) or 'none'}"

    async def function(self, function: Function) -> tuple[Outcome, str]:
        client, wanted = self.client, function.form
        version = function.manifest["version"]
        held = await client.function(function.id)
        changes = []
        if held is None:
            await client.create_function(wanted)
            changes.append(f"installed {version}")
            held = await client.function(function.id) or {}
        elif held.get("content") != function.source:
            # The earlier text stays in the function's history in Open WebUI.
            await client.update_function(wanted)
            changes.append(f"updated to {version}")
        changes += await self._switched_on_and_pointed(function, held)
        return _done(bool(changes)), ", ".join(changes) or f"version {version}"

    async def _switched_on_and_pointed(self, function: Function, held: JsonObject) -> list[str]:
        """Switches a function on and gives it the adapter's address and key.

        One that has a key was provisioned before; the key is set last, so that a run that broke off before
        it is made good by the next.
        """
        valves = await self.client.valves(function.id)
        changes = await self._switch_on(function, held, first=not valves.get("adapter_key"))
        wanted = {
            "adapter_url": self.plan.adapter_url.rstrip("/"),
            "adapter_key": self.plan.adapter_key.get_secret_value(),
        }
        if not wanted.items() <= valves.items():
            await self.client.set_valves(function.id, {**valves, **wanted})
            changes.append("pointed at the adapter")
        return changes

    async def _switch_on(self, function: Function, held: JsonObject, *, first: bool) -> list[str]:
        """Each is switched on once; the pipe only on request, as the connection offers its models."""
        active, everywhere = bool(held.get("is_active")), bool(held.get("is_global"))
        if function.id == "hoheit_pipe" or function.id in desired.SWITCHES:
            # Which models have a switch is said with the models.
            wanted = self.plan.pipe if function.id == "hoheit_pipe" else first
            if active or not wanted:
                return []
            await self.client.toggle_function(function.id)
            return ["switched on"]
        # Inactive but global is a function that an admin has switched off.
        if active or everywhere:
            return []
        await self.client.toggle_function(function.id, globally=True)
        await self.client.toggle_function(function.id)
        return ["switched on for all models"]

    async def models(self) -> tuple[Outcome, str]:
        offered = {str(model["id"]): model for model in await self.client.models()}
        entries = await self.client.model_entries()
        mine = list(self.model_ids)
        if self.plan.pipe:
            mine += [model_id for model_id in offered if model_id.startswith("hoheit_pipe.")]
        if not mine:
            raise OpenWebUIError(
                "The adapter offers no model.", "Configure an upstream, then provision again."
            )
        changed = [model_id for model_id in mine if await self._model(model_id, offered, entries)]
        self.model_ids = mine
        await self._require_own(mine)
        return _done(bool(changed)), ", ".join(changed or mine)

    async def _model(
        self, model_id: str, offered: dict[str, JsonObject], entries: dict[str, JsonObject]
    ) -> bool:
        held = entries.get(model_id)
        name = str(offered.get(model_id, {}).get("name") or model_id)
        tool_ids = [server.tool_id for server in self.plan.tool_servers]
        wanted = desired.model_entry(held, model_id, name, tool_ids)
        if held is None:
            await self.client.create_model(wanted)
            self.open_models.append(model_id)
            return True
        grants = desired.model_access(held)
        if grants is not None:
            await self.client.set_model_access(model_id, grants)
        if held.get("is_active") and desired.open_to_all(grants or held.get("access_grants")):
            self.open_models.append(model_id)
        changed = any(held.get(key) != value for key, value in wanted.items())
        if changed:
            await self.client.update_model(wanted)
        return changed or grants is not None

    async def _require_own(self, model_ids: list[str]) -> None:
        """Another connection with a model of the same name would take the chats past the adapter."""
        url = self.plan.adapter_url.rstrip("/")
        _, index = desired.connection(await self.client.connections(), url, "")
        for model in await self.client.models():
            if model["id"] in model_ids and model.get("urlIdx", index) != index:
                raise OpenWebUIError(
                    f"The model '{model['id']}' is also offered by another connection, which answers first.",
                    "Give that connection a prefix or remove it under Admin Settings > Connections.",
                )

    async def user(self) -> tuple[Outcome, str]:
        email, password = self.plan.user_email or "", self.plan.user_password
        held = await self.client.find_user(email)
        if held is None:
            if password is None:
                return "skipped", "there is no such account, and no password to make it with"
            await self.client.add_user(email, self.plan.user_name, password.get_secret_value())
            return "done", "account made"
        if held.get("role") == "pending":
            raise OpenWebUIError(
                f"The account {email} waits for activation.",
                "Give it the role 'user' under Admin Panel > Users.",
            )
        return "unchanged", f"role {held.get('role')}"

    async def what_the_user_sees(self) -> tuple[Outcome, str]:
        if self.plan.user_password is None:
            return "skipped", "their password is not known here"
        async with self.client.beside() as person:
            try:
                await person.sign_in(
                    self.plan.user_email or "", self.plan.user_password.get_secret_value()
                )
            except TooManyLoginsError as error:
                return "skipped", error.message
            except NotAllowedError:
                return "skipped", "they have changed their password"
            models = [str(model["id"]) for model in await person.models()]
            tools = await person.tools()
        expected = [*self.open_models, *self.open_tools]
        missing = [name for name in expected if name not in models and name not in tools]
        if missing:
            raise OpenWebUIError(
                f"Not visible to them: {', '.join(missing)}.",
                "Look at who may use it under Admin Settings > Models and > External Tools.",
            )
        return "unchanged", f"{_count(len(models), 'model')}, {_count(len(tools), 'tool server')}"


def _done(changed: bool) -> Outcome:
    return "done" if changed else "unchanged"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
