"""Settings that every server of the site has."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr

DataClass = Literal["public", "internal", "confidential", "secret"]
"""How far data may go, from `public` (anywhere) to `secret` (never off the site)."""

Kind = Literal["person", "text", "address", "code", "iban", "phone", "email", "date", "secret"]
"""What a labelled value is, which says in what forms it may stand in a text; dates are ISO 8601."""

LogLevel = Literal["debug", "info", "warning", "error"]

NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$"
"""Names of roots and databases: they are part of paths and citations."""


class ServerSettings(BaseModel):
    """Where a server listens, who may call it, and how much one call may cost."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: str = Field("127.0.0.1", description="Address the server binds to.")
    token: SecretStr | None = Field(
        None,
        description="Bearer token that callers must send; without one the server refuses to start.",
    )
    allowed_hosts: tuple[str, ...] = Field(
        (),
        description="Host names under which callers may address the server, "
        "besides loopback and the bind address.",
    )
    allowed_origins: tuple[str, ...] = Field(
        (),
        description="Origins of web pages that may call the server from a browser, "
        "such as https://chat.example.org.",
    )
    call_timeout_s: float = Field(
        60.0, gt=0, le=600, description="Longest time one tool call may take, in seconds."
    )
    max_concurrent_calls: int = Field(
        4, ge=1, le=64, description="Number of tool calls that run at the same time."
    )
    max_waiting_calls: int = Field(
        32,
        ge=0,
        le=1024,
        description="Number of tool calls that may wait for their turn; more are refused.",
    )
    max_result_chars: int = Field(
        16_000, ge=1_000, le=200_000, description="Longest result of one tool call, in characters."
    )
    labels_url: str | None = Field(
        None,
        pattern=r"^https?://[^/?#]+/?$",
        description="Address of the adapter, with which labels are registered before a result is returned. "
        "Without it nothing labelled, confidential or secret can be served.",
    )
    labels_key: SecretStr | None = Field(
        None, description="Key that lets the server register labels with the adapter."
    )
    log_level: LogLevel = Field("info", description="Least severity of the lines the server logs.")
