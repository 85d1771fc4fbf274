"""Proves the failover: every fault an engine can have, at every place of an answer, through a real adapter."""
