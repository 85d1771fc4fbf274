"""The model on site that needs no other server: llama.cpp in a process of its own.

`serve(EmbeddedSettings(...))` blocks and answers the OpenAI API on its own address, so that the
adapter reaches it like any other upstream.
"""

from backend_adapter.embedded.settings import EmbeddedSettings
from backend_adapter.embedded.weights import default_weights, resolve_weights

__all__ = ["EmbeddedSettings", "default_weights", "resolve_weights"]
