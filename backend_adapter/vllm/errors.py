"""What can keep a vLLM server from being started or looked at.

VllmError
├── LayoutError    the hosts cannot be used as they were named
└── CheckError     a server does not tell what it should
"""

from backend_adapter.errors import AdapterError


class VllmError(AdapterError):
    """Root of the family: what went wrong, with the offending value, and what to do about it."""


class LayoutError(VllmError):
    """A model cannot be spread over these hosts as it was asked for."""


class CheckError(VllmError):
    """A server that should answer does not, or tells something that cannot be read."""
