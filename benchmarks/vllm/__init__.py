"""Many users on real vLLM servers: straight, through the adapter, and through vLLM's own router."""
