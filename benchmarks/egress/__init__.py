"""What the egress boundary finds, what it costs and what it changes, beside its peers on the same work."""
