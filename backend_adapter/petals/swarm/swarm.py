"""The swarm of one model, as its client sees it."""

from collections.abc import Mapping

from backend_adapter.petals.errors import SwarmSettingsError
from backend_adapter.petals.settings import GatewaySettings
from backend_adapter.petals.shape import read_shape
from backend_adapter.petals.spans import SwarmState
from backend_adapter.petals.swarm.audit import Auditing
from backend_adapter.petals.swarm.bans import Ban
from backend_adapter.petals.swarm.directory import Directory
from backend_adapter.petals.swarm.session import Embed, Session


class Swarm:
    """An async context manager; inside, sessions can be opened. Raises SwarmUnreachableError on entering.

    `layers` and `width` are those of the model.
    """

    def __init__(self, settings: GatewaySettings) -> None:
        if settings.model is None:
            raise SwarmSettingsError("No model is named.", "Set model to the directory of one.")
        shape = read_shape(settings.model)
        self.layers, self.width = shape.layers, shape.width
        self._settings = settings
        self._directory = Directory(settings, shape.layers)
        self._auditing = Auditing(self._directory, settings, shape.width)

    async def __aenter__(self) -> "Swarm":
        await self._directory.open()
        self._auditing.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._auditing.close()
        await self._directory.close()

    def session(self, embed: Embed, max_tokens: int) -> Session:
        """A conversation of at most so many tokens, which `embed` gives as states."""
        return Session(self._directory, self._settings, self.layers, self.width, embed, max_tokens)

    def state(self) -> SwarmState:
        """Who is there, as last looked up."""
        return self._directory.state()

    def banned(self) -> Mapping[str, Ban]:
        """Nodes that are not used for now, by peer id."""
        return self._directory.bans.banned()

    async def ready(self, timeout_s: float) -> None:
        """Wait until every layer is served. Raises MissingLayersError after the timeout."""
        await self._directory.wait_for_path(1, 0, self.layers, timeout_s)

    async def audit(self) -> None:
        """Compare nodes that serve the same layers now, rather than at the next turn."""
        await self._auditing.compare()
