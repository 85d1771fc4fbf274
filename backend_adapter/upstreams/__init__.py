"""The way out: one client for every server that speaks the OpenAI API."""
