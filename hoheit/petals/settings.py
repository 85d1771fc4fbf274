"""What can be set about the site's share of a swarm."""

from pydantic import BaseModel, ConfigDict, Field

from backend_adapter.petals.settings import GatewaySettings, NodeSettings


class PetalsSettings(BaseModel):
    """The nodes that this site runs, and its gateway to the swarm."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    node: NodeSettings = Field(
        default_factory=lambda: NodeSettings(),
        description="A node of the swarm: `hoheit petals node`, and each of those of `hoheit up --engine petals`.",
    )
    gateway: GatewaySettings = Field(
        default_factory=lambda: GatewaySettings(),
        description="The OpenAI-compatible server in front of the swarm: `hoheit petals gateway`.",
    )
