"""The OpenAI-compatible server in front of a swarm."""
