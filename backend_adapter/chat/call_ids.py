"""Names for the tool calls that the adapter reads itself."""

import uuid

# More calls than this in one answer are a model that finds no end.
MAX_CALLS = 128


def new_call_id() -> str:
    """An id that no other call has, in the form that clients know."""
    return f"call_{uuid.uuid4().hex}"
