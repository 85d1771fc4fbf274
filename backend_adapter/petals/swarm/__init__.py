"""The client's side of a swarm: who is there, the way through them, and conversations along it."""
