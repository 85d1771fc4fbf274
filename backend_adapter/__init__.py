"""The on-site door to the remote models: an OpenAI-compatible gateway."""
