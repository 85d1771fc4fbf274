"""The site's settings: hoheit.toml and `HOHEIT_*` variables, validated as a whole before anything starts."""

import difflib
import os
import re
import tomllib
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel, Field, SecretStr, ValidationError
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)
from pydantic_settings import (
    SettingsError as EnvironmentValueError,
)

from backend_adapter.embedded.settings import EmbeddedSettings
from backend_adapter.petals.settings import GatewaySettings, SwarmSettings
from backend_adapter.settings import AdapterSettings, ModelSettings, UpstreamSettings
from backend_adapter.vllm.settings import VllmSettings
from hoheit import secrets
from hoheit.errors import SettingsError
from hoheit.example_site import example_databases, example_roots
from hoheit.home import Home
from hoheit.open_webui.settings import OpenWebUISettings
from hoheit.orphans import PARENT_VARIABLE
from hoheit.petals.settings import PetalsSettings
from mcp_servers.databases.settings import DatabasesSettings
from mcp_servers.files.settings import FilesSettings

_PREFIX = "HOHEIT_"
# Keys whose values no message repeats.
_SECRETS = frozenset(
    {
        *(
            "admin_key",
            "api_key",
            "database_url",
            "key",
            "labels_key",
            "secret_key",
            "token",
            "url",
        ),
        "user_jwt_secret",
    }
)
Engine = Literal["embedded", "petals", "vllm"]
# The secrets that only a site with this engine needs, as one that others reach.
_OF_ENGINES: dict[str, tuple[str, ...]] = {
    "petals": ("swarm-key", "petals-key"),
    "vllm": ("vllm-key",),
}
# Read before and beside the settings themselves.
_OTHER_VARIABLES = ("HOHEIT_HOME", "HOHEIT_SETTINGS", PARENT_VARIABLE)


class EmbeddedPart(EmbeddedSettings):
    """The embedded engine as a part of the site."""

    enabled: bool = Field(True, description="Start the embedded engine and offer its model.")


class Settings(BaseSettings):
    """Everything that can be set, by section. A variable `HOHEIT_SECTION__KEY` wins over the file."""

    model_config = SettingsConfigDict(
        env_prefix=_PREFIX, env_nested_delimiter="__", extra="forbid", frozen=True
    )

    environments_dir: Path | None = Field(
        None,
        description="Folder of the isolated environments. Default: environments/ in HOHEIT_HOME.",
    )
    engine: Engine = Field(
        "embedded",
        description="What `hoheit up` answers with: the embedded engine, a swarm on this machine, or vLLM.",
    )
    secrets_dir: Path | None = Field(
        None, description="Folder of the secrets, one file each. Default: secrets/ in HOHEIT_HOME."
    )
    adapter: AdapterSettings = Field(
        default_factory=AdapterSettings, description="The gateway to the models."
    )
    embedded: EmbeddedPart = Field(
        default_factory=EmbeddedPart, description="The engine that runs on this machine."
    )
    petals: PetalsSettings = Field(
        default_factory=PetalsSettings, description="This site's share of a Petals swarm."
    )
    vllm: VllmSettings = Field(
        default_factory=lambda: VllmSettings(), description="The vLLM servers of this machine."
    )
    files: FilesSettings = Field(
        default_factory=FilesSettings, description="The MCP server for the site's documents."
    )
    databases: DatabasesSettings = Field(
        default_factory=DatabasesSettings, description="The MCP server for the site's databases."
    )
    open_webui: OpenWebUISettings = Field(
        default_factory=OpenWebUISettings, description="The chat that people see."
    )

    @property
    def adapter_address(self) -> str:
        """Where this machine reaches the adapter."""
        return address(self.adapter.host, self.adapter.port)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return env_settings, init_settings


def address(host: str, port: int) -> str:
    """The URL at which this machine reaches a part that listens on `host`."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - compared, not bound
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def settings_file(home: Home, file: Path | None = None) -> Path:
    """Where the settings are read from: the file named, else `HOHEIT_SETTINGS`, else hoheit.toml in the home."""
    named = file or (Path(value) if (value := os.environ.get("HOHEIT_SETTINGS")) else None)
    return named or home.settings_file


def load(home: Home, file: Path | None = None) -> Settings:
    """Reads the settings in force (see `settings_file`).

    Raises SettingsError with the key, the value and what is allowed.
    """
    path = settings_file(home, file)
    if path != home.settings_file and not path.is_file():
        raise SettingsError(
            f"The settings file {path} does not exist.",
            "Name an existing one, or write one with 'hoheit settings > hoheit.toml'.",
        )
    _refuse_unknown_variables(os.environ)
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
        return Settings(**content)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} is not valid TOML: {error}.", "Correct that line.") from error
    except OSError as error:
        raise SettingsError(f"{path} cannot be read: {error.strerror}.") from error
    except ValidationError as error:
        raise SettingsError("\n".join(_explain(error, path)), "Correct the settings.") from error
    except EnvironmentValueError as error:
        raise SettingsError(
            f"{error}: a list or table in a variable is written as JSON, as in "
            """HOHEIT_FILES__ROOTS='[{"name": "docs", "path": "/srv/docs"}]'."""
        ) from error


def complete(
    settings: Settings, home: Home, needed: Collection[str] = tuple(secrets.NAMES)
) -> Settings:
    """The settings with what is left open filled in: secrets, the example site, the embedded upstream.

    A part that runs alone names the secrets it `needed`; it may not have been given the others.

    Raises HoheitError when a needed secret can neither be read nor made.
    """
    folder = settings.secrets_dir or home.secrets
    needed = _needed(settings.engine, needed)

    def secret(given: SecretStr | None, name: str) -> SecretStr | None:
        return given or (secrets.read_or_make(folder, name) if name in needed else None)

    embedded = settings.embedded
    if settings.engine != "embedded":
        embedded = embedded.model_copy(update={"enabled": False})
    if embedded.enabled:
        key = secret(embedded.api_key, "embedded-key")
        embedded = embedded.model_copy(update={"api_key": key, "model_id": _model_id(embedded)})
    adapter = settings.adapter
    adapter = adapter.model_copy(
        update={
            "api_key": secret(adapter.api_key, "adapter-key"),
            "admin_key": secret(adapter.admin_key, "admin-key"),
            "user_jwt_secret": secret(adapter.user_jwt_secret, "user-jwt-secret"),
            "labels_key": secret(adapter.labels_key, "labels-key"),
            "egress": adapter.egress.model_copy(
                update={
                    "key": secret(adapter.egress.key, "egress-key"),
                    "index_folder": adapter.egress.index_folder or home.data / "adapter" / "lists",
                }
            ),
            "database_url": adapter.database_url
            or SecretStr(f"sqlite+aiosqlite:///{home.data / 'adapter' / 'adapter.db'}"),
        }
    )
    if embedded.enabled:
        shipped = embedded.model_id if embedded.model is None else None
        adapter = _with_own(adapter, (_embedded_upstream(embedded),), shipped)
    petals = _with_secrets(settings.petals, home, folder, secret)
    if settings.engine == "petals":
        gateway = petals.gateway
        own = gateway.model is not None or gateway.hub is not None
        shipped = None if own else gateway.model_id
        adapter = _with_own(adapter, (_swarm_upstream(gateway),), shipped)
    vllm = _called(settings.vllm, secret(settings.vllm.api_key, "vllm-key"))
    if settings.engine == "vllm":
        shipped = vllm.model_id if vllm.model is None else None
        adapter = _with_own(adapter, _vllm_upstreams(vllm), shipped)
    chat = settings.open_webui
    return settings.model_copy(
        update={
            "adapter": adapter,
            "embedded": embedded,
            "petals": petals,
            "vllm": vllm,
            "files": settings.files.model_copy(
                update={
                    "token": secret(settings.files.token, "files-token"),
                    "labels_url": settings.files.labels_url or settings.adapter_address,
                    "labels_key": secret(settings.files.labels_key, "labels-key"),
                    "roots": settings.files.roots or example_roots(),
                }
            ),
            "databases": settings.databases.model_copy(
                update={
                    "token": secret(settings.databases.token, "databases-token"),
                    "labels_url": settings.databases.labels_url or settings.adapter_address,
                    "labels_key": secret(settings.databases.labels_key, "labels-key"),
                    "databases": settings.databases.databases or example_databases(),
                }
            ),
            "open_webui": chat.model_copy(
                update={
                    "admin_password": secret(chat.admin_password, "admin-password"),
                    "user_password": secret(chat.user_password, "user-password"),
                    "secret_key": secret(chat.secret_key, "webui-secret-key"),
                }
            ),
            "environments_dir": settings.environments_dir or home.environments,
            "secrets_dir": folder,
        }
    )


def _needed(engine: str, needed: Collection[str]) -> Collection[str]:
    """What the site's engine needs comes to what was named, and a whole site needs nothing of other engines."""
    own = _OF_ENGINES.get(engine, ())
    others = {name for names in _OF_ENGINES.values() for name in names} - {*own}
    if len(needed) == len(secrets.NAMES):
        return tuple(name for name in needed if name not in others)
    # The adapter has to have the keys of what it asks; a swarm's own is not among them.
    asked = tuple(name for name in own if name != "swarm-key")
    return (*needed, *asked) if "adapter-key" in needed else needed


def _model_id(embedded: EmbeddedPart) -> str:
    """Other weights than the shipped ones are called after their file, unless a name is set."""
    if embedded.model is None or "model_id" in embedded.model_fields_set:
        return embedded.model_id
    return _name_after(embedded.model.stem) or embedded.model_id


def _called(vllm: VllmSettings, key: SecretStr | None) -> VllmSettings:
    """With its key, and another model than the shipped one called after the last part of its name."""
    update: dict[str, Any] = {"api_key": key}
    if vllm.model is not None and "model_id" not in vllm.model_fields_set:
        update["model_id"] = _name_after(Path(vllm.model).name) or vllm.model_id
    return vllm.model_copy(update=update)


def _name_after(source: str) -> str:
    return re.sub(r"[^a-z0-9._-]+", "-", source.lower()).strip("-")


def _with_own(
    adapter: AdapterSettings, own: tuple[UpstreamSettings, ...], shipped: str | None
) -> AdapterSettings:
    """What this site runs becomes the first upstreams, unless one of such a name is configured.

    `shipped` is the name of the shipped weights' model, where it answers with those: their template ignores
    tools, and so small a model rarely asks for one.
    """
    if {each.name for each in adapter.upstreams} & {each.name for each in own}:
        return adapter
    models = adapter.models
    if shipped is not None and all(model.id != shipped for model in models):
        small = ModelSettings(
            id=shipped, tool_calls="schema", force_first_call=("files_search",), small=True
        )
        models = (*models, small)
    return adapter.model_copy(update={"upstreams": (*own, *adapter.upstreams), "models": models})


def _embedded_upstream(embedded: EmbeddedPart) -> UpstreamSettings:
    return UpstreamSettings(
        name="embedded",
        base_url=f"{address(embedded.host, embedded.port)}/v1",
        api_key=embedded.api_key,
        engine="llama.cpp",
        trust="site",
    )


def _swarm_upstream(gateway: GatewaySettings) -> UpstreamSettings:
    return UpstreamSettings(
        name="swarm",
        base_url=f"{address(gateway.host, gateway.port)}/v1",
        api_key=gateway.api_key,
        engine="petals",
        # What other sites' nodes compute with is as good as the text.
        trust="partner",
    )


def _vllm_upstreams(vllm: VllmSettings) -> tuple[UpstreamSettings, ...]:
    return tuple(
        UpstreamSettings(
            name="vllm" if vllm.replicas == 1 else f"vllm-{number}",
            base_url=f"{address(vllm.host, port)}/v1",
            api_key=vllm.api_key,
            engine="vllm",
            trust="site",
        )
        for number, port in enumerate(vllm.ports, start=1)
    )


def _with_secrets(
    petals: PetalsSettings,
    home: Home,
    folder: Path,
    secret: Callable[[SecretStr | None, str], SecretStr | None],
) -> PetalsSettings:
    """A swarm has its key; one that anybody may join needs none."""

    def keyed(part: SwarmSettings) -> dict[str, Any]:
        if part.open or part.key_file or secret(None, "swarm-key") is None:
            return {}
        return {"key_file": folder / "swarm-key"}

    key = secret(petals.gateway.api_key, "petals-key")
    return PetalsSettings(
        node=petals.node.model_copy(
            update={
                **keyed(petals.node),
                "address_file": petals.node.address_file or home.path / "run" / "node.address",
            }
        ),
        gateway=petals.gateway.model_copy(update={**keyed(petals.gateway), "api_key": key}),
    )


def sections(model: type[BaseModel] = Settings) -> Iterator[tuple[str, type[BaseModel]]]:
    """The tables of hoheit.toml with their models, nested ones as `adapter.upstreams`."""
    for name, field in model.model_fields.items():
        for inner in (field.annotation, *get_args(field.annotation)):
            if isinstance(inner, type) and issubclass(inner, BaseModel):
                yield name, inner
                for deeper, deeper_model in sections(inner):
                    yield f"{name}.{deeper}", deeper_model


def is_list(section: str) -> bool:
    """Whether a table of hoheit.toml is one of a list, written as `[[section]]`."""
    model: type[BaseModel] = Settings
    *parents, last = section.split(".")
    for depth in range(len(parents)):
        model = dict(sections())[".".join(parents[: depth + 1])]
    return get_origin(model.model_fields[last].annotation) is tuple


def _refuse_unknown_variables(environ: Mapping[str, str]) -> None:
    known = {*_OTHER_VARIABLES, *(_PREFIX + name.upper() for name in Settings.model_fields)}
    for section, model in sections():
        path = section.replace(".", "__")
        if not is_list(section):
            known |= {f"{_PREFIX}{path}__{key}".upper() for key in model.model_fields}
    for name in sorted(environ):
        if name.startswith(_PREFIX) and name not in known:
            close = difflib.get_close_matches(name, known, n=1)
            hint = f"Did you mean {close[0]}?" if close else "'hoheit settings' prints every key."
            raise SettingsError(f"The variable {name}={environ[name]!r} sets nothing.", hint)


def _explain(error: ValidationError, path: Path) -> Iterator[str]:
    """One sentence per fault: where, which value, what is allowed."""
    tables = dict(sections())
    for fault in error.errors(include_url=False):
        where = [str(part) for part in fault["loc"]]
        key = ".".join(where)
        if fault["type"] == "extra_forbidden":
            table = ".".join(part for part in where[:-1] if not part.isdigit())
            allowed = list(tables.get(table, Settings).model_fields)
            close = difflib.get_close_matches(where[-1], allowed, n=1)
            hint = f" Did you mean '{close[0]}'?" if close else ""
            yield f"{path}: there is no key '{key}'.{hint} Allowed: {', '.join(allowed)}."
        elif _is_secret(key):
            yield f"{path}: '{key}' is refused: {fault['msg']}."
        else:
            yield f"{path}: '{key}' is {_shown(fault['input'])}: {fault['msg']}."


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."


def _is_secret(key: str) -> bool:
    name = key.rsplit(".", 1)[-1]
    return name in _SECRETS or "password" in key
