"""What the routes need, made once when the adapter starts and kept in step with its settings."""

import asyncio

from sqlalchemy.ext.asyncio import AsyncEngine
from starlette.requests import Request

from backend_adapter.api.chats_begun import ChatsBegun
from backend_adapter.api.identity import Identity
from backend_adapter.api.telemetry import Telemetry
from backend_adapter.egress.guard import Guard
from backend_adapter.egress.labels import Labels
from backend_adapter.egress.receipts.store import Receipts
from backend_adapter.routing.admission import Admission, limits_for
from backend_adapter.routing.pool import Pool
from backend_adapter.routing.quotas import Quotas
from backend_adapter.settings import AdapterSettings


class Services:
    """The settings in force and all that follows from them; `started` is a Unix time in whole seconds."""

    def __init__(
        self,
        settings: AdapterSettings,
        pool: Pool,
        database: AsyncEngine | None,
        telemetry: Telemetry,
        guard: Guard,
        started: int,
        receipts: Receipts | None = None,
    ) -> None:
        """Raises SettingsError where the settings contradict themselves."""
        self.settings = settings
        self.pool = pool
        self.telemetry = telemetry
        self.guard = guard
        # Without a database nothing can be labelled, and nothing is noted down.
        self.labels = Labels(database, settings.egress.labels_days) if database else None
        self.chats = ChatsBegun(self.labels)
        self.receipts = receipts
        self.started = started
        self._database = database
        self._admissions: dict[str, Admission] = {}
        self.identity = Identity(settings)
        self.quotas = Quotas(database, settings.quotas)
        pool.apply(settings)

    def admission(self, model: str) -> Admission:
        """The places of `model`, which must be one that exists."""
        found = self._admissions.get(model)
        if found is None:
            found = self._admissions[model] = Admission(limits_for(self.settings, model))
        return found

    @property
    def admissions(self) -> dict[str, Admission]:
        """The places of every model that was asked so far."""
        return self._admissions

    async def apply(self, settings: AdapterSettings) -> None:
        """Take changed settings over; requests in progress keep those they began with.

        The lists of protected values are read anew. Raises SettingsError, and changes nothing then.
        """
        identity = Identity(settings)
        quotas = Quotas(self._database, settings.quotas)
        guard = await asyncio.to_thread(Guard.read, settings.egress)
        self.settings, self.identity, self.quotas = settings, identity, quotas
        self.guard = guard
        if self.labels is not None:
            self.labels.days = settings.egress.labels_days
        if self.receipts is not None:
            self.receipts.apply(settings.egress.receipts)
        self.pool.apply(settings)
        for model, admission in self._admissions.items():
            admission.apply(limits_for(settings, model))


def services(request: Request) -> Services:
    """The services of the app that `request` came to."""
    found: Services = request.app.state.services
    return found
