"""Many users at once on one swarm: nodes of ours beside stock Petals nodes."""
