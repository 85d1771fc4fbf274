"""A Petals swarm: its nodes, the way through them, and the gateway that makes them an OpenAI-compatible upstream.

Everything here runs in the swarm's own environment (environments/petals.in), never in the project's.
"""
