"""How fast a swarm answers whose nodes are far from each other: Petals' own client and ours."""
