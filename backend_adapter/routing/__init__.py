"""Which upstreams can answer for which model, and who is asked."""
