"""What the adapter can be told: the `[adapter]` part of hoheit.toml."""

from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    StringConstraints,
    model_validator,
)

from backend_adapter.egress.settings import EgressSettings, Trust

Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
Weight = Annotated[float, Field(ge=0.01, le=100)]
BaseUrl = Annotated[str, StringConstraints(pattern=r"^https?://[^\s/?#@]+(/[^\s?#]*)?$")]

_DRIVERS = {
    "sqlite": "sqlite+aiosqlite",
    "sqlite+aiosqlite": "sqlite+aiosqlite",
    "postgresql": "postgresql+psycopg",
    "postgresql+psycopg": "postgresql+psycopg",
}


def _fits_a_header(key: SecretStr) -> SecretStr:
    value = key.get_secret_value()
    if not value.isascii() or not value.isprintable() or " " in value:
        raise ValueError("a key is sent in a header: use printable ASCII characters without spaces")
    return key


Key = Annotated[SecretStr, AfterValidator(_fits_a_header)]


def _async_driver(url: SecretStr) -> SecretStr:
    """The same address with the driver that does not block; without one, names it."""
    scheme, separator, rest = url.get_secret_value().partition("://")
    driver = _DRIVERS.get(scheme)
    if not driver or not separator:
        raise ValueError(f"an address that begins with one of {', '.join(_DRIVERS)} is needed")
    return SecretStr(f"{driver}://{rest}")


DatabaseUrl = Annotated[SecretStr, AfterValidator(_async_driver)]


class UpstreamSettings(BaseModel):
    """One server that speaks the OpenAI API and answers for the adapter."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Name = Field(description="Short name that errors and logs call this upstream by.")
    base_url: BaseUrl = Field(description="Address of its OpenAI API, usually ending in /v1.")
    api_key: Key | None = Field(
        None, description="Key sent to it as a bearer token; none is sent when this is absent."
    )
    engine: Literal["llama.cpp", "vllm", "petals", "openai"] = Field(
        "openai", description="What runs there, because engines differ in a few fields they read."
    )
    models: tuple[str, ...] = Field(
        (), description="Models to use from it; empty means all that its model list names."
    )
    site: str = Field(
        "", max_length=64, description="Where it stands, as the topology page shows it."
    )
    trust: Trust = Field(
        "public",
        description="Who runs it: this site, to which everything may go as it is, a partner, or anybody (public). "
        "What goes to the latter two passes [adapter.egress].",
    )
    continuation: Literal["auto", "tokens", "prefill", "replay"] = Field(
        "auto",
        description="How it goes on with an answer that another replica began: from token ids, from text, "
        "or only by answering anew; auto finds out by asking it for single tokens.",
    )


class ModelSettings(BaseModel):
    """How one model has to be treated, where it differs from an engine that does all by itself."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str = Field(description="Name of the model, as its upstream lists it.")
    tool_calls: Literal["engine", "schema", "text"] = Field(
        "engine",
        description="Who makes tool calls: the engine itself, the adapter, which holds the engine to a "
        "JSON schema of the offered tools (schema), or the engine's prompt template, "
        "whose calls the adapter reads out of the text (text).",
    )
    force_first_call: tuple[str, ...] = Field(
        (),
        description="Shell patterns of tool names; where offered tools match, "
        "the answer to a new question must begin with a call of one of them.",
    )
    small: bool = Field(
        False,
        description="Whether the model has so few parameters (hundreds of millions) that it needs help: "
        "calls, titles and tags worded from the question, and of a tool's result the fitting sentence only.",
    )
    reasoning: Literal["auto", "starts_open"] = Field(
        "auto",
        description="Whether thinking begins at a <think> tag (auto) or with the answer itself, "
        "because the prompt template has opened it already (starts_open).",
    )
    max_concurrent: int | None = Field(
        None, ge=1, description="As in [adapter.admission], for this model; unset as there."
    )
    max_queued: int | None = Field(
        None, ge=0, description="As in [adapter.admission], for this model; unset as there."
    )


class ClientSettings(BaseModel):
    """A program with a key of its own, beside the site's Open WebUI."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Name = Field(description="Short name that limits, logs and metrics call this client by.")
    api_key: Key = Field(description="Key that it sends as a bearer token.")
    weight: Weight = Field(1, description="Its share among all who wait; 2 gets twice that of 1.")


class AdmissionSettings(BaseModel):
    """How many requests run at once, and who waits how long; for each model by itself."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_concurrent: int = Field(
        256, ge=1, description="Most requests that one model answers at the same time."
    )
    max_queued: int = Field(
        1024,
        ge=0,
        description="Most chats that wait for one model, and most background tasks beside them.",
    )
    max_concurrent_per_user: int = Field(
        128,
        ge=1,
        description="Most of them that one user has at the same time; "
        "a client that names no users is one user.",
    )
    max_queued_per_user: int = Field(
        256, ge=1, description="Most chats, and most background tasks, that wait for one user."
    )
    queue_timeout_s: float = Field(
        60, gt=0, description="Longest wait in the queue before a request is refused, in seconds."
    )
    weights: dict[str, Weight] = Field(
        {},
        description="Shares among all who wait, by a user's id or e-mail address or a client's name; "
        "1 where nothing is said.",
    )


class QuotaSettings(BaseModel):
    """How many tokens, read and written, a user may spend in a day (UTC)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    tokens_per_user_and_day: int = Field(
        0, ge=0, description="Tokens of every user; 0 sets no limit."
    )
    overrides: dict[str, Annotated[int, Field(ge=0)]] = Field(
        {},
        description="Tokens of single users, by id or e-mail address or a client's name; "
        "0 sets no limit.",
    )


class AdapterSettings(BaseModel):
    """The gateway between the site's clients and the models."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: int = Field(8081, ge=0, le=65535, description="TCP port to listen on.")
    api_key: Key | None = Field(
        None, description="Key that Open WebUI sends as a bearer token; required."
    )
    admin_key: Key | None = Field(
        None, description="Key that operators send as a bearer token; without it nobody is one."
    )
    labels_key: Key | None = Field(
        None,
        description="Key with which the site's MCP servers register what their results hold; without it none can.",
    )
    user_jwt_secret: SecretStr | None = Field(
        None,
        description="Secret of at least 32 bytes with which Open WebUI signs who asks "
        "(its FORWARD_USER_INFO_HEADER_JWT_SECRET); without it all its users count as one.",
    )
    clients: tuple[ClientSettings, ...] = Field(
        (), description="Further programs with keys of their own."
    )
    admission: AdmissionSettings = Field(
        default_factory=AdmissionSettings, description="Who waits for a model, and how long."
    )
    quotas: QuotaSettings = Field(
        default_factory=QuotaSettings, description="What a user may spend in a day."
    )
    database_url: DatabaseUrl | None = Field(
        None,
        description="Where the adapter keeps labels and receipts, and counts what users spend: "
        "sqlite:////path/to/file or "
        "postgresql://user:password@host/database, which several adapters can share.",
    )
    egress: EgressSettings = Field(
        default_factory=lambda: EgressSettings(),
        description="What leaves the site, to upstreams that it does not run itself.",
    )
    upstreams: tuple[UpstreamSettings, ...] = Field(
        (), description="The servers that answer; several that offer one model are its replicas."
    )
    models: tuple[ModelSettings, ...] = Field(
        (), description="Models that need special treatment; the others need no entry."
    )
    connect_timeout_s: float = Field(
        5, gt=0, description="Longest wait for a connection to an upstream, in seconds."
    )
    first_token_timeout_s: float = Field(
        120, gt=0, description="Longest wait for the first piece of an answer, in seconds."
    )
    stall_timeout_s: float = Field(
        20,
        gt=0,
        description="Longest silence of an upstream within an answer, in seconds; "
        "after it another replica goes on with the answer.",
    )
    patience_s: float = Field(
        5,
        ge=0,
        description="How long after a replica has failed an answer that nobody else can give or go on with "
        "waits for its return, in seconds; a server may be starting again.",
    )
    hedge_after_s: float = Field(
        0,
        ge=0,
        description="Wait for the first piece of an answer after which a second replica is asked too, "
        "in seconds; the first to begin answers. 0 asks no second one.",
    )
    selection: Literal["prefix", "session", "round_robin"] = Field(
        "prefix",
        description="Which replica is asked: the one that has the conversation's beginning in its cache "
        "(prefix), the one that answered this chat (session), or each in turn.",
    )
    keep_alive_s: float = Field(
        15,
        gt=0,
        description="Silence towards a streaming client after which a comment is sent "
        "so that proxies keep the connection, in seconds.",
    )
    catalogue_refresh_s: float = Field(
        5,
        gt=0,
        description="How often every upstream is asked for its models, in seconds; "
        "that is also the cheap probe of its health.",
    )
    max_request_bytes: int = Field(
        32 * 1024 * 1024, gt=0, description="Longest accepted request body, in bytes."
    )
    otlp_endpoint: BaseUrl | None = Field(
        None,
        description="Base address of an OTLP/HTTP receiver, such as http://127.0.0.1:4318, that gets a span of "
        "each request, without its content; needs the extra 'tracing'. Unset, no spans are made.",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="Least severe kind of log line that is written."
    )

    @model_validator(mode="after")
    def _names_are_unique(self) -> "AdapterSettings":
        for what, names in (
            ("upstreams", [upstream.name for upstream in self.upstreams]),
            ("models", [model.id for model in self.models]),
            ("clients", [client.name for client in self.clients]),
        ):
            twice = sorted({name for name in names if names.count(name) > 1})
            if twice:
                raise ValueError(f"{what} has two entries named {', '.join(twice)}")
        return self

    def model(self, model_id: str) -> ModelSettings:
        """The entry for `model_id`, or the defaults where there is none."""
        for model in self.models:
            if model.id == model_id:
                return model
        return ModelSettings(id=model_id)
