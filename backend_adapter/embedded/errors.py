"""What can keep the embedded engine from starting."""

from backend_adapter.errors import AdapterError


class EmbeddedError(AdapterError):
    """The embedded engine does not start; the message says why, the remedy what to do."""


class WeightsError(EmbeddedError):
    """There is no usable weights file where one should be."""


class AddressError(EmbeddedError):
    """The address to listen on is unknown or used by another program."""


class EngineError(EmbeddedError):
    """llama.cpp is not installed, or refuses the weights."""
