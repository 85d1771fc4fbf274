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

Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
BaseUrl = Annotated[str, StringConstraints(pattern=r"^https?://[^\s/?#@]+(/[^\s?#]*)?$")]


def _fits_a_header(key: SecretStr) -> SecretStr:
    value = key.get_secret_value()
    if not value.isascii() or not value.isprintable() or " " in value:
        raise ValueError("a key is sent in a header: use printable ASCII characters without spaces")
    return key


Key = Annotated[SecretStr, AfterValidator(_fits_a_header)]


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


class ModelSettings(BaseModel):
    """How one model has to be treated, where it differs from an engine that does all by itself."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str = Field(description="Name of the model, as its upstream lists it.")
    tool_calls: Literal["engine", "schema"] = Field(
        "engine",
        description="Who makes tool calls: the engine itself, or the adapter, "
        "which holds the engine to a JSON schema of the offered tools.",
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


class AdapterSettings(BaseModel):
    """The gateway between the site's clients and the models."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: int = Field(8081, ge=0, le=65535, description="TCP port to listen on.")
    api_key: Key | None = Field(
        None, description="Key that clients must send as a bearer token; required."
    )
    upstreams: tuple[UpstreamSettings, ...] = Field(
        (), description="The servers that answer; of two that offer one model the first is asked."
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
        60, gt=0, description="Longest silence of an upstream within an answer, in seconds."
    )
    keep_alive_s: float = Field(
        15,
        gt=0,
        description="Silence towards a streaming client after which a comment is sent "
        "so that proxies keep the connection, in seconds.",
    )
    catalogue_refresh_s: float = Field(
        10, gt=0, description="How often every upstream is asked for its models, in seconds."
    )
    max_request_bytes: int = Field(
        32 * 1024 * 1024, gt=0, description="Longest accepted request body, in bytes."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="Least severe kind of log line that is written."
    )

    @model_validator(mode="after")
    def _names_are_unique(self) -> "AdapterSettings":
        for what, names in (
            ("upstreams", [upstream.name for upstream in self.upstreams]),
            ("models", [model.id for model in self.models]),
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
