"""vLLM as part of a site: its environments, how its servers start, and how those of other hosts are started."""
