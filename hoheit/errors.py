"""What can go wrong while a site is set up, started or watched.

HoheitError
├── SettingsError     a key or value in hoheit.toml or in the environment is refused
├── BuildError        an isolated environment cannot be built
├── StartError        a part cannot be started, or died while starting
└── OpenWebUIError    Open WebUI is unreachable, too old, or refuses what is asked of it
"""


class HoheitError(Exception):
    """Root of the family: `message` names the cause and the offending value, `remedy` the next step."""

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(message, remedy)
        self.message = message
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.message} {self.remedy}".strip()


class SettingsError(HoheitError):
    """A key or a value is not allowed; the message names the key, the value and what is allowed."""


class BuildError(HoheitError):
    """An isolated environment could not be built; nothing half-built is left behind."""


class StartError(HoheitError):
    """A part cannot be started or stopped before it was ready."""


class OpenWebUIError(HoheitError):
    """Open WebUI cannot be brought into the state that the bundle needs."""
