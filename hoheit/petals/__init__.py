"""The swarm as parts of a site: its settings, its processes, and how they start in an environment of their own."""
