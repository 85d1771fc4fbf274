"""One node of the swarm: it serves some layers of a model to whoever belongs to the swarm."""
