"""What the boundary is compared with, each in an environment of its own.

`presidio` and `llm_guard` run there as `python -m benchmarks.egress.peers.NAME`: a JSON object comes on standard
input, one leaves on standard output. `running` is what starts them.
"""
